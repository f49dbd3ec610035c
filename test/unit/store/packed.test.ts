/** Batches made of the columns of history.db have what batches record by record have. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { decode } from '../../../examples/decode-columns/decode.ts';
import type { FormatOptions } from '../../../src/codecs/format.ts';
import { readColumns } from '../../../src/codecs/read-columns.ts';
import type { LogRecord, PointInfo, Shape, Value } from '../../../src/core/point.ts';
import { ABSENT, reasonCode } from '../../../src/core/reasons.ts';
import { Tidier } from '../../../src/store/archive/tidy.ts';
import type { ReadRequest, ReadResult } from '../../../src/store/delivery/backlog-request.ts';
import { HISTORY_FILE } from '../../../src/store/files/history-layout.ts';
import { keyOf, LOG_FILE } from '../../../src/store/files/layout.ts';
import { Agreement } from '../../../src/store/hot/agreement.ts';
import { LogDatabase } from '../../../src/store/hot/database.ts';
import { openLogFile } from '../../../src/store/hot/log-file.ts';
import { LogReader } from '../../../src/store/read/reading.ts';
import { scratch } from '../../harness/scratch.ts';
import { pythonPeer } from '../../peers/peers.ts';

const DECODER = path.join(import.meta.dirname, '../../../examples/decode-columns/decode.py');
const OFFSET = 1_795_000_000_000;
/** Records of each device in an hour, with 24 points each: blocks are large enough to leave as they are. */
const RECORDS = 600;
const POINTS: readonly PointInfo[] = [
  ...Array.from({ length: 20 }, (_, i): PointInfo => ({ name: `n${i}`, type: 'int16', storage: 'number', unit: 'Cel' })),
  { name: 'meter', type: 'float32', storage: 'number' },
  { name: 'on', type: 'bool', storage: 'boolean' },
  { name: 'total', type: 'uint64', storage: 'integer64' },
  { name: 'text', type: 'string', storage: 'string' },
];
const SHAPES: readonly Shape[] = ['a', 'b', 'c'].map((device) => ({ device, points: POINTS }));

/** Values of all kinds, reasons of all kinds, and numbers of notices in between. */
function recordsFrom(seq: number, second: number, hours: number): LogRecord[] {
  const records: LogRecord[] = [];
  for (let m = 0, at = seq; m < RECORDS * hours; m++)
    for (const [s, shape] of SHAPES.entries()) {
      const noise = (m * 7919 + s * 104_729) % 1009;
      const values = POINTS.map(({ storage, type }, i): Value => {
        if (storage === 'boolean') return noise % 3 === 0;
        if (storage === 'integer64') return 2n ** 63n + BigInt(m * noise);
        if (storage === 'string') return `é${noise % 5}`;
        return type === 'float32' ? Math.fround(noise / 7) : (m + i + noise) / 10;
      });
      const whys = [ABSENT, reasonCode('timeout'), reasonCode('out-of-range')];
      const reasons =
        noise % 11 > 2 ? null : Uint8Array.from(POINTS, (_, i) => (i % 5 === noise % 5 ? (whys[noise % 11] as number) : 0));
      at += noise % 13 === 0 ? 2 : 1;
      records.push({ seq: at, sample: { shape, at: 1000 * (second + m) + 3 * s + (m % 2), values, reasons } });
    }
  return records;
}

interface Site {
  readonly reader: LogReader;
  readonly database: LogDatabase;
  readonly last: number;
}

/** @param clock mappings of the boot @param change of the records before they are kept */
function siteOf(
  t: TestContext,
  hours: number,
  clock = [{ fromSeq: 0, offset: OFFSET, estimated: false }],
  change: (record: LogRecord, i: number) => LogRecord = (record) => record,
): Site {
  const folder = scratch(t, 'packed');
  const database = new LogDatabase(openLogFile(path.join(folder, LOG_FILE)), 64 * 1024 * 1024);
  const log = database.addLog('0123456789');
  database.addBoot(1, log, 1);
  database.clock.set({ boot: 1, version: 1, segments: clock });
  const reader = new LogReader(path.join(folder, LOG_FILE));
  const tidier = new Tidier(path.join(folder, HISTORY_FILE), reader, new Agreement(), () => {});
  let last = 0;
  for (let hour = 0; hour < hours; hour++) {
    const records = recordsFrom(last, RECORDS * hour, 1).map(change);
    for (let i = 0; i < records.length; i += 300) database.addRecords(log, 1, 1, records.slice(i, i + 300));
    last = records.at(-1)?.seq ?? last;
    const limits = { budget: 1e12, limit: Number.MAX_SAFE_INTEGER, needs: 0, wall: undefined, maxAge: 1e15, active: [] };
    const steps = tidier.run({ id: 0, boot: 1, at: 1000 * RECORDS * (hour + 1), force: true, ...limits });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    for (const [ordinal, seq] of step.value.compacted)
      database.db.prepare('delete from block where id <= ?').run(keyOf(ordinal, seq));
  }
  // Commit blocks behind the last hour.
  const rest = recordsFrom(last, RECORDS * hours, 1)
    .slice(0, 400)
    .map(change);
  database.addRecords(log, 1, 1, rest);
  t.after(() => {
    reader.close();
    database.wal.close();
    database.db.close();
  });
  return { reader, database, last: rest.at(-1)?.seq ?? last };
}

