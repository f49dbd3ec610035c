/** An alarm out of service for a time: it says nothing until then, over restarts and reloads, and then what holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { type Moment, parseRuleState } from '../../../src/rules/rule-state.ts';
import { ruleOf } from '../../fakes/actions-bench.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WALL = Date.UTC(2026, 10, 26);
const SHAPE = { device: 'd', points: [{ name: 'p', type: 'float64' as const, unit: undefined }] };
const WARM = ruleOf('warm');
const at = (ms: number, known = true): Moment => ({ at: ms, wall: WALL + ms, wallKnown: known });
const engineOf = (rules: readonly ResolvedRule[] = [WARM], start = at(0), saved?: ReturnType<RuleEngine['state']>) =>
  new RuleEngine({
    rules,
    start,
    saved: saved?.flatMap((state) => parseRuleState(JSON.stringify(state)) ?? []),
    shapes: [SHAPE as never],
  });
const read = (engine: RuleEngine, ms: number, value: number): readonly AlarmTransition[] =>
  engine.sample({ shape: SHAPE, at: ms, values: [value], reasons: null } as never);

test('it ends by itself, and says what holds then', () => {
  const engine = engineOf();
  read(engine, 1000, 9);
  const out = engine.outOfService('warm', 'new sensor', 'amina', at(2000), 8 * HOUR);
  assert.equal(out.transitions[0]?.message, 'warm: taken out of service for 8h by amina (new sensor)');
  assert.equal(out.alarm.shelvedUntil, WALL + 2000 + 8 * HOUR);
  assert.deepEqual(read(engine, 3000, 4), []);
  assert.deepEqual(read(engine, 4000, 10), []);
  assert.deepEqual(engine.tick(2000 + 8 * HOUR - 1), []);
  const [back, ...more] = engine.tick(2000 + 8 * HOUR);
  assert.deepEqual(more, []);
  assert.deepEqual([back?.state, back?.cause], ['active-unacknowledged', 'expiry']);
  assert.match(back?.message ?? '', /^warm: the time out of service is over; d\.p is 10, above 8/);
});

test('a reason is asked for, and a time within its bounds', () => {
  const engine = engineOf();
  for (const length of [0, 999, 90 * DAY + 1, Number.NaN, Number.POSITIVE_INFINITY, -1])
    assert.throws(() => engine.outOfService('warm', 'x', 'amina', at(1), length), /1s to 90d/, String(length));
  assert.throws(() => engine.outOfService('warm', '  ', 'amina', at(1), HOUR), /needs a reason/);
  assert.equal(engine.alarms(at(2)).length, 0);
});

test('a restart and a reload keep its end; the time that the gateway was off counts', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 90 * DAY }),
      fc.integer({ min: 0, max: 100 * DAY }),
      fc.boolean(),
      fc.boolean(),
      (length, off, changes, without) => {
        const first = engineOf();
        first.outOfService('warm', 'new sensor', 'amina', at(0), without ? undefined : length);
        const saved = first.state(at(0));
        const second = engineOf([WARM], at(off), saved);
        if (changes) second.reload([{ ...WARM, setting: 7 }], at(off));
        const due = second.nextDue();
        const isOut = (ms: number) => second.alarms(at(ms)).some(({ state }) => state === 'out-of-service');
        if (without) {
          second.tick(off + 200 * DAY);
          assert.equal(isOut(off + 200 * DAY), true);
          return;
        }
        assert.ok(due !== undefined && due <= Math.max(off, length));
        second.tick(Math.max(off, length) - 1);
        if (length > off) assert.equal(isOut(Math.max(off, length) - 1), true);
        second.tick(Math.max(off, length));
        assert.equal(isOut(Math.max(off, length)), false);
      },
    ),
    { numRuns: 300 },
  );
});
