/**
 * Decodes payloads of `format: columns`: prints a JSON line for each record, as `sluice export --format jsonl` does.
 *
 *   node decode.ts FILE...
 *
 * Needs Node 24 and nothing else. docs/reference/formats/columns.md describes the bytes.
 */
import { readFileSync } from 'node:fs';
import { crc32, inflateRawSync } from 'node:zlib';

/** 64-bit integers are texts, since most readers of JSON round them. */
type Value = number | boolean | string;
export interface Head {
  readonly gateway: string;
  readonly log: string;
  readonly boot: string;
  readonly inventory: number;
  readonly first: number;
  readonly last: number;
  readonly sent: number;
  readonly offset: number;
  readonly clock?: string;
  readonly shapes: readonly {
    readonly device: string;
    readonly points: readonly (readonly [string, string, string, string?])[];
    readonly id?: number;
  }[];
}
export interface Decoded {
  seq: number;
  device: string;
  time: number;
  values: Record<string, Value>;
  bad?: Record<string, string>;
  uncertain?: Record<string, string>;
}

const BAD = 'timeout disconnected crc bad-reply exception not-a-number invalid unparsable not-there not-ready'.split(' ');
const UNCERTAIN = ['out-of-range', 'too-fast', 'retained', 'partial'];
const [ABSENT, NOISY, FLOAT32, FLOAT64, BOOLEAN, INTEGER64, STRING] = [255, 64, 16, 17, 18, 19, 20] as const;
const hasValue = (reason: number): boolean => reason === 0 || (reason >= 128 && reason !== ABSENT);

