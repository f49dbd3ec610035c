/** What people read of alarms, in their language: every golden timeline in Bangla, and readers of two languages. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { wordsIn } from '../../../src/core/sentence.ts';
import { METHOD } from '../../../src/rules/anomaly/detector.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { type Moment, parseRuleState } from '../../../src/rules/rule-state.ts';
import { playCase, readCase, resolveRules } from '../../harness/rule-case.ts';

const root = path.join(import.meta.dirname, '..', '..', 'cases', 'rules');
const folders = globSync('*/rules.yaml', { cwd: root }).map((file) => path.dirname(file));
/** Signs of units and names of methods; they are the same in every language. */
const SIGNS = new Set(['kWh', 'lux', 'bar', 'usual', 'range', 'ppm', 'min', 'amina', 'true', 'false', METHOD]);

test('every golden timeline says the same in Bangla, without English words', () => {
  let sentences = 0;
  for (const folder of folders) {
    const golden = readCase(path.join(root, folder));
    const here = ['rules', 'timeline'].map((file) => readFileSync(path.join(root, folder, `${file}.yaml`), 'utf8')).join();
    const { transitions } = playCase(golden, true, undefined, 'bn');
    const english = playCase(golden, true).transitions;
    assert.equal(transitions.length, english.length, folder);
    for (const [i, { rule, state, message = '', said = '' }] of transitions.entries()) {
      assert.deepEqual([rule, state], [english[i]?.rule, english[i]?.state]);
      // Either gateway has the words of the other.
      assert.equal(wordsIn(said, 'en'), english[i]?.message);
      assert.equal(wordsIn(english[i]?.said ?? '', 'bn'), message);
      sentences++;
      for (const [word] of message.matchAll(/[A-Za-z]{3,}/g))
        assert.ok(SIGNS.has(word) || here.includes(word), `${folder}: "${word}" in "${message}"`);
    }
  }
  assert.ok(sentences > 150, `${sentences}`);
});

const shape = { device: 'fridge', points: [{ name: 'temperature', type: 'float64', storage: 'number', unit: 'Cel' }] } as const;
const moment = (at: number): Moment => ({ at, wall: 1_795_000_000_000 + at, wallKnown: true });
const warm = { warm: { point: 'fridge.temperature', above: 8 } };
const reading = (at: number, value: number) => ({ shape, at, values: [value], reasons: null });

test('an alarm is there in the language of the gateway and in the other one', () => {
  const rules = new RuleEngine({ rules: resolveRules(warm), start: moment(0), shapes: [shape] });
  rules.sample(reading(1, 9));
  const words = (now = rules) => {
    const [alarm] = now.alarms(moment(2));
    return [alarm?.message, alarm?.messages];
  };
  const english = 'fridge.temperature is 9 °C, above 8';
  const bangla = 'fridge.temperature এখন 9 °C, 8-এর বেশি';
  assert.deepEqual(words(), [english, { bn: bangla }]);
  // The language changes while the alarm stands, in a reload and over a restart.
  rules.reload(resolveRules(warm, {}, 'bn'), moment(2));
  assert.deepEqual(words(), [bangla, { en: english }]);
  const saved = rules.state(moment(2)).map((state) => parseRuleState(JSON.stringify(state)));
  const next = new RuleEngine({
    rules: resolveRules(warm),
    start: moment(2),
    saved: saved.filter((state) => state !== undefined),
  });
  assert.deepEqual(words(next), [english, { bn: bangla }]);
  next.shelve('warm', 3_600_000, 'amina', moment(2), 'defrosting');
  assert.deepEqual(words(next), [
    'warm: shelved for 1h by amina (defrosting)',
    { bn: 'warm: 1 ঘণ্টা স্থগিত করেছেন amina (defrosting)' },
  ]);
});

test('a text of the configuration is there in each language that it has', () => {
  const of = (message: unknown) => {
    const rules = new RuleEngine({ rules: resolveRules({ warm: { ...warm.warm, message } }), start: moment(0), shapes: [shape] });
    const [transition] = rules.sample(reading(1, 9));
    const [alarm] = rules.alarms(moment(1));
    return [transition?.message, alarm?.messages];
  };
  assert.deepEqual(of('Too warm'), ['Too warm', undefined]);
  assert.deepEqual(of({ en: 'Too warm', bn: 'বেশি গরম' }), ['Too warm', { bn: 'বেশি গরম' }]);
  assert.deepEqual(of({ bn: 'বেশি গরম' }), ['বেশি গরম', undefined]);
});

test('an alarm that an earlier version saved keeps its words', () => {
  const state = new RuleEngine({ rules: resolveRules(warm), start: moment(0), shapes: [shape] });
  state.sample(reading(1, 9));
  const [saved] = state.state(moment(1));
  const old = parseRuleState(JSON.stringify({ ...saved, message: 'fridge.temperature is 9 °C, above 8' }));
  assert.ok(old);
  const next = new RuleEngine({ rules: resolveRules(warm), start: moment(2), saved: [old] });
  assert.equal(next.alarms(moment(2))[0]?.message, 'fridge.temperature is 9 °C, above 8');
});

test('remarks of actions are in the language of the reader, and have a bound', () => {
  const rules = new RuleEngine({ rules: resolveRules(warm), start: moment(0), shapes: [shape] });
  rules.sample(reading(1, 9));
  for (let i = 0; i < 100; i++)
    rules.remark(
      'warm',
      1,
      { say: 'action-failed', action: `write pump.run ${i}`, why: 'the device did not answer' },
      moment(2 + i),
    );
  const [alarm] = rules.alarms(moment(200));
  const message = alarm?.message ?? '';
  assert.match(message, /^fridge.temperature is 9 °C, above 8 write pump.run \d+ failed: …/);
  assert.match(message, /write pump.run 99 failed: th…$/, 'the newest one');
  assert.match(alarm?.messages?.bn ?? '', /pump.run 99 ব্যর্থ হয়েছে: th…$/);
  assert.ok(message.length <= 1500);
});
