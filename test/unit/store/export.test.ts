/** An export against the simplest model there is, and what it costs: slices are made only where something is. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { decodeShapes, encodeBlock, type ShapeColumns } from '../../../src/codecs/blocks.ts';
import type { LogRecord, PointInfo, Shape, Value } from '../../../src/core/point.ts';
import { ABSENT, REASONS } from '../../../src/core/reasons.ts';
import { HOUR_STATE, type HourRow } from '../../../src/store/files/history-layout.ts';
import { type ClockSegment, keyOf, LOG_FILE, seqOf } from '../../../src/store/files/layout.ts';
import { LogDatabase } from '../../../src/store/hot/database.ts';
import { openLogFile } from '../../../src/store/hot/log-file.ts';
import { startOf } from '../../../src/store/read/buckets.ts';
import { Decoder } from '../../../src/store/read/decoder.ts';
import { exportSlice } from '../../../src/store/read/export.ts';
import { recordLines } from '../../../src/store/read/export-lines.ts';
import { LogReader } from '../../../src/store/read/reading.ts';
import type { ExportRequest } from '../../../src/store/read/requests.ts';
import { modelReadings, RandomHistory } from '../../harness/random-history.ts';
import { scratch } from '../../harness/scratch.ts';
import { random } from '../../oracles/store-samples.ts';

interface Line {
  readonly time: number;
  readonly point: string;
  readonly count: number;
  readonly bad: number;
}

function whatComes(reader: LogReader, decoder: Decoder, wanted: Partial<ExportRequest>): { text: string; slices: number } {
  let text = '';
  let slices = 0;
  for (let after: number | undefined = 0; after !== undefined; slices++) {
    assert.ok(slices < 10_000, 'an export that does not end');
    const request = { id: 1, after, from: 0, to: Number.MAX_SAFE_INTEGER, format: 'jsonl' as const, ...wanted };
    const steps = exportSlice(reader, decoder, request);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    text += step.value.text;
    after = step.value.next;
  }
  return { text, slices };
}

function exported(
  reader: LogReader,
  decoder: Decoder,
  wanted: Pick<ExportRequest, 'every'> & Partial<ExportRequest>,
): { lines: Line[]; slices: number } {
  const { text, slices } = whatComes(reader, decoder, wanted);
  const lines = text.split('\n').filter((line) => line !== '');
  return { lines: lines.map((line) => JSON.parse(line) as Line), slices };
}

test('buckets of any width and range are what the model counts, in the order of time', (t) => {
  for (let seed = 1; seed <= 25; seed++) {
    const pick = random(seed);
    const made = new RandomHistory(scratch(t, 'export'), pick);
    made.make();
    const { reader, decoder } = made.reader();
    for (const every of [pick.pick([1000, 2000, 7000]), pick.pick([60_000, 600_000]), 86_400_000]) {
      const model = modelReadings(made, reader, every);
      const times = model.map((r) => r.exact).sort((a, b) => a - b);
      const whole = pick(2) === 0;
      const from = whole ? 0 : (times[pick(times.length)] as number);
      const to = whole ? Number.MAX_SAFE_INTEGER : from + pick(600_000);
      const { lines } = exported(reader, decoder, { every, from, to });
      const counts = new Map<string, number>();
      for (const { time, device, point } of model) {
        const start = startOf(time, every);
        if (start < startOf(from, every) || start > to) continue;
        const name = `${start} ${device}.${point.name}`;
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      const got = new Map(lines.map(({ time, point, count, bad }) => [`${time} ${point}`, count + bad]));
      assert.equal(got.size, lines.length, 'no bucket twice');
      assert.deepEqual([...got].sort(), [...counts].sort(), `seed ${seed}, every ${every}, ${from}..${to}`);
      assert.deepEqual(
        lines.map((l) => l.time),
        lines.map((l) => l.time).sort((a, b) => a - b),
      );
    }
    reader.close();
  }
});

const SHAPE: Shape = { device: 'pump', points: [{ name: 'pressure', type: 'int16', storage: 'number' }] };
const TODAY = Date.UTC(2027, 0, 1);

/** One boot, `seconds` of readings in blocks of ten. */
function youngLog(t: TestContext, seconds: number, began: number, segments: readonly ClockSegment[]): LogReader {
  const stateDir = path.join(scratch(t, 'young'), 'state');
  mkdirSync(stateDir, { recursive: true });
  const database = new LogDatabase(openLogFile(path.join(stateDir, LOG_FILE)), 1e9);
  const log = database.addLog('0123456789');
  database.addBoot(1, log, 1);
  database.clock.set({ boot: 1, version: 1, segments });
  for (let seq = 1; seq <= seconds; ) {
    const records: LogRecord[] = [];
    for (let n = 0; n < 10; n++, seq++)
      records.push({ seq, sample: { shape: SHAPE, at: began + seq * 1000, values: [seq], reasons: null } });
    database.addRecords(log, 1, 1, records);
  }
  database.db.close();
  return new LogReader(path.join(stateDir, LOG_FILE));
}

