/** 10,000 rules over 1,000 points: what they say, of one kind and of every kind, and that a flood loses nothing. No times are asserted. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import { ABSENT, GOOD, reasonCode } from '../../../src/core/reasons.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { RULE_KINDS } from '../../../src/rules/kinds.ts';
import { type Moment, parseRuleState, type RuleState } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const DEVICES = 20;
const POINTS = 50;
const RULES = 10_000;
const WALL = 1_795_000_000_000;
const at = (ms: number): Moment => ({ at: ms, wall: WALL + ms, wallKnown: true });

const shapes: readonly Shape[] = Array.from({ length: DEVICES }, (_, d) => ({
  device: `d${d}`,
  points: Array.from({ length: POINTS }, (_, p) => ({ name: `p${p}`, type: 'float64', storage: 'number' })),
}));

/** Ten rules for each point: above 10, 20, … 100. The last hundred rules are suppressed by the first. */
function rules(): ResolvedRule[] {
  return Array.from({ length: RULES }, (_, i) => ({
    ...{ name: `r${i}`, device: `d${Math.floor(i / 10) % DEVICES}`, point: `p${Math.floor(i / 10 / DEVICES)}` },
    ...{ kind: 'above', setting: ((i % 10) + 1) * 10, deadband: 1, onDelay: 0, offDelay: 0, severity: 'warning' },
    ...(i % 100 === 0 && { group: 'trip' }),
    ...(i >= RULES - 100 && { suppressedBy: ['r0'] }),
  }));
}

/** All points at one value, and what the rules say then. */
function flood(engine: RuleEngine, value: number, ms: number): Map<string, string[]> {
  const said = new Map<string, string[]>();
  for (const shape of shapes)
    for (const { rule, state, firstOut } of engine.sample({
      shape,
      at: ms,
      values: shape.points.map(() => value),
      reasons: null,
    })) {
      const lines = said.get(rule) ?? [];
      said.set(rule, lines);
      lines.push(`${state}${firstOut ? ' first' : ''}`);
    }
  return said;
}

test('10,000 rules over 1,000 points: each says its own, once', () => {
  const engine = new RuleEngine({ rules: rules(), start: at(0), shapes });
  for (const [step, value] of [5, 35, 100.5, 65, 0].entries()) {
    const said = flood(engine, value, step * 1000);
    const before = [0, 0, 3, 10, 6][step] ?? 0;
    for (let i = 0; i < RULES; i++) {
      const setting = ((i % 10) + 1) * 10;
      const [was, is] = [before * 10 >= setting, value > setting || (before * 10 >= setting && value > setting - 1)];
      const suppressed = i >= RULES - 100;
      const begins = suppressed ? 'suppressed' : i === 0 ? 'active-unacknowledged first' : 'active-unacknowledged';
      // The suppressing rule ends in an earlier record: its dependents show themselves, and end with their own.
      const freed = suppressed && value <= 9 ? ['active-unacknowledged'] : [];
      const expected = was === is ? undefined : is ? [begins] : [...freed, 'normal'];
      assert.deepEqual(said.get(`r${i}`), expected, `r${i} at ${value}`);
    }
  }
});

test('a flood of 10,000 alarms is counted whole, saved whole, and goes on after a restart', () => {
  const engine = new RuleEngine({ rules: rules(), start: at(0), shapes });
  const said = flood(engine, 1000, 1);
  assert.equal(said.size, RULES);
  const view = engine.alarmFigures(at(2));
  assert.equal(view.annunciated, RULES - 100);
  assert.deepEqual([view.flood.active, view.flood.alarms], [true, RULES - 100]);
  assert.equal(view.worst.length, 10);
  const { changed, figures } = engine.takeDirty(at(2));
  assert.equal(changed.length, RULES);
  assert.ok(JSON.stringify(figures).length < 20_000, 'the figures have a bound');
  const saved = changed.map((state) => parseRuleState(JSON.stringify(state)) as RuleState);
  const next = new RuleEngine({ rules: rules(), start: at(1000), saved, figures, shapes });
  assert.deepEqual(next.tick(1000), []);
  assert.equal(next.alarms(at(1000)).length, RULES);
  assert.equal(next.alarmFigures(at(1000)).annunciated, RULES - 100);
  assert.equal(flood(next, 1000, 2000).size, 0, 'nothing is said twice');
  assert.equal(flood(next, 0, 3000).size, RULES);
  assert.deepEqual(next.alarms(at(3000)), []);
});

