/**
 * Decodes payloads of `format: columns`: prints a JSON line for each record, as `sluice export --format jsonl` does.
 *
 *   node decode.ts FILE...
 *
 * Needs Node 24 and nothing else. docs/reference/formats/columns.md describes the bytes.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { crc32, inflateRawSync } from 'node:zlib';

/** 64-bit integers are texts, since most readers of JSON round them. */
type Values = Record<string, number | boolean | string>;
type Reasons = Record<string, string>;
export type Decoded = { seq: number; device: string; time: number; values: Values; bad?: Reasons; uncertain?: Reasons };
type Shape = { device: string; points: [name: string, type: string][]; id?: number };
export type Head = { log: string; boot: string; clock?: string; first: number; last: number; offset: number; shapes: Shape[] };

const BAD = ' timeout disconnected crc bad-reply exception not-a-number invalid unparsable not-there not-ready'.split(' ');
const UNCERTAIN = ['out-of-range', 'too-fast', 'retained', 'partial'];
const [ABSENT, NOISY, FLOAT32, FLOAT64, BOOLEAN, INTEGER64, STRING] = [255, 64, 16, 17, 18, 19, 20] as const;
const times = <T>(n: number, read: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => read(i));

/** Reads bytes and bits, one after the other. `noise` has bits of numbers that nothing could make shorter. */
class Reader {
  readonly data: Buffer;
  readonly noise: Reader;
  #bit = 0;
  constructor(data: Buffer, noise?: Reader) {
    this.data = data;
    this.noise = noise ?? this;
  }
  more = (): boolean => this.#bit < 8 * this.data.length;
  /** From the next full byte on. */
  bytes(n: number): Buffer {
    const at = Math.ceil(this.#bit / 8);
    assert(at + n <= this.data.length, 'the payload ends too early');
    this.#bit = 8 * (at + n);
    return this.data.subarray(at, at + n);
  }
  byte = (): number => this.bytes(1).readUInt8();
  /** The highest bit first. */
  bits(n: number): number {
    let value = 0;
    for (const end = this.#bit + n; this.#bit < end; this.#bit++)
      value = value * 2 + ((this.data.readUInt8(this.#bit >> 3) >> (7 - (this.#bit & 7))) & 1);
    return value;
  }
  /** LEB128, exact up to 2^53 */
  unsigned = (weight = 1): number => {
    assert(weight < 2 ** 57, 'a number is too long');
    const b = this.byte();
    return b < 0x80 ? b * weight : (b & 0x7f) * weight + this.unsigned(128 * weight);
  };
  /** LEB128 and zigzag; noisy, a length and sign, and the bits below the highest one in the noise. */
  signed(noisy = false): number {
    const v = noisy ? this.byte() : this.unsigned();
    const half = Math.floor(v / 2);
    if (!noisy) return v % 2 === 0 ? half : -half - 1;
    const size = half < 2 ? half : 2 ** (half - 1) + this.noise.bits(half - 1);
    return v % 2 === 0 ? size : -size;
  }
}

/** The deflated part, inflated, with the noise beside it. A CRC-32 covers both. */
function unseal(blob: Buffer): Reader {
  const end = blob.length - 8;
  assert(crc32(blob.subarray(0, -4)) === blob.readUInt32LE(end + 4), 'the payload is damaged (checksum)');
  const start = end - blob.readUInt32LE(end);
  const data = inflateRawSync(blob.subarray(0, start), { maxOutputLength: 64 * 1024 * 1024 });
  return new Reader(data, new Reader(blob.subarray(start, end)));
}

const view = new DataView(new ArrayBuffer(8));
/** A float32 by its place among all float32, as the number with the fewest decimals, or digits, that still is this one. */
function shortest32(order: number): number {
  view.setUint32(0, order < 0 ? 0x7fffffff - order : order);
  const v = view.getFloat32(0);
  const ordinary = Math.abs(v) < 1e9 && Math.abs(v) > 1e-3;
  for (let k = ordinary ? 0 : 9; v !== 0 && k < 18; k++) {
    const r = k < 9 ? Math.round(v * 10 ** k) / 10 ** k : Number(v.toPrecision(k - 8));
    if (Math.fround(r) === v) return r;
  }
  return v;
}

/** Eight bytes a value, bytes of equal weight side by side, the lowest first: doubles, or integers as texts. */
function eights(data: Reader, n: number, form: number, type: string): (number | string)[] {
  const rows = times(8, () => data.bytes(n));
  let x = 0n;
  return times(n, (i) => {
    const change = Buffer.from(rows.map((row) => row.readUInt8(i))).readBigUInt64LE();
    x = form === FLOAT64 ? x ^ change : BigInt.asUintN(64, x + change);
    view.setBigUint64(0, x);
    return form === FLOAT64 ? view.getFloat64(0) : `${type === 'uint64' ? x : BigInt.asIntN(64, x)}`;
  });
}

/** Reads the points of a shape into its records. */
function columns(data: Reader, points: Shape['points'], records: readonly Decoded[]): void {
  const doubtful = data.byte() !== 0;
  const reasons = points.map(() => (doubtful ? data.bytes(records.length) : Buffer.alloc(records.length)));
  const all = reasons.map((column) => {
    const [n, mark] = [column.filter((reason) => reason === 0 || (reason >= 128 && reason !== ABSENT)).length, data.byte()];
    return { n, form: mark & ~NOISY, noisy: mark >= NOISY, x: 0, values: [] as Values[string][] };
  });
  for (const column of all) if (column.form === BOOLEAN) column.values = times(column.n, () => data.bits(1) === 1);
  for (const numbers of [all.filter(({ form }) => form < 7), all.filter(({ form }) => form === FLOAT32)]) {
    const noisy = data.byte() === 1;
    numbers.reduce((before, column) => (column.x = before + data.signed(noisy)), 0);
  }
  all.forEach(({ n, form, noisy, x, values }, p) => {
    const [name, type] = points[p] as Shape['points'][number];
    const next = (i: number): number => (x += i === 0 ? 0 : data.signed(noisy));
    if (form < 7) values = times(n, (i) => next(i) / 10 ** form);
    else if (form === FLOAT32) values = times(n, (i) => shortest32(next(i)));
    else if (form === FLOAT64 || form === INTEGER64) values = eights(data, n, form, type);
    else if (form === STRING) values = times(n, () => data.bytes(data.unsigned()).toString());
    const left = values.values();
    records.forEach((record, m) => {
      const reason = reasons[p]?.[m] ?? 0;
      if (reason === ABSENT) return;
      if (reason === 0 || reason >= 128) record.values[name] = left.next().value as Values[string];
      if (reason >= 128) (record.uncertain ??= {})[name] = UNCERTAIN[reason - 128] ?? `reason-${reason}`;
      else if (reason > 0) (record.bad ??= {})[name] = BAD[reason] ?? `reason-${reason}`;
    });
  });
  data.noise.bytes(0);
}

/** The records of a block, shape by shape. */
function block(data: Reader, head: Head): Decoded[] {
  assert(data.byte() === 1, 'the version of the block is not known');
  const n = data.unsigned();
  const shapes = times(data.unsigned(), (): Shape & { records: Decoded[]; at?: number; step?: number } => {
    const id = data.unsigned();
    const shape = head.shapes.find((one, place) => (one.id ?? place) === id);
    assert(shape, 'the block names a shape that the head does not have');
    return { ...shape, records: [] };
  });
  let [seq, place, at] = [0, -1, 0];
  const seqs = times(n, () => (seq += data.unsigned()));
  const order = times(n, () => shapes[(place = (place + 1 + data.unsigned()) % shapes.length)]);
  order.forEach((shape, i) => {
    assert(shape, 'a record has no shape');
    const change = data.signed() + (shape.step ?? 0);
    if (shape.at !== undefined) shape.step ??= change;
    at = shape.at = (shape.at ?? at) + change;
    shape.records.push({ seq: seqs[i] as number, device: shape.device, time: at + head.offset, values: {} });
  });
  times(2 * shapes.length, () => data.unsigned()); // lengths, for those who skip a shape
  for (const { points, records } of shapes) columns(data, points, records);
  return shapes.flatMap(({ records }) => records);
}

/** The head of a payload, and its records in the order of their numbers. */
export function decode(payload: Buffer): { head: Head; records: Decoded[] } {
  assert(payload.toString('latin1', 0, 4) === 'SLC\x01', 'this is not a payload of `format: columns`, version 1');
  const rest = new Reader(payload.subarray(4));
  const part = (): Reader => unseal(rest.bytes(rest.bytes(4).readUInt32LE()));
  const head = JSON.parse(part().data.toString()) as Head;
  const blocks: Decoded[][] = [];
  while (rest.more()) blocks.push(block(part(), head));
  return { head, records: blocks.flat().sort((a, b) => a.seq - b.seq) };
}

if (process.argv[1] === import.meta.filename)
  for (const file of process.argv.slice(2)) {
    const { head, records } = decode(readFileSync(file));
    const { log, boot, clock } = head;
    for (const { seq, ...record } of records)
      process.stdout.write(`${JSON.stringify({ log, seq, boot, ...record, ...(clock !== undefined && { clock }) })}\n`);
  }
