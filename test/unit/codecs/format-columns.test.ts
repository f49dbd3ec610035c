/** Golden files, properties and sizes of the payload format `columns`, read by the decoders of examples/decode-columns. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { SiteRecords } from '../../../bench/lib/site-records.ts';
import { type Decoded, decode } from '../../../examples/decode-columns/decode.ts';
import { encodeShape, rowsOf } from '../../../src/codecs/blocks.ts';
import type { Batch } from '../../../src/codecs/format.ts';
import { columnsBatch } from '../../../src/codecs/format-columns.ts';
import { readColumns } from '../../../src/codecs/read-columns.ts';
import { seal } from '../../../src/codecs/sealed.ts';
import type { LogRecord, Shape } from '../../../src/core/point.ts';
import { formatCases } from '../../harness/format-case.ts';
import { scratch } from '../../harness/scratch.ts';
import { batches, type Found, readingsOf } from '../../oracles/random-batch.ts';
import { pythonPeer } from '../../peers/peers.ts';

const DECODER = path.join(import.meta.dirname, '../../../examples/decode-columns/decode.py');
const linesOf = (payload: Buffer): unknown[] => {
  const { head, records } = decode(payload);
  const { log, boot, clock } = head;
  return records.map((record) => ({ log, boot, ...record, ...(clock === undefined ? {} : { clock }) }));
};
const parsed = (jsonl: string): unknown[] =>
  jsonl
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

for (const { name, batch, read, file } of formatCases('columns'))
  test(`format columns: ${name}`, (t) => {
    const expected = parsed(read('expected.jsonl'));
    const payload = Buffer.from(columnsBatch(batch));
    assert.deepEqual(linesOf(payload), expected);
    // What a gateway once sent stays readable for ever.
    if (!existsSync(file('payload.hex'))) writeFileSync(file('payload.hex'), `${payload.toString('hex')}\n`);
    const kept = Buffer.from(read('payload.hex').trim(), 'hex');
    assert.deepEqual(linesOf(kept), expected);
    const python = pythonPeer(t, 'zlib', 'apt-get install -y python3');
    if (python === undefined) return;
    const { stdout, stderr } = spawnSync(python, [DECODER], { input: kept, encoding: 'utf8' });
    assert.deepEqual(parsed(stdout), expected, stderr);
  });

function foundIn(records: readonly Decoded[]): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const { seq, device, values, bad = {}, uncertain = {} } of records) {
    for (const [name, value] of Object.entries(values)) found.set(`${seq} ${device} ${name}`, { value });
    for (const [name, word] of Object.entries(bad)) found.set(`${seq} ${device} ${name}`, { bad: word });
    for (const [name, word] of Object.entries(uncertain)) {
      const key = `${seq} ${device} ${name}`;
      found.set(key, { ...found.get(key), uncertain: word });
    }
  }
  return found;
}
const textOf = (found: Found): Found => (typeof found.value === 'bigint' ? { ...found, value: `${found.value}` } : found);

test('columns: every reading comes back bit for bit from the decoder of the example', () => {
  fc.assert(
    fc.property(batches, (batch) => {
      const { head, records } = decode(Buffer.from(columnsBatch(batch)));
      const expected = new Map([...readingsOf(batch)].map(([key, found]) => [key, textOf(found)]));
      assert.deepEqual(foundIn(records), expected);
      assert.deepEqual(
        records.map(({ seq, time }) => [seq, time]),
        batch.records.map(({ seq, sample }) => [seq, sample.at + batch.offset]),
      );
      assert.deepEqual([head.first, head.last], [batch.records[0]?.seq, batch.records.at(-1)?.seq]);
      assert.equal(head.clock, batch.estimated ? 'estimated' : undefined);
    }),
  );
});

test('columns: a payload with one byte changed is refused, and never read as other values', () => {
  fc.assert(
    fc.property(batches, fc.nat(), fc.integer({ min: 1, max: 255 }), (batch, at, change) => {
      const payload = Buffer.from(columnsBatch(batch));
      const i = at % payload.length;
      payload[i] = (payload[i] as number) ^ change;
      assert.throws(() => decode(payload));
    }),
  );
});

/** A payload of two records of one text, whose columns are these bytes: whole by its checksums, as somebody hostile writes it. */
function forged(...column: number[]): Buffer {
  const shapes = [{ device: 'd', points: [['t', 'string', 'string']] }];
  const head = { v: 1, gateway: 'g', log: 'l', boot: 'b', inventory: 1, first: 1, last: 2, sent: 0, offset: 0, shapes };
  // Version, records, shapes, the shape, steps of numbers, shapes of records, times; then the lengths of the column.
  const block = [
    1,
    2,
    1,
    0,
    1,
    1,
    0,
    0,
    0,
    0,
    ...(column.length < 128 ? [column.length] : [128 + (column.length % 128), column.length >> 7]),
    0,
  ];
  const parts = [
    seal(Buffer.from(JSON.stringify(head)), Buffer.alloc(0), 6),
    seal(Buffer.from([...block, ...column]), Buffer.alloc(0), 6),
  ];
  const length = (part: Buffer) => Buffer.from(Uint32Array.of(part.length).buffer);
  return Buffer.concat([Buffer.from('SLC\x01', 'latin1'), ...parts.flatMap((part) => [length(part), part])]);
}
/** Why the gateway's own reader refuses it. */
function refusal(payload: Buffer): string {
  try {
    readColumns(payload, 'data');
    return 'it was read';
  } catch (thrown) {
    return String(thrown instanceof Error ? thrown.cause : thrown);
  }
}

