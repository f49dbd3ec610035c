/** What waits for a client of the socket for flows: bounded, in order, and never more than the client has credit for. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Sample, Shape } from '../../../src/core/point.ts';
import { reasonCode } from '../../../src/core/reasons.ts';
import { MOST_CREDIT, WAITING_ALARMS, WAITING_READINGS } from '../../../src/node-red/door/limits.ts';
import type { ReadingsWanted } from '../../../src/node-red/door/lines.ts';
import { parsePattern } from '../../../src/node-red/door/patterns.ts';
import { AlarmSubscription, Credit, ReadingSubscription } from '../../../src/node-red/door/subscription.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const shape: Shape = {
  device: 'tank',
  points: ['level', 'flow'].map((name) => ({ name, type: 'float64', storage: 'number' }) as const),
};
const timeout = reasonCode('timeout');

function bench(wanted: Partial<ReadingsWanted> & { of?: string } = {}, credit = 4) {
  const clock = new ManualClock();
  let left = 0;
  const { of = '*', ...rest } = wanted;
  const points = [parsePattern(of) ?? assert.fail(of)];
  const subscription = new ReadingSubscription(
    { points, mode: 'every', every: 0, good: false, initial: false, ...rest },
    credit,
    { clock, ready: () => {}, left: () => void left++ },
  );
  const give = (level: number, flow = 0, reasons: Sample['reasons'] = null) =>
    subscription.sample({ shape, at: clock.monotonic(), values: [level, flow], reasons } as Sample, 1000, true);
  const values = (most = 5000) => subscription.take(most).map(({ point, value }) => [point, value]);
  return { clock, subscription, give, values, left: () => left };
}

test('a subscription gets the points that it means, with their times and reasons', () => {
  const { subscription, give, values } = bench({ of: 'tank.level' });
  give(1.5, 7);
  assert.deepEqual(values(), [['tank.level', 1.5]]);
  give(2, 7, Uint8Array.of(timeout, 0));
  const [bad] = subscription.take(1);
  assert.deepEqual([bad?.value, bad?.quality, bad?.reason, bad?.time], [null, 'bad', 'timeout', 1000]);
  assert.ok(subscription.isMeant('tank', 'level') && !subscription.isMeant('tank', 'flow'));
});

test('with quality good, readings without a value do not come', () => {
  const { give, values } = bench({ of: 'tank.level', good: true });
  give(1, 0, Uint8Array.of(timeout, 0));
  give(2);
  assert.deepEqual(values(), [['tank.level', 2]]);
});

test('current: only the newest of each point waits, and a busy point keeps no other one back', () => {
  const { give, values, subscription } = bench({ mode: 'current' });
  for (let n = 0; n < 10_000; n++) give(n, -n);
  assert.equal(subscription.dropped, 0);
  assert.deepEqual(values(1), [['tank.level', 9999]]);
  give(10_000, -10_000);
  assert.deepEqual(values(), [
    ['tank.flow', -10_000],
    ['tank.level', 10_000],
  ]);
});

test('every: the newest thousand wait in order, the older ones are dropped and counted', () => {
  const { give, values, subscription, left } = bench({ of: 'tank.level' });
  const all = WAITING_READINGS + 250;
  for (let n = 0; n < all; n++) give(n);
  assert.deepEqual([subscription.dropped, subscription.unreported, left()], [250, 250, 250]);
  const taken = values();
  assert.deepEqual([taken.length, taken[0], taken.at(-1)], [WAITING_READINGS, ['tank.level', 250], ['tank.level', all - 1]]);
});

test('with a time, one reading of a point leaves in it, and the newest is never lost', async () => {
  const { clock, give, values } = bench({ of: 'tank.level', every: 1000 });
  const seen: unknown[] = [];
  for (let n = 0; n <= 35; n++) {
    give(n);
    seen.push(...values());
    await clock.advance(100);
    seen.push(...values());
  }
  assert.ok(seen.length >= 3 && seen.length <= 5, `${seen.length} readings in 3.6 s`);
  await clock.advance(2000);
  assert.deepEqual(values().at(-1), ['tank.level', 35]);
  await clock.advance(10_000);
  assert.deepEqual(values(), [], 'what was given once does not come again');
});

test('credit is taken by its owner, given back within a bound, and without it nothing is ready', () => {
  const credit = new Credit(1);
  for (let n = 0; n < 10; n++) credit.add(MOST_CREDIT);
  assert.equal(credit.left, MOST_CREDIT);
  const { subscription, give } = bench({}, 1);
  assert.equal(subscription.isReady, false, 'nothing waits');
  give(1);
  assert.equal(subscription.isReady, true);
  subscription.credit.left--;
  assert.equal(subscription.isReady, false);
  subscription.credit.add(1);
  assert.equal(subscription.isReady, true);
});

test('an end forgets what waits and what was held back', async () => {
  const { clock, subscription, give } = bench({ every: 1000 });
  give(1);
  give(2);
  subscription.end();
  await clock.advance(10_000);
  assert.deepEqual(subscription.take(10), []);
});

test('alarms of the meant rules come in order; of too many the oldest go, counted', () => {
  let left = 0;
  const side = { clock: new ManualClock(), ready: () => {}, left: () => void left++ };
  const subscription = new AlarmSubscription({ alarms: ['fridge-warm'] }, 1, side);
  assert.ok(subscription.isMeant('fridge-warm') && !subscription.isMeant('pump-dry'));
  for (let n = 0; n < WAITING_ALARMS + 5; n++) subscription.offer({ n });
  assert.deepEqual([subscription.unreported, left], [5, 5]);
  assert.deepEqual(subscription.take(), { n: 5 });
  subscription.end();
  assert.equal(subscription.take(), undefined);
  const all = new AlarmSubscription({ alarms: ['*'] }, 1, side);
  assert.ok(all.isMeant('pump-dry'));
});

test('for any course: order by point holds, and every reading is taken, replaced or counted', () => {
  const step = fc.oneof(
    fc.record({ give: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ take: fc.integer({ min: 1, max: 300 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { subscription, give } = bench({ of: 'tank.level' });
      let given = 0;
      const taken: number[] = [];
      for (const one of steps)
        if ('give' in one) for (let n = 0; n < one.give; n++) give(given++);
        else taken.push(...subscription.take(one.take).map(({ value }) => Number(value)));
      taken.push(...subscription.take(WAITING_READINGS).map(({ value }) => Number(value)));
      assert.deepEqual(
        taken,
        [...taken].sort((a, b) => a - b),
      );
      assert.equal(taken.length + subscription.dropped, given);
    }),
    { numRuns: 50 },
  );
});

test('a trigger of a rule reaches the subscriptions that ask for its name, and no other', () => {
  const side = { clock: new ManualClock(), ready: () => {}, left: () => {} };
  const some = new AlarmSubscription({ alarms: ['*'], triggers: ['siren'] }, 1, side);
  const none = new AlarmSubscription({ alarms: ['*'] }, 1, side);
  assert.deepEqual([some.listens('siren'), some.listens('other'), none.listens('siren')], [true, false, false]);
});
