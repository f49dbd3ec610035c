/**
 * What every rule has beside its condition, for each kind of the table: delays, hold, the meaning of bad and uncertain readings, texts
 * in two languages. A kind without a row fails. A row plays a point from normal into alarm and back; the times of the plain rule are
 * what the others are compared with.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { policyFaults } from '../../../src/config/rule-policy.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import type { Language } from '../../../src/core/languages.ts';
import type { Sample } from '../../../src/core/point.ts';
import { GOOD, reasonCode } from '../../../src/core/reasons.ts';
import { wordsIn } from '../../../src/core/sentence.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { RULE_KINDS } from '../../../src/rules/kinds.ts';
import type { Moment } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

type Pair = readonly [a: number, b: number];
type Phase = 'before' | 'alarm' | 'after';

interface Row {
  readonly rule: Readonly<Record<string, unknown>>;
  /** Values of plant.a and plant.b. @param step since the phase began */
  readonly values: Readonly<Record<Phase, (step: number) => Pair>>;
  /** Steps of each phase. */
  readonly steps?: Readonly<Record<Phase, number>>;
  /** Milliseconds between two readings. */
  readonly step?: number;
  /** Silence is what it looks for: the readings of its alarm are bad, and a bad one can have no other meaning. */
  readonly silence?: true;
}

const STEPS = { before: 20, alarm: 20, after: 40 };
const STEP = 10_000;
/** One value, the same on both points. */
const level = (normal: number, alarm: number): Row['values'] => ({
  before: () => [normal, normal],
  alarm: () => [alarm, alarm],
  after: () => [normal, normal],
});
/** A counter that grows in the alarm alone. */
const counter = (grows: number, steps: number): Row['values'] => ({
  before: () => [0, 0],
  alarm: (i) => [(i + 1) * grows, 0],
  after: () => [steps * grows, 0],
});
const window = { above: 8, over: '60s' };
const high = { point: 'plant.a', above: 8 };
const wave = [3.1, 3.4, 3.9, 4.4, 4.9, 5.2, 5, 4.6, 4.1, 3.7, 3.3, 3.2];
const waveAt = (i: number): Pair => [wave[i % wave.length] ?? 0, 0];

const TABLE: Readonly<Record<string, Row>> = {
  above: { rule: { point: 'plant.a', above: 8 }, values: level(5, 9) },
  below: { rule: { point: 'plant.a', below: 8 }, values: level(9, 5) },
  outside: { rule: { point: 'plant.a', outside: { min: 2, max: 8 } }, values: level(5, 9) },
  inside: { rule: { point: 'plant.a', inside: { min: 6, max: 8 } }, values: level(3, 7) },
  equals: { rule: { point: 'plant.a', equals: 3 }, values: level(5, 3) },
  notEquals: { rule: { point: 'plant.a', notEquals: 5 }, values: level(5, 3) },
  bits: { rule: { point: 'plant.a', bits: { set: [3] } }, values: level(1, 8) },
  deviation: {
    rule: { point: 'plant.a', deviation: { from: 'plant.b', by: 2 } },
    values: { ...level(5, 5), alarm: () => [5, 9] },
  },
  stale: { rule: { point: 'plant.a', stale: '60s' }, values: level(5, 5), silence: true },
  stuck: {
    rule: { point: 'plant.a', stuck: '60s' },
    values: { before: (i) => [4 + (i % 2) * 2, 0], alarm: () => [5, 0], after: (i) => [4 + (i % 2) * 2, 0] },
  },
  rate: { rule: { point: 'plant.a', rate: { above: 1, per: '10s', over: '60s' } }, values: counter(2, STEPS.alarm) },
  delta: { rule: { point: 'plant.a', delta: { above: 6, over: '60s' } }, values: counter(2, STEPS.alarm) },
  // The hour ends between the readings that grow no more.
  total: {
    rule: { point: 'plant.a', total: { above: 30, per: 'hour' } },
    values: counter(2, 330),
    steps: { before: 20, alarm: 330, after: 60 },
  },
  beyond: { rule: { point: 'plant.a', beyond: { above: 8, for: '30s', within: '60s' } }, values: level(5, 9) },
  average: { rule: { point: 'plant.a', average: window }, values: level(5, 9) },
  minimum: { rule: { point: 'plant.a', minimum: window }, values: level(5, 9) },
  maximum: { rule: { point: 'plant.a', maximum: window }, values: level(5, 9) },
  percentile: { rule: { point: 'plant.a', percentile: { p: 50, ...window } }, values: level(5, 9) },
  all: { rule: { all: [high, { point: 'plant.b', above: 8 }] }, values: level(5, 9) },
  any: { rule: { any: [high, { point: 'plant.b', above: 8 }] }, values: { ...level(5, 5), alarm: () => [9, 5] } },
  not: { rule: { not: { point: 'plant.a', below: 8 } }, values: level(5, 9) },
  atLeast: {
    rule: { atLeast: { count: 2, of: [high, { point: 'plant.b', above: 8 }, { point: 'plant.b', above: 20 }] } },
    values: level(5, 9),
  },
  expression: { rule: { expression: 'plant.a > 8.0 && plant.b > 8.0' }, values: level(5, 9) },
  anomaly: {
    rule: { point: 'plant.a', anomaly: {} },
    values: { before: waveAt, alarm: () => [14, 0], after: waveAt },
    steps: { before: 108, alarm: 6, after: 12 },
    step: 20 * 60_000,
  },
};

