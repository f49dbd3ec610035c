/**
 * Commit blocks: the records of one commit as columns, deflated. Lossless: doubles bit for bit, 64-bit integers,
 * texts, booleans, quality and reason.
 *
 * Version 1, all integers LEB128, signed ones zigzag: version, number of records, then columns over all records (step
 * of seq, shape, step of time in ms), then per shape: reasons, then per point a mode and its values.
 * A CRC-32 of the deflated bytes ends the block: a flipped bit is found and never read as another value.
 * Where a reading has no value (bad, absent) the column repeats nothing: only values that count are written.
 */
import type { LogRecord, PointInfo, Shape, Value } from '../core/point.ts';
import { hasValue } from '../core/point.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { decodeColumn, encodeColumn } from './columns.ts';
import { seal, unseal } from './sealed.ts';

const VERSION = 1;

/**
 * @param records in ascending seq; `at` whole milliseconds
 * @param idOf the durable number of a shape
 * @param level of deflate: 1 for a commit, up to 9 for what is kept for long
 */
export function encodeBlock(records: readonly LogRecord[], idOf: (shape: Shape) => number, level = 1): Buffer {
  const out = new ByteWriter();
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
  return seal(out.bytes.subarray(0, out.length), level);
}

function encodeGroup(out: ByteWriter, shape: Shape, group: readonly LogRecord[]): void {
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

/** @throws RangeError or Error when the bytes are damaged */
export function decodeBlock(blob: Uint8Array, shapeOf: (id: number) => Shape | undefined): LogRecord[] {
  const input = new ByteReader(unseal(blob, 'block'));
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
