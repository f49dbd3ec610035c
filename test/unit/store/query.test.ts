import assert from 'node:assert/strict';
import test from 'node:test';
import type { ShapeColumns } from '../../../src/codecs/blocks.ts';
import type { Rollups } from '../../../src/codecs/rollups.ts';
import type { PointInfo, Shape, Value } from '../../../src/core/point.ts';
import type { History } from '../../../src/store/archive/history-file.ts';
import { HOUR_STATE, type HourRow } from '../../../src/store/files/history-layout.ts';
import { type Bucket, Buckets, bucketWidth, startOf } from '../../../src/store/read/buckets.ts';
import { queryPoint } from '../../../src/store/read/query.ts';
import type { QueryResult } from '../../../src/store/read/requests.ts';
import { type ModelReading, modelReadings, RandomHistory } from '../../harness/random-history.ts';
import { scratch } from '../../harness/scratch.ts';
import { random } from '../../oracles/store-samples.ts';

const SEEDS = 40;

/** The simplest way to sum up. */
function modelBuckets(readings: readonly ModelReading[], width: number, from: number, to: number): Bucket[] {
  const groups = new Map<number, ModelReading[]>();
  for (const r of readings) {
    const start = startOf(r.time, width);
    if (start < startOf(from, width) || start >= Math.ceil(to / width) * width) continue;
    groups.set(start, [...(groups.get(start) ?? []), r]);
  }
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([time, group]) => {
      const values = group.flatMap((r) => (r.value === null ? [] : [r.value]));
      const numbers = values.flatMap((v) => (typeof v === 'string' ? [] : [Number(v)]));
      const none = numbers.length === 0;
      return {
        ...{ time, count: values.length, bad: group.length - values.length, estimated: group.some((r) => r.estimated) },
        min: none ? Number.NaN : Math.min(...numbers),
        max: none ? Number.NaN : Math.max(...numbers),
        mean: none ? Number.NaN : numbers.reduce((sum, v) => sum + v / numbers.length, 0),
      };
    });
}

function assertAlike(actual: readonly Bucket[], expected: readonly Bucket[], words: string): void {
  const exact = ({ mean, ...rest }: Bucket) => rest;
  assert.deepEqual(actual.map(exact), expected.map(exact), words);
  actual.forEach(({ mean, min, max }, i) => {
    const wanted = expected[i]?.mean as number;
    if (Number.isNaN(wanted)) assert.ok(Number.isNaN(mean));
    // A roll-up's mean is within (max - min) / 131,070; doubles lose some units in the last place.
    else
      assert.ok(Math.abs(mean - wanted) <= (max - min) / 131_000 + Math.abs(wanted) * 1e-12, `${words}: ${mean}, not ${wanted}`);
  });
}

test('any point, range and number of buckets gives what the model gives', (t) => {
  const met = { raw: 0, buckets: 0, thinned: 0, summary: 0, blocks: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const pick = random(seed);
    const made = new RandomHistory(scratch(t, 'query'), pick);
    made.make();
    const { reader, decoder, damaged } = made.reader();
    const units = reader.history?.db.prepare<[], HourRow>('select * from unit order by id').all() ?? [];
    met.thinned += units.filter((u) => u.state === HOUR_STATE.thinned).length;
    met.summary += units.filter((u) => u.state === HOUR_STATE.summary).length;
    met.blocks += made.records.length;
    const models = new Map<number, ModelReading[]>();
    const model = (width: number): ModelReading[] => {
      const known = models.get(width) ?? modelReadings(made, reader, width);
      models.set(width, known);
      return known;
    };
    const all = model(1);
    const times = all.map((r) => r.exact);
    const [first, last] = [Math.min(...times), Math.max(...times)];
    for (let i = 0; i < 25; i++) {
      const [device, point] = pick
        .pick(['pump.pressure', 'pump.on', 'pump.flow', 'pump.state', 'meter.energy', 'meter.pressure'])
        .split('.') as [string, string];
      const from = pick(3) === 0 ? first - pick(100_000) : first + pick(Math.max(1, last - first));
      const to = from + 1 + pick(pick(2) === 0 ? 120_000 : 2 * (last - first));
      const buckets = pick.pick([1, 3, 20, 300, 5000]);
      const words = `seed ${seed}: ${device}.${point} ${from}..${to} in ${buckets}`;
      const steps = queryPoint(reader, decoder, { id: 7, device, point, from, to, buckets });
      let step = steps.next();
      while (step.done !== true) step = steps.next();
      const { found } = step.value;
      if (
        !made.records.some(
          (r) => r.record.sample.shape.points.some((p) => p.name === point) && r.record.sample.shape.device === device,
        )
      ) {
        assert.equal(found, undefined);
        continue;
      }
      assert.ok(found !== undefined, words);
      const mine = (width: number) => model(width).filter((r) => r.device === device && r.point.name === point);
      if (found.width === undefined) {
        met.raw++;
        const inside = mine(1).filter((r) => r.exact >= from && r.exact < to);
        inside.sort((a, b) => a.exact - b.exact || a.key - b.key);
        const expected = inside.map(({ exact: time, value, reason, estimated }) => ({ time, value, reason, estimated }));
        const byTime = (list: readonly { time: number; value: Value | null }[]) =>
          list.map((r) => ({ ...r, value: String(r.value) })).sort((a, b) => a.time - b.time || (a.value < b.value ? -1 : 1));
        assert.deepEqual(byTime(found.readings), byTime(expected), words);
        assert.ok(found.readings.length <= buckets);
      } else {
        met.buckets++;
        assert.equal(found.width, bucketWidth(to - from, buckets));
        assert.ok(found.buckets.length <= buckets + 1, words);
        assertAlike(found.buckets, modelBuckets(mine(found.width), found.width, from, to), words);
      }
    }
    assert.deepEqual(damaged, []);
    reader.close();
  }
  // All that matters was met.
  for (const [what, n] of Object.entries(met)) assert.ok(n > 20, `${what}: ${n}`);
});

