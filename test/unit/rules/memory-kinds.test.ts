/** Every kind with memory against an oracle that computes it from all readings, and over restarts at any place. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import { badSample, type Shape } from '../../../src/core/point.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { parseRuleState, type RuleState } from '../../../src/rules/rule-state.ts';
import type { Reading, Said } from '../../oracles/memory-oracle.ts';
import * as oracle from '../../oracles/memory-oracle.ts';

const shape: Shape = { device: 'd', points: [{ name: 'p', type: 'float64', storage: 'number' }] };
const WALL = 1_795_000_000_000;
type Line = [at: number, state: string];

function ruleOf(kind: string, setting: unknown, deadband = 0): ResolvedRule {
  const delays = { onDelay: 0, offDelay: 0, severity: 'warning' } as const;
  return { name: 'r', device: 'd', point: 'p', kind, setting, deadband, ...delays };
}

/** One engine, or several in a row: a clean stop before each reading whose index is in `stops`. */
function play(
  rule: ResolvedRule,
  readings: readonly Reading[],
  end: number,
  stops: readonly number[] = [],
  ticks = true,
): Line[] {
  const out: Line[] = [];
  let boot = 0;
  const moment = (t: number) => ({ at: t - boot, wall: WALL + t, wallKnown: true });
  const start = (t: number, saved: RuleState[] = []) => new RuleEngine({ rules: [rule], start: moment(t), saved });
  let engine = start(0);
  const run = (to: number) => {
    for (let due = engine.nextDue(); ticks && due !== undefined && due + boot <= to; due = engine.nextDue())
      take(engine.tick(due));
  };
  const take = (made: ReturnType<RuleEngine['tick']>) => out.push(...made.map(({ at, state }): Line => [at + boot, state]));
  for (const [i, { t, v }] of readings.entries()) {
    run(t);
    if (stops.includes(i)) {
      take(engine.tick(t - boot));
      const text = engine.takeDirty(moment(t), true).changed.map((state) => JSON.stringify(state));
      const saved = [...text, JSON.stringify(engine.state(moment(t))[0])]
        .slice(0, 1)
        .map((one) => parseRuleState(one) as RuleState);
      boot = t - 1000 * (i + 1);
      engine = start(t, saved);
    }
    take(
      engine.sample(
        v === undefined ? badSample(shape, t - boot, 'timeout') : { shape, at: t - boot, values: [v], reasons: null },
      ),
    );
  }
  run(end);
  take(engine.tick(end - boot));
  return out;
}

/** What becomes of an alarm without delays that is given these verdicts. */
function lines(verdicts: readonly [number, Said | undefined][]): Line[] {
  let active = false;
  return verdicts.flatMap(([t, said]): Line[] => {
    if (said === undefined || said === 'unknown' || said === 'between' || active === (said === 'alarm')) return [];
    active = said === 'alarm';
    return [[t, active ? 'active-unacknowledged' : 'normal']];
  });
}

/** Times in steps of `step` ms; about one reading in ten is bad. Several readings may have one time. */
const readingsIn = (step: number, gap: number, value: fc.Arbitrary<number>) =>
  fc
    .array(fc.tuple(fc.integer({ min: 0, max: gap }), fc.option(value, { freq: 10, nil: undefined })), {
      minLength: 1,
      maxLength: 60,
    })
    .map((all) => {
      let t = 0;
      return all.map(([pause, v]): Reading => {
        t += pause * step;
        return { t, v };
      });
    });
const level = fc.integer({ min: 0, max: 20 }).map((n) => n / 2);
const limits = fc.oneof(
  fc.record({ above: fc.integer({ min: 2, max: 8 }) }),
  fc.record({ below: fc.integer({ min: 2, max: 8 }) }),
  fc.constant({ above: 7, below: 3 }),
);
const stopsIn = fc.array(fc.nat(59), { maxLength: 5 });
const endOf = (readings: readonly Reading[]) => (readings.at(-1)?.t ?? 0) + 7_300_000;

/** Live as the oracle says it, live without ticks, and over restarts. */
function check(rule: ResolvedRule, readings: readonly Reading[], stops: readonly number[], expected: readonly Line[]): void {
  const end = endOf(readings);
  assert.deepEqual(play(rule, readings, end), expected);
  assert.deepEqual(play(rule, readings, end, [], false), expected, 'without ticks');
  assert.deepEqual(play(rule, readings, end, stops), expected, `stops before ${stops}`);
}

for (const kind of ['average', 'minimum', 'maximum', 'percentile', 'rate']) {
  test(`${kind} is that of all readings of its window, live and over restarts`, () => {
    fc.assert(
      fc.property(
        ...[readingsIn(250, 40, level), limits, fc.constantFrom(2000, 6000, 15_000, 60_000), stopsIn],
        ...[fc.constantFrom(0, 0.5, 1), fc.integer({ min: 1, max: 100 })],
        (readings, limit, over, stops, deadband, p) => {
          const more = kind === 'percentile' ? { p } : kind === 'rate' ? { per: 10_000 } : {};
          const setting = { ...limit, over, ...more };
          const said = readings.map((r, i): [number, Said | undefined] => [
            r.t,
            oracle.statistic(kind, setting, deadband, readings.slice(0, i + 1)),
          ]);
          check(ruleOf(kind, setting, deadband), readings, stops, lines(said));
        },
      ),
      { numRuns: 300 },
    );
  });
}

