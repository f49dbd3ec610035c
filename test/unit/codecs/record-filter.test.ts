import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { jsonBatch } from '../../../src/codecs/format-json.ts';
import { Selection } from '../../../src/codecs/record-filter.ts';
import type { LogRecord, Shape } from '../../../src/core/point.ts';
import { ABSENT, reasonCode } from '../../../src/core/reasons.ts';

const NAMES = ['a', 'b', 'c'];
const REASONS = [0, ABSENT, reasonCode('timeout'), reasonCode('out-of-range')];

const shapes = fc
  .record({ device: fc.constantFrom(...NAMES), points: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1 }) })
  .map(({ device, points }): Shape => ({ device, points: points.map((name) => ({ name, type: 'int16', storage: 'number' })) }));
const filters = fc.record({
  devices: fc.option(fc.array(fc.constantFrom(...NAMES)), { nil: undefined }),
  points: fc.option(
    fc.array(fc.tuple(fc.constantFrom(...NAMES, '*'), fc.constantFrom(...NAMES, '*')).map((pair) => pair.join('.'))),
    { nil: undefined },
  ),
});

/** What a batch of that record says, as `device.point` and the value or the reason. */
function said(record: LogRecord): string[] {
  const batch = { lane: 'data', gateway: 'g', log: 'l', boot: 'b1', inventory: 1, sent: 0, offset: 0, estimated: false } as const;
  const { records } = JSON.parse(jsonBatch({ ...batch, records: [record] })) as {
    records: { device: string; values: object; bad?: object; uncertain?: object }[];
  };
  return records.flatMap(({ device, values, bad, uncertain }) =>
    Object.entries({ v: values, b: bad ?? {}, u: uncertain ?? {} }).flatMap(([kind, of]) =>
      Object.entries(of).map(([point, value]) => `${device}.${point} ${kind} ${value}`),
    ),
  );
}

test('property: a filter leaves the readings that it names, under their number and time', () => {
  fc.assert(
    fc.property(shapes, filters, fc.array(fc.constantFrom(...REASONS), { minLength: 3, maxLength: 3 }), (shape, filter, why) => {
      const values = shape.points.map((_, i) => i + 0.5);
      const reasons = why.every((reason) => reason === 0) ? null : Uint8Array.from(shape.points, (_, i) => why[i] as number);
      const record: LogRecord = { seq: 7, sample: { shape, at: 1000, values, reasons } };
      const named = (device: string, point: string) =>
        (filter.devices === undefined && filter.points === undefined) ||
        filter.devices?.includes(device) === true ||
        filter.points?.some((one) => {
          const [d, p] = one.split('.');
          return (d === '*' && p === point) || (d === device && (p === '*' || p === point));
        }) === true;
      const expected = said(record).filter((line) => named(shape.device, (line.split(' ')[0] as string).split('.')[1] as string));
      const selection = new Selection(filter);
      const taken = selection.take(record);
      assert.deepEqual(taken === undefined ? [] : said(taken), expected);
      if (taken !== undefined) assert.deepEqual([taken.seq, taken.sample.at], [7, 1000]);
      assert.equal(selection.take(record)?.sample.shape, taken?.sample.shape, 'one shape stays one shape');
    }),
  );
});
