/**
 * A gateway that was off is the same as one that ran without readings, for each kind whose page says so: once the clock is known, whatever
 * was known of it at the start. A kind remembers for itself, so each is asked without an engine.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Growth } from '../../../src/rules/growth.ts';
import { RULE_KINDS } from '../../../src/rules/kinds.ts';
import type { ConditionMemory } from '../../../src/rules/rule-kind.ts';
import { WallClock } from '../../../src/rules/wall-clock.ts';

const SECOND = 1000;
const HOUR = 3_600_000;
/** UTC ms at true time 0: a little before noon. */
const WALL = Date.UTC(2026, 10, 27, 11, 58);

interface Step {
  /** Since the step before, s. */
  readonly after: number;
  readonly value: number;
  /** The gateway was off in this time, and started in the last second of it. */
  readonly off: boolean;
  /** Readings of the run that come before the clock is known; 0: it is known at the start. */
  readonly unknown: number;
}
interface Moment {
  readonly at: number;
  readonly verdict: string;
  readonly value: number | undefined;
}

/** A row of runs with one memory each. @param interrupted false: one run through all of it */
function play(kind: string, setting: unknown, steps: readonly Step[], interrupted: boolean): Moment[] {
  const condition = RULE_KINDS.find(({ key }) => key === kind)?.create(setting, 0);
  assert.ok(condition?.type === 'memory');
  const seen: Moment[] = [];
  let boot = -500 * SECOND;
  let t = 0;
  let clock = new WallClock({ at: -boot, wall: WALL, wallKnown: true });
  let memory: ConditionMemory = condition.start({ at: -boot, saved: undefined, off: undefined, clock, suspect: () => false });
  /** Until the clock is known: readings to come, and the time off. */
  let waits: { left: number; off: number } | undefined;
  const pass = (to: number) => {
    for (let due = memory.due, last = -1; due + boot <= to && due > last; due = memory.due) {
      memory.advance(due);
      last = due;
    }
    t = to;
  };
  const look = () => seen.push({ at: t, verdict: memory.verdict, value: memory.measured?.value });
  for (const { after, value, off, unknown } of steps) {
    const next = t + after * SECOND;
    const started = next - SECOND;
    if (off && interrupted && waits === undefined && started > t) {
      const saved: unknown = JSON.parse(JSON.stringify(memory.save(t - boot) ?? null));
      const isOff = started - t;
      boot = started - 7 * SECOND;
      clock = new WallClock({ at: started - boot, wall: unknown === 0 ? WALL + started : 0, wallKnown: unknown === 0 });
      const known = unknown === 0 ? isOff : undefined;
      memory = condition.start({ at: started - boot, saved: saved ?? undefined, off: known, clock, suspect: () => false });
      if (unknown > 0) waits = { left: unknown, off: isOff };
    }
    pass(next);
    memory.value(t - boot, value, 0);
    if (waits !== undefined && --waits.left === 0) {
      clock.take({ at: t - boot, wall: WALL + t, wallKnown: true });
      memory.clockChanged?.(t - boot, waits.off);
      waits = undefined;
    }
    // What a window says it says with a reading.
    memory.value(t - boot, value, 0);
    if (waits === undefined) look();
  }
  return seen;
}

const steps = (after: fc.Arbitrary<number>, value: fc.Arbitrary<number>) =>
  fc.array(fc.record({ after, value, off: fc.boolean(), unknown: fc.constantFrom(0, 0, 1, 2, 3) }), {
    minLength: 2,
    maxLength: 25,
  });

function same(kind: string, setting: unknown, all: readonly Step[]): void {
  const through = new Map(play(kind, setting, all, false).map((moment) => [moment.at, moment]));
  for (const { at, verdict, value } of play(kind, setting, all, true)) {
    const want = through.get(at);
    assert.equal(verdict, want?.verdict, `${kind} at ${at}: ${value}, not ${want?.value}`);
    const apart = Math.abs((value ?? 0) - (want?.value ?? 0));
    assert.ok(apart <= 1e-9 * Math.max(1, Math.abs(value ?? 0)), `${kind} at ${at}: ${value}, not ${want?.value}`);
  }
}

const level = fc.integer({ min: 0, max: 12 });
const pause = fc.oneof(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 30, max: 90 }));
/** Windows whose parts are a second, so that each border of one run is one of the next. */
const WINDOWS: Readonly<Record<string, object>> = {
  average: { above: 7, over: 60 * SECOND },
  minimum: { below: 3, over: 60 * SECOND },
  maximum: { above: 10, over: 60 * SECOND },
  percentile: { p: 60, above: 7, over: 240 * SECOND },
  rate: { above: 0.5, per: 10 * SECOND, over: 60 * SECOND },
};
for (const [kind, setting] of Object.entries(WINDOWS))
  test(`${kind}: off is the same as silent`, () => {
    fc.assert(
      fc.property(steps(pause, level), (all) => same(kind, setting, all)),
      { numRuns: 200 },
    );
  });

