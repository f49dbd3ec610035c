/** Growth of a counter over a restart at which the clock is not known yet, as on a board without a battery. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import type { RuleState } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOON = Date.UTC(2026, 10, 27, 12);
const shape: Shape = { device: 'meter', points: [{ name: 'volume', type: 'float64', storage: 'number' }] };

/** One run: it begins at 0 of its own clock. @param wall UTC ms at that time */
function run(rule: object, wall: number, wallKnown: boolean, saved?: readonly RuleState[]) {
  const rules = resolveRules({ leak: { point: 'meter.volume', ...rule } });
  const engine = new RuleEngine({ rules, start: { at: 0, wall: wallKnown ? wall : 0, wallKnown }, shapes: [shape], saved });
  let known = wallKnown;
  const moment = (at: number) => ({ at, wall: known ? wall + at : at, wallKnown: known });
  return {
    read: (at: number, value: number) => void engine.sample({ shape, at, values: [value], reasons: null }),
    learn: (at: number) => {
      known = true;
      engine.clockKnown(moment(at));
      engine.tick(at);
    },
    save: (at: number) => JSON.parse(JSON.stringify(engine.state(moment(at)))) as RuleState[],
    active: (at: number): boolean => {
      engine.tick(at);
      return engine.alarms(moment(at)).length > 0;
    },
  };
}

const total = { total: { above: 5, per: 'day' } };

test('a total has what flowed while the gateway was off, once the time is known', () => {
  const before = run(total, NOON, true);
  before.read(MINUTE, 100);
  const after = run(total, NOON + HOUR, false, before.save(2 * MINUTE));
  after.read(MINUTE, 104);
  after.read(2 * MINUTE, 107);
  assert.equal(after.active(3 * MINUTE), false, 'nobody knows of which day it is');
  after.learn(4 * MINUTE);
  assert.equal(after.active(4 * MINUTE), true);
});

test('of what flowed over a midnight of unknown length a total has its share', () => {
  const before = run(total, NOON, true);
  before.read(0, 100);
  // Off from noon to noon: the half of it flowed on the day of now.
  for (const [value, isActive] of [
    [109, false],
    [111, true],
  ] as const) {
    const after = run(total, NOON + 24 * HOUR, false, before.save(0));
    after.read(0, value);
    after.learn(MINUTE);
    assert.equal(after.active(MINUTE), isActive, `${value}`);
  }
});

test('a total keeps over a restart what grew while the clock was not known', () => {
  let saved = run(total, NOON, true).save(0);
  for (const begin of [0, 4]) {
    const boot = run(total, NOON + HOUR, false, saved);
    boot.read(0, 100 + begin);
    boot.read(MINUTE, 104 + begin);
    saved = boot.save(2 * MINUTE);
  }
  const last = run(total, NOON + 2 * HOUR, false, saved);
  last.read(0, 108);
  last.learn(MINUTE);
  assert.equal(last.active(MINUTE), true);
});

test('a total has growth of an unknown day never, and a step that is too fast neither', () => {
  const never = run(total, NOON, false);
  never.read(0, 100);
  const after = run(total, NOON, false, never.save(MINUTE));
  after.read(0, 200);
  after.learn(MINUTE);
  assert.equal(after.active(MINUTE), false);
});
