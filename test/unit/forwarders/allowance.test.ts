/** What leaves on a connection stays within what a platform allows, whatever is asked and however the process stands still. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Allowance } from '../../../src/forwarders/mqtt/allowance.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { SkipClock } from '../../fakes/skip-clock.ts';

interface Left {
  readonly at: number;
  readonly bytes: number;
  readonly topic: string | undefined;
  readonly n: number;
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

const LIMITS = { messages: { perSecond: 50, atOnce: 20 }, bytes: { perSecond: 1000, atOnce: 0 }, retainedEvery: 1100 };

test('no second has more messages or bytes than allowed, and no topic two retained ones', async () => {
  const step = fc.record({
    wait: fc.constantFrom(0, 0, 1, 7, 20, 100, 900, 5000),
    bytes: fc.integer({ min: 0, max: 500 }),
    topic: fc.constantFrom(undefined, undefined, undefined, 'a', 'b'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 60 }), async (steps) => {
      const clock = new ManualClock();
      const allowance = new Allowance(LIMITS, clock);
      const left: Left[] = [];
      for (const [n, { wait, bytes, topic }] of steps.entries()) {
        await clock.advance(wait);
        // As the callers do: the next one of a retained topic is asked for when the one before has left.
        const asked = topic === undefined || left.some((l) => l.topic === topic) ? topic : undefined;
        void allowance.take(bytes, asked).then(() => left.push({ at: clock.monotonic(), bytes, topic: asked, n }));
        await settle();
      }
      for (let i = 0; i < 2000 && left.length < steps.length; i++) {
        await clock.advance(13);
        await settle();
      }
      assert.equal(left.length, steps.length, 'everything leaves in the end');
      for (const { at } of left) {
        const second = left.filter((l) => l.at >= at && l.at < at + 1000);
        assert.ok(second.length <= 71, `${second.length} messages in a second`);
        assert.ok(second.reduce((sum, { bytes }) => sum + bytes, 0) <= 1500);
      }
      const plain = left.filter(({ topic }) => topic === undefined).map(({ n }) => n);
      assert.deepEqual(
        plain,
        plain.toSorted((a, b) => a - b),
        'in the order of the calls',
      );
    }),
    { numRuns: 40 },
  );
});

test('a standstill of the process does not let out at once what fell due meanwhile', async () => {
  const clock = new SkipClock(0);
  // One in ten minutes, so that no real time counts.
  const allowance = new Allowance({ messages: { perSecond: 1 / 600, atOnce: 0 } }, clock);
  let left = 0;
  for (let i = 0; i < 50; i++) void allowance.take(1).then(() => left++);
  await settle();
  assert.equal(left, 1);
  await clock.skip(12 * 3_600_000);
  await settle();
  assert.equal(left, 2);
  allowance.close();
});

test('a retained message waits for its topic, and nothing else waits for it', async () => {
  const clock = new ManualClock();
  const allowance = new Allowance({ retainedEvery: 1000 }, clock);
  const left: string[] = [];
  const take = (name: string, topic?: string) => allowance.take(1, topic).then(() => left.push(name));
  await take('first', 't');
  void take('second', 't');
  await take('other topic', 'u');
  await take('not retained');
  assert.deepEqual(left, ['first', 'other topic', 'not retained']);
  await clock.advance(1000);
  await settle();
  assert.equal(left.at(-1), 'second');
});

test('the end of a connection wakes all that wait, and lets none of them out', async () => {
  const clock = new ManualClock();
  const allowance = new Allowance({ messages: { perSecond: 1, atOnce: 0 }, retainedEvery: 60_000 }, clock);
  assert.equal(await allowance.take(1, 't'), true);
  const waiting = [allowance.take(1), allowance.take(1, 't'), ...Array.from({ length: 100 }, () => allowance.take(1))];
  await settle();
  allowance.close();
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set([false]));
});
