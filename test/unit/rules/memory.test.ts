/** What the engine does for every condition with memory: times, order, saving, damaged memories. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import { badSample, type Shape } from '../../../src/core/point.ts';
import { MEMORY_RESAVE, MOST_MEMORY } from '../../../src/rules/delay.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { parseRuleState, type RuleState } from '../../../src/rules/rule-state.ts';
import { counted } from '../../fakes/memory-kind.ts';

const shape: Shape = { device: 'd', points: [{ name: 'p', type: 'float64', storage: 'number' }] };
const rule: ResolvedRule = {
  ...{ name: 'r', device: 'd', point: 'p', kind: 'counted', setting: { times: 2, for: 10_000 } },
  ...{ deadband: 0, onDelay: 0, offDelay: 0, severity: 'warning' },
};
const moment = (at: number) => ({ at, wall: 1_795_000_000_000 + at, wallKnown: true });
const made = (saved: readonly RuleState[] = [], more: Partial<ResolvedRule> = {}, at = 0) =>
  new RuleEngine({ rules: [{ ...rule, ...more }], start: moment(at), saved, kinds: [counted] });
const value = (rules: RuleEngine, at: number, v = 1) => rules.sample({ shape, at, values: [v], reasons: null });
function stored(state: RuleState | undefined): RuleState {
  const back = parseRuleState(JSON.stringify(state));
  assert.ok(back);
  return back;
}

test('readings begin an alarm and time alone ends it', () => {
  const rules = made();
  value(rules, 1000);
  assert.equal(rules.nextDue(), 11_000);
  const [begun] = value(rules, 2000);
  assert.equal(begun?.message, 'd.p: the count is 2, 2 times');
  assert.equal(begun.value, 1);
  assert.deepEqual(
    rules.tick(60_000).map(({ at, state }) => [at, state]),
    [[12_000, 'normal']],
  );
});

test('a late tick and none give the same, and delays count from the moment of the change', () => {
  const rules = made([], { onDelay: 3000, offDelay: 5000 });
  value(rules, 1000);
  value(rules, 2000);
  const out = rules.tick(100_000).map(({ at, state }) => [at, state]);
  assert.deepEqual(out, [
    [5000, 'active-unacknowledged'],
    [17_000, 'normal'],
  ]);
});

test('a reading older than the newest one is not counted', () => {
  const rules = made();
  value(rules, 5000);
  assert.equal(value(rules, 4999).length, 0);
  assert.equal(value(rules, 5000).length, 1);
});

test('a bad reading makes an off-delay wait for proof', () => {
  const rules = made([], { offDelay: 5000 });
  value(rules, 1000);
  value(rules, 2000);
  assert.equal(rules.tick(13_000).length, 0);
  assert.equal(rules.sample(badSample(shape, 14_000, 'timeout')).length, 0);
  assert.equal(rules.tick(30_000).length, 0);
  assert.equal(value(rules, 31_000, 0)[0]?.at, 31_000);
});

test('a memory is saved when its alarm changes, else every few minutes, and at the end', () => {
  const rules = made();
  value(rules, 1000);
  assert.equal(rules.takeDirty(moment(1000)).changed.length, 0);
  assert.equal(rules.takeDirty(moment(1001), true).changed.length, 1);
  assert.equal(rules.takeDirty(moment(1002), true).changed.length, 0);
  value(rules, 2000);
  assert.equal(rules.takeDirty(moment(2000)).changed.length, 1, 'the alarm began');
  value(rules, 3000);
  assert.equal(rules.takeDirty(moment(3000)).changed.length, 0);
  assert.equal(rules.takeDirty(moment(2000 + MEMORY_RESAVE)).changed.length, 1);
});

test('a memory goes on after a restart', () => {
  const first = made();
  value(first, 1000);
  const [state] = first.takeDirty(moment(2000), true).changed;
  const next = made([stored(state)], {}, 50_000);
  assert.equal(value(next, 50_001)[0]?.occurrence, 1);
});

test('a damaged memory is none', () => {
  const first = made();
  value(first, 1000);
  const [state] = first.takeDirty(moment(2000), true).changed;
  for (const memory of [null, 5, [], { count: -1, quiet: 0 }, { count: 'x' }, 'x'.repeat(MOST_MEMORY)]) {
    const next = made([stored({ ...(state as RuleState), memory })], {}, 50_000);
    assert.equal(value(next, 50_001).length, 0, JSON.stringify(memory).slice(0, 30));
    assert.equal(value(next, 50_002).length, 1);
  }
});

test('an acknowledgement begins a time that adds up anew, which ends the alarm', () => {
  const hot: ResolvedRule = { ...rule, kind: 'beyond', setting: { above: 30, for: 10_000, gap: 60_000 } };
  const rules = new RuleEngine({ rules: [hot], start: moment(0) });
  value(rules, 0, 31);
  const [begun] = rules.tick(10_000);
  assert.equal(begun?.message, 'd.p is 31, above 30 for 10s in all');
  const { transitions } = rules.acknowledge('r', 'amina', moment(12_000));
  assert.deepEqual(
    transitions.map(({ state, at }) => [state, at]),
    [
      ['active-acknowledged', 12_000],
      ['normal', 12_000],
    ],
  );
  assert.equal(rules.nextDue(), 22_000, 'it is still hot');
});
