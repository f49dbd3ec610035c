import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import type { Value } from '../../../src/core/point.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { RULE_KINDS } from '../../../src/rules/kinds.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const page = readFileSync(path.join(import.meta.dirname, '..', '..', '..', 'docs', 'reference', 'rules.md'), 'utf8');
const blocks = page.matchAll(/```yaml\n(.*?)```/gs).map(([, text = '']) => parse(text) as { rules: Record<string, unknown> });
const rules = [...blocks].flatMap((block) => resolveRules(block.rules));

test('every example of docs/reference/rules.md is a valid rule', () => {
  assert.ok(rules.length >= RULE_KINDS.length);
  for (const { name, kind, setting, deadband } of rules)
    assert.equal(RULE_KINDS.find((k) => k.key === kind)?.check?.(setting, deadband), undefined, name);
});

test('docs/reference/rules.md has a heading and an example of every kind', () => {
  for (const { key } of RULE_KINDS) {
    assert.match(page, new RegExp(`^### ${key}$`, 'm'));
    assert.ok(
      rules.some((rule) => rule.kind === key),
      key,
    );
  }
});

/** The numbers that the page names beside its examples. */
const EDGES: readonly [
  rule: string,
  unit: string | undefined,
  begins: Value,
  keeps: readonly Value[],
  ends: Value,
  notYet: Value,
][] = [
  ['overpressure', 'bar', 6.4, [6, 5.9], 5.7, 6],
  ['fridge-cold', 'Cel', -0.6, [-0.5, -0.1], 0, -0.5],
  ['mains', 'V', 253.1, [253, 208.9, 251.1], 251, 207],
  ['pump-stopped', undefined, false, [0], true, true],
  ['printer-empty', undefined, 'OUT OF PAPER', ['OUT OF PAPER'], 'out of paper', 'Out of paper'],
];
for (const [name, unit, begins, keeps, ends, notYet] of EDGES) {
  test(`the inequality of docs/reference/rules.md: ${name}`, () => {
    const rule = rules.find((r) => r.name === name);
    assert.ok(rule);
    const shape = { device: rule.device, points: [{ name: rule.point, type: 'float64', storage: 'number', unit }] } as const;
    const engine = new RuleEngine({ rules: [rule], start: { at: 0, wall: 0, wallKnown: false } });
    const say = (at: number, value: Value) => engine.sample({ shape, at, values: [value], reasons: null });
    say(0, notYet);
    assert.equal(engine.nextDue(), undefined, 'nothing has begun');
    say(1, begins);
    const started = rule.onDelay === 0 ? 'now' : engine.tick(1 + rule.onDelay)[0];
    if (name === 'overpressure') {
      assert.ok(started !== 'now' && started !== undefined);
      assert.equal(started.message, 'pump.pressure is 6.4 bar, above 6 for 2s');
    }
    assert.equal(engine.alarms({ at: 0, wall: 0, wallKnown: false }).length, 1);
    const later = 2 + rule.onDelay;
    for (const value of keeps) assert.deepEqual(say(later, value), [], String(value));
    const [end] = say(later + 1, ends);
    assert.equal(end?.state, 'normal');
    if (name === 'overpressure') assert.equal(end.message, 'pump.pressure is 5.7 bar, back to normal');
  });
}

test('the messages that docs/reference/rules.md quotes are the ones of the test', () => {
  for (const text of ['pump.pressure is 6.4 bar, above 6 for 2s', 'pump.pressure is 5.7 bar, back to normal', 'was last 8.3 °C'])
    assert.ok(page.includes(text), text);
});
