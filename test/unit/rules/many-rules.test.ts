/** 10,000 rules over 1,000 points: what they say, and that a flood loses nothing. No times are asserted. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import type { Shape } from '../../../src/core/point.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { type Moment, parseRuleState, type RuleState } from '../../../src/rules/rule-state.ts';

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
