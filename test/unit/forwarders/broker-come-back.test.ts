/** Who was ended for the disk comes back after a wait that doubles, up to a bound, and nobody else waits. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ComeBack } from '../../../src/forwarders/broker/come-back.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

test('the wait doubles up to its bound, and is forgotten after a time without an end', async () => {
  const clock = new ManualClock();
  const back = new ComeBack(clock);
  const waits: number[] = [];
  const endsAgain = async (): Promise<void> => {
    back.ended('a', {});
    let waited = 0;
    for (; back.isEarly('a'); waited += 500) await clock.advance(500);
    waits.push(waited);
  };
  for (let i = 0; i < 7; i++) await endsAgain();
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.equal(back.isEarly('b'), false);
  await clock.advance(limits.COME_BACK_FORGOTTEN);
  await endsAgain();
  assert.equal(waits.at(-1), limits.COME_BACK_AFTER);
});

test('a bounded number of clients is remembered, those that were ended last', () => {
  const back = new ComeBack(new ManualClock());
  for (let i = 0; i <= limits.COME_BACK_CLIENTS; i++) back.ended(`c${i}`, {});
  assert.deepEqual([back.isEarly('c0'), back.isEarly('c1'), back.isEarly(`c${limits.COME_BACK_CLIENTS}`)], [false, true, true]);
});

test('messages of one connection are one end, and the next one waits twice as long', async () => {
  const clock = new ManualClock();
  const back = new ComeBack(clock);
  const [one, next] = [{}, {}];
  assert.deepEqual(
    Array.from({ length: 5 }, () => back.ended('a', one)),
    [true, false, false, false, false],
  );
  await clock.advance(limits.COME_BACK_AFTER);
  assert.equal(back.isEarly('a'), false);
  for (let i = 0; i < 3; i++) back.ended('a', next);
  await clock.advance(2 * limits.COME_BACK_AFTER - 1);
  assert.equal(back.isEarly('a'), true);
  await clock.advance(1);
  assert.equal(back.isEarly('a'), false);
});
