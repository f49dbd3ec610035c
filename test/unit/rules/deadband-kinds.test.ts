/**
 * Values whose measure stays inside of a deadband never make an alarm chatter, for the kinds that measure something else than the last
 * value: a slope, a growth, a difference, a time, a sum, a leaf of a combination. (For the others: properties.test.ts.) Each begins at
 * most once, and an alarm ends only by what the page of rules names.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { loadConfigText } from '../../../src/config/load.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import type { Sample } from '../../../src/core/point.ts';
import { GOOD } from '../../../src/core/reasons.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { RULE_KINDS } from '../../../src/rules/kinds.ts';
import type { Moment } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const POINTS = ['a', 'b'].map((name) => ({ name, type: 'float64', storage: 'number' }) as const);
const shape = { device: 'tank', points: POINTS };
const moment = (at: number): Moment => ({ at, wall: at, wallKnown: true });

/** Samples of both points, a number of seconds apart. A tick at each due time, as a gateway does it. */
function play(rules: Record<string, unknown>, values: readonly (readonly [a: number, b: number])[], every: number) {
  const engine = new RuleEngine({ rules: resolveRules(rules), start: moment(0), shapes: [shape] });
  const out: AlarmTransition[] = [];
  for (const [i, pair] of values.entries()) {
    const at = (i + 1) * every * SECOND;
    for (let due = engine.nextDue(); due !== undefined && due <= at; due = engine.nextDue()) out.push(...engine.tick(due));
    const sample: Sample = { shape, at, values: [...pair], reasons: Uint8Array.of(GOOD, GOOD) };
    out.push(...engine.sample(sample));
  }
  return (rule: string) => out.filter((one) => one.rule === rule).map(({ state, at }) => ({ state, at }));
}

/**
 * At the end of the deadband (6) an alarm may end, and beyond the limit (8) it begins; values on both sides of 8 make that happen often.
 * What a window has rounding in it, so they stay a little away from the ends.
 */
const between = fc.double({ min: 6.3, max: 9.7, noNaN: true });
const RUNS = { numRuns: 80 };

/** How many alarms of all rules began; the test says nothing where none does. */
function once(told: ReturnType<typeof play>, rules: object): number {
  let began = 0;
  for (const rule of Object.keys(rules)) {
    const changes = told(rule);
    assert.ok(changes.length <= 1, `${rule}: ${JSON.stringify(changes)}`);
    began += changes.length;
  }
  return began;
}

test('a slope inside of the deadband never makes a rate chatter', () => {
  const rules = {
    rises: { point: 'tank.a', rate: { above: 8, per: '10s', over: '60s' }, deadband: 2 },
    // The other way round: 8 is the lower limit, and 10 the end of the deadband.
    slow: { point: 'tank.a', rate: { below: 8, per: '10s', over: '60s' }, deadband: 2 },
  };
  let began = 0;
  fc.assert(
    fc.property(fc.array(between, { minLength: 30, maxLength: 80 }), fc.integer({ min: -1e6, max: 1e6 }), (steps, start) => {
      // A least-squares slope lies between the steepest and the flattest step.
      let value = start;
      const values = steps.map((step): [number, number] => {
        value += step;
        return [value, 0];
      });
      began += once(play(rules, values, 10), rules);
    }),
    RUNS,
  );
  assert.ok(began > 20, `${began} began`);
});

test('a growth inside of the deadband never makes a delta chatter', () => {
  const rules = { grew: { point: 'tank.a', delta: { above: 8, over: '60s' }, deadband: 2 } };
  let began = 0;
  fc.assert(
    fc.property(fc.array(between, { minLength: 30, maxLength: 80 }), (steps) => {
      // Six steps to the window; how much the counter grows in a step lies in the band of a sixth.
      let value = 0;
      const values = steps.map((step): [number, number] => {
        value += step / 6;
        return [value, 0];
      });
      began += once(play(rules, values, 10), rules);
    }),
    RUNS,
  );
  assert.ok(began > 20, `${began} began`);
});

test('a difference inside of the deadband never makes a deviation chatter, on either side', () => {
  const rules = {
    apart: { point: 'tank.a', deviation: { from: 'tank.b', by: 8 }, deadband: 2 },
    share: { point: 'tank.a', deviation: { from: 'tank.b', percent: 8 }, deadband: 2 },
  };
  let began = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 601, max: 999 }), fc.boolean()), { minLength: 30, maxLength: 80 }),
      (list) => {
        // 8 per cent of 100; decimals, which a sum of doubles would round to the ends.
        const values = list.map(([apart, less]): [number, number] => [100 + ((less ? -1 : 1) * apart) / 100, 100]);
        began += once(play(rules, values, 10), rules);
      },
    ),
    RUNS,
  );
  assert.ok(began > 80, `${began} began`);
});

test('a value inside of the deadband stays beyond the limit for a time that adds up', () => {
  const rules = {
    all: { point: 'tank.a', beyond: { above: 8, for: '60s' }, deadband: 2 },
    window: { point: 'tank.a', beyond: { above: 8, for: '60s', within: '90s' }, deadband: 2 },
  };
  let began = 0;
  fc.assert(
    fc.property(fc.array(between, { minLength: 30, maxLength: 80 }), (list) => {
      const values = list.map((value): [number, number] => [value, 0]);
      const told = play(rules, values, 10);
      began += once(told, rules);
      // From the first value above the limit on all time counts, whatever comes inside of the deadband.
      const first = list.findIndex((value) => value > 8);
      const begin = (first + 1) * 10 * SECOND + 60 * SECOND;
      const expected = first === -1 || begin > list.length * 10 * SECOND ? [] : [begin];
      for (const rule of Object.keys(rules))
        assert.deepEqual(
          told(rule).map(({ at }) => at),
          expected,
          rule,
        );
    }),
    RUNS,
  );
  assert.ok(began > 40, `${began} began`);
});