const POINTS = ['a', 'b'].map((name) => ({ name, type: 'float64', storage: 'number' }) as const);
const shape = { device: 'plant', points: POINTS };
const TYPES = { 'plant.a': { type: 'float64' }, 'plant.b': { type: 'float64' } } as const;
const moment = (at: number): Moment => ({ at, wall: at, wallKnown: true });

/** A reading at the end of each step. */
interface Step {
  readonly at: number;
  readonly phase: Phase;
  readonly place: number;
}

function timeline({ steps = STEPS, step = STEP }: Row): Step[] {
  let at = 0;
  return (['before', 'alarm', 'after'] as const).flatMap((phase) =>
    Array.from({ length: steps[phase] }, (_, place) => {
      at += step;
      return { at, phase, place };
    }),
  );
}

/** How a reading comes. */
type Quality = 'good' | 'bad' | 'uncertain';

interface Played {
  readonly rules: RuleEngine;
  readonly transitions: readonly AlarmTransition[];
}

function play(
  row: Row,
  more: object = {},
  quality: (step: Step, i: number) => Quality = () => 'good',
  { until = Number.POSITIVE_INFINITY, language = 'en' }: { until?: number; language?: Language } = {},
): Played {
  const rules = new RuleEngine({
    rules: resolveRules({ rule: { ...row.rule, ...more } }, TYPES, language),
    start: moment(0),
    shapes: [shape],
  });
  const transitions: AlarmTransition[] = [];
  const tickTo = (at: number) => {
    for (let due = rules.nextDue(); due !== undefined && due <= at; due = rules.nextDue()) transitions.push(...rules.tick(due));
  };
  for (const [i, step] of timeline(row).entries()) {
    if (step.at > until) break;
    tickTo(step.at);
    const asked = quality(step, i);
    const how = row.silence && step.phase === 'alarm' && asked === 'good' ? 'bad' : asked;
    const reason = how === 'good' ? GOOD : reasonCode(how === 'bad' ? 'timeout' : 'out-of-range');
    const sample: Sample = {
      ...{ shape, at: step.at, values: how === 'bad' ? [0, 0] : [...row.values[step.phase](step.place)] },
      reasons: Uint8Array.of(reason, reason),
    };
    transitions.push(...rules.sample(sample));
  }
  return { rules, transitions };
}

const states = ({ transitions }: Played) => transitions.map(({ state, at }) => [state, at] as const);
const ACTIVE = 'active-unacknowledged';

/** Begin and end of the plain rule. */
function plain(row: Row): { readonly begin: number; readonly end: number } {
  const told = states(play(row));
  assert.deepEqual(
    told.map(([state]) => state),
    [ACTIVE, 'normal'],
  );
  const [begin = 0, end = 0] = told.map(([, at]) => at);
  return { begin, end };
}

test('every kind of the table has a row, and no row is left over', () => {
  assert.deepEqual(Object.keys(TABLE).sort(), RULE_KINDS.map(({ key }) => key).sort());
  for (const [kind, { rule }] of Object.entries(TABLE)) assert.ok(kind in rule, `${kind} stands in its row`);
});

