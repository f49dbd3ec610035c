/**
 * The life of an alarm by ISA-18.2: the table of states, and the engine against a model of a few lines under random readings,
 * operators, shelvings and restarts.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import { ALARM_STATES, type AlarmState, type AlarmTransition } from '../../../src/core/alarm.ts';
import type { Shape } from '../../../src/core/point.ts';
import { badSample } from '../../../src/core/point.ts';
import { LONGEST_SHELVING } from '../../../src/rules/alarm-life.ts';
import { ALARM_EVENTS, ALARM_TABLE, type AlarmEvent, type AlarmSituation, nextState } from '../../../src/rules/alarm-states.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { RULE_KINDS } from '../../../src/rules/kinds.ts';
import { type Moment, parseRuleState, type RuleState } from '../../../src/rules/rule-state.ts';
import { deviation } from '../../fakes/deviation-kind.ts';

const WALL = 1_795_000_000_000;
const shape: Shape = { device: 'd', points: [{ name: 'p', type: 'float64', storage: 'number', unit: 'Cel' }] };
const rule: ResolvedRule = {
  ...{ name: 'warm', device: 'd', point: 'p', kind: 'above', setting: 8, deadband: 0, onDelay: 0, offDelay: 0 },
  severity: 'critical',
};
const at = (ms: number): Moment => ({ at: ms, wall: WALL + ms, wallKnown: true });

/** A gateway with one rule that can be killed. */
class Site {
  readonly lines: string[] = [];
  readonly messages: string[] = [];
  now = 1000;
  engine: RuleEngine;
  readonly #rule: ResolvedRule;
  readonly #store = new Map<string, string>();

