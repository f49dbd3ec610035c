import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { rowsOf } from '../../../src/codecs/blocks.ts';
import { encodeRollups } from '../../../src/codecs/rollup-encode.ts';
import type { PointRollup } from '../../../src/codecs/rollup-form.ts';
import { ROLLUP_WIDTHS, rollupWidth } from '../../../src/codecs/rollup-sums.ts';
import { Rollups } from '../../../src/codecs/rollups.ts';
import { unseal } from '../../../src/codecs/sealed.ts';
import { hasValue, type LogRecord, type PointInfo, type Shape, type Value } from '../../../src/core/point.ts';
import { ABSENT } from '../../../src/core/reasons.ts';

const KINDS: readonly Pick<PointInfo, 'type' | 'storage'>[] = [
  { type: 'float32', storage: 'number' },
  { type: 'float64', storage: 'number' },
  { type: 'bool', storage: 'boolean' },
  { type: 'uint64', storage: 'integer64' },
  { type: 'int64', storage: 'integer64' },
  { type: 'string', storage: 'string' },
];
const decimals = fc.integer({ min: -100_000, max: 100_000 }).map((v) => v / 100);
const wild = fc.oneof(
  fc.double({ noNaN: true }),
  fc.float({ noNaN: true }),
  fc.constantFrom(0, -0, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** 53, 2 ** 51, Number.POSITIVE_INFINITY),
);
const valuesOf = (point: PointInfo): fc.Arbitrary<Value> => {
  if (point.storage === 'boolean') return fc.boolean();
  if (point.storage === 'string') return fc.string({ maxLength: 5 });
  if (point.storage === 'integer64')
    return point.type === 'uint64'
      ? fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
      : fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  return point.type === 'float32' ? decimals : fc.oneof(decimals, wild);
};
const reason = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.constantFrom(ABSENT, 1, 6, 128, 200));

const parts = fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 5 }).chain((kinds) => {
  const shape: Shape = { device: 'd', points: kinds.map((kind, i) => ({ name: `p${i}`, ...kind })) };
  const record = fc.record({
    at: fc.oneof(fc.integer({ min: 0, max: 400_000 }), fc.integer({ min: 0, max: 2 ** 43 })),
    values: fc.tuple(...shape.points.map(valuesOf)),
    reasons: fc.option(fc.tuple(...shape.points.map(() => reason)), { nil: null }),
  });
  return fc.record({
    shape: fc.constant(shape),
    records: fc.array(record, { maxLength: 40 }).map((rows) =>
      rows.map(
        (row, i): LogRecord => ({
          seq: i + 1,
          sample: { shape, at: row.at, values: row.values, reasons: row.reasons === null ? null : Uint8Array.from(row.reasons) },
        }),
      ),
    ),
    width: fc.constantFrom(...ROLLUP_WIDTHS),
    offset: fc.oneof(fc.integer({ min: -(2 ** 40), max: 2 ** 41 }), fc.constantFrom(0, 1_795_000_000_123)),
  });
});

function decodeRollups(shape: Shape, blob: Uint8Array) {
  const rollups = new Rollups(shape, blob);
  return { width: rollups.width, buckets: rollups.buckets, points: shape.points.map((_, i) => rollups.point(i)) };
}

interface Naive {
  count: number;
  bad: number;
  values: number[];
}
/** Bucket start in UTC ms -> the readings of one point. */
function naive(records: readonly LogRecord[], i: number, width: number, offset: number): Map<number, Naive> {
  const out = new Map<number, Naive>();
  for (const { sample } of records) {
    const wall = sample.at + offset;
    const start = wall - (((wall % width) + width) % width);
    const bucket = out.get(start) ?? { count: 0, bad: 0, values: [] };
    out.set(start, bucket);
    const why = sample.reasons?.[i] ?? 0;
    if (hasValue(why)) {
      bucket.count++;
      bucket.values.push(Number(sample.values[i]));
    } else if (why !== ABSENT) bucket.bad++;
  }
  return out;
}

