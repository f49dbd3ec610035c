/** An alarm out of service for a time: it says nothing until then, over restarts and reloads, and then what holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { type Moment, parseRuleState } from '../../../src/rules/rule-state.ts';
import { ruleOf } from '../../fakes/actions-bench.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WALL = Date.UTC(2026, 10, 26);
const SHAPE = { device: 'd', points: [{ name: 'p', type: 'float64' as const, unit: undefined }] };
const WARM = ruleOf('warm');
const at = (ms: number, known = true): Moment => ({ at: ms, wall: WALL + ms, wallKnown: known });
const engineOf = (rules: readonly ResolvedRule[] = [WARM], start = at(0), saved?: ReturnType<RuleEngine['state']>) =>
  new RuleEngine({
    rules,
    start,
    saved: saved?.flatMap((state) => parseRuleState(JSON.stringify(state)) ?? []),
    shapes: [SHAPE as never],
  });
const read = (engine: RuleEngine, ms: number, value: number): readonly AlarmTransition[] =>
  engine.sample({ shape: SHAPE, at: ms, values: [value], reasons: null } as never);

test('it ends by itself, and says what holds then', () => {
  const engine = engineOf();
  read(engine, 1000, 9);
  const out = engine.outOfService('warm', 'new sensor', 'amina', at(2000), 8 * HOUR);
  assert.equal(out.transitions[0]?.message, 'warm: taken out of service for 8h by amina (new sensor)');
  assert.equal(out.alarm.shelvedUntil, WALL + 2000 + 8 * HOUR);
  assert.deepEqual(read(engine, 3000, 4), []);
  assert.deepEqual(read(engine, 4000, 10), []);
  assert.deepEqual(engine.tick(2000 + 8 * HOUR - 1), []);
  const [back, ...more] = engine.tick(2000 + 8 * HOUR);
  assert.deepEqual(more, []);
  assert.deepEqual([back?.state, back?.cause], ['active-unacknowledged', 'expiry']);
  assert.match(back?.message ?? '', /^warm: the time out of service is over; d\.p is 10, above 8/);
});

test('a reason is asked for, and a time within its bounds', () => {
  const engine = engineOf();
  for (const length of [0, 999, 90 * DAY + 1, Number.NaN, Number.POSITIVE_INFINITY, -1])
    assert.throws(() => engine.outOfService('warm', 'x', 'amina', at(1), length), /1s to 90d/, String(length));
  assert.throws(() => engine.outOfService('warm', '  ', 'amina', at(1), HOUR), /needs a reason/);
  assert.equal(engine.alarms(at(2)).length, 0);
});

test('a restart and a reload keep its end; the time that the gateway was off counts', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 90 * DAY }),
      fc.integer({ min: 0, max: 100 * DAY }),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      (length, off, changes, meanwhile, without) => {
        const first = engineOf();
        first.outOfService('warm', 'new sensor', 'amina', at(0), without ? undefined : length);
        const saved = first.state(at(0));
        const second = engineOf([meanwhile ? { ...WARM, setting: 6 } : WARM], at(off), saved);
        if (changes) second.reload([{ ...WARM, setting: 7 }], at(off));
        const due = second.nextDue();
        const isOut = (ms: number) => second.alarms(at(ms)).some(({ state }) => state === 'out-of-service');
        if (without) {
          second.tick(off + 200 * DAY);
          assert.equal(isOut(off + 200 * DAY), true);
          return;
        }
        assert.ok(due !== undefined && due <= Math.max(off, length));
        second.tick(Math.max(off, length) - 1);
        if (length > off) assert.equal(isOut(Math.max(off, length) - 1), true);
        second.tick(Math.max(off, length));
        assert.equal(isOut(Math.max(off, length)), false);
      },
    ),
    { numRuns: 300 },
  );
});

/** A run that began `off` after the last one ended at WALL, and does not know the time yet: it thinks that it is 1970. */
const dark = (ms: number): Moment => ({ at: ms, wall: ms, wallKnown: false });
const lit = (ms: number, off: number): Moment => ({ at: ms, wall: WALL + off + ms, wallKnown: true });
const stateAt = (engine: RuleEngine, moment: Moment): string => {
  engine.tick(moment.at);
  return engine.alarms(moment)[0]?.state ?? 'normal';
};

test('an end that was set before the clock is known is not moved by the time off', () => {
  for (const act of ['outOfService', 'shelve'] as const)
    for (const stood of [true, false]) {
      const first = engineOf();
      if (stood) read(first, 0, 9);
      const engine = engineOf([WARM], dark(0), first.state(at(0)));
      if (act === 'shelve') engine.shelve('warm', 8 * HOUR, 'amina', dark(10_000), 'noise');
      else engine.outOfService('warm', 'new sensor', 'amina', dark(10_000), 8 * HOUR);
      const saved = engine.state(dark(20_000));
      engine.clockKnown(lit(60_000, 9 * HOUR));
      const end = 10_000 + 8 * HOUR;
      const away = act === 'shelve' ? 'shelved' : 'out-of-service';
      assert.equal(stateAt(engine, lit(end - 1, 9 * HOUR)), away, `${act} ${stood}`);
      assert.notEqual(stateAt(engine, lit(end, 9 * HOUR)), away);
      // The run is killed before it knows the time: nobody knows how long the second time off was.
      const third = engineOf([WARM], lit(0, 20 * HOUR), saved);
      assert.equal(stateAt(third, lit(end - 20_000 - 1, 20 * HOUR)), away, `${act} ${stood}, saved`);
      assert.notEqual(stateAt(third, lit(end - 20_000, 20 * HOUR)), away);
    }
});