for (const [kind, row] of Object.entries(TABLE)) {
  const step = row.step ?? STEP;
  const steps = row.steps ?? STEPS;

  test(`${kind}: onDelay, offDelay and hold put off the begin and the end by their time`, () => {
    const { begin, end } = plain(row);
    const delay = step * 1.5;
    assert.ok(end - begin > delay, 'the condition holds for longer than the delay');
    const written = `${delay / 1000}s`;
    assert.deepEqual(states(play(row, { onDelay: written })), [
      [ACTIVE, begin + delay],
      ['normal', end],
    ]);
    assert.deepEqual(states(play(row, { offDelay: written })), [
      [ACTIVE, begin],
      ['normal', end + delay],
    ]);
    assert.deepEqual(states(play(row, { hold: `${(end - begin + delay) / 1000}s` })), [
      [ACTIVE, begin],
      ['normal', end + delay],
    ]);
    // A delay that is longer than the condition begins nothing.
    assert.deepEqual(states(play(row, { onDelay: `${(end - begin + step) / 1000}s` })), []);
  });

  test(`${kind}: a bad reading means nothing, alarm or normal, as quality says`, () => {
    const { begin, end } = plain(row);
    const [quiet, loud] = [Math.floor(steps.before / 2), steps.before + steps.alarm - 2];
    const [quietAt, loudAt] = [(quiet + 1) * step, (loud + 1) * step];
    assert.ok(quietAt < begin && begin < loudAt && loudAt < end);
    const once = (place: number) => (_: Step, i: number) => (i === place ? ('bad' as const) : 'good');
    const told = (place: number, bad?: string) => states(play(row, bad === undefined ? {} : { quality: { bad } }, once(place)));
    assert.deepEqual(
      [told(quiet), told(loud), told(quiet, 'ignore')].map((list) => list.map(([state]) => state)),
      [0, 1, 2].map(() => [ACTIVE, 'normal']),
    );
    if (row.silence) {
      for (const bad of ['alarm', 'normal'] as const)
        assert.equal(policyFaults({ quality: { bad, uncertain: 'use' } }, kind).length, 1);
      return;
    }
    assert.deepEqual(policyFaults({ quality: { bad: 'alarm', uncertain: 'use' } }, kind), []);
    assert.deepEqual(told(quiet, 'alarm').slice(0, 2), [
      [ACTIVE, quietAt],
      ['normal', quietAt + step],
    ]);
    assert.deepEqual(told(loud, 'normal').slice(0, 2), [
      [ACTIVE, begin],
      ['normal', loudAt],
    ]);
    // What counts as in alarm ends no alarm, and what counts as normal begins none.
    assert.deepEqual(told(loud, 'alarm')[0], [ACTIVE, begin]);
    assert.ok(told(loud, 'alarm').every(([state, at]) => state === ACTIVE || at >= end));
    assert.deepEqual(
      told(quiet, 'normal').map(([state]) => state),
      [ACTIVE, 'normal'],
    );
  });

  test(`${kind}: an uncertain reading counts, or says nothing, as quality says`, () => {
    const { begin } = plain(row);
    const until = (steps.before + steps.alarm) * step;
    const doubtful = ({ phase }: Step) => (phase === 'alarm' ? ('uncertain' as const) : 'good');
    const told = (uncertain: string) => states(play(row, { quality: { uncertain } }, doubtful, { until }));
    const [used, ignored] = [told('use'), told('ignore')];
    // To silence an uncertain value is one: only where it is left out the point is silent.
    assert.deepEqual(row.silence ? ignored : used, [[ACTIVE, begin]]);
    assert.deepEqual(row.silence ? used : ignored, []);
  });

  test(`${kind}: its alarm has the words of the rule or of the gateway in two languages`, () => {
    const message = { en: 'Look at the plant', bn: 'যন্ত্রটি দেখুন' };
    const { begin } = plain(row);
    for (const [language, other] of [
      ['en', 'bn'],
      ['bn', 'en'],
    ] as const) {
      const { rules, transitions } = play(row, { message }, undefined, { language, until: begin });
      assert.equal(transitions.length, 1);
      const [alarm] = rules.alarms(moment(begin));
      // What an anomaly rule explains stands behind the text.
      assert.equal(alarm?.message.split(':')[0], message[language]);
      assert.equal(alarm?.messages?.[other]?.split(':')[0], message[other]);
      const made = play(row, {}, undefined, { language }).transitions;
      assert.equal(made.length, 2);
      for (const { message: words, said = '' } of made) {
        assert.equal(words, wordsIn(said, language));
        assert.match(wordsIn(said, 'en'), /plant\.[ab]/);
        assert.doesNotMatch(wordsIn(said, 'en'), /\p{Script=Bengali}/u);
        assert.match(wordsIn(said, 'bn'), /\p{Script=Bengali}/u);
      }
    }
  });
}
