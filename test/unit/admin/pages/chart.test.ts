/** What a chart draws: lines that break where readings are missing, and words for ages and values. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type History, seriesOf } from '../../../../src/admin/pages/chart/series.ts';
import { age, exactTime } from '../../../../src/admin/pages/words/times.ts';
import { bytesText, roundedTo, valueText } from '../../../../src/admin/pages/words/values.ts';
import { Words } from '../../../../src/admin/pages/words/words.ts';

const MINUTE = 60_000;
const bucket = (i: number, mean: number | null = i) => ({
  ...{ time: i * MINUTE, min: mean, max: mean, mean, count: 4, bad: mean === null ? 4 : 0 },
});
const buckets = (to: number, of: ReturnType<typeof bucket>[]): History => ({
  ...{ point: 'a.b', from: 0, to: to * MINUTE, width: MINUTE, buckets: of },
});

test('buckets that are missing break the line and show as a gap', () => {
  const { x, mean, gaps } = seriesOf(
    buckets(
      8,
      [0, 1, 2, 6, 7].map((i) => bucket(i)),
    ),
  );
  assert.deepEqual(mean, [0, 1, 2, null, 6, 7]);
  assert.deepEqual(gaps, [[180, 360]]);
  assert.deepEqual(
    x,
    [...x].sort((a, b) => a - b),
  );
});

test('the mean of numbers near the end of what there is stays between them', () => {
  const { average } = seriesOf(
    buckets(
      40,
      Array.from({ length: 40 }, (_, i) => bucket(i, i < 20 ? 1e307 : 3e307)),
    ),
  );
  assert.ok(Math.abs((average ?? 0) / 2e307 - 1) < 1e-9, String(average));
});

test('readings that are seconds apart have times that differ', () => {
  const words = new Words('bn', true);
  assert.match(exactTime(words, 1_795_600_025_000), /^[০-৯]{4}-[০-৯]{2}-[০-৯]{2} [০-৯]{2}:[০-৯]{2}:০৫$/);
  assert.equal(exactTime(words, Number.NaN), '');
});

test('a bucket without a good reading breaks the line', () => {
  const { mean, lowest, highest } = seriesOf(buckets(3, [bucket(0), bucket(1, null), bucket(2)]));
  assert.deepEqual(mean, [0, null, 2]);
  assert.deepEqual([lowest, highest], [0, 2]);
});

test('a device that is read every ten minutes has no gap between its readings', () => {
  const { mean, gaps } = seriesOf(
    buckets(
      40,
      [0, 10, 20, 30].map((i) => bucket(i)),
    ),
  );
  assert.deepEqual(mean, [0, 10, 20, 30]);
  assert.deepEqual(gaps, []);
});

test('readings that stopped before the end, or began after the start, leave a gap there', () => {
  const { gaps } = seriesOf(
    buckets(
      20,
      [8, 9, 10, 11].map((i) => bucket(i)),
    ),
  );
  assert.deepEqual(gaps, [
    [0, 480],
    [720, 1200],
  ]);
});

test('single readings keep their values, and their reasons where they are bad', () => {
  const { mean, rows, single } = seriesOf({
    ...{ point: 'a.b', from: 0, to: 5000, width: null },
    readings: [
      { time: 1000, value: true },
      { time: 2000, value: null, reason: 'timeout' },
      { time: 3000, value: '18446744073709551615' },
      { time: 4000, value: 'a text' },
    ],
  });
  assert.equal(single, true);
  assert.deepEqual(mean, [1, null, 18446744073709552000, null]);
  assert.deepEqual(
    rows.map(({ reason }) => reason),
    [undefined, 'timeout', undefined, undefined],
  );
});

test('a chart of nothing has nothing', () => {
  const { x, gaps, lowest, average } = seriesOf(buckets(5, []));
  assert.deepEqual([x, gaps, lowest, average], [[], [], undefined, undefined]);
});

test('an age is in words of its size, and the future is named', () => {
  const words = new Words('en', false);
  assert.deepEqual(
    [-60_000, 0, 5000, 3 * MINUTE, 5 * 60 * MINUTE, 3 * 86_400_000].map((ms) => age(words, 0, ms)),
    ['in the future', 'now', '5 s ago', '3 min ago', '5 h ago', '3 days ago'],
  );
});

test('values have seven digits at most, and Bengali digits only where they are wanted', () => {
  const [english, bangla, digits] = [new Words('en', true), new Words('bn', false), new Words('bn', true)];
  const float = Math.fround(4.2);
  assert.deepEqual(
    [english, bangla, digits].map((words) => valueText(words, float)),
    ['4.2', '4.2', '৪.২'],
  );
  // A text is what the device says: its digits stay.
  assert.equal(valueText(digits, 'mode 3', 'string'), 'mode 3');
  assert.equal(valueText(digits, '123', 'uint64'), '১২৩');
  assert.deepEqual([roundedTo(7, 5.31072), roundedTo(0, 123_456), roundedTo(50_000, 123_456.7)], [5.31, 123_456, 123_457]);
  assert.deepEqual(
    [999, 1024, 96 * 1024 ** 2, 16 * 1024 ** 3, 256 * 1024 ** 2].map((n) => bytesText(english, n)),
    ['999 B', '1.0 kB', '96.0 MB', '16.0 GB', '256 MB'],
  );
});