/** One rule of each kind, with delays of several lengths. @param p its point @param q another one, of another device now and then */
const KINDS: readonly ((p: string, q: string) => object)[] = [
  (p) => ({ point: p, above: 8, deadband: 2, onDelay: '20s' }),
  (p) => ({ point: p, below: 3, offDelay: '35s' }),
  (p) => ({ point: p, outside: { min: 2, max: 10 }, hold: '50s' }),
  (p) => ({ point: p, inside: { min: 4, max: 6 }, onDelay: '5s', offDelay: '5s' }),
  (p) => ({ point: p, equals: 7, quality: { bad: 'alarm' } }),
  (p) => ({ point: p, notEquals: 7, onDelay: '15s', quality: { bad: 'normal' } }),
  (p) => ({ point: p, bits: { set: [1, 2] }, quality: { uncertain: 'ignore' } }),
  (p, q) => ({ point: p, deviation: { from: q, by: 5 }, deadband: 1, onDelay: '10s' }),
  (p) => ({ point: p, stale: '25s', offDelay: '12s' }),
  (p) => ({ point: p, stuck: '20s' }),
  (p) => ({ point: p, rate: { above: 2, per: '10s', over: '40s' }, onDelay: '10s' }),
  (p) => ({ point: p, delta: { above: 12, over: '60s' }, deadband: 2 }),
  (p) => ({ point: p, total: { above: 30, per: 'hour' } }),
  (p) => ({ point: p, beyond: { above: 8, for: '40s', within: '120s' }, deadband: 1 }),
  (p) => ({ point: p, average: { above: 6, over: '50s' }, offDelay: '20s' }),
  (p) => ({ point: p, minimum: { above: 3, over: '30s' } }),
  (p) => ({ point: p, maximum: { below: 9, over: '30s' }, onDelay: '7s' }),
  (p) => ({ point: p, percentile: { p: 75, above: 7, over: '60s' }, hold: '30s' }),
  (p, q) => ({
    all: [
      { point: p, above: 6 },
      { point: q, above: 6 },
    ],
    onDelay: '10s',
  }),
  (p, q) => ({
    any: [
      { point: p, above: 10 },
      { point: q, stale: '30s' },
    ],
    offDelay: '10s',
  }),
  (p, q) => ({
    not: {
      any: [
        { point: p, above: 5 },
        { point: q, average: { above: 5, over: '40s' } },
      ],
    },
  }),
  (p, q) => ({
    atLeast: {
      count: 2,
      of: [
        { point: p, above: 6 },
        { point: q, above: 6 },
        { point: p, stuck: '20s' },
      ],
    },
  }),
  (p, q) => ({ expression: `${p} + ${q} > 14.0 && ${p} > ${q}`, onDelay: '10s' }),
  (p) => ({ point: p, anomaly: { season: 'none' } }),
];

const name = (i: number): string => `d${Math.floor(i / POINTS) % DEVICES}.p${i % POINTS}`;
const ALL_POINTS = DEVICES * POINTS;

function mixedRules(): ResolvedRule[] {
  const written = Object.fromEntries(
    Array.from({ length: RULES }, (_, i) => {
      const point = i % ALL_POINTS;
      // The neighbour, or the same place in the next device.
      const other = i % 3 === 0 ? point + POINTS : point - (point % POINTS) + ((point + 1) % POINTS);
      // Each point has rules of ten kinds, and each kind has points everywhere.
      const kind = (Math.floor(i / ALL_POINTS) + point) % KINDS.length;
      return [`r${i}`, (KINDS[kind] as (typeof KINDS)[number])(name(point), name(other % ALL_POINTS))];
    }),
  );
  const types = Object.fromEntries(Array.from({ length: ALL_POINTS }, (_, i) => [name(i), { type: 'float64' as const }]));
  return resolveRules(written, types);
}

/** Readings of all devices, each 10 s: random, the same in each run, with bad, uncertain and absent ones; then all is silent. */
function mixedSamples(steps: number): Sample[] {
  let seed = 1;
  const next = (n: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * n);
  };
  const values = shapes.map((shape) => shape.points.map(() => next(12)));
  return Array.from({ length: steps }, (_, step) =>
    shapes.map((shape, d): Sample => {
      const own = values[d] as number[];
      const reasons = Uint8Array.from(shape.points, (_point, p) => {
        // A value stays for some steps, so that conditions hold for the time of their delays.
        if (next(4) === 0) own[p] = next(12);
        const luck = next(40);
        if (luck < 2) return ABSENT;
        return luck < 4 ? reasonCode('timeout') : luck === 4 ? reasonCode('out-of-range') : GOOD;
      });
      return { shape, at: (step + 1) * 10_000, values: [...own], reasons };
    }),
  ).flat();
}

/** A tick at each due time, as a gateway does it. @param until the end of the play */
function playAll(
  engine: RuleEngine,
  samples: readonly Sample[],
  until: number,
  take: (transition: AlarmTransition) => void,
): void {
  const tickTo = (now: number): void => {
    for (let due = engine.nextDue(); due !== undefined && due <= now; due = engine.nextDue())
      for (const transition of engine.tick(due)) take(transition);
  };
  for (const sample of samples) {
    tickTo(sample.at);
    for (const transition of engine.sample(sample)) take(transition);
  }
  tickTo(until);
}

test('10,000 rules of every kind, with delays: each says among the others what it says alone', () => {
  const rules = mixedRules();
  assert.deepEqual([...new Set(rules.map(({ kind }) => kind))].sort(), RULE_KINDS.map(({ key }) => key).sort());
  const samples = mixedSamples(40);
  const until = 500_000;
  const said = new Map<string, string[]>();
  const line = ({ state, at: time, occurrence, message, cause }: AlarmTransition) =>
    `${time} ${state} ${occurrence} ${cause} ${message}`;
  playAll(new RuleEngine({ rules, start: at(0), shapes }), samples, until, (transition) => {
    const lines = said.get(transition.rule) ?? [];
    said.set(transition.rule, lines);
    lines.push(line(transition));
  });
  const began = new Map<string, number>();
  for (const rule of rules) {
    const devices = new Set([rule.device, ...(rule.inputs ?? []).map((input) => input.split('.')[0])]);
    const own = samples.filter(({ shape }) => devices.has(shape.device));
    const alone: string[] = [];
    playAll(new RuleEngine({ rules: [rule], start: at(0), shapes }), own, until, (transition) => alone.push(line(transition)));
    assert.deepEqual(said.get(rule.name) ?? [], alone, `${rule.name} (${rule.kind})`);
    began.set(rule.kind, (began.get(rule.kind) ?? 0) + alone.filter((text) => text.includes('active-unacknowledged')).length);
  }
  // A rule that learns for a day says nothing yet.
  for (const { key } of RULE_KINDS) if (key !== 'anomaly') assert.ok((began.get(key) ?? 0) > 50, `${key}: ${began.get(key)}`);
});