/** Bytes and bits, one after the other. */
class Bytes {
  #at = 0;
  #bit = 0;
  readonly data: Buffer;
  constructor(data: Buffer) {
    this.data = data;
  }
  raw(n: number): Buffer {
    if (this.#at + n > this.data.length) throw new Error('the payload ends too early');
    this.#at += n;
    return this.data.subarray(this.#at - n, this.#at);
  }
  byte = (): number => this.raw(1).readUInt8();
  /** LEB128, exact up to 2^53 */
  unsigned(): number {
    for (let value = 0, weight = 1; ; weight *= 128) {
      const b = this.byte();
      value += (b & 0x7f) * weight;
      if (b < 0x80) return value;
      if (weight > 2 ** 49) throw new Error('a number is too long');
    }
  }
  /** zigzag */
  signed(): number {
    const v = this.unsigned();
    return v % 2 === 0 ? v / 2 : -(v + 1) / 2;
  }
  /** The highest bit first. */
  bits(n: number): number {
    let value = 0;
    for (let k = 0; k < n; k++) {
      value = value * 2 + ((this.data.readUInt8(this.#at) >> (7 - this.#bit)) & 1);
      if (++this.#bit === 8) this.align();
    }
    return value;
  }
  align(): void {
    if (this.#bit > 0) this.#at++;
    this.#bit = 0;
  }
}

/** The deflated part, inflated, and the part as it is. A CRC-32 covers both. */
function unseal(blob: Buffer): { data: Bytes; noise: Bytes } {
  const end = blob.length - 8;
  if (crc32(blob.subarray(0, -4)) !== blob.readUInt32LE(end + 4)) throw new Error('the payload is damaged (checksum)');
  const start = end - blob.readUInt32LE(end);
  const data = inflateRawSync(blob.subarray(0, start), { maxOutputLength: 64 * 1024 * 1024 });
  return { data: new Bytes(data), noise: new Bytes(blob.subarray(start, end)) };
}

/** Differences: LEB128, or where nothing repeats a length and sign, with the bits below the highest in the noise. */
function integers(data: Bytes, noise: Bytes, count: number, before: number, noisy: boolean): number[] {
  let x = before;
  return Array.from({ length: count }, () => {
    if (!noisy) x += data.signed();
    else {
      const symbol = data.byte();
      const n = symbol >> 1;
      const size = n < 2 ? n : 2 ** (n - 1) + noise.bits(n - 1);
      x += symbol % 2 === 1 ? -size : size;
    }
    return x;
  });
}

/** A float32 by its place among all float32, as the number with the fewest decimals, or digits, that still is this one. */
function shortest32(order: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, order < 0 ? 0x7fffffff - order : order);
  const v = view.getFloat32(0);
  const ordinary = Math.abs(v) < 1e9 && Math.abs(v) > 1e-3;
  for (let k = 0; k < 9 && ordinary; k++) {
    const r = Math.round(v * 10 ** k) / 10 ** k;
    if (Math.fround(r) === v) return r;
  }
  for (let digits = 1; ; digits++) {
    const r = Number(v.toPrecision(digits));
    if (Math.fround(r) === v || digits === 9) return v === 0 ? v : r;
  }
}

/** Eight bytes a value, bytes of equal weight side by side, the lowest first. */
function planes(data: Bytes, n: number): bigint[] {
  const rows = Array.from({ length: 8 }, () => data.raw(n));
  return Array.from({ length: n }, (_, i) => Buffer.from(rows.map((row) => row.readUInt8(i))).readBigUInt64LE());
}
function double(bits: bigint): number {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(bits);
  return bytes.readDoubleLE();
}

/** The values of each point, without those that a record has no value of. */
function columns(data: Bytes, noise: Bytes, counts: readonly number[], types: readonly string[]): Value[][] {
  const marks = counts.map(() => data.byte());
  const forms = marks.map((mark) => mark & ~NOISY);
  const of = (form: number, i: number, read: () => Value) =>
    forms[i] === form ? Array.from({ length: counts[i] ?? 0 }, read) : [];
  const out: Value[][] = forms.map((_, i) => of(BOOLEAN, i, () => data.bits(1) === 1));
  data.align();
  const firsts = new Map<number, number>();
  for (const ofKind of [(form: number) => form < 7, (form: number) => form === FLOAT32]) {
    const which = forms.flatMap((form, i) => (ofKind(form) ? [i] : []));
    const mixed = data.byte() === 1;
    integers(data, noise, which.length, 0, mixed).forEach((first, k) => firsts.set(which[k] ?? 0, first));
  }
  forms.forEach((form, i) => {
    const n = counts[i] ?? 0;
    const first = firsts.get(i);
    if (first !== undefined) {
      const numbers = [first, ...integers(data, noise, n - 1, first, marks[i] !== form)];
      out[i] = numbers.map((x) => (form === FLOAT32 ? shortest32(x) : x / 10 ** form));
    } else if (form === FLOAT64 || form === INTEGER64) {
      let x = 0n;
      out[i] = planes(data, n).map((change) => {
        x = form === FLOAT64 ? x ^ change : BigInt.asUintN(64, x + change);
        if (form === FLOAT64) return double(x);
        return `${types[i] === 'uint64' ? x : BigInt.asIntN(64, x)}`;
      });
    } else if (form === STRING) out[i] = of(STRING, i, () => data.raw(data.unsigned()).toString());
  });
  return out;
}

/** The records of a block, in the order of their numbers. */
function block(blob: Buffer, head: Head): Decoded[] {
  const { data, noise } = unseal(blob);
  if (data.byte() !== 1) throw new Error('the version of the block is not known');
  const n = data.unsigned();
  const shapes = Array.from({ length: data.unsigned() }, () => {
    const id = data.unsigned();
    const shape = head.shapes.find((one, place) => (one.id ?? place) === id);
    if (shape === undefined) throw new Error('the block names a shape that the head does not have');
    return shape;
  });
  let seq = 0;
  const records = Array.from({ length: n }, (): Decoded => {
    seq += data.unsigned();
    return { seq, device: '', time: 0, values: {} };
  });
  let expected = 0;
  const which = records.map(() => {
    const index = (data.unsigned() + expected) % shapes.length;
    expected = (index + 1) % shapes.length;
    return index;
  });
  const pace = new Map<number, { at: number; step?: number }>();
  let before = 0;
  which.forEach((s, i) => {
    const last = pace.get(s);
    const step = data.signed() + (last?.step ?? 0);
    before = (last?.at ?? before) + step;
    pace.set(s, last === undefined ? { at: before } : { at: before, step: last.step ?? step });
    (records[i] as Decoded).time = before + head.offset;
  });
  // Lengths, for those who skip a shape.
  for (let k = 0; k < 2 * shapes.length; k++) data.unsigned();
  shapes.forEach(({ device, points }, s) => {
    const members = records.filter((_, i) => which[i] === s);
    const good = Buffer.alloc(members.length);
    const all = data.byte() === 0;
    const reasons = points.map(() => (all ? good : data.raw(members.length)));
    const counts = reasons.map((column) => column.filter(hasValue).length);
    const values = columns(
      data,
      noise,
      counts,
      points.map(([, type]) => type),
    );
    noise.align();
    const left = values.map((column) => column.values());
    members.forEach((record, m) => {
      record.device = device;
      points.forEach(([name], p) => {
        const reason = reasons[p]?.[m] ?? 0;
        if (hasValue(reason)) record.values[name] = left[p]?.next().value as Value;
        if (reason === 0 || reason === ABSENT) return;
        const [kind, words, from] = reason < 128 ? (['bad', BAD, 1] as const) : (['uncertain', UNCERTAIN, 128] as const);
        record[kind] = { ...record[kind], [name]: words[reason - from] ?? `reason-${reason}` };
      });
    });
  });
  return records;
}

/** The head of a payload, and its records. */
export function decode(payload: Buffer): { head: Head; records: Decoded[] } {
  if (!payload.subarray(0, 4).equals(Buffer.from('SLC\x01', 'latin1')))
    throw new Error('this is not a payload of `format: columns`, version 1');
  const parts: Buffer[] = [];
  for (let at = 4; at < payload.length; ) {
    const end = at + 4 + payload.readUInt32LE(at);
    if (end > payload.length) throw new Error('the payload ends too early');
    parts.push(payload.subarray(at + 4, end));
    at = end;
  }
  const [first, ...blocks] = parts;
  if (first === undefined) throw new Error('the payload has no head');
  const head = JSON.parse(unseal(first).data.data.toString()) as Head;
  // A block may have the records of one device alone.
  return { head, records: blocks.flatMap((part) => block(part, head)).sort((a, b) => a.seq - b.seq) };
}

if (process.argv[1] === import.meta.filename)
  for (const file of process.argv.slice(2)) {
    const { head, records } = decode(readFileSync(file));
    const { log, boot, clock } = head;
    for (const { seq, ...record } of records) {
      const line = { log, seq, boot, ...record, ...(clock === undefined ? {} : { clock }) };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    }
  }
