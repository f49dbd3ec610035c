/** Records of any shapes and values, ascending in seq, for property tests. */
import fc from 'fast-check';
import { hasValue, type LogRecord, type PointInfo, type Shape, type Value } from '../../src/core/point.ts';
import { ABSENT, REASONS } from '../../src/core/reasons.ts';

const KINDS: readonly Pick<PointInfo, 'type' | 'storage'>[] = [
  { type: 'float32', storage: 'number' },
  { type: 'float64', storage: 'number' },
  { type: 'int16', storage: 'number' },
  { type: 'bool', storage: 'boolean' },
  { type: 'uint64', storage: 'integer64' },
  { type: 'int64', storage: 'integer64' },
  { type: 'string', storage: 'string' },
];
const numbers = fc.oneof(
  fc.double({ noNaN: true }),
  fc.float({ noNaN: true }),
  fc.integer(),
  fc.integer({ min: -1_000_000, max: 1_000_000 }).map((v) => v / 100),
  fc.constantFrom(0, -0, 5e-324, -5e-324, 2.2250738585072014e-308, Number.MAX_VALUE, 2 ** 53, -(2 ** 51), 2 ** 51 + 0.5, 1e-7),
);
export const texts = fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.toWellFormed());
const valuesOf = (point: PointInfo): fc.Arbitrary<Value> => {
  if (point.storage === 'boolean') return fc.boolean();
  if (point.storage === 'string') return fc.oneof(texts, fc.constantFrom('', '\u{feff}', '\u{feff}\u{feff}x', '\0'));
  if (point.storage === 'number') return numbers;
  const [min, max] = point.type === 'uint64' ? [0n, 2n ** 64n - 1n] : [-(2n ** 63n), 2n ** 63n - 1n];
  return fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n, 1n));
};
const reason = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  fc.constantFrom(ABSENT, ...REASONS.map((r) => r.code)),
  fc.integer({ min: 1, max: 254 }),
);
/** The content of a place without a value does not matter; a driver may leave anything there. */
const rubbish = fc.oneof(fc.constant<Value>(0), numbers, fc.constantFrom<Value>(Number.NaN, '', 'left over', true, 7n));

const shapes = fc
  .array(fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 })
  .map((all) =>
    all.map((kinds, d): Shape => ({ device: `d${d}`, points: kinds.map((kind, i) => ({ name: `p${i}`, ...kind })) })),
  );
export const blocks = shapes.chain((all) => {
  const record = fc.integer({ min: 0, max: all.length - 1 }).chain((which) => {
    const shape = all[which] as Shape;
    return fc.record({
      shape: fc.constant(shape),
      step: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 2 ** 40 })),
      at: fc.oneof(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 2 ** 44 })),
      values: fc.tuple(...shape.points.map(valuesOf)),
      rubbish: fc.tuple(...shape.points.map(() => rubbish)),
      reasons: fc.option(fc.tuple(...shape.points.map(() => reason)), { nil: null }),
    });
  });
  return fc.array(record, { minLength: 1, maxLength: 30 }).map((rows) => {
    let seq = 0;
    const records = rows.map((row): LogRecord => {
      seq += row.step;
      const reasons = row.reasons === null ? null : Uint8Array.from(row.reasons);
      const values = row.values.map((v, i) =>
        reasons === null || hasValue(reasons[i] as number) ? v : (row.rubbish[i] as Value),
      );
      return { seq, sample: { shape: row.shape, at: row.at, values, reasons } };
    });
    return { shapes: all, records };
  });
});