const requestOf = (from: number, to: number, maxReadings: number): ReadRequest => ({
  ...{ id: 1, log: 1, logName: '0123456789', from, to, maxReadings, lane: 'history', gateway: 'g1', sent: OFFSET },
  ...{ format: 'columns', formatOptions: {} },
});
/** A range of time is read record by record. */
const slowly = (request: ReadRequest): ReadRequest => ({ ...request, between: { from: 0, to: 2 * OFFSET } });

function payloadOf({ batch }: ReadResult): Buffer {
  assert.ok(batch !== undefined && batch.messages.length === 1, 'one message');
  return Buffer.from(batch.messages[0]?.payload as Uint8Array);
}

/** All batches of from..to. */
function* batchesOf(
  { reader }: Site,
  from: number,
  to: number,
  maxReadings: number,
  formatOptions: FormatOptions = {},
): Generator<ReadResult> {
  for (let at = from; at <= to; ) {
    const result = reader.read({ ...requestOf(at, to, maxReadings), formatOptions });
    if (result.batch !== undefined) yield result;
    assert.ok(result.upTo >= at, 'it goes on');
    at = result.upTo + 1;
  }
}

/** A batch, against the same numbers record by record. */
function same({ reader }: Site, result: ReadResult): Buffer {
  const { first, last, readings, records } = result.batch as NonNullable<ReadResult['batch']>;
  const slow = reader.read(slowly(requestOf(first, last, Number.MAX_SAFE_INTEGER)));
  const payload = payloadOf(result);
  const expected = decode(payloadOf(slow));
  const found = decode(payload);
  assert.deepEqual(found.records, expected.records);
  const { shapes: _, ...head } = found.head;
  const { shapes: __, ...expectedHead } = expected.head;
  assert.deepEqual(head, expectedHead);
  assert.deepEqual(
    { ...slow, upTo: last, batch: { ...slow.batch, messages: [] } },
    { ...result, batch: { ...result.batch, boot: 'b1', first, last, readings, records, messages: [] } },
  );
  assert.deepEqual(
    readColumns(payload, 'history').records.map(({ seq }) => seq),
    expected.records.map(({ seq }) => seq),
  );
  return payload;
}

/** Blocks of a payload. */
function blocksIn(payload: Buffer): number {
  let n = -1;
  for (let at = 4; at < payload.length; at += 4 + payload.readUInt32LE(at)) n++;
  return n;
}

