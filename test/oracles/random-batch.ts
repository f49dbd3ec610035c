/** Batches with every storage, every quality and awkward values, for the properties of payload formats. */
import fc from 'fast-check';
import type { Batch } from '../../src/codecs/format.ts';
import { type LogRecord, POINT_TYPES, type PointInfo, type Shape, storageOf, type Value } from '../../src/core/point.ts';
import { ABSENT, REASONS } from '../../src/core/reasons.ts';

const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,11}$/);
const UNITS = [undefined, 'Cel', 'kW.h', '%', 'bar', 'uS/cm', '{drops}', '[kn_i]', '1'] as const;

const point: fc.Arbitrary<PointInfo> = fc
  .record({ name, type: fc.constantFrom(...POINT_TYPES), scaled: fc.boolean(), unit: fc.constantFrom(...UNITS) })
  .map(({ scaled, type, unit, ...rest }) => ({
    ...rest,
    type,
    storage: storageOf(type, scaled),
    ...(unit === undefined ? {} : { unit }),
  }));

const shapes: fc.Arbitrary<Shape[]> = fc.uniqueArray(
  fc.record({ device: name, points: fc.uniqueArray(point, { minLength: 1, maxLength: 6, selector: (p) => p.name }) }),
  { minLength: 1, maxLength: 4, selector: (s) => s.device },
);

function anyValue({ storage, type }: PointInfo): fc.Arbitrary<Value> {
  switch (storage) {
    case 'boolean':
      return fc.boolean();
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 20 });
    case 'integer64':
      return type === 'uint64' ? fc.bigInt(0n, 2n ** 64n - 1n) : fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
    default:
      return fc.oneof(
        fc.integer({ min: -100_000, max: 100_000 }).map((n) => n / 100),
        fc.double(),
        fc.float({ noNaN: true }),
        fc.constantFrom(0, -0, 1e21, 1e-7, 2 ** 53, 5e-324),
      );
  }
}

const reason = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.constantFrom(ABSENT, ...REASONS.map(({ code }) => code)));

export const batches: fc.Arbitrary<Batch> = shapes.chain((all) => {
  const record = fc.constantFrom(...all).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      step: fc.integer({ min: 1, max: 1000 }),
      wait: fc.integer({ min: 0, max: 100_000 }),
      values: fc.tuple(...shape.points.map(anyValue)),
      reasons: fc.option(fc.tuple(...shape.points.map(() => reason)), { nil: undefined }),
    }),
  );
  return fc
    .record({
      gateway: name,
      log: fc.stringMatching(/^[0-9a-f]{10}$/),
      first: fc.integer({ min: 1, max: 2 ** 40 }),
      at: fc.integer({ min: 0, max: 2 ** 40 }),
      estimated: fc.boolean(),
      rows: fc.array(record, { minLength: 1, maxLength: 30 }),
    })
    .map(({ gateway, log, first, at, estimated, rows }): Batch => {
      let [seq, now] = [first, at];
      const records = rows.map(({ shape, step, wait, values, reasons }): LogRecord => {
        seq += step;
        now += wait;
        return { seq, sample: { shape, at: now, values, reasons: reasons === undefined ? null : Uint8Array.from(reasons) } };
      });
      return {
        ...{ lane: 'data', gateway, log, boot: 'b1', inventory: 1, sent: 1_800_000_000_000, offset: 1_795_000_000_000 },
        ...{ estimated, records },
      };
    });
});

/** What a receiver of any format has to find: readings of the batch by `seq device point`. */
export interface Found {
  readonly value?: Value;
  readonly bad?: string;
  readonly uncertain?: string;
}
export function readingsOf({ records }: Batch): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const { seq, sample } of records)
    sample.shape.points.forEach(({ name }, i) => {
      const value = sample.values[i] as Value;
      let code = sample.reasons?.[i] ?? 0;
      if (code === ABSENT) return;
      if ((code === 0 || code >= 128) && typeof value === 'number' && !Number.isFinite(value))
        code = REASONS.find((r) => r.name === 'not-a-number')?.code ?? 0;
      const word = REASONS.find((r) => r.code === code)?.name;
      const key = `${seq} ${sample.shape.device} ${name}`;
      if (code === 0) found.set(key, { value });
      else if (code < 128) found.set(key, { bad: word ?? '' });
      else found.set(key, { value, uncertain: word ?? '' });
    });
  return found;
}