  constructor(changes: Partial<ResolvedRule> = {}) {
    this.#rule = { ...rule, ...changes };
    this.engine = new RuleEngine({ rules: [this.#rule], start: at(0), shapes: [shape] });
  }
  value(value: number): void {
    this.#take(this.engine.sample({ shape, at: this.now, values: [value], reasons: null }));
  }
  bad(): void {
    this.#take(this.engine.sample(badSample(shape, this.now, 'timeout')));
  }
  wait(ms: number): void {
    this.now += ms;
    this.#take(this.engine.tick(this.now));
  }
  acknowledge(occurrence?: number): void {
    this.#take(this.engine.acknowledge('warm', 'amina', at(this.now), occurrence).transitions);
  }
  shelve(length: number | null, reason?: string): void {
    this.#take(this.engine.shelve('warm', length, 'amina', at(this.now), reason).transitions);
  }
  /** SIGKILL, and a start after `off`: only what was taken with `takeDirty` is left. */
  restart(off: number): void {
    this.now += off;
    const saved = [...this.#store.values()].map((json) => parseRuleState(json) as RuleState);
    this.engine = new RuleEngine({ rules: [this.#rule], start: at(this.now), saved, shapes: [shape] });
    this.#take(this.engine.tick(this.now));
  }
  get state(): AlarmState {
    return this.engine.alarms(at(this.now))[0]?.state ?? 'normal';
  }
  #take(transitions: readonly AlarmTransition[]): void {
    for (const { state, occurrence, message } of transitions) {
      this.lines.push(`${occurrence} ${state}`);
      this.messages.push(message);
    }
    for (const state of this.engine.takeDirty(at(this.now)).changed) this.#store.set(state.rule, JSON.stringify(state));
  }
}

test('the table has every state, and its arrows lead to states that exist', () => {
  assert.deepEqual(Object.keys(ALARM_TABLE).sort(), [...ALARM_STATES].sort());
  const rows = ALARM_STATES.flatMap((state) =>
    ALARM_EVENTS.flatMap((event) =>
      Array.from({ length: 16 }, (_, bits) => {
        const [holds, owesAcknowledgement, owesReset, suppressed] = [1, 2, 4, 8].map((bit) => (bits & bit) > 0);
        const situation = { holds, owesAcknowledgement, owesReset, suppressed } as AlarmSituation;
        return [state, event, nextState(state, event, situation)] as const;
      }),
    ),
  );
  for (const [state, event, next] of rows) assert.ok(ALARM_STATES.includes(next), `${state} ${event}`);
  // By hand, from the diagram of the standard.
  const go = (state: AlarmState, event: AlarmEvent, holds: boolean, must = true) =>
    nextState(state, event, {
      ...{ holds, suppressed: false, owesReset: false },
      owesAcknowledgement: must && event !== 'acknowledge' && state !== 'active-acknowledged' && state !== 'shelved',
    });
  assert.equal(go('normal', 'activate', true), 'active-unacknowledged');
  assert.equal(go('active-unacknowledged', 'acknowledge', true), 'active-acknowledged');
  assert.equal(go('active-unacknowledged', 'return', false), 'returned-unacknowledged');
  assert.equal(go('active-unacknowledged', 'return', false, false), 'normal');
  assert.equal(go('active-acknowledged', 'return', false), 'normal');
  assert.equal(go('returned-unacknowledged', 'acknowledge', false), 'normal');
  assert.equal(go('returned-unacknowledged', 'activate', true), 'active-unacknowledged');
  assert.equal(go('shelved', 'expire', true), 'active-unacknowledged');
  assert.equal(go('shelved', 'unshelve', false), 'normal');
  assert.equal(go('shelved', 'activate', true), 'shelved');
  assert.equal(go('normal', 'acknowledge', false), 'normal');
});

test('an alarm ends with its condition, unless it must be acknowledged', () => {
  const free = new Site();
  free.value(9);
  free.value(7);
  assert.deepEqual(free.lines, ['1 active-unacknowledged', '1 normal']);
  const bound = new Site({ mustAcknowledge: true });
  bound.value(9);
  bound.value(7);
  bound.value(9);
  bound.acknowledge();
  bound.value(7);
  bound.value(9);
  bound.value(7);
  bound.acknowledge();
  assert.deepEqual(bound.lines, [
    ...['1 active-unacknowledged', '1 returned-unacknowledged', '2 active-unacknowledged', '2 active-acknowledged', '2 normal'],
    ...['3 active-unacknowledged', '3 returned-unacknowledged', '3 normal'],
  ]);
  assert.equal(bound.messages[3], 'warm: acknowledged by amina');
});

test('to acknowledge again changes nothing; what cannot be acknowledged says why', () => {
  const site = new Site();
  assert.throws(() => site.acknowledge(), { code: 'not-found', message: /is normal: there is nothing to acknowledge/ });
  site.value(9);
  site.acknowledge(1);
  site.acknowledge();
  assert.deepEqual(site.lines, ['1 active-unacknowledged', '1 active-acknowledged']);
  assert.throws(() => site.acknowledge(2), {
    code: 'not-found',
    message: /occurrence 2 of the alarm warm is over; the newest is 1/,
  });
  assert.throws(() => site.engine.acknowledge('ghost', 'amina', at(site.now)), { message: /no rule ghost; the rules are: warm/ });
  site.shelve(60_000);
  assert.throws(() => site.acknowledge(), { message: /is shelved: unshelve it first/ });
});

test('a shelved alarm reports nothing until its time is over, and then what holds', () => {
  const site = new Site();
  site.value(9);
  site.shelve(60_000, 'door open for defrosting');
  site.value(7);
  site.value(9.5);
  site.wait(59_999);
  assert.deepEqual(site.lines, ['1 active-unacknowledged', '1 shelved']);
  assert.equal(site.messages[1], 'warm: shelved for 1m by amina (door open for defrosting)');
  site.wait(1);
  assert.deepEqual(site.lines.slice(2), ['2 active-unacknowledged']);
  assert.match(site.messages[2] ?? '', /^warm: the shelving is over; d.p is 9.5 °C, above 8$/);
  site.shelve(60_000);
  site.value(6);
  site.shelve(null);
  assert.deepEqual(site.lines.slice(3), ['2 shelved', '2 normal']);
  assert.throws(() => site.shelve(null), { code: 'not-found', message: /is not shelved/ });
  for (const length of [0, 999, LONGEST_SHELVING + 1, Number.NaN])
    assert.throws(() => site.shelve(length), { code: 'usage', message: /1s to 7d/ });
});

test('acknowledged, returned and shelved outlive a kill; the time off counts', () => {
  const site = new Site({ mustAcknowledge: true });
  site.value(9);
  site.acknowledge();
  site.restart(5000);
  assert.equal(site.state, 'active-acknowledged');
  site.value(7);
  site.value(9);
  site.value(7);
  site.restart(5000);
  assert.equal(site.state, 'returned-unacknowledged');
  site.shelve(100_000);
  site.restart(40_000);
  assert.equal(site.state, 'shelved');
  assert.equal(site.engine.alarms(at(site.now))[0]?.shelvedUntil, WALL + site.now + 60_000);
  site.restart(60_000);
  assert.equal(site.state, 'normal', 'the end of the shelving came while the gateway was off');
  assert.deepEqual(site.lines.slice(-2), ['2 shelved', '2 normal']);
});

test('the states that version 0.1.2 saved are taken up', () => {
  const saved = parseRuleState(
    '{"rule":"warm","fingerprint":"[\\"d\\",\\"p\\",\\"above\\",8,0,0,0]","point":"d.p","severity":"critical","state":"active-unacknowledged","occurrence":3,"savedAt":1795000000000,"wallKnown":true,"activeFor":500,"message":"warm"}',
  );
  assert.ok(saved);
  const engine = new RuleEngine({ rules: [rule], start: at(1000), saved: [saved], shapes: [shape] });
  assert.deepEqual(engine.tick(1000), []);
  assert.equal(engine.alarms(at(1000))[0]?.state, 'active-unacknowledged');
  const over = engine.sample({ shape, at: 1500, values: [5], reasons: null });
  assert.deepEqual(
    over.map(({ state, occurrence }) => [state, occurrence]),
    [['normal', 3]],
  );
});

// ---- random walks against a model ----

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('value' as const), value: fc.constantFrom(5, 7, 9, 12) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('bad' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('acknowledge' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('shelve' as const), length: fc.integer({ min: 1000, max: 20_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unshelve' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 15_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), off: fc.integer({ min: 0, max: 15_000 }) }) },
);

test('random readings, operators and kills: the engine walks as the diagram says', () => {
  const visited = new Set<string>();
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { minLength: 3, maxLength: 40 }), (mustAcknowledge, steps) => {
      const site = new Site({ mustAcknowledge });
      let state = 'normal' as AlarmState;
      let holds = false;
      let until = Number.POSITIVE_INFINITY;
      const expire = () => {
        if (state !== 'shelved' || site.now < until) return;
        state = holds ? 'active-unacknowledged' : 'normal';
      };
      for (const each of steps) {
        const before = state;
        switch (each.do) {
          case 'value': {
            const alarm = each.value > 8;
            site.value(each.value);
            if (alarm !== holds && state !== 'shelved') {
              if (alarm) state = 'active-unacknowledged';
              else state = mustAcknowledge && state === 'active-unacknowledged' ? 'returned-unacknowledged' : 'normal';
            }
            holds = alarm;
            break;
          }
          case 'bad':
            site.bad();
            break;
          case 'acknowledge':
            try {
              site.acknowledge();
              if (state === 'active-unacknowledged') state = 'active-acknowledged';
              else if (state === 'returned-unacknowledged') state = 'normal';
              else assert.equal(state, 'active-acknowledged');
            } catch (error) {
              assert.ok(state === 'normal' || state === 'shelved', String(error));
            }
            break;
          case 'shelve':
            site.shelve(each.length);
            state = 'shelved';
            until = site.now + each.length;
            break;
          case 'unshelve':
            if (state === 'shelved') {
              site.shelve(null);
              state = holds ? 'active-unacknowledged' : 'normal';
            } else assert.throws(() => site.shelve(null), { code: 'not-found' });
            break;
          case 'wait':
            site.wait(each.ms);
            expire();
            break;
          case 'restart':
            site.restart(each.off);
            expire();
            break;
        }
        visited.add(`${before} > ${each.do} > ${state}`);
        assert.equal(site.state, state, `after ${each.do}`);
        const last = site.lines.at(-1);
        if (last !== undefined) assert.equal(last.split(' ')[1], state, 'what was reported last is the state');
      }
      const occurrences = site.lines.map((line) => Number(line.split(' ')[0]));
      assert.deepEqual(
        occurrences,
        occurrences.toSorted((a, b) => a - b),
        'occurrences never go back',
      );
    }),
    { numRuns: 2000 },
  );
  assert.ok(visited.size >= 30, `only ${visited.size} different steps: the walks are too tame`);
});

test('a condition of two inputs waits for both, and stands still while one is bad', () => {
  const pair: Shape = {
    device: 'd',
    points: [
      { name: 'p', type: 'float64', storage: 'number' },
      { name: 'q', type: 'float64', storage: 'number' },
    ],
  };
  const engine = new RuleEngine({
    rules: [{ ...rule, name: 'apart', kind: 'deviation', setting: { from: 'd.q', by: 2 }, inputs: ['d.q'] }],
    start: at(0),
    shapes: [pair],
    kinds: [...RULE_KINDS, deviation],
  });
  const seen: string[] = [];
  const one = (name: 'p' | 'q', value: number | 'bad', ms: number) => {
    const index = name === 'p' ? 0 : 1;
    const only: Shape = { device: 'd', points: [pair.points[index] as (typeof pair.points)[number]] };
    const sample = value === 'bad' ? badSample(only, ms, 'timeout') : { shape: only, at: ms, values: [value], reasons: null };
    for (const { state, at: when, message } of engine.sample(sample)) seen.push(`${when} ${state} ${message}`);
  };
  one('p', 5, 1);
  one('q', 4, 2);
  one('q', 9, 3);
  one('q', 'bad', 4);
  one('p', 9, 5);
  one('q', 9, 6);
  assert.deepEqual(seen, ['3 active-unacknowledged d.p is 5, more than 2 from d.q', '6 normal d.p is 9, back to normal']);
});