test('whole hours leave as the blocks of the log, parts of them and the rest as one block', (t) => {
  const site = siteOf(t, 3);
  const all = new Set<number>();
  const blocks: number[] = [];
  const payloads: Buffer[] = [];
  for (const result of batchesOf(site, 0, site.last, 100_000)) {
    const payload = same(site, result);
    blocks.push(blocksIn(payload));
    payloads.push(payload);
    for (const { seq } of decode(payload).records) {
      assert.ok(!all.has(seq), `${seq} comes once`);
      all.add(seq);
    }
  }
  // Two hours of 43,200 readings, each with two parts of three devices; the third hour; the commit blocks behind it.
  assert.deepEqual(blocks, [12, 6, 1]);
  assert.equal(all.size, 3 * RECORDS * SHAPES.length + 400);
  const python = pythonPeer(t, 'zlib', 'apt-get install -y python3');
  if (python === undefined) return;
  const input = payloads[0] as Buffer;
  const { stdout, stderr } = spawnSync(python, [DECODER], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  const lines = stdout.split('\n').filter((line) => line !== '');
  const found = lines.map((line): unknown => JSON.parse(line));
  const of = { log: '0123456789', boot: 'b1' };
  assert.deepEqual(
    found,
    decode(input).records.map((record) => ({ ...of, ...record })),
    stderr,
  );
});

test('batches that begin, end and are cut anywhere are those of the records, byte for byte', (t) => {
  const site = siteOf(t, 2);
  const bound = fc.integer({ min: 0, max: site.last });
  fc.assert(
    fc.property(bound, bound, fc.integer({ min: 1, max: 50_000 }), (a, b, maxReadings) => {
      const result = site.reader.read(requestOf(Math.min(a, b), Math.max(a, b), maxReadings));
      if (result.batch === undefined) return;
      const { first, last, readings, records } = result.batch;
      assert.ok(readings <= maxReadings || records === 1, `${readings} of ${maxReadings}`);
      const slow = site.reader.read(slowly(requestOf(first, last, Number.MAX_SAFE_INTEGER)));
      if (blocksIn(payloadOf(result)) === 1) assert.ok(payloadOf(result).equals(payloadOf(slow)), `${first}..${last}`);
      else same(site, result);
    }),
    { numRuns: 60 },
  );
});

test('an hour with two clock mappings leaves record by record, with the time of each', (t) => {
  const site = siteOf(t, 1, [
    { fromSeq: 0, offset: OFFSET, estimated: true },
    { fromSeq: 1000, offset: OFFSET + 7, estimated: false },
  ]);
  const clocks = [...batchesOf(site, 0, site.last, 360_000)].map((result) => decode(same(site, result)).head);
  assert.deepEqual(
    clocks.map(({ clock, offset }) => [clock, offset]),
    [
      ['estimated', OFFSET],
      [undefined, OFFSET + 7],
    ],
  );
});

test('a number that is none leaves as a bad reading out of an hour, too', (t) => {
  const broken = (record: LogRecord, i: number): LogRecord => {
    const values = record.sample.values.slice();
    if (i === 500) values[20] = Number.NaN;
    if (i === 900) values[3] = Number.POSITIVE_INFINITY;
    return { ...record, sample: { ...record.sample, values, reasons: i === 500 || i === 900 ? null : record.sample.reasons } };
  };
  const site = siteOf(t, 1, undefined, broken);
  for (const most of [360_000, 20_000]) {
    const records = [...batchesOf(site, 0, site.last, most)].flatMap((result) => decode(same(site, result)).records);
    const bad = records.flatMap(({ bad = {} }) => Object.entries(bad).filter(([, why]) => why === 'not-a-number'));
    assert.deepEqual(bad.map(([name]) => name).sort(), ['meter', 'n3']);
  }
});

test('a damaged part is told and left out, and what is left of its hour leaves', (t) => {
  const site = siteOf(t, 2);
  const history = site.reader.history;
  assert.ok(history !== undefined);
  const part = history.db
    .prepare<[], { id: number; body: Buffer; records: number }>('select id, body, records from part order by id')
    .get();
  assert.ok(part !== undefined);
  part.body[10] = (part.body[10] as number) ^ 1;
  history.db.prepare('update part set body = ? where id = ?').run(part.body, part.id);
  for (const most of [360_000, 20_000]) {
    site.reader.forget();
    const seqs = new Set<number>();
    for (const result of batchesOf(site, 0, site.last, most))
      for (const { seq } of decode(payloadOf(result)).records) seqs.add(seq);
    assert.equal(seqs.size, 2 * RECORDS * SHAPES.length + 400 - part.records);
    assert.ok(site.reader.takeDamaged().length > 0, 'it is told');
  }
});

test('a row of a part that names another device gives no reading that device', (t) => {
  const site = siteOf(t, 1);
  const db = site.reader.history?.db;
  assert.ok(db !== undefined);
  const [one, other] = db.prepare<[], { id: number; shape: number }>('select id, shape from part order by id desc').all();
  assert.ok(one !== undefined && other !== undefined && one.shape !== other.shape);
  const devices = (): string[] =>
    [...batchesOf(site, 0, site.last, 360_000)].flatMap((result) =>
      decode(same(site, result)).records.map(({ seq, device }) => `${seq} ${device}`),
    );
  const before = devices().sort();
  db.prepare('update part set shape = ? where id = ?').run(other.shape, one.id);
  site.reader.forget();
  assert.deepEqual(devices().sort(), before);
});

test('hours behind one whose last records are thinned leave as blocks, too', (t) => {
  const site = siteOf(t, 3);
  const db = site.reader.history?.db;
  assert.ok(db !== undefined);
  // An hour keeps the number of its last record when that is removed.
  db.prepare('update unit set last = last + 1').run();
  const blocks = [...batchesOf(site, 100, site.last, 360_000)].map((result) => blocksIn(same(site, result)));
  assert.deepEqual(blocks, [1, 12, 1]);
});

test('where each byte counts, hours leave as one block, which is smaller', (t) => {
  const site = siteOf(t, 2);
  const [stored, small] = [{}, { small: true }].map((options) => [...batchesOf(site, 0, site.last, 360_000, options)]);
  const bytes = (batches: readonly ReadResult[] = []) => batches.reduce((sum, batch) => sum + payloadOf(batch).length, 0);
  assert.deepEqual(
    small?.map((result) => blocksIn(same(site, result))),
    [1],
  );
  assert.ok(bytes(small) < bytes(stored), `${bytes(small)} and ${bytes(stored)} bytes`);
});