/** The values of a counter that grows so much each time. */
const grown = (all: readonly Step[]) => {
  let count = 100;
  return all.map((step) => {
    count += step.value;
    return { ...step, value: count };
  });
};

test('delta: off is the same as silent', () => {
  fc.assert(
    fc.property(steps(pause, level), (all) => same('delta', { above: 40, over: 60 * SECOND }, grown(all))),
    { numRuns: 300 },
  );
});

test('total: off is the same as silent, over the borders of hours too', () => {
  const minutes = fc.integer({ min: 1, max: 100 }).map((n) => n * 60);
  fc.assert(
    // What grows between two readings that both wait for the clock is no longer told apart: only one of them waits.
    fc.property(steps(minutes, level), (all) =>
      same('total', { above: 15, per: 'hour' }, grown(all.map((step) => ({ ...step, unknown: Math.min(1, step.unknown) })))),
    ),
    { numRuns: 300 },
  );
});

for (const [name, more] of [
  ['in a window', { within: 120 * SECOND }],
  ['in all', {}],
] as const)
  test(`beyond, ${name}: off is the same as silent`, () => {
    const setting = { above: 7, for: 40 * SECOND, gap: 20 * SECOND, ...more };
    fc.assert(
      fc.property(steps(pause, level), (all) => same('beyond', setting, all)),
      { numRuns: 300 },
    );
  });

test('a total loses nothing and counts nothing twice, whatever is known of the clock', () => {
  const condition = RULE_KINDS.find(({ key }) => key === 'total')?.create({ above: 1e9, per: 'month' }, 0);
  assert.ok(condition?.type === 'memory');
  const run = fc.record({
    readings: fc.array(fc.tuple(fc.integer({ min: 1, max: 600 }), level), { maxLength: 5 }),
    off: fc.integer({ min: 0, max: 4 * HOUR }),
    knows: fc.constantFrom<('start' | 'end' | 'never')[]>('start', 'end', 'never'),
    /** Whether the rule knows in the next run how long it was off. */
    told: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(run, { minLength: 1, maxLength: 6 }), (runs) => {
      let saved: unknown;
      let count = 100;
      let first: number | undefined;
      let t = 0;
      let learns: number | undefined = 0;
      for (const [i, { readings, off, knows, told }] of [
        ...runs,
        { readings: [[1, 5]], off: 0, knows: 'start', told: true } as const,
      ].entries()) {
        t += off;
        const start = 5000;
        const boot = t - start;
        const clock = new WallClock({ at: start, wall: knows === 'start' ? WALL + t : 0, wallKnown: knows === 'start' });
        const length = told && i > 0 ? off : undefined;
        learns = knows === 'start' ? undefined : length;
        const memory = condition.start({
          at: start,
          saved,
          off: knows === 'start' ? length : undefined,
          clock,
          suspect: () => false,
        });
        for (const [after, grows] of readings) {
          t += after * SECOND;
          count += grows;
          first ??= count;
          memory.value(t - boot, count, 0);
        }
        if (knows === 'end') {
          clock.take({ at: t - boot, wall: WALL + t, wallKnown: true });
          memory.clockChanged?.(t - boot, learns);
        }
        saved = JSON.parse(JSON.stringify(memory.save(t - boot)));
        if (i === runs.length) assert.equal(memory.measured?.value, count - (first ?? count));
      }
    }),
    { numRuns: 500 },
  );
});

/** A memory that this kind made of readings, as JSON. */
const filled = (kind: string, setting: unknown): unknown => {
  const condition = RULE_KINDS.find(({ key }) => key === kind)?.create(setting, 0);
  assert.ok(condition?.type === 'memory');
  const clock = new WallClock({ at: 0, wall: WALL, wallKnown: true });
  const memory = condition.start({ at: 0, saved: undefined, off: undefined, clock, suspect: () => false });
  for (let i = 1; i <= 30; i++) memory.value(i * SECOND, i, 0);
  return JSON.parse(JSON.stringify(memory.save(31 * SECOND)));
};
const leaf = { point: 'd.p', kind: 'average', setting: WINDOWS.average, deadband: 0 };
const KEEPING: Readonly<Record<string, unknown>> = {
  ...WINDOWS,
  delta: { above: 40, over: 60 * SECOND },
  total: { above: 15, per: 'hour' },
  beyond: { above: 7, for: 40 * SECOND, gap: 20 * SECOND, within: 120 * SECOND },
  stuck: { for: 10 * SECOND, within: 0 },
  anomaly: { season: 'day', sensitivity: 'normal' },
  all: { count: 2, of: [leaf, { ...leaf, kind: 'delta', setting: { above: 40, over: 60 * SECOND } }] },
};

