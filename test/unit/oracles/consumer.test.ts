import assert from 'node:assert/strict';
import test from 'node:test';
import { Consumer } from '../../oracles/consumer.ts';

const record = (seq: number, value = seq) => ({ seq, device: 'fridge', time: 1000 + seq, values: { t: value } });
const batch = (seqs: number[], more: object = {}) =>
  JSON.stringify({
    ...{ v: 1, gateway: 'g', log: 'L', boot: 'b1', inventory: 1, sent: 9 },
    ...{ first: seqs[0] ?? 1, last: seqs.at(-1) ?? 1, records: seqs.map((s) => record(s)) },
    ...more,
  });
const kinds = (consumer: Consumer) => consumer.judge().map((v) => v.kind);
const DATA = 'sluice/g/data';
const HISTORY = 'sluice/g/history';

test('takes each record once, whatever the boundaries of a retry', () => {
  const consumer = new Consumer();
  consumer.feed(DATA, batch([1, 2, 3]));
  consumer.feed(DATA, batch([2, 3, 4]));
  consumer.feed(DATA, batch([5]));
  consumer.feed(HISTORY, batch([8, 9]));
  consumer.feed('sluice/g/value/fridge/t', 'anything');
  consumer.feed('sluice/g/alarm/warm', JSON.stringify({ v: 1, log: 'L', seq: 10, time: 5, rule: 'warm' }));
  assert.deepEqual(
    consumer.records().map((r) => [r.seq, r.kind]),
    [
      [1, 'data'],
      [2, 'data'],
      [3, 'data'],
      [4, 'data'],
      [5, 'data'],
      [8, 'history'],
      [9, 'history'],
    ],
  );
  assert.equal(consumer.duplicates, 2);
  assert.equal(consumer.accepted.get('g/L/10')?.kind, 'alarm');
  assert.deepEqual(kinds(consumer), []);
});

test('keeps logs and gateways apart', () => {
  const consumer = new Consumer();
  consumer.feed(DATA, batch([7]));
  consumer.feed(DATA, batch([1], { log: 'M' }));
  consumer.feed('sluice/h/data', batch([1], { gateway: 'h' }));
  assert.equal(consumer.records().length, 3);
  assert.deepEqual(kinds(consumer), []);
});

test('tells a number with two contents, also when the second is dropped as a repeat', () => {
  const consumer = new Consumer();
  consumer.feed(DATA, batch([1, 2]));
  consumer.feed(DATA, batch([2], { records: [record(2, 99)] }));
  assert.deepEqual(kinds(consumer), ['two-contents']);
  const reboot = new Consumer();
  reboot.feed(DATA, batch([1]));
  reboot.feed(DATA, batch([1], { boot: 'b2' }));
  assert.deepEqual(kinds(reboot), ['two-contents']);
});

test('tells a number that came after its mark had passed it', () => {
  const consumer = new Consumer();
  consumer.feed(DATA, batch([1, 3]));
  consumer.feed(DATA, batch([2]));
  assert.deepEqual(kinds(consumer), ['covered-before']);
  assert.equal(consumer.accepted.has('g/L/2'), false);
});

test('tells a number on two topics and a range over another lane', () => {
  const consumer = new Consumer();
  consumer.feed(DATA, batch([1, 2]));
  consumer.feed(HISTORY, batch([2]));
  assert.ok(kinds(consumer).includes('two-topics'));
  const cover = new Consumer();
  cover.feed(DATA, batch([5]));
  cover.feed(HISTORY, batch([1, 9]));
  assert.deepEqual(kinds(cover), ['covers-other-lane']);
});

test('tells numbers out of order or range, and what is no batch', () => {
  const consumer = new Consumer();
  consumer.feed(DATA, batch([1], { last: 3, records: [record(2), record(1)] }));
  consumer.feed(DATA, batch([4], { records: [record(9)] }));
  consumer.feed(DATA, '{"v":1');
  consumer.feed(DATA, batch([20], { gateway: 'other' }));
  assert.deepEqual(kinds(consumer), ['order', 'order', 'malformed', 'malformed']);
});
