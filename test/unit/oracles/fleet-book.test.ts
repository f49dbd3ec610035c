/** How the measurement of a fleet counts what is lost, repeated or wrong. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Book, verdict } from '../../../bench/lib/fleet-book.ts';

const LOG = 'log1';

/** A gateway that took records 1 to `count`, one each second, and alarms with the numbers behind them. */
function expected(count: number, alarms: readonly number[] = []) {
  const records = Array.from({ length: count }, (_, i) => i + 1);
  return { records, taken: records.map((seq) => 1000 * seq), alarms };
}

function judged(book: Book, count: number, alarms: readonly number[] = []) {
  return verdict(new Map([['g0', book]]), [expected(count, alarms)]);
}

test('a fleet whose records all came once has nothing lost, repeated or wrong', () => {
  const book = new Book();
  for (let seq = 1; seq <= 3000; seq++) book.record(LOG, 'data', seq);
  book.alarms.set(`${LOG} 3001`, 1);
  assert.deepEqual(judged(book, 3000, [3001]), {
    ...{ expected: 3000, lost: 0, lostSince: 0, missing: [], lostBehindMarks: 0, doubled: 0, repeats: 0, wrong: 0 },
    ...{ alarmsExpected: 1, alarmsLost: 0, alarmsRepeats: 0 },
  });
});

test('a record that comes after a later one is lost behind the mark', () => {
  const book = new Book();
  for (const seq of [1, 3, 2, 6]) book.record(LOG, 'data', seq);
  book.record(LOG, 'history', 5);
  const found = judged(book, 6, [7]);
  assert.equal(found.lost, 1, 'record 4');
  assert.equal(found.lostSince, 4000);
  assert.deepEqual(found.missing, [{ gateway: 'g0', first: 4, last: 4, taken: 4000 }]);
  assert.equal(found.lostBehindMarks, 1, 'record 2');
  assert.equal(found.doubled, 0);
  assert.equal(found.alarmsLost, 1);
});

test('a record on both topics counts twice behind the marks, and a repeat on one topic does not', () => {
  const book = new Book();
  for (const seq of [1, 2, 2, 1]) book.record(LOG, 'data', seq);
  assert.deepEqual([judged(book, 2).doubled, judged(book, 2).repeats], [0, 2]);
  book.record(LOG, 'history', 2);
  assert.equal(judged(book, 2).doubled, 1);
});

test('a number that was never given is wrong', () => {
  const book = new Book();
  for (const seq of [1, 2, 9]) book.record(LOG, 'data', seq);
  assert.equal(judged(book, 2).wrong, 1);
});

test('each expected record is stored, behind the mark, or lost', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(fc.integer({ min: 1, max: 40 })), (count, came) => {
      const book = new Book();
      const seen = came.filter((seq) => seq <= count);
      for (const seq of seen) book.record(LOG, 'data', seq);
      const found = judged(book, count);
      const stored = seen.filter((seq, i) => seen.slice(0, i).every((before) => before < seq));
      assert.equal(found.lost, count - new Set(seen).size);
      const named = found.missing.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
      assert.deepEqual(
        named,
        expected(count).records.filter((seq) => !seen.includes(seq)),
      );
      assert.equal(found.lostBehindMarks, new Set(seen).size - new Set(stored).size);
      assert.equal(found.repeats, seen.length - new Set(seen).size);
      assert.equal(found.doubled, 0);
    }),
  );
});
