import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import type { Shape } from '../../../src/core/point.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { parseRuleState, type RuleState } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const shape: Shape = { device: 'fridge', points: [{ name: 'temperature', type: 'float64', storage: 'number', unit: 'Cel' }] };
const HOUR = 3_600_000;
const rule = { point: 'fridge.temperature', above: 8, deadband: 0.5, onDelay: '10m', offDelay: '5m' };
const trial = (more: object = {}) => resolveRules({ warm: { ...rule, ...more, observe: true } });
const moment = (at: number) => ({ at, wall: 1_000_000 + at, wallKnown: true });

function engine(rules: ReturnType<typeof resolveRules>, saved: readonly RuleState[] = [], at = 0): RuleEngine {
  return new RuleEngine({ rules, start: moment(at), saved, shapes: [shape] });
}
function play(on: RuleEngine, readings: readonly (readonly [at: number, value: number])[], until = 0): AlarmTransition[] {
  const out: AlarmTransition[] = [];
  const run = (now: number) => {
    for (let due = on.nextDue(); due !== undefined && due <= now; due = on.nextDue()) out.push(...on.tick(due));
  };
  for (const [at, value] of readings) {
    run(at);
    out.push(...on.sample({ shape, at, values: [value], reasons: null }));
  }
  run(until);
  return out;
}
/** As the log keeps it. */
const stored = (on: RuleEngine, at: number) =>
  on.state(moment(at)).map((state) => parseRuleState(JSON.stringify(state)) as RuleState);

test('an observed rule says of each transition that it is one of a trial', () => {
  const on = engine(trial());
  const out = play(
    on,
    [
      [0, 9],
      [HOUR, 4],
    ],
    2 * HOUR,
  );
  assert.deepEqual(
    out.map(({ state, at, observed }) => ({ state, at, observed })),
    [
      { state: 'active-unacknowledged', at: 600_000, observed: true },
      { state: 'normal', at: HOUR + 300_000, observed: true },
    ],
  );
});

test('an observed rule makes the transitions of a rule that raises alarms', () => {
  const readings = fc.array(fc.tuple(fc.integer({ min: 1, max: HOUR }), fc.integer({ min: 5, max: 10 })), { maxLength: 60 });
  fc.assert(
    fc.property(readings, (steps) => {
      let at = 0;
      const series = steps.map(([step, value]) => {
        at += step;
        return [at, value] as const;
      });
      const alarm = play(engine(resolveRules({ warm: rule })), series, at + HOUR);
      const seen = play(engine(trial()), series, at + HOUR);
      assert.ok(seen.every(({ observed }) => observed));
      assert.deepEqual(
        seen.map(({ observed: _, ...t }) => t),
        alarm,
      );
    }),
  );
});

test('an observed rule is in no list of alarms, and nobody acknowledges or shelves it', () => {
  const on = engine(trial());
  play(on, [[0, 9]], HOUR);
  assert.deepEqual(on.alarms(moment(HOUR)), []);
  assert.throws(() => on.acknowledge('warm', 'amina', moment(HOUR)), /only observed/);
  assert.throws(() => on.shelve('warm', HOUR, 'amina', moment(HOUR)), /only observed/);
});

test('an observed rule needs no acknowledgement to become normal', () => {
  const out = play(
    engine(trial({ acknowledge: 'required' })),
    [
      [0, 9],
      [HOUR, 4],
    ],
    2 * HOUR,
  );
  assert.equal(out.at(-1)?.state, 'normal');
});

test('observations count what would have begun, and measure the longest', () => {
  const on = engine(trial());
  play(
    on,
    [
      [0, 9],
      [HOUR, 4],
      [2 * HOUR, 9],
      [5 * HOUR, 4],
      [6 * HOUR, 9],
    ],
    7 * HOUR,
  );
  const [seen] = on.observations(moment(7 * HOUR));
  assert.equal(seen?.count, 3);
  assert.equal(seen?.longest, 3 * HOUR - 600_000 + 300_000);
  assert.equal(seen?.observedSince, 1_000_000);
  assert.equal(seen?.state, 'active-unacknowledged');
  const [later] = on.observations(moment(20 * HOUR));
  assert.equal(later?.longest, 14 * HOUR - 600_000);
});

test('figures of an observation survive a restart, and the time off counts', () => {
  const on = engine(trial());
  play(
    on,
    [
      [0, 9],
      [HOUR, 4],
      [2 * HOUR, 9],
    ],
    3 * HOUR,
  );
  const again = engine(trial(), stored(on, 3 * HOUR), 5 * HOUR);
  const [seen] = again.observations(moment(6 * HOUR));
  assert.deepEqual([seen?.count, seen?.longest, seen?.observedSince], [2, 4 * HOUR - 600_000, 1_000_000]);
});

for (const saved of [true, false])
  test(`the end of a trial begins a normal life, ${saved ? 'at a start' : 'at a reload'}`, () => {
    let on = engine(trial());
    play(on, [[0, 9]], HOUR);
    const rules = resolveRules({ warm: rule });
    let ended: readonly AlarmTransition[];
    if (saved) {
      on = engine(rules, stored(on, HOUR), HOUR);
      ended = on.tick(HOUR);
    } else ended = on.reload(rules, moment(HOUR), [shape]);
    assert.deepEqual(
      ended.map(({ state, observed }) => [state, observed]),
      [['normal', true]],
    );
    const after = play(on, [[HOUR, 9]], 2 * HOUR);
    assert.deepEqual(
      after.map(({ state, at, observed }) => [state, at, observed]),
      [['active-unacknowledged', HOUR + 600_000, undefined]],
    );
    assert.deepEqual(on.observations(moment(2 * HOUR)), []);
  });

test('a trial that begins ends the alarm that stands', () => {
  const on = engine(resolveRules({ warm: rule }));
  play(on, [[0, 9]], HOUR);
  const ended = on.reload(trial(), moment(HOUR), [shape]);
  assert.deepEqual(
    ended.map(({ state, observed }) => [state, observed]),
    [['normal', undefined]],
  );
});

test('a rule out of service is observed all the same', () => {
  const on = engine(resolveRules({ warm: rule }));
  on.outOfService('warm', 'the sensor is in repair', 'amina', moment(0));
  on.reload(trial(), moment(1000), [shape]);
  const seen = play(on, [[HOUR, 9]], 2 * HOUR);
  assert.deepEqual(
    seen.map(({ state, observed }) => [state, observed]),
    [['active-unacknowledged', true]],
  );
});