/** A memory that goes on at 5 s of a later run, and what it saves at 7 s. @param later the clock becomes known at 6 s */
const wentOn = (kind: string, setting: unknown, saved: unknown, off: number, later: boolean): unknown => {
  const condition = RULE_KINDS.find(({ key }) => key === kind)?.create(setting, 0);
  assert.ok(condition?.type === 'memory');
  const [at, wall] = [5 * SECOND, WALL + 31 * SECOND + off];
  const clock = new WallClock({ at, wall, wallKnown: !later });
  const memory = condition.start({ at, saved, off: later ? undefined : off, clock, suspect: () => false });
  if (later) {
    clock.take({ at: at + SECOND, wall: wall + SECOND, wallKnown: true });
    memory.clockChanged?.(at + SECOND, off);
  }
  return memory.save(at + 2 * SECOND);
};

test('a clock that is known before the first reading is as one that was known at the start', () => {
  for (const [kind, setting] of Object.entries(KEEPING)) {
    const saved = filled(kind, setting);
    assert.notEqual(saved ?? undefined, undefined, kind);
    // Shorter and longer than the windows.
    for (const off of [0, 3 * SECOND, 600 * SECOND])
      assert.deepEqual(
        wentOn(kind, setting, saved, off, true),
        wentOn(kind, setting, saved, off, false),
        `${kind}, off for ${off} ms`,
      );
  }
});

test('two starts without a clock keep what one start keeps', () => {
  for (const [kind, setting] of Object.entries(KEEPING)) {
    // It counts the time of a run, and no time off.
    if (kind === 'stuck') continue;
    const saved = filled(kind, setting);
    const condition = RULE_KINDS.find(({ key }) => key === kind)?.create(setting, 0);
    assert.ok(condition?.type === 'memory');
    const clock = new WallClock({ at: 0, wall: 0, wallKnown: false });
    const between = condition.start({ at: 0, saved, off: undefined, clock, suspect: () => false });
    const again: unknown = JSON.parse(JSON.stringify(between.save(4 * SECOND)));
    // The run between lasted for 4 s, which the one start was off.
    assert.deepEqual(wentOn(kind, setting, again, 9 * SECOND, true), wentOn(kind, setting, saved, 13 * SECOND, true), kind);
  }
});

test('a window whose time nobody will ever know is gone', () => {
  for (const kind of [...Object.keys(WINDOWS), 'delta', 'beyond']) {
    const saved = filled(kind, KEEPING[kind]);
    const condition = RULE_KINDS.find(({ key }) => key === kind)?.create(KEEPING[kind], 0);
    assert.ok(condition?.type === 'memory');
    for (const known of [true, false]) {
      const clock = new WallClock({ at: 0, wall: known ? WALL : 0, wallKnown: known });
      const memory = condition.start({ at: 0, saved, off: undefined, clock, suspect: () => false });
      clock.take({ at: 0, wall: WALL, wallKnown: true });
      memory.clockChanged?.(0, undefined);
      // What a counter shows now grew at a time that nobody will ever know: it is of no window, also when it is saved.
      if (kind === 'delta') memory.value(SECOND, 1e6, 0);
      const state = memory.save(SECOND) as { window?: { parts: unknown[] }; parts?: unknown[] } | undefined;
      assert.deepEqual(state?.window?.parts ?? state?.parts ?? [], [], `${kind}, ${known}`);
    }
  }
});

test('behind a start without a clock a step that is too fast is no growth', () => {
  const before = new Growth({ maxPerSecond: 1 });
  before.take(0, 100);
  const start = (saved: unknown): Growth => {
    const growth = new Growth({ maxPerSecond: 1 });
    growth.restore(saved, 0, undefined);
    assert.equal(growth.take(SECOND, 100)?.amount, 0, 'the counter stands still');
    growth.offKnown(5 * SECOND);
    return growth;
  };
  // Also where the next start has the same hole.
  for (const growth of [start(before.save(SECOND)), start(start(before.save(SECOND)).save(2 * SECOND))])
    assert.equal(growth.take(3 * SECOND, 1e6), undefined);
});
