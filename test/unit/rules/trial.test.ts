/** Rules that a configuration on trial lacks or changes: what they were comes back, or ends when the trial was good. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import type { Moment, RuleState } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const shape = { device: 'fridge', points: [{ name: 'temperature', type: 'float64', storage: 'number', unit: 'Cel' }] } as const;
const moment = (at: number): Moment => ({ at, wall: 1_795_000_000_000 + at, wallKnown: true });
const rulesOf = (above: number, more = ''): ResolvedRule[] =>
  resolveRules({ warm: { point: 'fridge.temperature', above, ...(more !== '' && { onDelay: more }) } });
const WARM = rulesOf(8);
const COLDER = rulesOf(4);

/** An engine beside the log, which keeps what is saved. */
class Site {
  readonly rows = new Map<string, RuleState>();
  readonly said: string[] = [];
  engine: RuleEngine;
  now = 0;

  constructor(rules: Iterable<ResolvedRule>) {
    this.engine = new RuleEngine({ rules, start: moment(0), shapes: [shape] });
  }

  #took(transitions: readonly AlarmTransition[]): void {
    for (const { state, occurrence, cause } of transitions) this.said.push(`${state} ${occurrence} ${cause}`);
    const { changed, removed } = this.engine.takeDirty(moment(this.now));
    for (const state of changed) this.rows.set(state.rule, JSON.parse(JSON.stringify(state)));
    for (const rule of removed) this.rows.delete(rule);
  }
  reading(value: number): void {
    this.now += 1000;
    this.#took([...this.engine.sample({ shape, at: this.now, values: [value], reasons: null }), ...this.engine.tick(this.now)]);
  }
  reload(rules: Iterable<ResolvedRule>, trial = false): void {
    this.now += 1000;
    this.#took([...this.engine.reload(rules, moment(this.now), [shape], trial), ...this.engine.tick(this.now)]);
  }
  confirm(): void {
    this.now += 1000;
    this.#took(this.engine.confirm(moment(this.now)));
  }
  /** A power cut. */
  restart(rules: Iterable<ResolvedRule>): void {
    this.now += 1000;
    this.engine = new RuleEngine({ rules, start: moment(this.now), shapes: [shape], saved: [...this.rows.values()] });
    this.#took(this.engine.tick(this.now));
  }
  get stands(): string[] {
    return this.engine.alarms(moment(this.now)).map(({ rule, occurrence }) => `${rule} ${occurrence}`);
  }
}

test('an alarm whose rule a trial lacks goes on after it, and ends with one that is kept', () => {
  for (const end of ['back', 'cut', 'kept'] as const) {
    const site = new Site(WARM);
    site.reading(9);
    site.reload([], true);
    assert.deepEqual(site.said, ['active-unacknowledged 1 reading'], 'a trial ends no alarm');
    site.reading(9);
    if (end === 'back') site.reload(WARM);
    else if (end === 'cut') site.restart(WARM);
    else site.confirm();
    const after = { back: ['active-unacknowledged 1 reload'], cut: [], kept: ['normal 1 reload'] }[end];
    assert.deepEqual(site.said.slice(1), after, end);
    assert.deepEqual(site.stands, end === 'kept' ? [] : ['warm 1'], end);
    assert.equal(site.rows.has('warm'), end !== 'kept', end);
  }
});

test('a delay goes on after a trial that lacks its rule', () => {
  const slow = rulesOf(8, '1h');
  const site = new Site(slow);
  site.reading(9);
  site.now += 3_500_000;
  site.reload([], true);
  site.reload(slow);
  site.now += 100_000;
  site.reading(9);
  assert.deepEqual(site.stands, ['warm 1']);
});

test('an alarm of a changed rule on trial ends that of before, and counts on', () => {
  const site = new Site(WARM);
  site.reading(9);
  site.reload(COLDER, true);
  site.reading(9);
  assert.deepEqual(site.said.slice(1), ['normal 1 reload', 'active-unacknowledged 2 reading']);
  site.reload(WARM);
  assert.deepEqual(site.said.slice(3), ['active-unacknowledged 2 reload']);
  site.reading(5);
  site.reading(9);
  assert.deepEqual(site.said.slice(4), ['normal 2 reading', 'active-unacknowledged 3 reading']);
});

test('what was said last of an alarm is true after any trial, and its numbers stand once', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('reading' as const), value: fc.constantFrom(3, 6, 9) }),
    fc.record({ do: fc.constantFrom('lacking', 'changed', 'back', 'confirm', 'cut') }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const site = new Site(WARM);
      let before = WARM;
      let trial: ResolvedRule[] | undefined;
      for (const one of steps) {
        if ('value' in one) site.reading(one.value);
        else if (one.do === 'cut') {
          site.restart(before);
          trial = undefined;
        } else if (trial === undefined && (one.do === 'lacking' || one.do === 'changed')) {
          trial = one.do === 'lacking' ? [] : before === WARM ? COLDER : WARM;
          site.reload(trial, true);
        } else if (trial !== undefined && one.do === 'back') {
          site.reload(before);
          trial = undefined;
        } else if (trial !== undefined && one.do === 'confirm') {
          site.confirm();
          before = trial;
          trial = undefined;
        }
      }
      if (trial !== undefined) site.reload(before);
      const last = site.said.at(-1);
      assert.equal(last?.startsWith('active') === true, site.stands.length === 1, site.said.join());
      const began = site.said.filter((words) => /^active.*(?:reading|delay)$/.test(words)).map((words) => words.split(' ')[1]);
      if (!steps.some((one) => one.do === 'cut')) assert.equal(new Set(began).size, began.length, site.said.join());
    }),
  );
});