test('columns: a length without an end is refused, and so is a column with too few values', (t) => {
  const [TEXTS, EMPTY] = [20, 21];
  assert.equal(refusal(forged(0, TEXTS, 0, 0, 1, 97, 1, 98)), 'it was read');
  assert.match(refusal(forged(0, EMPTY, 0, 0)), /fewer values/);
  // Reasons for both records, which say that there are values. So many bytes of a length make no number any more.
  const endless = forged(0x80, 0, 0, TEXTS, 0, 0, ...Array.from({ length: 200 }, () => 0x80), 0);
  assert.match(refusal(endless), /a number is too long/);
  assert.throws(() => decode(endless), /a number is too long/);
  const python = pythonPeer(t, 'zlib', 'apt-get install -y python3');
  if (python === undefined) return;
  assert.match(spawnSync(python, [DECODER], { input: endless, encoding: 'utf8' }).stderr, /a number is too long/);
});

test('columns: the decoder of Python reads random batches as that of TypeScript does', (t) => {
  const python = pythonPeer(t, 'zlib', 'apt-get install -y python3');
  if (python === undefined) return;
  const folder = scratch(t, 'columns');
  const payloads = fc.sample(batches, 200).map((batch) => Buffer.from(columnsBatch(batch)));
  const files = payloads.map((payload, i) => {
    const file = path.join(folder, `${i}.bin`);
    writeFileSync(file, payload);
    return file;
  });
  const { stdout, stderr, status } = spawnSync(python, [DECODER, ...files], { encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  const all = payloads.flatMap(linesOf);
  assert.deepEqual(parsed(stdout), all);
});

test('columns: both decoders read the largest float32, a common sign for no value', (t) => {
  const shape: Shape = { device: 'd', points: [{ name: 'f', type: 'float32', storage: 'number' }] };
  const values = [3.4028235e38, -3.4028235e38, 1.5, 1.1754944e-38, 1e-45];
  const records = values.map((value, i): LogRecord => ({ seq: i + 1, sample: { shape, at: i, values: [value], reasons: null } }));
  const head = { lane: 'data', gateway: 'g', log: 'd42fdf5aac', boot: 'b1', inventory: 1, sent: 0, offset: 0 } as const;
  const payload = Buffer.from(columnsBatch({ ...head, estimated: false, records }));
  assert.deepEqual(
    decode(payload).records.map((record) => record.values.f),
    values,
  );
  const python = pythonPeer(t, 'zlib', 'apt-get install -y python3');
  if (python === undefined) return;
  const { stdout, stderr } = spawnSync(python, [DECODER], { input: payload, encoding: 'utf8' });
  assert.deepEqual(parsed(stdout), linesOf(payload), stderr);
});

/** An hour at 1 Hz: 3,600 records of 100 points. */
function hourOf(set: string): { records: LogRecord[]; shape: Shape; payload: Uint8Array; readings: number } {
  const site = new SiteRecords(set, 1, 100);
  const records = Array.from({ length: 3600 }, (_, i) => site.poll(1000 * (i + 1))).flat();
  const head = { lane: 'history', gateway: 'ghat-1', log: 'd42fdf5aac', boot: 'b3', inventory: 1 } as const;
  const batch: Batch = { ...head, sent: 1_795_000_000_000, offset: 1_794_000_000_000, estimated: false, records };
  return { records, shape: site.shapes[0] as Shape, payload: columnsBatch(batch), readings: 360_000 };
}

for (const [set, most] of [
  ['decimal', 0.3],
  ['float32', 2.5],
] as const)
  test(`columns: an hour of ${set} takes at most ${most} B a reading, and the stored hour plus 10 %`, (t) => {
    const { records, shape, payload, readings } = hourOf(set);
    const stays = records.filter((_, i) => i % 8 === 0);
    const goes = records.filter((_, i) => i % 8 !== 0);
    const stored = [stays, goes].reduce((sum, part) => sum + encodeShape(rowsOf(shape, part), 1, 6).length, 0);
    t.diagnostic(`${(payload.length / readings).toFixed(4)} B a reading, stored ${(stored / readings).toFixed(4)} B`);
    assert.ok(payload.length / readings <= most, `${payload.length} bytes`);
    assert.ok(payload.length <= 1.1 * stored, `${payload.length} bytes, stored ${stored}`);
    assert.equal(decode(Buffer.from(payload)).records.length, records.length);
  });
