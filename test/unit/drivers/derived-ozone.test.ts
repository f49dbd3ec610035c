/** NowCast of ozone: the regression against least squares, EPA's example data, and each decision of its white paper. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { seeded } from '../../../src/core/seeded.ts';
import { because, good } from '../../../src/drivers/derived/formula.ts';
import { nowcastOzone } from '../../../src/drivers/derived/formulas/nowcast-ozone.ts';
import { predict } from '../../../src/drivers/derived/partial-least-squares.ts';

type Hour = number | undefined;
const EXAMPLE = path.join(import.meta.dirname, '../../cases/ozone/epa-example.json');

/** The newest first. */
function example(): Hour[] {
  const { hours } = JSON.parse(readFileSync(EXAMPLE, 'utf8')) as { hours: (number | null)[] };
  return hours.map((hour) => hour ?? undefined).reverse();
}
/** Two weeks and two hours of days that differ. */
function weeks(seed = 3): number[] {
  const random = seeded(seed);
  return Array.from({ length: 338 }, (_, i) => 35 + 20 * Math.sin((2 * Math.PI * i) / 24) + 12 * random());
}
const without = (hours: readonly Hour[], ...missing: readonly number[]): Hour[] =>
  hours.map((hour, i) => (missing.includes(i) ? undefined : hour));
const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

/** Least squares with an intercept, by elimination with pivots over the normal equations. */
function leastSquares(rows: readonly Float64Array[], y: Float64Array, at: Float64Array): number {
  const wide = rows.map((row) => [1, ...row]);
  const n = at.length + 1;
  const matrix = range(0, n).map((i) =>
    range(0, n + 1).map((j) =>
      wide.reduce((sum, row, k) => sum + (row[i] as number) * (j < n ? (row[j] as number) : (y[k] as number)), 0),
    ),
  );
  for (let k = 0; k < n; k++) {
    const pivot = range(k, n - k).reduce((best, i) =>
      Math.abs(matrix[i]?.[k] as number) > Math.abs(matrix[best]?.[k] as number) ? i : best,
    );
    const [a, b] = [matrix[k] as number[], matrix[pivot] as number[]];
    matrix[k] = b;
    matrix[pivot] = a;
    for (const [i, row] of matrix.entries()) {
      if (i === k) continue;
      const factor = (row[k] as number) / (b[k] as number);
      for (let j = k; j <= n; j++) row[j] = (row[j] as number) - factor * (b[j] as number);
    }
  }
  return [1, ...at].reduce((sum, value, i) => sum + (value * (matrix[i]?.[n] as number)) / (matrix[i]?.[i] as number), 0);
}

test('partial least squares with all components is the least-squares line', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 8 }), (seed, width) => {
      const random = seeded(seed);
      const row = () => Float64Array.from({ length: width }, () => 10 * random());
      const rows = range(0, 40).map(row);
      const y = Float64Array.from(rows, (each) => 3 + each.reduce((sum, x, i) => sum + x * (i - 2), 0) + random());
      const at = row();
      const expected = leastSquares(rows, y, at);
      assert.ok(Math.abs(predict(rows, y, at) - expected) < 1e-4 * Math.max(1, Math.abs(expected)));
    }),
    { numRuns: 100 },
  );
});

test('partial least squares: columns that depend on each other, and nothing to explain', () => {
  const rows = range(0, 20).map((i) => Float64Array.of(i, 2 * i, -i));
  const y = Float64Array.from(rows, ([x = 0]) => 5 + 4 * x);
  assert.ok(Math.abs(predict(rows, y, Float64Array.of(30, 60, -30)) - 125) < 1e-6);
  assert.equal(predict(rows, new Float64Array(20).fill(7), Float64Array.of(1, 2, 3)), 7);
  assert.equal(predict([Float64Array.of(1, 2)], Float64Array.of(9), Float64Array.of(5, 5)), 9);
});

test('ozone: the example data of the EPA give what least squares over the same windows give', () => {
  // 19.584 ppb: least squares and PLS with 96 components in NumPy agree on it; the R code of the EPA was not run here.
  assert.deepEqual(nowcastOzone(example()), good(19.5));
  assert.deepEqual(nowcastOzone(example().slice(1)), good(19.7));
});

test('ozone: a NowCast lies near the mean of 8 hours, three of which are still to come', () => {
  const all = weeks();
  let [near, count] = [0, 0];
  for (let now = 8; now < 24; now++) {
    // The window ends early, so the surrogate would show itself as partial.
    const long = [...all.slice(now), ...all];
    const result = nowcastOzone(long);
    const around = [...range(now - 3, 8)].reduce((sum, i) => sum + (all[i] as number), 0) / 8;
    assert.equal(result?.reason, 0);
    near += Math.abs((result?.value ?? 0) - around);
    count++;
  }
  assert.ok(near / count < 3, `${near / count} ppb on the mean`);
});

test('ozone: the line through the newest hour while the two weeks are not there', () => {
  const all = weeks();
  assert.equal(nowcastOzone([]), undefined);
  assert.deepEqual(nowcastOzone([50]), because('partial', 47));
  assert.deepEqual(nowcastOzone([undefined, 40, 90]), because('partial', 38.5));
  assert.deepEqual(nowcastOzone([undefined, undefined, 90]), because('partial', 81));
  assert.equal(nowcastOzone([undefined, undefined, undefined, 90, 90]), undefined);
  assert.equal(nowcastOzone(all.slice(0, 251))?.reason, because('partial').reason);
  // 252 hours whose gap is at the old end are more than 7 missing in a row.
  assert.equal(nowcastOzone(all.slice(0, 252))?.reason, because('partial').reason);
  assert.deepEqual(nowcastOzone([-9, -9]), because('partial', 0));
});

test('ozone: seven missing hours in a row are filled, and eight are not', () => {
  const all = weeks();
  const seven = nowcastOzone(without(all, ...range(100, 7)));
  assert.equal(seven?.reason, 0);
  assert.deepEqual(
    nowcastOzone(without(all, ...range(100, 8))),
    because('partial', Math.floor(10 * (0.85 * (all[0] as number) + 4.5)) / 10),
  );
  // Three of each eight hours: each hour has neighbours, and too few means of 8 hours are left.
  const thin = all.map((hour, i) => (i % 8 < 2 || (i % 8 === 4 && i % 3 === 0) ? undefined : hour));
  assert.equal(nowcastOzone([all[0], ...thin.slice(1)])?.reason, because('partial').reason);
});

test('ozone: without the newest hours the NowCast of an hour ago counts, and of two', () => {
  const all = weeks();
  const before = nowcastOzone(all.slice(1));
  assert.equal(before?.reason, 0);
  assert.deepEqual(nowcastOzone(without(all, 0)), because('partial', before?.value));
  const two = nowcastOzone(all.slice(2));
  assert.deepEqual(nowcastOzone(without(all, 0, 1)), because('partial', two?.value));
  assert.equal(nowcastOzone(without(all, 0, 1, 2)), undefined);
});

test('ozone: an instrument that shows nothing has a NowCast of 0, and none is negative', () => {
  assert.deepEqual(nowcastOzone(new Array<number>(338).fill(0)), good(0));
  assert.deepEqual(nowcastOzone(new Array<number>(338).fill(42)), good(42));
  assert.deepEqual(nowcastOzone(weeks().map((hour) => hour - 200)), good(0));
});