test('without a beginning a young log is not walked from 1970 on', (t) => {
  // A gateway that has run for a year before the first block that is left.
  const reader = youngLog(t, 240, 365 * 86_400_000, [{ fromSeq: 0, offset: TODAY, estimated: false }]);
  const { lines, slices } = exported(reader, new Decoder(() => assert.fail()), { every: 1000 });
  assert.equal(lines.length, 240);
  assert.ok(slices <= 2, `${slices} slices`);
  reader.close();
});

test('a board that began in 1970 and learnt the time has nothing in between', (t) => {
  const reader = youngLog(t, 240, 0, [
    { fromSeq: 0, offset: 1000, estimated: true },
    { fromSeq: 121, offset: TODAY, estimated: false },
  ]);
  const { lines, slices } = exported(reader, new Decoder(() => assert.fail()), { every: 1000 });
  assert.equal(lines.length, 240);
  assert.ok(slices <= 3, `${slices} slices`);
  reader.close();
});

interface Row {
  readonly key: number;
  readonly boot: number;
  readonly device: string;
  readonly point: PointInfo;
  readonly time: number;
  readonly value: Value | null;
  readonly reason: number;
  readonly estimated: boolean;
}

/** What is left as readings: a unit that is thinned has every eighth of a shape, one that is summed up has none. */
function rowsLeft(made: RandomHistory, reader: LogReader): Row[] {
  const units = reader.history?.db.prepare<[], HourRow>('select * from unit order by id').all() ?? [];
  const stateOf = (key: number) => units.find((u) => u.id <= key && key <= u.id - seqOf(u.id) + u.last)?.state;
  const all = modelReadings(made, reader, 0).filter((r) => stateOf(r.key) !== HOUR_STATE.summary);
  const boots = new Map(made.records.map((r) => [r.key, r.boot]));
  const rows = all.map(({ exact, key, ...r }) => ({ ...r, key, time: exact, boot: boots.get(key) as number }));
  // Stable: the points of a record stay in their order.
  return rows.sort((a, b) => a.key - b.key);
}
const qualityOf = (reason: number) => (reason === 0 ? 'good' : reason < 128 ? 'bad' : 'uncertain');
const nameOf = (reason: number) => REASONS.find((r) => r.code === reason)?.name ?? '';

function csvOf({ key, boot, device, point, time, value, reason, estimated }: Row): string {
  const when = `${new Date(time).toISOString()}${estimated ? '?' : ''}`;
  const cells = ['0123456789', seqOf(key), `b${boot}`, device, point.name, when, value ?? '', point.unit ?? ''];
  return `${cells.join(',')},${qualityOf(reason)},${nameOf(reason)}`;
}
function jsonOf(record: readonly Row[]): unknown {
  const { key, boot, device, time, estimated } = record[0] as Row;
  const named = (is: (quality: string) => boolean, of: (row: Row) => unknown) =>
    Object.fromEntries(record.filter((r) => is(qualityOf(r.reason))).map((r) => [r.point.name, of(r)]));
  const optional = (name: string, list: object) => (Object.keys(list).length === 0 ? {} : { [name]: list });
  return {
    ...{ log: '0123456789', seq: seqOf(key), boot: `b${boot}`, device, time },
    values: named(
      (quality) => quality !== 'bad',
      ({ point, value }) => (point.type === 'uint64' ? String(value) : value),
    ),
    ...optional(
      'bad',
      named(
        (quality) => quality === 'bad',
        (r) => nameOf(r.reason),
      ),
    ),
    ...optional(
      'uncertain',
      named(
        (quality) => quality === 'uncertain',
        (r) => nameOf(r.reason),
      ),
    ),
    ...(estimated ? { clock: 'estimated' } : {}),
  };
}