test('a total begins an alarm at most once in a period, and only the next one ends it', () => {
  const rules = { much: { point: 'tank.a', total: { above: 8, per: 'hour' }, deadband: 2 } };
  let ended = 0;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 30, maxLength: 80 }), (steps) => {
      let value = 0;
      const values = steps.map((step): [number, number] => {
        value += step / 100;
        return [value, 0];
      });
      // Six readings an hour.
      const told = play(rules, values, 600)('much');
      const begins = told.filter(({ state }) => state !== 'normal').map(({ at }) => Math.ceil(at / HOUR));
      assert.equal(new Set(begins).size, begins.length, JSON.stringify(told));
      for (const { state, at } of told) {
        if (state !== 'normal') continue;
        ended++;
        assert.equal(at % HOUR, 0, JSON.stringify(told));
      }
    }),
    RUNS,
  );
  assert.ok(ended > 20, `${ended} ended`);
});

test('values inside of the deadbands of its conditions never make a combination chatter', () => {
  const leaf = (point: string) => ({ point, above: 8, deadband: 2 });
  const rules = {
    all: { all: [leaf('tank.a'), leaf('tank.b')] },
    any: { any: [leaf('tank.a'), leaf('tank.b')] },
    not: { not: { point: 'tank.a', below: 8, deadband: 2 } },
    two: {
      atLeast: { count: 2, of: [leaf('tank.a'), leaf('tank.b'), { point: 'tank.a', outside: { min: 0, max: 8 }, deadband: 2 }] },
    },
    deep: { any: [{ not: { any: [{ point: 'tank.a', below: 8, deadband: 2 }] } }, { all: [leaf('tank.b')] }] },
    mean: { all: [{ point: 'tank.a', average: { above: 8, over: '30s' }, deadband: 2 }, leaf('tank.b')] },
  };
  let began = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(between, between), { minLength: 20, maxLength: 60 }), (list) => {
      const told = play(rules, list, 10);
      for (const rule of ['all', 'any', 'two', 'mean', 'deep', 'not']) {
        const changes = told(rule);
        assert.ok(changes.length <= 2, `${rule}: ${JSON.stringify(changes)}`);
        // Before a leaf was once certain it is in between, which says nothing: then it is an alarm once, and stays that.
        assert.ok(changes.filter(({ state }) => state !== 'normal').length <= 1, `${rule}: ${JSON.stringify(changes)}`);
        began += changes.length;
      }
    }),
    RUNS,
  );
  assert.ok(began > 100, `${began} began`);
});

/** What the page of rules says of kinds that have no deadband. */
const PAGE = readFileSync(path.join(import.meta.dirname, '..', '..', '..', 'docs', 'reference', 'rules.md'), 'utf8');
const WITHOUT = PAGE.slice(PAGE.indexOf('### Kinds without a deadband'), PAGE.indexOf('### above'));
/** A rule of each of them, as it is right without the key. */
const EACH: Readonly<Record<string, string>> = {
  equals: 'point: tank.a, equals: 3',
  notEquals: 'point: tank.a, notEquals: 3',
  bits: 'point: tank.a, bits: {set: [3]}',
  stale: 'point: tank.a, stale: 1m',
  stuck: 'point: tank.a, stuck: 1m',
  all: 'all: [{point: tank.a, above: 3}]',
  any: 'any: [{point: tank.a, above: 3}]',
  not: 'not: {point: tank.a, above: 3}',
  atLeast: 'atLeast: {count: 1, of: [{point: tank.a, above: 3}]}',
  expression: 'expression: tank.a > 3',
};

function faultsOf(rule: string, more = ''): string[] {
  const text = `gateway: {id: g}
buses:
  field: {protocol: modbus-tcp, host: 127.0.0.1}
  sums: {protocol: derived}
devices:
  tank: {bus: field, unit: 1, points: {a: {table: input, address: 0, type: uint16}, inflow: {table: input, address: 1, type: uint16, unit: L/min}, outflow: {table: input, address: 2, type: uint16, unit: L/min}}}
${more}rules:
  rule: {${rule}}
`;
  return loadConfigText(text, '/tmp/gateway.yaml', kinds, { profileDirs: [] }).faults.map(({ message }) => message);
}

test('a deadband is refused where no number comes back, and the page says why', () => {
  const refused = RULE_KINDS.filter(({ key }) => {
    const rule = EACH[key];
    if (rule === undefined) return false;
    assert.deepEqual(faultsOf(rule), [], key);
    assert.match(faultsOf(`${rule}, deadband: 1`).join(), /deadband has no meaning.*; remove it/, key);
    return true;
  }).map(({ key }) => key);
  assert.deepEqual(refused.toSorted(), Object.keys(EACH).toSorted());
  // All others compare numbers: a new kind says which it is, and stands on the page if it has none.
  assert.deepEqual(
    RULE_KINDS.filter(({ needs }) => needs !== 'number')
      .map(({ key }) => key)
      .toSorted(),
    refused.filter((key) => key !== 'bits').toSorted(),
  );
  const named = [...WITHOUT.matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, key]) => key),
  );
  assert.deepEqual(named.toSorted(), refused.toSorted());
});

test('the page turns an expression into a point with a deadband, and that is a configuration', () => {
  const sample = /```yaml\n([\s\S]*?)```/.exec(WITHOUT)?.[1] ?? assert.fail('no sample');
  const [devices = '', rules = ''] = sample.split('rules:\n');
  const rule = /leak: \{(.*)\}/.exec(rules)?.[1] ?? assert.fail('no rule');
  assert.deepEqual(faultsOf(rule, devices.replace('devices:\n', '')), []);
});
