/**
 * Blocks: records as columns. A commit makes one of all shapes, the compaction one of each shape. Lossless: doubles bit for
 * bit, 64-bit integers, texts, booleans, quality and reason.
 *
 * Version 1, sealed (codecs/sealed), all integers LEB128, signed ones zigzag: version, number of records, numbers of the
 * shapes, then columns over all records (step of seq, shape as the distance from the one after the shape before, time),
 * then for each shape the lengths of its columns in both parts of the seal, then the columns (codecs/columns) of each.
 * Time is the distance in ms from the record before for the first of a shape, from the shape's last for its second, and
 * what that distance has changed by for all others. Where a reading has no value (bad, absent) its column has none.
 */
import type { LogRecord, Shape, Value } from '../core/point.ts';
import { hasValue } from '../core/point.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { decodeColumns, encodeColumns } from './columns.ts';
import { seal, unseal } from './sealed.ts';

const VERSION = 1;

/** What is expected next of a shape. */
interface Pace {
  last: number | undefined;
  step: number | undefined;
}

/**
 * @param records in ascending seq; `at` whole milliseconds
 * @param idOf the durable number of a shape
 * @param level of deflate: 1 for a commit, 6 for what is kept for long (9 gains 3 % for five times the work)
 */
export function encodeBlock(records: readonly LogRecord[], idOf: (shape: Shape) => number, level = 1): Buffer {
  const out = new ByteWriter();
  const noise = new ByteWriter();
  out.byte(VERSION);
  out.unsigned(records.length);
  const groups = new Map<Shape, LogRecord[]>();
  for (const record of records) {
    const group = groups.get(record.sample.shape);
    if (group === undefined) groups.set(record.sample.shape, [record]);
    else group.push(record);
  }
  const order = new Map([...groups.keys()].map((shape, i) => [shape, i]));
  out.unsigned(order.size);
  for (const shape of order.keys()) out.unsigned(idOf(shape));
  let seq = 0;
  for (const record of records) {
    out.unsigned(record.seq - seq);
    seq = record.seq;
  }
  let expected = 0;
  for (const record of records) {
    const index = order.get(record.sample.shape) as number;
    out.unsigned((index - expected + order.size) % order.size);
    expected = (index + 1) % order.size;
  }
  const paces = [...order].map((): Pace => ({ last: undefined, step: undefined }));
  let before = 0;
  for (const { sample } of records) {
    const pace = paces[order.get(sample.shape) as number] as Pace;
    const step = sample.at - (pace.last ?? before);
    out.signed(step - (pace.step ?? 0));
    if (pace.last !== undefined) pace.step ??= step;
    pace.last = sample.at;
    before = sample.at;
  }
  const body = new ByteWriter();
  for (const [shape, group] of groups) {
    const [bytes, bits] = [body.length, noise.length];
    encodeGroup(body, noise, shape, group);
    out.unsigned(body.length - bytes);
    out.unsigned(noise.length - bits);
  }
  out.raw(body.written);
  return seal(out.written, noise.written, level);
}

function encodeGroup(out: ByteWriter, noise: ByteWriter, shape: Shape, group: readonly LogRecord[]): void {
  const allGood = group.every((r) => r.sample.reasons === null);
  out.byte(allGood ? 0 : 1);
  const n = shape.points.length;
  if (!allGood) {
    for (let i = 0; i < n; i++) for (const r of group) out.byte(r.sample.reasons === null ? 0 : (r.sample.reasons[i] as number));
  }
  const columns = shape.points.map((_, i) => {
    const column: Value[] = [];
    for (const { sample } of group)
      if (sample.reasons === null || hasValue(sample.reasons[i] as number)) column.push(sample.values[i] as Value);
    return column;
  });
  encodeColumns(out, noise, shape.points, columns);
}

/**
 * @param only numbers of the shapes that are wanted; the columns of others are passed over, and their records left out
 * @throws RangeError or Error when the bytes are damaged
 */
export function decodeBlock(
  blob: Uint8Array,
  shapeOf: (id: number) => Shape | undefined,
  only?: { has(id: number): boolean },
): LogRecord[] {
  const { bytes: input, noise } = unseal(blob, 'block');
  const version = input.byte();
  if (version !== VERSION) throw new Error(`block version ${version} is not known`);
  const n = input.unsigned();
  const ids = Array.from({ length: input.unsigned() }, () => input.unsigned());
  const seqs = new Array<number>(n);
  for (let i = 0, seq = 0; i < n; i++) {
    seq += input.unsigned();
    seqs[i] = seq;
  }
  const which = new Array<number>(n);
  const groups: number[][] = ids.map(() => []);
  for (let i = 0, expected = 0; i < n; i++) {
    const index = (input.unsigned() + expected) % ids.length;
    which[i] = index;
    (groups[index] as number[]).push(i);
    expected = (index + 1) % ids.length;
  }
  const ats = new Array<number>(n);
  const paces = ids.map((): Pace => ({ last: undefined, step: undefined }));
  for (let i = 0, before = 0; i < n; i++) {
    const pace = paces[which[i] as number] as Pace;
    const step = input.signed() + (pace.step ?? 0);
    const at = (pace.last ?? before) + step;
    if (pace.last !== undefined) pace.step ??= step;
    pace.last = at;
    before = at;
    ats[i] = at;
  }
  const lengths = ids.map(() => [input.unsigned(), input.unsigned()] as const);
  const records = new Array<LogRecord | undefined>(n).fill(undefined);
  ids.forEach((id, g) => {
    const [bytes, bits] = lengths[g] as readonly [number, number];
    const columns = input.raw(bytes);
    const own = noise.raw(bits);
    if (only !== undefined && !only.has(id)) return;
    const shape = shapeOf(id);
    if (shape === undefined) throw new Error(`shape ${id} is not known`);
    const members = groups[g] as number[];
    const rows = decodeGroup(new ByteReader(columns), new ByteReader(own), shape, members.length);
    members.forEach((index, m) => {
      const { values, reasons } = rows[m] as Row;
      records[index] = { seq: seqs[index] as number, sample: { shape, at: ats[index] as number, values, reasons } };
    });
  });
  return records.filter((r) => r !== undefined);
}

interface Row {
  readonly values: Value[];
  readonly reasons: Uint8Array | null;
}

function decodeGroup(input: ByteReader, noise: ByteReader, shape: Shape, n: number): Row[] {
  const points = shape.points.length;
  const values = Array.from({ length: n }, () => new Array<Value>(points).fill(0));
  const reasons = input.byte() === 0 ? undefined : values.map(() => new Uint8Array(points));
  const counts = new Array<number>(points).fill(n);
  if (reasons !== undefined)
    for (let i = 0; i < points; i++) {
      let count = 0;
      for (const row of reasons) {
        const reason = input.byte();
        row[i] = reason;
        if (hasValue(reason)) count++;
      }
      counts[i] = count;
    }
  decodeColumns(input, noise, shape.points, counts).forEach((column, i) => {
    let k = 0;
    for (let m = 0; m < n; m++)
      if (reasons === undefined || hasValue((reasons[m] as Uint8Array)[i] as number))
        (values[m] as Value[])[i] = column[k++] as Value;
  });
  return values.map((row, m) => {
    const why = reasons?.[m];
    return { values: row, reasons: why?.some((r) => r !== 0) ? why : null };
  });
}
