/** What the measurement of a fleet says of each record that did not come. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fateOf, fateWords, MOST_TOLD, spanOf } from '../../../bench/lib/fleet-fate.ts';
import { peeked } from '../../../bench/lib/fleet-left.ts';
import type { Sending } from '../../../bench/lib/fleet-words.ts';
import { jsonBatch } from '../../../src/codecs/format-json.ts';
import { formatCases } from '../../harness/format-case.ts';

const TAKEN = Date.UTC(2026, 0, 1, 10, 0, 0);
const missing = { gateway: 'g7', first: 100, last: 110, taken: TAKEN };
const sending = (first: number, last: number, acked?: number): Sending => ({
  ...{ lane: 'history', first, last, node: '127.0.0.1:1883' },
  ...(acked !== undefined && { acked }),
});

test('the numbers of a batch are read from its first bytes', () => {
  for (const { name, batch } of formatCases('json')) {
    const { gateway, first, last } = JSON.parse(jsonBatch(batch)) as { gateway: string; first: number; last: number };
    assert.deepEqual(spanOf(jsonBatch(batch)), { gateway, first, last }, name);
  }
  assert.equal(spanOf('{"v":1,"online":true}'), undefined);
});

test('a message that RabbitMQ shows stands for all records of its gateway', () => {
  const text = '| delivery_mode | 2 |\n| routing_keys | sluice.g7.history |\n| payload (max 64 bytes) | {"v":1,"gateway":"g7" |';
  const left = peeked('the queue at 1 of 3', text);
  assert.deepEqual(
    left.map(({ gateway }) => gateway),
    ['g7'],
  );
  const words = fateWords([fateOf(missing, []), fateOf({ ...missing, gateway: 'g8' }, [])], left, []);
  assert.match(words[0] ?? '', /in the queue at 1 of 3 \(some history of g7\);/);
  assert.match(words[1] ?? '', /in no queue that was read;/);
  assert.deepEqual(peeked('x', '| routing_keys | sluice.g7.alarm.high |'), []);
});

test('messages with one of the records count, and the last acknowledgement', () => {
  const all = [sending(1, 99, 1), sending(90, 100), sending(95, 105, 2), sending(105, 120, 3), sending(111, 120, 4)];
  assert.deepEqual(fateOf(missing, all), { ...missing, sent: 3, acked: all[3] });
  assert.deepEqual(fateOf(missing, []), { ...missing, sent: 0, acked: undefined });
});

test('each range says who acknowledged it, where it is, and whether it came', () => {
  const fates = [
    fateOf(missing, [sending(95, 120, TAKEN + 1500)]),
    fateOf({ ...missing, first: 200, last: 200 }, [sending(200, 200)]),
    fateOf({ ...missing, first: 300, last: 301 }, []),
  ];
  const left = [
    { place: 'the queue at 1', gateway: 'g7', first: 90, last: 100 },
    { place: 'the queue at 2', gateway: 'g8', first: 200, last: 200 },
  ];
  assert.deepEqual(fateWords(fates, left, [{ ...missing, first: 200, last: 200 }]), [
    'g7 100 to 110, taken at 10:00:00.000; sent in 1 messages; history acknowledged by 127.0.0.1:1883 at 10:00:01.500; in the queue at 1; came when the platform connected again',
    'g7 200, taken at 10:00:00.000; sent in 1 messages; not acknowledged; in no queue that was read; never came',
    'g7 300 to 301, taken at 10:00:00.000; never sent; not acknowledged; in no queue that was read; came when the platform connected again',
  ]);
  const many = Array.from({ length: MOST_TOLD + 3 }, () => fateOf(missing, []));
  assert.deepEqual([fateWords(many, [], []).length, fateWords(many, [], []).at(-1)], [MOST_TOLD + 1, 'and 3 ranges more']);
});