test('an export of any points and range is what was appended, in order, in both formats', (t) => {
  const met = { lines: 0, slices: 0, thinned: 0 };
  for (let seed = 1; seed <= 12; seed++) {
    const pick = random(seed);
    const made = new RandomHistory(scratch(t, 'export'), pick);
    made.make();
    const { reader, decoder, damaged } = made.reader();
    const all = rowsLeft(made, reader);
    met.thinned += all.length < made.records.length ? 1 : 0;
    for (let i = 0; i < 8; i++) {
      const times = all.map((r) => r.time);
      const whole = i === 0 || times.length === 0;
      const from = whole ? 0 : (times[pick(times.length)] as number) + pick(3) - 1;
      const to = whole ? Number.MAX_SAFE_INTEGER : from + pick.pick([0, 10_000, 600_000, 10_000_000]);
      const names = pick.pick([undefined, ['pump'], ['meter.energy'], ['pump.pressure', 'meter'], ['pump.state', 'pump.on']]);
      const known = (name: string) =>
        made.records.some(
          ({ record: { sample } }) =>
            name === sample.shape.device || sample.shape.points.some((p) => name === `${sample.shape.device}.${p.name}`),
        );
      const points = names?.every(known) ? names : undefined;
      const wanted = all.filter(
        (r) =>
          r.time >= from &&
          r.time <= to &&
          (points === undefined || points.includes(r.device) || points.includes(`${r.device}.${r.point.name}`)),
      );
      const words = `seed ${seed}: ${points} of ${from}..${to}`;
      const csv = whatComes(reader, decoder, { from, to, points, format: 'csv' });
      assert.deepEqual(csv.text.split('\n').slice(0, -1), wanted.map(csvOf), words);
      const jsonl = whatComes(reader, decoder, { from, to, points, format: 'jsonl' });
      const records = Map.groupBy(wanted, (r) => r.key);
      const lines = jsonl.text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { seq: number });
      // A record all of whose wanted points are absent has a line without any.
      assert.deepEqual(
        lines.filter((line) => records.has(keyOf(1, line.seq))),
        [...records.values()].map(jsonOf),
        words,
      );
      met.lines += wanted.length;
      met.slices += csv.slices;
    }
    assert.deepEqual(damaged, []);
    reader.close();
  }
  for (const [what, n] of Object.entries(met)) assert.ok(n > 3, `${what}: ${n}`);
});

test('a record without a reading of the wanted points gives no line in any format', () => {
  const shape: Shape = { device: 'd', points: ['a', 'b'].map((name) => ({ name, type: 'float64', storage: 'number' })) };
  const record = (seq: number, reasons: Uint8Array | null): LogRecord => ({
    seq,
    sample: { shape, at: seq, values: [1, 2], reasons },
  });
  const block = encodeBlock([record(1, Uint8Array.of(0, ABSENT)), record(2, null)], () => 1);
  const [columns] = decodeShapes(block, () => shape) as [ShapeColumns];
  for (const format of ['csv', 'jsonl'] as const) {
    const lines = (m: number, keep: boolean[] | undefined) =>
      recordLines(format, { log: 'l', boot: 1 }, columns, m, { offset: 0, estimated: false }, keep).split('\n').length - 1;
    assert.deepEqual(
      [lines(0, [false, true]), lines(0, [true, false]), lines(1, [false, true]), lines(0, undefined)],
      [0, 1, 1, 1],
    );
  }
});