const counter = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 95, max: 100 }));

test('delta is the growth of all readings of its window, live and over restarts', () => {
  const limit = fc.oneof(
    fc.record({ above: fc.integer({ min: 5, max: 60 }) }),
    fc.record({ below: fc.integer({ min: 1, max: 60 }) }),
  );
  fc.assert(
    fc.property(
      ...[readingsIn(250, 40, counter), limit, fc.constantFrom(6000, 15_000, 60_000), stopsIn, fc.constantFrom(undefined, 101)],
      (readings, setting, over, stops, rollover) => {
        const whole = { ...setting, over, rollover };
        fc.pre(!isBack(readings));
        const said = readings.map((r, i): [number, Said | undefined] => [r.t, oracle.delta(whole, 0, readings.slice(0, i + 1))]);
        check(ruleOf('delta', whole), readings, stops, lines(said));
      },
    ),
    { numRuns: 500 },
  );
});

/** A counter that fell and came back is no reset (codecs/counter.ts); the oracle does not know that. */
function isBack(readings: readonly Reading[]): boolean {
  const values = readings.flatMap(({ v }) => (v === undefined ? [] : [v])).filter((v, i, all) => v !== all[i - 1]);
  return values.some((v, i) => i > 1 && (values[i - 1] as number) < (values[i - 2] as number) && v >= (values[i - 2] as number));
}

test('total is the growth of all readings of this hour, live and over restarts', () => {
  fc.assert(
    fc.property(readingsIn(60_000, 30, counter), fc.integer({ min: 0, max: 90 }), stopsIn, (readings, above, stops) => {
      fc.pre(!isBack(readings));
      const setting = { above, per: 'hour' };
      const HOUR = 3_600_000;
      const first = Math.ceil(WALL / HOUR) * HOUR - WALL;
      const borders = Array.from({ length: 60 }, (_, i) => first + i * HOUR).filter((t) => t <= endOf(readings));
      const times = [...borders.map((t) => ({ t, i: -1 })), ...readings.map(({ t }, i) => ({ t, i }))].sort((a, b) => a.t - b.t);
      const said = times.map(({ t, i }): [number, Said | undefined] => {
        if (i >= 0 && readings[i]?.v === undefined) return [t, undefined];
        const seen = readings.filter((r, k) => (i < 0 ? r.t < t : k <= i));
        return [t, oracle.total(setting, seen, t, WALL)];
      });
      check(ruleOf('total', setting), readings, stops, lines(said));
    }),
    { numRuns: 300 },
  );
});

test('beyond is the time of all readings beyond the limit, live and over restarts', () => {
  fc.assert(
    fc.property(
      ...[readingsIn(100, 30, level), limits, fc.constantFrom(1000, 2000, 5000), fc.constantFrom(undefined, 12_000, 6000)],
      ...[fc.constantFrom(1000, 3000), fc.constantFrom(0, 1), stopsIn],
      (readings, limit, length, within, gap, deadband, stops) => {
        const setting = { ...limit, for: length, gap, ...(within !== undefined && { within }) };
        const end = (readings.at(-1)?.t ?? 0) + 4000;
        check(ruleOf('beyond', setting, deadband), readings, stops, lines(oracle.beyond(setting, deadband, readings, 50, end)));
      },
    ),
    { numRuns: 300 },
  );
});

test('stuck is the time in which all readings were the same, live and over restarts', () => {
  const few = fc.constantFrom(1, 1, 1, 1, 1, 1.5, 2, 5);
  fc.assert(
    fc.property(
      ...[readingsIn(250, 10, few), fc.constantFrom(1000, 3000), fc.constantFrom(0, 0.5), stopsIn],
      (readings, length, within, stops) => {
        const setting = { for: length, within };
        const said = readings.map((r, i): [number, Said | undefined] => [r.t, oracle.stuck(setting, readings.slice(0, i + 1))]);
        check(ruleOf('stuck', setting), readings, stops, lines(said));
      },
    ),
    { numRuns: 500 },
  );
});

test('an onDelay over a window never ends early, and an alarm is never shorter than its hold', () => {
  fc.assert(
    fc.property(
      ...[readingsIn(250, 8, level), limits, fc.constantFrom(2000, 6000), fc.constantFrom(1000, 4000), fc.constantFrom(0, 3000)],
      (readings, limit, over, onDelay, hold) => {
        const setting = { ...limit, over };
        const rule = { ...ruleOf('average', setting), onDelay, ...(hold > 0 && { hold }) };
        const out = play(rule, readings, endOf(readings));
        assert.deepEqual(play(rule, readings, endOf(readings), [], false), out, 'without ticks');
        const said = readings.map((r, i) => ({
          t: r.t,
          said: oracle.statistic('average', setting, 0, readings.slice(0, i + 1)),
        }));
        for (const [i, [at, state]] of out.entries()) {
          if (state === 'normal') assert.ok(at - (out[i - 1]?.[0] as number) >= hold);
          else {
            const [before] = said
              .filter(({ t, said: verdict }) => t <= at - onDelay && verdict !== undefined && verdict !== 'unknown')
              .slice(-1);
            assert.equal(before?.said, 'alarm', `in alarm at ${at - onDelay}`);
            const within = said.filter(({ t, said: verdict }) => t > at - onDelay && t < at && verdict !== undefined);
            assert.ok(within.every(({ said: verdict }) => verdict === 'alarm' || verdict === 'unknown'));
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});
