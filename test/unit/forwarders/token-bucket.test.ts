/** The bucket that paces a backlog, by counts and with a clock of the test. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { TokenBucket } from '../../../src/forwarders/mqtt/token-bucket.ts';

const BURST = 2;

/** Sends one batch after the other as soon as the bucket lets it. @returns what left, with its time */
function run(bucket: TokenBucket, batches: readonly number[], from = 0): { at: number; bytes: number }[] {
  let now = from;
  return batches.map((bytes) => {
    for (let wait = bucket.take(bytes, now); wait > 0; wait = bucket.take(bytes, now)) now += wait;
    return { at: now, bytes };
  });
}

test('no stretch of time carries more than the rate, a burst and the rest of one batch', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 16, max: 1_000_000 }),
      fc.array(fc.integer({ min: 1, max: 5_000_000 }), { minLength: 1, maxLength: 40 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 50 }),
      (rate, batches, dice) => {
        let die = 0;
        const bucket = new TokenBucket(rate, 0, () => dice[die++ % dice.length] as number);
        bucket.begin(0);
        const left = run(bucket, batches);
        for (const [i, first] of left.entries())
          for (let k = i, bytes = 0; k < left.length; k++) {
            const last = left[k] as { at: number; bytes: number };
            bytes += last.bytes;
            const beyond = Math.max(0, last.bytes - BURST * rate);
            const allowed = rate * ((last.at - first.at) / 1000 + BURST) + beyond;
            assert.ok(bytes <= allowed * (1 + 1e-9) + 1e-6, `${bytes} of ${allowed} from ${first.at} to ${last.at}`);
          }
      },
    ),
  );
});

test('a batch that is larger than the bucket leaves, and is paid for afterwards', () => {
  const bucket = new TokenBucket(100, 0, () => 0);
  assert.deepEqual(run(bucket, [1000, 1]), [
    { at: 0, bytes: 1000 },
    { at: 8010, bytes: 1 },
  ]);
});

test('gateways that come back together begin at different moments and do not stay in step', () => {
  let seed = 1;
  const random = (): number => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const firsts: number[] = [];
  let atOnce = 0;
  for (let gateway = 0; gateway < 1000; gateway++) {
    const bucket = new TokenBucket(1000, 0, random);
    bucket.begin(3_600_000);
    const left = run(
      bucket,
      Array.from({ length: 10 }, () => 1000),
      3_600_000,
    );
    firsts.push((left[0] as { at: number }).at);
    atOnce += left.filter(({ at }) => at === 3_600_000).length * 1000;
  }
  // Full buckets would give 2,000,000 bytes in the first moment.
  assert.ok(atOnce < 700_000, String(atOnce));
  const later = firsts.filter((at) => at > 3_600_000);
  assert.ok(later.length > 400 && new Set(later.map(Math.round)).size > 200);
});

test('a clock that does not move gives nothing, and one that goes back takes nothing', () => {
  const bucket = new TokenBucket(1000, 5000, () => 0);
  assert.equal(bucket.take(2000, 5000), 0);
  assert.equal(bucket.take(500, 5000), 500);
  assert.equal(bucket.take(500, 4000), 500);
  assert.equal(bucket.take(500, 5500), 0);
});