function near(actual: number, values: readonly number[]): void {
  const min = Math.min(...values);
  const max = Math.max(...values);
  const mean = values.reduce((sum, v) => sum + v / values.length, 0);
  if (!Number.isFinite(mean)) {
    assert.ok(Object.is(actual, mean) || Number.isNaN(mean), `${actual} is not ${mean}`);
    return;
  }
  assert.ok(actual >= min && actual <= max, `${actual} is not within ${min}..${max}`);
  // Doubles lose some units in the last place of the largest value on the way.
  const size = Math.max(Math.abs(min), Math.abs(max));
  const lost = Math.max(size * 1e-13, 5e-323);
  assert.ok(Math.abs(actual - mean) <= max / 131_000 - min / 131_000 + lost, `${actual} is not about ${mean} (${values})`);
}

test('roll-ups are what a naive count over the records gives', () => {
  fc.assert(
    fc.property(parts, ({ shape, records, width, offset }) => {
      const blob = encodeRollups(rowsOf(shape, records), width, offset);
      const rollup = decodeRollups(shape, blob);
      assert.equal(rollup.width, width);
      shape.points.forEach((point, i) => {
        const expected = naive(records, i, width, offset);
        const starts = [...expected.keys()].sort((a, b) => a - b);
        assert.deepEqual(
          [...rollup.buckets].map((at) => at + offset),
          starts,
        );
        const column = rollup.points[i] as PointRollup;
        starts.forEach((start, b) => {
          const { count, bad, values } = expected.get(start) as Naive;
          assert.deepEqual([column.count[b], column.bad[b]], [count, bad]);
          const told = [column.min[b], column.max[b], column.mean[b]] as [number, number, number];
          if (count === 0 || point.storage === 'string') assert.deepEqual(told, [Number.NaN, Number.NaN, Number.NaN]);
          else {
            // Which zero is the smaller one is not told.
            assert.ok(told[0] === Math.min(...values) && told[1] === Math.max(...values), `${told} of ${values}`);
            near(told[2], values);
          }
        });
      });
    }),
    { numRuns: 1000 },
  );
});

test('one point alone is what it is among all, and nothing else is made for it', () => {
  fc.assert(
    fc.property(parts, ({ shape, records, width, offset }) => {
      const blob = encodeRollups(rowsOf(shape, records), width, offset);
      const { points } = decodeRollups(shape, blob);
      for (const [i, point] of points.entries()) {
        const alone = new Rollups(shape, blob);
        assert.deepEqual(alone.point(i), point);
        assert.equal(alone.made, 1);
      }
      const backwards = new Rollups(shape, blob);
      assert.deepEqual(
        [...points.keys()]
          .reverse()
          .map((i) => backwards.point(i))
          .reverse(),
        points,
      );
    }),
    { numRuns: 1000 },
  );
});

test('the mean of decimals and large counters is exact; that of booleans is the share of true', () => {
  const shape: Shape = {
    device: 'd',
    points: [
      { name: 't', type: 'int16', storage: 'number' },
      { name: 'n', type: 'uint32', storage: 'number' },
      { name: 'b', type: 'bool', storage: 'boolean' },
    ],
  };
  const records = Array.from(
    { length: 60 },
    (_, i): LogRecord => ({
      seq: i + 1,
      sample: { shape, at: i * 1000, values: [(2000 + (i % 7)) / 100, 4_000_000_000 + 3 * i, i % 3 === 0], reasons: null },
    }),
  );
  const { points } = decodeRollups(shape, encodeRollups(rowsOf(shape, records), 60_000, 0));
  const told = points.map((p) => [p.min[0], p.max[0], Number(p.mean[0]?.toFixed(9))]);
  const sum = records.reduce((s, r) => s + Math.round((r.sample.values[0] as number) * 100), 0);
  assert.deepEqual(told, [
    [20, 20.06, Number((sum / 6000).toFixed(9))],
    [4_000_000_000, 4_000_000_177, 4_000_000_088.5],
    [0, 1, Number((20 / 60).toFixed(9))],
  ]);
});

test('whatever byte changes or is missing: an error, never other numbers', () => {
  fc.assert(
    fc.property(
      parts,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      ({ shape, records, width, offset }, where, mask, cut) => {
        const blob = encodeRollups(rowsOf(shape, records), width, offset);
        const changed = Buffer.from(blob);
        changed[where % blob.length] = (changed[where % blob.length] as number) ^ mask;
        const short = blob.subarray(0, Math.floor(cut * blob.length));
        for (const bytes of [changed, short]) assert.throws(() => decodeRollups(shape, bytes), /damaged/);
      },
    ),
    { numRuns: 1000 },
  );
});

