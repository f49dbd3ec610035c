/**
 * Commit blocks: the records of one commit as columns, deflated. Lossless: doubles bit for bit, 64-bit integers,
 * texts, booleans, quality and reason.
 *
 * Version 1, all integers LEB128, signed ones zigzag: version, number of records, then columns over all records (step
 * of seq, shape, step of time in ms), then per shape: reasons, then per point a mode and its values.
 * A CRC-32 of the deflated bytes ends the block: a flipped bit is found and never read as another value.
 * Where a reading has no value (bad, absent) the column repeats nothing: only values that count are written.
 */
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import type { LogRecord, PointInfo, Shape, Value } from '../core/point.ts';
import { hasValue } from '../core/point.ts';
import { float32Bits, float32FromBits, shortestFloat32 } from './float32.ts';

const VERSION = 1;
const CRC_BYTES = 4;
/** decimal0..decimal6 are modes 0..6: value × 10^mode is a whole number. */
const MODE = { float32: 16, float64: 17, boolean: 18, integer64: 19, string: 20 } as const;
const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6];
const MAX_DECIMAL = 2 ** 51;

class Out {
  bytes = new Uint8Array(4096);
  #view = new DataView(this.bytes.buffer);
  length = 0;
  #room(n: number): void {
    if (this.length + n <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.length + n, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
  byte(v: number): void {
    this.#room(1);
    this.bytes[this.length++] = v;
  }
  raw(v: Uint8Array): void {
    this.#room(v.length);
    this.bytes.set(v, this.length);
    this.length += v.length;
  }
  unsigned(v: number): void {
    this.#room(10);
    let x = v;
    while (x >= 0x80) {
      this.bytes[this.length++] = (x % 128) | 0x80;
      x = Math.floor(x / 128);
    }
    this.bytes[this.length++] = x;
  }
  signed(v: number): void {
    this.unsigned(v < 0 ? -2 * v - 1 : 2 * v);
  }
  float64(v: number): void {
    this.#room(8);
    this.#view.setFloat64(this.length, v);
    this.length += 8;
  }
}

class In {
  #o = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  byte(): number {
    return this.#view.getUint8(this.#o++);
  }
  raw(n: number): Uint8Array {
    if (this.#o + n > this.#bytes.length) throw new RangeError('block ends too early');
    const out = this.#bytes.subarray(this.#o, this.#o + n);
    this.#o += n;
    return out;
  }
  unsigned(): number {
    let v = 0;
    let m = 1;
    for (;;) {
      const b = this.byte();
      v += (b & 0x7f) * m;
      if (b < 0x80) return v;
      m *= 128;
    }
  }
  signed(): number {
    const v = this.unsigned();
    return v % 2 === 0 ? v / 2 : -(v + 1) / 2;
  }
}

/** @param records in ascending seq; `at` whole milliseconds. @param idOf the durable number of a shape */
export function encodeBlock(records: readonly LogRecord[], idOf: (shape: Shape) => number): Buffer {
  const out = new Out();
  out.byte(VERSION);
  out.unsigned(records.length);
  const groups = new Map<Shape, LogRecord[]>();
  let seq = 0;
  for (const record of records) {
    out.unsigned(record.seq - seq);
    seq = record.seq;
    const group = groups.get(record.sample.shape);
    if (group === undefined) groups.set(record.sample.shape, [record]);
    else group.push(record);
  }
  const order = new Map([...groups.keys()].map((shape, i) => [shape, i]));
  out.unsigned(order.size);
  for (const shape of order.keys()) out.unsigned(idOf(shape));
  for (const record of records) out.unsigned(order.get(record.sample.shape) as number);
  let at = 0;
  for (const record of records) {
    out.signed(record.sample.at - at);
    at = record.sample.at;
  }
  for (const [shape, group] of groups) encodeGroup(out, shape, group);
  const body = deflateRawSync(out.bytes.subarray(0, out.length), { level: 1 });
  const end = Buffer.alloc(CRC_BYTES);
  end.writeUInt32LE(crc32(body));
  return Buffer.concat([body, end]);
}

function encodeGroup(out: Out, shape: Shape, group: readonly LogRecord[]): void {
  const allGood = group.every((r) => r.sample.reasons === null);
  out.byte(allGood ? 0 : 1);
  const n = shape.points.length;
  if (!allGood) {
    for (let i = 0; i < n; i++) for (const r of group) out.byte(r.sample.reasons === null ? 0 : (r.sample.reasons[i] as number));
  }
  const column: Value[] = [];
  for (let i = 0; i < n; i++) {
    column.length = 0;
    for (const { sample } of group)
      if (sample.reasons === null || hasValue(sample.reasons[i] as number)) column.push(sample.values[i] as Value);
    encodeColumn(out, shape.points[i] as PointInfo, column);
  }
}

function encodeColumn(out: Out, point: PointInfo, column: readonly Value[]): void {
  if (point.storage === 'boolean') {
    out.byte(MODE.boolean);
    for (const v of column) out.byte(v ? 1 : 0);
  } else if (point.storage === 'string') {
    out.byte(MODE.string);
    for (const v of column) {
      const text = Buffer.from(v as string);
      out.unsigned(text.length);
      out.raw(text);
    }
  } else if (point.storage === 'integer64') {
    out.byte(MODE.integer64);
    const words = new BigInt64Array(column.length);
    let last = 0n;
    column.forEach((v, i) => {
      words[i] = BigInt.asIntN(64, (v as bigint) - last);
      last = v as bigint;
    });
    planes(out, new Uint8Array(words.buffer), 8);
  } else encodeNumbers(out, column as readonly number[]);
}

function encodeNumbers(out: Out, column: readonly number[]): void {
  const digits = decimalsOf(column);
  if (digits !== undefined) {
    const p = POWERS[digits] as number;
    out.byte(digits);
    let last = 0;
    for (const v of column) {
      const x = Math.round(v * p);
      out.signed(x - last);
      last = x;
    }
    return;
  }
  if (column.every((v) => shortestFloat32(Math.fround(v)) === v)) {
    out.byte(MODE.float32);
    const words = new Uint32Array(column.length);
    let last = 0;
    column.forEach((v, i) => {
      const bits = float32Bits(v);
      words[i] = bits ^ last;
      last = bits;
    });
    planes(out, new Uint8Array(words.buffer), 4);
    return;
  }
  out.byte(MODE.float64);
  const doubles = new Float64Array(column);
  const words = new Uint32Array(doubles.buffer);
  for (let i = words.length - 1; i >= 2; i--) words[i] = (words[i] as number) ^ (words[i - 2] as number);
  planes(out, new Uint8Array(words.buffer), 8);
}

/** The fewest decimals with which every value of the column comes back bit for bit; undefined when there are none. */
function decimalsOf(column: readonly number[]): number | undefined {
  let digits = 0;
  for (const v of column) {
    // A whole number has no sign of its own at zero.
    if (Object.is(v, -0)) return undefined;
    for (;;) {
      const p = POWERS[digits] as number;
      const x = Math.round(v * p);
      if (Math.abs(x) <= MAX_DECIMAL && Object.is(x / p, v)) break;
      if (++digits >= POWERS.length) return undefined;
    }
  }
  // A step up for a later value must still hold for the earlier ones.
  const p = POWERS[digits] as number;
  return column.every((v) => Math.abs(v * p) <= MAX_DECIMAL && Object.is(Math.round(v * p) / p, v)) ? digits : undefined;
}

/** Bytes of equal weight side by side: that is what deflate can use. */
function planes(out: Out, bytes: Uint8Array, width: number): void {
  const n = bytes.length / width;
  for (let b = 0; b < width; b++) for (let i = 0; i < n; i++) out.byte(bytes[i * width + b] as number);
}
function unplanes(input: In, n: number, width: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(n * width);
  for (let b = 0; b < width; b++) {
    const plane = input.raw(n);
    for (let i = 0; i < n; i++) out[i * width + b] = plane[i] as number;
  }
  return out;
}

/** @throws RangeError or Error when the bytes are damaged */
export function decodeBlock(blob: Uint8Array, shapeOf: (id: number) => Shape | undefined): LogRecord[] {
  const end = blob.length - CRC_BYTES;
  const body = blob.subarray(0, Math.max(end, 0));
  if (end < 0 || new DataView(blob.buffer, blob.byteOffset, blob.byteLength).getUint32(end, true) !== crc32(body))
    throw new Error('the block is damaged (checksum)');
  const input = new In(inflateRawSync(body));
  const version = input.byte();
  if (version !== VERSION) throw new Error(`block version ${version} is not known`);
  const n = input.unsigned();
  const seqs = new Array<number>(n);
  for (let i = 0, seq = 0; i < n; i++) {
    seq += input.unsigned();
    seqs[i] = seq;
  }
  const shapes: Shape[] = [];
  for (let i = input.unsigned(); i > 0; i--) {
    const id = input.unsigned();
    const shape = shapeOf(id);
    if (shape === undefined) throw new Error(`shape ${id} is not known`);
    shapes.push(shape);
  }
  const groups: number[][] = shapes.map(() => []);
  for (let i = 0; i < n; i++) (groups[input.unsigned()] as number[]).push(i);
  const ats = new Array<number>(n);
  for (let i = 0, at = 0; i < n; i++) {
    at += input.signed();
    ats[i] = at;
  }
  const records = new Array<LogRecord>(n);
  shapes.forEach((shape, g) => {
    const members = groups[g] as number[];
    const points = shape.points.length;
    const rows = members.map(() => new Array<Value>(points).fill(0));
    const reasons = input.byte() === 0 ? null : members.map(() => new Uint8Array(points));
    if (reasons !== null) for (let i = 0; i < points; i++) for (const row of reasons) row[i] = input.byte();
    for (let i = 0; i < points; i++) {
      const where: number[] = [];
      members.forEach((_, m) => {
        if (reasons === null || hasValue(reasons[m]?.[i] as number)) where.push(m);
      });
      const column = decodeColumn(input, shape.points[i] as PointInfo, where.length);
      where.forEach((m, k) => {
        (rows[m] as Value[])[i] = column[k] as Value;
      });
    }
    members.forEach((index, m) => {
      const row = reasons?.[m];
      records[index] = {
        seq: seqs[index] as number,
        sample: { shape, at: ats[index] as number, values: rows[m] as Value[], reasons: row?.some((r) => r !== 0) ? row : null },
      };
    });
  });
  return records;
}

function decodeColumn(input: In, point: PointInfo, n: number): Value[] {
  const mode = input.byte();
  const out = new Array<Value>(n);
  switch (mode) {
    case MODE.boolean:
      for (let i = 0; i < n; i++) out[i] = input.byte() !== 0;
      return out;
    case MODE.string:
      for (let i = 0; i < n; i++) out[i] = Buffer.from(input.raw(input.unsigned())).toString();
      return out;
    case MODE.integer64: {
      const words = new BigInt64Array(unplanes(input, n, 8).buffer);
      let last = 0n;
      for (let i = 0; i < n; i++) {
        last =
          point.type === 'uint64'
            ? BigInt.asUintN(64, last + (words[i] as bigint))
            : BigInt.asIntN(64, last + (words[i] as bigint));
        out[i] = last;
      }
      return out;
    }
    case MODE.float32: {
      const words = new Uint32Array(unplanes(input, n, 4).buffer);
      let last = 0;
      for (let i = 0; i < n; i++) {
        last = ((words[i] as number) ^ last) >>> 0;
        out[i] = shortestFloat32(float32FromBits(last));
      }
      return out;
    }
    case MODE.float64: {
      const bytes = unplanes(input, n, 8);
      const words = new Uint32Array(bytes.buffer);
      for (let i = 2; i < words.length; i++) words[i] = (words[i] as number) ^ (words[i - 2] as number);
      return [...new Float64Array(bytes.buffer)];
    }
    default: {
      const p = POWERS[mode];
      if (p === undefined) throw new Error(`column mode ${mode} is not known`);
      for (let i = 0, x = 0; i < n; i++) {
        x += input.signed();
        out[i] = x / p;
      }
      return out;
    }
  }
}
