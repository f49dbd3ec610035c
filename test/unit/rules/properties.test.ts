/** What holds of every rule, whatever the readings are. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Player } from '../../../src/cli/rules/player.ts';
import type { RecordedSample, Wanted } from '../../../src/cli/rules/recording.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import type { Sample } from '../../../src/core/point.ts';
import { GOOD, reasonCode } from '../../../src/core/reasons.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import type { Moment } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const POINT = { name: 'level', type: 'float64', storage: 'number' } as const;
const shape = { device: 'tank', points: [POINT] };
const moment = (at: number): Moment => ({ at, wall: at, wallKnown: true });
const engine = (rules: Record<string, unknown>) =>
  new RuleEngine({ rules: resolveRules(rules), start: moment(0), shapes: [shape] });
const sample = (at: number, value: number, reason = GOOD): Sample => ({
  shape,
  at,
  values: [value],
  reasons: Uint8Array.of(reason),
});
const SECOND = 1000;

interface Reading {
  /** Since the one before, s. */
  readonly after: number;
  readonly value: number;
  readonly quality: 'good' | 'bad' | 'uncertain';
}
const REASONS = { good: GOOD, bad: reasonCode('timeout'), uncertain: reasonCode('out-of-range') };
const readings = fc.array(
  fc.record({
    after: fc.integer({ min: 0, max: 90 }),
    value: fc.integer({ min: 0, max: 12 }),
    quality: fc.constantFrom<Reading['quality'][]>('good', 'good', 'good', 'good', 'bad', 'uncertain'),
  }),
  { maxLength: 60 },
);

function timed(list: readonly Reading[]): (Reading & { readonly at: number })[] {
  let at = SECOND;
  return list.map((reading) => {
    at += reading.after * SECOND;
    return { ...reading, at };
  });
}

/** A tick at each due time, as a gateway does it. */
function live(rules: RuleEngine, samples: readonly Sample[]): AlarmTransition[] {
  const out: AlarmTransition[] = [];
  let now = 0;
  for (const one of samples) {
    now = Math.max(now, one.at);
    for (let due = rules.nextDue(); due !== undefined && due <= now; due = rules.nextDue()) out.push(...rules.tick(due));
    out.push(...rules.sample(one));
  }
  return out;
}
const words = (transitions: readonly AlarmTransition[]) =>
  transitions.map(({ rule, at, state, occurrence, value, cause, message }) => [
    rule,
    at,
    state,
    occurrence,
    value,
    cause,
    message,
  ]);

test('values inside of a deadband never make an alarm chatter', () => {
  const rules = {
    above: { point: 'tank.level', above: 8, deadband: 2 },
    below: { point: 'tank.level', below: 8, deadband: 2 },
    outside: { point: 'tank.level', outside: { min: 0, max: 8 }, deadband: 2 },
    inside: { point: 'tank.level', inside: { min: 8, max: 20 }, deadband: 2 },
    // What a window makes of such values lies between them.
    average: { point: 'tank.level', average: { above: 8, over: '10s' }, deadband: 2 },
    minimum: { point: 'tank.level', minimum: { below: 8, over: '10s' }, deadband: 2 },
    maximum: { point: 'tank.level', maximum: { above: 8, over: '10s' }, deadband: 2 },
    percentile: { point: 'tank.level', percentile: { p: 90, above: 8, over: '10s' }, deadband: 2 },
  };
  // Beyond 6 and 10 an alarm may end or begin again.
  const value = fc.double({ min: 6, max: 10, noNaN: true, minExcluded: true, maxExcluded: true });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 80 }), (values) => {
      const out = live(
        engine(rules),
        values.map((one, i) => sample((i + 1) * SECOND, one)),
      );
      for (const rule of Object.keys(rules)) assert.ok(out.filter((t) => t.rule === rule).length <= 1, rule);
    }),
    { numRuns: 60 },
  );
});

test('an onDelay never ends early, and nothing normal is inside of it', () => {
  const onDelay = 60 * SECOND;
  fc.assert(
    fc.property(readings, (list) => {
      const all = timed(list);
      const rules = engine({ high: { point: 'tank.level', above: 8, onDelay: '60s' } });
      const out = live(
        rules,
        all.map(({ at, value, quality }) => sample(at, value, REASONS[quality])),
      );
      for (const { at } of out.filter(({ state }) => state === 'active-unacknowledged')) {
        const known = all.filter((one) => one.quality !== 'bad' && one.at < at);
        const before = known.filter((one) => one.at <= at - onDelay).at(-1);
        assert.ok(before !== undefined && before.value > 8, `at ${at}`);
        assert.ok(
          known.every((one) => one.at <= at - onDelay || one.value > 8),
          `inside of the delay before ${at}`,
        );
      }
    }),
    { numRuns: 100 },
  );
});