test('roll-ups of another shape are refused', () => {
  const shape: Shape = { device: 'd', points: [{ name: 'p', type: 'int16', storage: 'number' }] };
  const blob = encodeRollups(rowsOf(shape, []), 10_000, 0);
  assert.throws(() => decodeRollups({ ...shape, points: [...shape.points, ...shape.points] }, blob), /another shape/);
  assert.deepEqual([...decodeRollups(shape, blob).buckets], []);
});

test('the width gives a bucket about thirty records', () => {
  assert.equal(rollupWidth(360_000, 3600), 10_000);
  assert.equal(rollupWidth(359_000, 360), 60_000);
  assert.equal(rollupWidth(3_590_000, 360), 300_000);
  assert.equal(rollupWidth(3_600_000, 355), 300_000);
  assert.equal(rollupWidth(3_570_000, 120), 900_000);
  assert.equal(rollupWidth(3_600_000, 60), 3_600_000);
  assert.equal(rollupWidth(3_600_000, 2), 3_600_000);
  assert.equal(rollupWidth(0, 1), 10_000);
});

test('version 1 stays readable', () => {
  const shape: Shape = {
    device: 'pump',
    points: [
      { name: 'pressure', type: 'int16', storage: 'number', unit: 'bar' },
      { name: 'power', type: 'float32', storage: 'number' },
      { name: 'energy', type: 'uint64', storage: 'integer64' },
      { name: 'on', type: 'bool', storage: 'boolean' },
      { name: 'state', type: 'string', storage: 'string' },
    ],
  };
  const record = (seq: number, at: number, values: Value[], reasons: number[] | null = null): LogRecord => ({
    seq,
    sample: { shape, at, values, reasons: reasons === null ? null : Uint8Array.from(reasons) },
  });
  const records = [
    record(1, 5_000, [1.25, 0.1 + 0.2, 7n, true, 'idle']),
    record(2, 6_000, [1.5, -4.25e-9, 9_000_000_000_000_000_001n, false, 'idle']),
    record(3, 70_000, [0, 3, 0n, true, ''], [1, 0, 128, 0, ABSENT]),
    record(4, 200_000, [2.75, 1e300, 3n, true, 'run'], [0, 0, 0, 2, 0]),
  ];
  const golden =
    'Y3xwhZmV+esnFkZmJkZGRgYGRkYmBkYGRgYmRgYGBjCbgYFJQEBI+BfjGiZJBkFBhgAGPka7f//mODuXrlzJsGxZx5s3Ng4OT4ys7Pf9szMxmWNsXGpszGBs3GFsbGNs/OTybXv7ejteNns7yf//GRsamJgYAXvnM2XvnM2QEAAAAAwAAADNeHrr';
  // Another deflate may give other bytes for the same content.
  const content = (blob: Uint8Array) => {
    const { bytes, noise } = unseal(blob, 'roll-up');
    return [bytes, noise].map((part) => Buffer.from(part.rest()).toString('hex'));
  };
  assert.deepEqual(
    content(encodeRollups(rowsOf(shape, records), 60_000, 1_795_000_000_123)),
    content(Buffer.from(golden, 'base64')),
  );
  const { buckets, points } = decodeRollups(shape, Buffer.from(golden, 'base64'));
  assert.deepEqual([...buckets], [-40_123, 19_877, 199_877]);
  const column = (i: number) => {
    const p = points[i] as PointRollup;
    return [[...p.count], [...p.bad], [...p.min], [...p.max], [...p.mean]];
  };
  const no = Number.NaN;
  assert.deepEqual(column(0), [
    [2, 0, 1],
    [0, 1, 0],
    [1.25, no, 2.75],
    [1.5, no, 2.75],
    [1.375, no, 2.75],
  ]);
  assert.deepEqual(column(3).slice(0, 3), [
    [2, 1, 0],
    [0, 0, 1],
    [0, 1, no],
  ]);
  assert.deepEqual(column(4).slice(0, 2), [
    [2, 0, 1],
    [0, 0, 0],
  ]);
  assert.deepEqual(points[1]?.min[0], -4.25e-9);
  assert.deepEqual(points[2]?.max[0], 9_000_000_000_000_000_000);
});