test('an end of the last run is moved once the clock is known, also of a rule that was changed', () => {
  for (const change of ['none', 'restart', 'reload'] as const) {
    const first = engineOf();
    first.outOfService('warm', 'new sensor', 'amina', at(0), 8 * HOUR);
    const other = { ...WARM, setting: 7 };
    const engine = engineOf([change === 'restart' ? other : WARM], dark(0), first.state(at(0)));
    engine.tick(0);
    if (change === 'reload') engine.reload([other], dark(500));
    const saved = engine.state(dark(1000));
    engine.clockKnown(lit(60_000, 3 * HOUR));
    assert.equal(engine.alarms(lit(60_000, 3 * HOUR))[0]?.since, WALL, change);
    assert.equal(stateAt(engine, lit(5 * HOUR - 1, 3 * HOUR)), 'out-of-service', change);
    assert.equal(stateAt(engine, lit(5 * HOUR, 3 * HOUR)), 'normal', change);
    // Killed before it knows the time: the clock of the first run still counts.
    const third = engineOf([change === 'none' ? WARM : other], lit(0, 6 * HOUR), saved);
    assert.equal(stateAt(third, lit(2 * HOUR - 1, 6 * HOUR)), 'out-of-service', change);
    assert.equal(stateAt(third, lit(2 * HOUR, 6 * HOUR)), 'normal', change);
  }
});

test('what the alarm suppresses is suppressed when its time out of service is over', () => {
  const flow = { ...WARM, name: 'flow', suppressedBy: ['warm'] };
  const engine = engineOf([WARM, flow]);
  engine.outOfService('warm', 'new sensor', 'amina', at(0), 8 * HOUR);
  read(engine, 1000, 9);
  const shown = (ms: number) => engine.alarms(at(ms)).map(({ rule, state }) => `${rule} ${state}`);
  assert.deepEqual(shown(1000), ['warm out-of-service', 'flow active-unacknowledged']);
  const lines = engine.tick(8 * HOUR).map(({ rule, state, cause }) => `${rule} ${state} ${cause}`);
  assert.deepEqual(lines, ['warm active-unacknowledged expiry', 'flow suppressed suppression']);
  assert.deepEqual(shown(8 * HOUR), ['warm active-unacknowledged', 'flow suppressed']);
});

test('the end comes in the time that the gateway runs, though it never knows the time', () => {
  for (const [act, killed] of [
    ['outOfService', true],
    ['outOfService', false],
    ['shelve', true],
    ['shelve', false],
  ] as const) {
    const run = HOUR;
    const length = 6.5 * HOUR;
    const store = new Map<string, ReturnType<RuleEngine['state']>[number]>();
    const keep = (engine: RuleEngine, ms: number, last = false): void => {
      for (const state of engine.takeDirty(dark(ms), last).changed) store.set(state.rule, state);
    };
    let engine = engineOf([WARM], dark(0));
    if (act === 'shelve') engine.shelve('warm', length, 'amina', dark(0), 'noise');
    else engine.outOfService('warm', 'new sensor', 'amina', dark(0), length);
    let runs = 0;
    let writes = 0;
    for (;;) {
      runs++;
      for (let ms = 0; ms < run; ms += 60_000) {
        const before = store.get('warm');
        engine.tick(ms);
        keep(engine, ms);
        if (store.get('warm') !== before) writes++;
      }
      if (stateAt(engine, dark(run)) === 'normal' || runs === 20) break;
      if (!killed) keep(engine, run, true);
      engine = engineOf([WARM], dark(0), [...store.values()]);
    }
    // A kill costs a twentieth of what is left at most, an orderly end costs nothing.
    assert.ok(killed ? runs >= 7 && runs <= 9 : runs === 7, `${act} ${killed}: ${runs} runs`);
    assert.ok(writes > 10 && writes < 200, `${writes} writes`);
  }
});

test('a long time out of service is saved again each hour at least', () => {
  const engine = engineOf([WARM], dark(0));
  engine.outOfService('warm', 'new sensor', 'amina', dark(0), 90 * DAY);
  const left: number[] = [];
  for (let ms = 0; ms <= DAY; ms += 600_000)
    for (const { shelved } of engine.takeDirty(dark(ms)).changed) left.push((shelved?.left ?? 0) / HOUR);
  assert.deepEqual(
    left,
    Array.from({ length: 25 }, (_, hours) => 90 * 24 - hours),
  );
});
