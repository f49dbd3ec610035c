/** Which answers of the counting device a gateway has taken for sure. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Answer, inTime } from '../../peers/counting-device.ts';

/** Answers of three units in turn, 20 ms after each other. */
function quick(from: number, count: number): Answer[] {
  return Array.from({ length: count }, (_, i) => ({
    at: from + i * 0.02,
    unit: (i % 3) + 1,
    value: Math.floor(from) * 1000 + i,
  }));
}

test('without a pause every answer counts, so that a lost one is found', () => {
  const all = quick(0, 100);
  assert.deepEqual(inTime(all), all);
  assert.deepEqual(inTime(all, 40), all.slice(0, 40));
});

test('an answer around which nothing else is answered for a time-out may be late', () => {
  const all = [...quick(0, 10), { at: 0.7, unit: 2, value: 700 }, ...quick(1.3, 30)];
  assert.ok(!inTime(all).some(({ value }) => value === 700));
  assert.ok(inTime(all).length >= all.length - 12);
});

test('answers that stacked up at a device that stood still may all be late', () => {
  // It stood still for 2.2 s. Unit 1 was given up after 0.5 s and 1 s more, unit 2 after 0.5 s; only its repeat was waited for.
  const stacked = [1, 1, 2, 2].map((unit, i) => ({ at: 2.2 + i / 1000, unit, value: 5000 + i }));
  const all = [...quick(0, 10), ...stacked, ...quick(2.3, 30)];
  const sure = inTime(all);
  assert.deepEqual(
    sure.filter(({ value }) => value >= 5000 && value <= 5002),
    [],
  );
  assert.deepEqual(sure.slice(-20), all.slice(-20), 'and the time behind it counts again');
});
