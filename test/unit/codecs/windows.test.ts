/** The value of a window, its quality, and the words of each format. test/unit/store/windows.test.ts has windows over a whole log. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { decode } from '../../../examples/decode-columns/decode.ts';
import type { Batch } from '../../../src/codecs/format.ts';
import { columnsBatch } from '../../../src/codecs/format-columns.ts';
import { jsonBatch } from '../../../src/codecs/format-json.ts';
import { lineProtocolBatch } from '../../../src/codecs/format-line-protocol.ts';
import { senmlBatch } from '../../../src/codecs/format-senml.ts';
import { Selection } from '../../../src/codecs/record-filter.ts';
import type { WindowValue } from '../../../src/codecs/thinning.ts';
import { PointTally } from '../../../src/codecs/window-tally.ts';
import { LateWindows, WindowScan } from '../../../src/codecs/windows.ts';
import type { Shape, Value } from '../../../src/core/point.ts';
import { ABSENT, GOOD, reasonCode } from '../../../src/core/reasons.ts';

const TIMEOUT = reasonCode('timeout');
const DOUBTFUL = reasonCode('out-of-range');
const PARTIAL = reasonCode('partial');

function tally(way: WindowValue, ...readings: (Value | readonly [Value, number])[]): { value: Value; reason: number } {
  const point = new PointTally(way);
  for (const reading of readings) {
    const [value, reason] = Array.isArray(reading) ? (reading as [Value, number]) : [reading as Value, GOOD];
    point.add(value, reason);
  }
  return point.take();
}

test('a window is as good as its readings: bad ones make it partial, doubtful ones doubtful', () => {
  assert.deepEqual(tally('mean', 4, 5), { value: 4.5, reason: GOOD });
  assert.deepEqual(tally('mean', 4, [0, TIMEOUT], 5), { value: 4.5, reason: PARTIAL });
  assert.deepEqual(tally('max', 4, [9, DOUBTFUL]), { value: 9, reason: DOUBTFUL });
  assert.deepEqual(tally('min', [4, DOUBTFUL], [0, TIMEOUT]), { value: 4, reason: PARTIAL });
  assert.deepEqual(tally('mean', [0, TIMEOUT], [0, reasonCode('crc')]), { value: 0, reason: reasonCode('crc') });
  assert.deepEqual(tally('mean', Number.NaN), { value: 0, reason: reasonCode('not-a-number') });
  assert.deepEqual(tally('last', 4, [0, TIMEOUT]).reason, TIMEOUT);
  assert.deepEqual(tally('last', [0, TIMEOUT], 4), { value: 4, reason: GOOD });
  for (const way of ['mean', 'min', 'max', 'last'] as const) assert.equal(tally(way).reason, ABSENT);
});

test('a mean has no noise of adding up, is never infinite, and is exact for 64-bit integers', () => {
  assert.equal(tally('mean', 0.1, 0.2, 0.3).value, 0.2);
  assert.equal(tally('mean', 0.30000000000000004, 0.30000000000000004).value, 0.30000000000000004);
  assert.equal(tally('mean', 1.5e308, 1.7e308).value, 1.6e308);
  assert.equal(tally('mean', 1.5e308, -1.5e308, 0).value, 0);
  assert.equal(tally('mean', 2n ** 64n - 1n, 2n ** 64n - 3n).value, 2n ** 64n - 2n);
  assert.deepEqual([tally('mean', 1n, 2n).value, tally('mean', -1n, -2n).value, tally('mean', 1n, 1n, 2n).value], [2n, -2n, 1n]);
  assert.equal(tally('min', 5n, -(2n ** 63n)).value, -(2n ** 63n));
});

const shape: Shape = { device: 'fridge', points: [{ name: 't', type: 'int16', storage: 'number', unit: 'Cel' }] };

test('a window belongs to the reading at its start, and not to the one at its end', () => {
  const scan = new WindowScan({ every: 60_000, as: 'max', last: [] }, { from: 1, to: 10, maxReadings: 100 });
  const wanted = new Selection().of(shape);
  for (const [seq, at] of [
    [1, 60_000],
    [2, 119_999],
    [3, 120_000],
  ] as const)
    scan.add({ seq, sample: { shape, at: at - 500, values: [seq], reasons: null } }, 500, wanted);
  scan.end();
  const { records } = scan.result(10);
  assert.deepEqual(
    records.map(({ seq, sample }) => [seq, sample.at + 500, sample.values]),
    [
      [2, 120_000, [2]],
      [3, 180_000, [3]],
    ],
  );
});

test('a window that a record comes late for is named, and then made of all readings', () => {
  const late = new LateWindows();
  const range = { from: 3, to: 10, maxReadings: 100 };
  const readings = [
    [1, 60_000, 100],
    [2, 130_000, 1],
    [3, 61_000, 5],
    [4, 131_000, 2],
    [5, 62_000, 101],
    [6, 200_000, 3],
  ] as const;
  const values = (from: number) => {
    const scan = new WindowScan({ every: 60_000, as: 'max', last: [] }, range, late);
    const wanted = new Selection().of(shape);
    for (const [seq, at, value] of readings)
      if (seq >= from) scan.add({ seq, sample: { shape, at: at - 500, values: [value], reasons: null } }, 500, wanted);
    scan.end();
    return scan.result(10).records.map(({ seq, sample }) => [seq, sample.at + 500, sample.values[0]]);
  };
  values(2);
  assert.deepEqual([late.size, late.start], [1, 59_500]);
  assert.deepEqual(values(1), [
    [3, 120_000, 100],
    [4, 180_000, 2],
    [5, 120_000, 101],
    [6, 240_000, 3],
  ]);
});

test('a clock that steps back makes no window of each record', () => {
  const scan = new WindowScan({ every: 60_000, as: 'max', last: [] }, { from: 1, to: 99, maxReadings: 100 });
  const wanted = new Selection().of(shape);
  for (let seq = 1; seq <= 30; seq++)
    scan.add({ seq, sample: { shape, at: seq * 6000, values: [seq], reasons: null } }, seq <= 10 ? 3_600_000 : 0, wanted);
  scan.end();
  const made = scan.result(99).records.map(({ seq }) => seq);
  assert.deepEqual(made, [9, 10, 19, 29, 30]);
});

test('each format says what it can of a filter and of windows', () => {
  const batch: Batch = {
    ...{ lane: 'data', gateway: 'g1', log: 'k', boot: 'b1', inventory: 1, sent: 9, offset: 0, estimated: false },
    records: [
      {
        seq: 7,
        sample: {
          shape: { ...shape, points: [{ name: 't', type: 'float64', storage: 'number' }] },
          at: 60_000,
          values: [4.25],
          reasons: null,
        },
      },
    ],
    ...{ range: { first: 3, last: 9 }, filtered: true, thinning: { every: 60_000, as: 'mean', last: [] } },
  };
  const words = { first: 3, last: 9, filtered: true, every: 60_000, as: 'mean' };
  const pick = (of: object) => Object.fromEntries(Object.keys(words).map((key) => [key, (of as Record<string, unknown>)[key]]));
  assert.deepEqual(pick(JSON.parse(jsonBatch(batch))), words);
  const { head, records } = decode(Buffer.from(columnsBatch(batch)));
  assert.deepEqual(pick(head), words);
  assert.deepEqual(records[0]?.values, { t: 4.25 });
  assert.deepEqual(pick(JSON.parse(String(senmlBatch(batch, {})))[0]), words);
  assert.equal(lineProtocolBatch(batch, {}), 'sluice,device=fridge,gateway=g1,log=k record.seq=7i,t=4.25 60000000007\n');
});
