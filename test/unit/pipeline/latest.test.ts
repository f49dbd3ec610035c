/** The last reading of each point, where records leave points out. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { PointInfo, Sample, Shape } from '../../../src/core/point.ts';
import { ABSENT, GOOD } from '../../../src/core/reasons.ts';
import { Latest } from '../../../src/pipeline/latest.ts';

const NAMES = ['a', 'b', 'c'];
const shapes = ['d', 'e'].map(
  (device): Shape => ({ device, points: NAMES.map((name): PointInfo => ({ name, type: 'float64', storage: 'number' })) }),
);

/** @param values undefined: the record leaves the point out */
function sampleOf(shape: Shape, at: number, values: readonly (number | undefined)[]): Sample {
  const reasons = Uint8Array.from(values, (value) => (value === undefined ? ABSENT : GOOD));
  return { shape, at, values: values.map((value) => value ?? 0), reasons: values.includes(undefined) ? reasons : null };
}

test('a point that a record leaves out keeps its value and the time of that', () => {
  const [shape] = shapes as [Shape];
  const latest = new Latest(() => 1_000_000);
  latest.setShapes([shape]);
  latest.take(sampleOf(shape, 10, [1, 2, 3]));
  latest.take(sampleOf(shape, 86_400_000, [4, undefined, undefined]));
  assert.deepEqual([latest.get('d', 'a')?.time, latest.get('d', 'b')?.time], [87_400_000, 1_000_010]);
  assert.equal(latest.get('d', 'b')?.value, 2);
  assert.deepEqual(
    Array.from(latest.changed(1), ({ point }) => point),
    ['a'],
  );
});

test('a reading keeps the class under which it was taken, whatever the configuration says later', () => {
  const [shape, other] = shapes as [Shape, Shape];
  const latest = new Latest(() => 0);
  latest.classify({ 'd.a': 'health', 'd.*': 'household' });
  latest.setShapes([shape, other]);
  const classes = () =>
    Object.fromEntries(Array.from(latest.all(), ({ device, point, privacy }) => [`${device}.${point}`, privacy]));
  latest.take(sampleOf(shape, 10, [1, 2, 3]));
  latest.take(sampleOf(other, 10, [1, undefined, undefined]));
  const taken = { 'd.a': 'health', 'd.b': 'household', 'd.c': 'household', 'e.a': 'technical' };
  assert.deepEqual(classes(), taken);
  // Several configurations in a row without a reading.
  for (const next of [{}, { 'd.b': 'location', 'e.*': 'household' } as const, {}, { 'd.a': 'environmental' } as const]) {
    latest.classify(next);
    assert.deepEqual(classes(), taken);
  }
  // The next record leaves one of them out, which stays what it was.
  latest.take(sampleOf(shape, 20, [4, undefined, 6]));
  assert.deepEqual(classes(), { ...taken, 'd.a': 'environmental', 'd.c': 'technical' });
  latest.classify({ 'd.*': 'health' });
  assert.deepEqual(classes(), { ...taken, 'd.a': 'environmental', 'd.c': 'technical' });
  latest.take(sampleOf(shape, 30, [7, 8, 9]));
  assert.deepEqual(classes(), { 'd.a': 'health', 'd.b': 'health', 'd.c': 'health', 'e.a': 'technical' });
});

test('values, times and what changed are those of a model that keeps each point by itself', () => {
  const step = fc.record({
    of: fc.integer({ min: 0, max: shapes.length - 1 }),
    values: fc.array(fc.option(fc.integer({ min: 0, max: 99 }), { nil: undefined }), { minLength: 3, maxLength: 3 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.nat(20), (steps, after) => {
      const latest = new Latest(() => 0);
      latest.setShapes(shapes);
      const model = new Map<string, { value: number; time: number; number: number }>();
      for (const [i, { of, values }] of steps.entries()) {
        const shape = shapes[of] as Shape;
        latest.take(sampleOf(shape, i * 1000, values));
        for (const [k, value] of values.entries())
          if (value !== undefined) model.set(`${shape.device}.${NAMES[k]}`, { value, time: i * 1000, number: i + 1 });
      }
      const shown = (from: number) =>
        Array.from(
          latest.changed(from),
          ({ device, point, value, time }) => `${device}.${point}=${String(value)}@${time}`,
        ).sort();
      const wanted = (from: number) =>
        [...model].flatMap(([name, { value, time, number }]) => (number > from ? [`${name}=${value}@${time}`] : [])).sort();
      assert.deepEqual(shown(0), wanted(0));
      assert.deepEqual(shown(after), wanted(after));
    }),
  );
});