const EVERY = {
  high: { point: 'tank.level', above: 8, deadband: 1, onDelay: '60s', offDelay: '30s' },
  band: { point: 'tank.level', outside: { min: 2, max: 10 }, quality: { bad: 'alarm' } },
  silent: { point: 'tank.level', stale: '2m' },
  mean: { point: 'tank.level', average: { above: 7, over: '5m' } },
  sum: { point: 'tank.level', beyond: { above: 8, for: '3m', within: '10m' } },
  same: { point: 'tank.level', stuck: '4m' },
  grew: { point: 'tank.level', delta: { above: 10, over: '5m' } },
  both: { all: [{ point: 'tank.level', above: 6 }, { not: { point: 'tank.level', stale: '1m' } }] },
};

test('a replay of readings gives what they gave live', () => {
  const wanted: Wanted = new Map([['tank.level', { ...POINT, device: 'tank', typed: true }]]);
  fc.assert(
    fc.property(readings, fc.integer({ min: 0, max: 300 }), (list, late) => {
      const all = timed(list);
      // One reading comes when newer ones are there.
      const [first] = all;
      const disturbed =
        first === undefined ? all : [...all, { ...first, at: Math.max(0, (all.at(-1)?.at ?? 0) - late * SECOND) }];
      const out = live(
        engine(EVERY),
        disturbed.map(({ at, value, quality }) => sample(at, value, REASONS[quality])),
      );
      const replayed: AlarmTransition[] = [];
      const player = new Player({
        ...{ wanted, from: 0 },
        engine: (start) => new RuleEngine({ rules: resolveRules(EVERY), start, shapes: [shape] }),
        onTransition: (transition) => replayed.push(transition),
        onReading: () => undefined,
      });
      for (const [line, { at, value, quality }] of disturbed.entries()) {
        const reading = {
          device: 'tank',
          point: 'level',
          value: quality === 'bad' ? undefined : value,
          reason: REASONS[quality],
        };
        const recorded: RecordedSample = { time: at, line, boot: undefined, estimated: false, readings: [reading] };
        player.take(recorded);
      }
      player.end(undefined);
      assert.deepEqual(words(replayed), words(out));
    }),
    { numRuns: 80 },
  );
});

test('a reading from before the newest one changes nothing, of whatever kind the rule is', () => {
  fc.assert(
    fc.property(readings, fc.array(fc.tuple(fc.nat(59), fc.integer({ min: 0, max: 40 })), { maxLength: 6 }), (list, extra) => {
      const all = timed(list).map(({ at, value, quality }) => sample(at, value, REASONS[quality]));
      const disturbed = all.flatMap((one, i) => [
        one,
        ...extra.filter(([place]) => place === i).map(([, value]) => sample(one.at - 1, value)),
      ]);
      assert.deepEqual(words(live(engine(EVERY), disturbed)), words(live(engine(EVERY), all)));
    }),
    { numRuns: 80 },
  );
});

test('glitches of a counter that maxPerSecond forbids change no alarm of its growth', () => {
  const rules = {
    grew: { point: 'tank.level', delta: { above: 40, over: '5m', maxPerSecond: 1 } },
    hour: { point: 'tank.level', total: { above: 100, per: 'hour', maxPerSecond: 1 } },
  };
  const growth = fc.array(fc.record({ grows: fc.integer({ min: 0, max: 30 }), glitch: fc.boolean() }), { maxLength: 60 });
  fc.assert(
    fc.property(growth, (steps) => {
      let total = 0;
      const clean: Sample[] = [];
      const wild: Sample[] = [];
      for (const [i, { grows, glitch }] of steps.entries()) {
        total += grows;
        const good = sample((i + 1) * 30 * SECOND, total);
        clean.push(good);
        wild.push(good);
        // A glitch is one reading; three that agree would be another meter.
        if (glitch) wild.push(sample(good.at + 10 * SECOND, total + 100_000));
      }
      const keyed = (out: readonly AlarmTransition[]) =>
        out.map(({ rule, at, state, occurrence }) => [rule, at, state, occurrence]);
      assert.deepEqual(keyed(live(engine(rules), wild)), keyed(live(engine(rules), clean)));
    }),
    { numRuns: 80 },
  );
});
