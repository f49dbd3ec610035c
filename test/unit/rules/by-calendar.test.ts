/** The tables of time zones are loaded for rules that go by the calendar, when these are made: a start of other sites does without. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Calendar } from '../../../src/core/calendar.ts';
import type { Shape } from '../../../src/core/point.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const shape: Shape = { device: 'a', points: [{ name: 'x', type: 'float64', storage: 'number' }] };

/** @returns how many calendars were made before a sample, and behind some */
function calendars(rule: object, wallKnown: boolean): number[] {
  let made = 0;
  const engine = new RuleEngine({
    ...{ rules: resolveRules({ r: { point: 'a.x', ...rule } }), start: { at: 0, wall: Date.UTC(2026, 10, 27), wallKnown } },
    shapes: [shape],
    calendar: () => {
      made++;
      return new Calendar('Asia/Dhaka');
    },
  });
  const atStart = made;
  for (const at of [1000, 2000, 3000]) engine.sample({ shape, at, values: [at], reasons: null });
  return [atStart, made];
}

test('a calendar is made once, with the rule that goes by it, and never behind its first sample', () => {
  const schedule = [{ days: ['mon'], from: '08:00', to: '18:00', value: 5 }];
  for (const known of [true, false]) {
    assert.deepEqual(calendars({ above: 8 }, known), [0, 0]);
    assert.deepEqual(calendars({ above: { schedule, otherwise: 9 } }, known), [1, 1], 'schedule');
    assert.deepEqual(calendars({ total: { above: 100, per: 'day' } }, known), [1, 1], 'total');
    assert.deepEqual(calendars({ anomaly: {} }, known), [1, 1], 'anomaly');
  }
});