test('a chart of a day decodes one roll-up of each unit for that point, and no records', (t) => {
  const shapes = ['a', 'b', 'c'].map((device): Shape => {
    const points = Array.from({ length: 20 }, (_, i): PointInfo => ({ name: `p${i}`, type: 'float32', storage: 'number' }));
    return { device, points };
  });
  const made = new RandomHistory(scratch(t, 'query'), random(1));
  const seconds = 20_000;
  made.makeOf(seconds, 600, (seq, at) => {
    const shape = shapes[seq % 3] as Shape;
    return { shape, at, values: shape.points.map((_, i) => Math.fround(seq / (i + 1.1))), reasons: null };
  });
  const { reader, decoder } = made.reader();
  const { hours: units } = reader.history as History;
  const met = { rollups: 0, parts: 0, blocks: 0, points: new Set<Rollups>(), columns: new Set<ShapeColumns>(), heads: 0 };
  const { rollup, part, block } = decoder;
  decoder.rollup = (...args) => {
    met.rollups++;
    const rollups = rollup.apply(decoder, args);
    if (rollups !== undefined) met.points.add(rollups);
    return rollups;
  };
  decoder.part = (...args) => {
    met.parts++;
    return part.apply(decoder, args);
  };
  decoder.block = (...args) => {
    met.blocks++;
    const columns = block.apply(decoder, args);
    for (const c of columns) met.columns.add(c);
    return columns;
  };
  const some = units.some;
  units.some = (...args) => {
    const rows = some.apply(units, args);
    met.heads += rows.length;
    return rows;
  };
  const all = reader.history?.db.prepare('select count(*) from unit').pluck().get() as number;
  const left = reader.db.prepare('select count(*) from block').pluck().get() as number;
  assert.ok(all > 25 && left > 2, `${all} units, ${left} blocks`);
  const steps = queryPoint(reader, decoder, { id: 1, device: 'b', point: 'p7', from: 0, to: 86_400_000, buckets: 288 });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const found = step.value.found?.buckets.reduce((sum, b) => sum + b.count, 0);
  assert.equal(found, Math.floor((seconds + 1) / 3));
  assert.equal(met.parts, 0);
  assert.equal(met.heads, all);
  assert.equal(met.blocks, left);
  // Some are looked at twice, to see that the readings are too many to be given one by one.
  assert.ok(met.rollups >= all && met.rollups < all + 10, `${met.rollups} roll-ups of ${all} units`);
  const sum = (of: Iterable<{ made: number }>) => [...of].reduce((n, { made: m }) => n + m, 0);
  assert.equal(sum(met.points), all);
  assert.equal(sum(met.columns), left);
  reader.close();
});

test('few readings come as they are, more as buckets', (t) => {
  const made = new RandomHistory(scratch(t, 'query'), random(5));
  made.make();
  const { reader, decoder } = made.reader();
  const ask = (from: number, to: number, buckets: number): NonNullable<QueryResult['found']> => {
    const steps = queryPoint(reader, decoder, { id: 1, device: 'pump', point: 'pressure', from, to, buckets });
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value.found as NonNullable<QueryResult['found']>;
    }
  };
  const readings = modelReadings(made, reader, 1).filter((r) => r.device === 'pump' && r.point.name === 'pressure');
  const newest = Math.max(...readings.map((r) => r.exact));
  const few = ask(newest, newest + 1, 5000);
  assert.deepEqual([few.width, few.readings.length, few.readings[0]?.time], [undefined, 1, newest]);
  const many = ask(0, newest + 1, 2);
  assert.ok(many.width !== undefined && many.readings.length === 0);
  assert.equal(ask(0, 1000, 10).readings.length, 0);
  reader.close();
});

test('buckets have round widths that roll-ups fit into', () => {
  assert.equal(bucketWidth(86_400_000, 1440), 60_000);
  assert.equal(bucketWidth(86_400_000, 300), 300_000);
  assert.equal(bucketWidth(86_400_000, 5000), 20_000);
  assert.equal(bucketWidth(30 * 86_400_000, 30), 86_400_000);
  assert.equal(bucketWidth(365 * 86_400_000, 100), 4 * 86_400_000);
  assert.equal(bucketWidth(1, 5000), 1);
  const sums = new Buckets(60_000, 30_000, 90_000);
  const point = { name: 'p', type: 'int16', storage: 'number' } as const;
  for (const time of [-1, 0, 59_999, 60_000, 119_999, 120_000]) sums.reading(point, time, 1, 0, false);
  assert.deepEqual(
    sums.rows().map((b) => [b.time, b.count]),
    [
      [0, 2],
      [60_000, 2],
    ],
  );
});
