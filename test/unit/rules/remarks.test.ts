/** What the message of an alarm says about its actions: the last outcome of each one, whatever failed before it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { phrase, wordsIn } from '../../../src/core/sentence.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { type Moment, parseRuleState } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const shape = { device: 'fridge', points: [{ name: 'temperature', type: 'float64', storage: 'number', unit: 'Cel' }] } as const;
const moment = (at: number): Moment => ({ at, wall: 1_795_000_000_000 + at, wallKnown: true });
const rules = resolveRules({ warm: { point: 'fridge.temperature', above: 8 } });

interface Step {
  readonly action: number;
  readonly failed: boolean;
  readonly why: string;
}

function standing(): RuleEngine {
  const engine = new RuleEngine({ rules, start: moment(0), shapes: [shape] });
  engine.sample({ shape, at: 1, values: [9], reasons: null });
  return engine;
}

function say(engine: RuleEngine, steps: readonly Step[]): void {
  for (const [i, { action, failed, why }] of steps.entries())
    engine.remark(
      'warm',
      1,
      phrase(failed ? 'action-failed' : 'action-failing', { action: `hook h${action}.`, why }),
      moment(2 + i),
    );
}

const message = (engine: RuleEngine): string => engine.alarms(moment(1000))[0]?.message ?? '';
const outcomes = (words: string): string[] => words.match(/hook h\d+\. (?:failed|fails so far):/g) ?? [];

const step = fc.record({
  action: fc.integer({ min: 0, max: 15 }),
  failed: fc.boolean(),
  why: fc.oneof(fc.string({ unit: fc.constantFrom('a', ' ', '€', '😀'), maxLength: 2000 }), fc.constant('it does not answer')),
});

test('the last outcome of each action is in the message, once, within the bound', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const engine = standing();
      say(engine, steps);
      const words = message(engine);
      const last = new Map(
        steps.map(({ action, failed }) => [action, `hook h${action}. ${failed ? 'failed' : 'fails so far'}:`]),
      );
      assert.deepEqual(outcomes(words).sort(), [...last.values()].sort());
      assert.ok(words.startsWith('fridge.temperature is 9 °C, above 8'));
      assert.ok(words.length <= 1500 && words.isWellFormed());
      // A restart has the same words.
      const saved = parseRuleState(JSON.stringify(engine.state(moment(1000))[0]));
      assert.equal(wordsIn(saved?.message ?? '', 'en'), words);
    }),
  );
});

test('a short reason stays whole beside a long one', () => {
  const engine = standing();
  say(engine, [
    { action: 1, failed: false, why: 'unit 1 does not answer' },
    { action: 2, failed: true, why: 'x'.repeat(4000) },
    { action: 1, failed: true, why: 'unit 1 does not answer' },
  ]);
  assert.match(message(engine), / hook h2\. failed: x{1000,}… hook h1\. failed: unit 1 does not answer$/);
  assert.ok(message(engine).length > 1400);
});
