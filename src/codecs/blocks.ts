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
import type { LogRecord, PointInfo, Shape, Storage, Value } from '../core/point.ts';
import { hasValue } from '../core/point.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { encodeColumns, StoredColumns } from './columns.ts';
import { doubleOf } from './entry-sample.ts';
import { seal, unseal } from './sealed.ts';

const VERSION = 1;

/** The last record of a shape, and the step to its next one. */
interface Pace {
  last: number | undefined;
  step: number | undefined;
}

/** Records of one shape, ascending in seq, without an object for each of them. */
export interface ShapeRows {
  readonly shape: Shape;
  readonly seqs: ArrayLike<number>;
  readonly ats: ArrayLike<number>;
  /** By point; undefined when all readings are good. */
  readonly reasons: readonly Uint8Array[] | undefined;
  /** The values of one point; where there is none anything may stand. Booleans may be 1 and 0. */
  column(point: number): ArrayLike<Value>;
}

/** Records of several shapes as columns: the first three lists are by record, ascending in seq. */
export interface BlockRows {
  readonly seqs: ArrayLike<number>;
  readonly ats: ArrayLike<number>;
  /** The group of each record. */
  readonly which: ArrayLike<number>;
  /** In the order of their first records. */
  readonly groups: readonly ShapeRows[];
}

/**
 * @param records in ascending seq; `at` whole milliseconds
 * @param idOf the durable number of a shape
 * @param level of deflate: 1 for a commit, 6 for what is kept for long (9 gains 3 % for five times the work)
 */
export function encodeBlock(records: readonly LogRecord[], idOf: (shape: Shape) => number, level = 1): Buffer {
  const groups = new Map<Shape, LogRecord[]>();
  for (const record of records) {
    const group = groups.get(record.sample.shape);
    if (group === undefined) groups.set(record.sample.shape, [record]);
    else group.push(record);
  }
  const order = new Map([...groups.keys()].map((shape, i) => [shape, i]));
  return encode(
    [...order.keys()].map(idOf),
    records.map((r) => r.seq),
    records.map((r) => r.sample.at),
    records.map((r) => order.get(r.sample.shape) as number),
    [...groups].map(([shape, group]) => rowsOf(shape, group)),
    level,
  );
}

/** A block of one shape alone. @param id its durable number */
export function encodeShape(rows: ShapeRows, id: number, level: number): Buffer {
  return encode([id], rows.seqs, rows.ats, new Uint8Array(rows.seqs.length), [rows], level);
}

/** A block of columns. @param ids the durable number of each group */
export function encodeRows({ seqs, ats, which, groups }: BlockRows, ids: readonly number[], level: number): Buffer {
  return encode(ids, seqs, ats, which, groups, level);
}

/** @param which the group of each record; all lists are by record */
function encode(
  ids: readonly number[],
  seqs: ArrayLike<number>,
  ats: ArrayLike<number>,
  which: ArrayLike<number>,
  groups: readonly ShapeRows[],
  level: number,
): Buffer {
  const out = new ByteWriter();
  const noise = new ByteWriter();
  const n = seqs.length;
  out.byte(VERSION);
  out.unsigned(n);
  out.unsigned(ids.length);
  for (const id of ids) out.unsigned(id);
  for (let i = 0, seq = 0; i < n; i++) {
    out.unsigned((seqs[i] as number) - seq);
    seq = seqs[i] as number;
  }
  for (let i = 0, expected = 0; i < n; i++) {
    const index = which[i] as number;
    out.unsigned((index - expected + ids.length) % ids.length);
    expected = (index + 1) % ids.length;
  }
  writeTimes(out, ats, which, ids.length);
  const body = new ByteWriter();
  for (const rows of groups) {
    const [bytes, bits] = [body.length, noise.length];
    encodeGroup(body, noise, rows);
    out.unsigned(body.length - bytes);
    out.unsigned(noise.length - bits);
  }
  out.raw(body.written);
  return seal(out.written, noise.written, level);
}

function writeTimes(out: ByteWriter, ats: ArrayLike<number>, which: ArrayLike<number>, shapes: number): void {
  const paces = Array.from({ length: shapes }, (): Pace => ({ last: undefined, step: undefined }));
  let before = 0;
  for (let i = 0; i < ats.length; i++) {
    const pace = paces[which[i] as number] as Pace;
    const at = ats[i] as number;
    const step = at - (pace.last ?? before);
    out.signed(step - (pace.step ?? 0));
    if (pace.last !== undefined) pace.step ??= step;
    pace.last = at;
    before = at;
  }
}

function encodeGroup(out: ByteWriter, noise: ByteWriter, rows: ShapeRows): void {
  const { shape, reasons } = rows;
  out.byte(reasons === undefined ? 0 : 1);
  for (const column of reasons ?? []) out.raw(column);
  const columns = shape.points.map((_, i) => onlyValues(rows.column(i), reasons?.[i]));
  encodeColumns(out, noise, shape.points, columns);
}

function onlyValues(column: ArrayLike<Value>, reasons: Uint8Array | undefined): ArrayLike<Value> {
  if (reasons === undefined || reasons.every(hasValue)) return column;
  const values: Value[] = [];
  for (let k = 0; k < reasons.length; k++) if (hasValue(reasons[k] as number)) values.push(column[k] as Value);
  return values;
}

/** Records of one shape that have objects of their own, as columns. */
export function rowsOf(shape: Shape, group: readonly LogRecord[]): ShapeRows {
  const allGood = group.every((r) => r.sample.reasons === null);
  return {
    shape,
    seqs: group.map((r) => r.seq),
    ats: group.map((r) => r.sample.at),
    reasons: allGood ? undefined : shape.points.map((_, i) => Uint8Array.from(group, (r) => r.sample.reasons?.[i] ?? 0)),
    column: (i) => columnOf(group, i, (shape.points[i] as PointInfo).storage),
  };
}

function columnOf(group: readonly LogRecord[], i: number, storage: Storage): ArrayLike<Value> {
  if (storage !== 'number' && storage !== 'boolean') return group.map((r) => r.sample.values[i] as Value);
  const column = new Float64Array(group.length);
  for (let k = 0; k < column.length; k++) column[k] = doubleOf((group[k] as LogRecord).sample, i);
  return column;
}

/** The records of one shape in a block. All lists are by record, ascending in seq. */
export class ShapeColumns implements ShapeRows {
  readonly shape: Shape;
  readonly seqs: readonly number[];
  readonly ats: readonly number[];
  /** By point; undefined when all readings are good. */
  readonly reasons: readonly Uint8Array[] | undefined;
  readonly #stored: StoredColumns;
  readonly #known: (readonly Value[] | undefined)[] = [];

  /** @throws RangeError or Error when the bytes are damaged */
  constructor(shape: Shape, seqs: readonly number[], ats: readonly number[], input: ByteReader, noise: ByteReader) {
    this.shape = shape;
    this.seqs = seqs;
    this.ats = ats;
    const n = seqs.length;
    const allGood = input.byte() === 0;
    this.reasons = allGood ? undefined : shape.points.map(() => input.raw(n));
    const counts = this.reasons?.map(valuesIn) ?? shape.points.map(() => n);
    this.#stored = new StoredColumns(input, noise, shape.points, counts);
  }

  /** The values of one point, 0 where there is none; made when they are first asked for. */
  column(point: number): readonly Value[] {
    const known = this.#known[point];
    if (known !== undefined) return known;
    const column = this.once(point);
    this.#known[point] = column;
    return column;
  }

  /** The same for those who ask once: it is not kept. */
  once(point: number): readonly Value[] {
    return this.#spread(this.#stored.column(point), this.reasons?.[point]);
  }

  /**
   * The same of a point that is a number or a boolean (1 and 0), with no object for the column.
   * @param to at least as many as there are records; filled
   */
  doubles(point: number, to: Float64Array): void {
    const reasons = this.reasons?.[point];
    let k = this.#stored.doubles(point, to);
    if (reasons === undefined || k === reasons.length) return;
    // From the end: no value is overwritten before it is moved.
    for (let m = reasons.length - 1; m >= 0; m--) to[m] = hasValue(reasons[m] as number) ? (to[--k] as number) : 0;
  }

  /** No number of a point is infinite or none (NaN). */
  finite(point: number): boolean {
    return this.#stored.finite(point);
  }

  /** Columns that were made, for those who count. */
  get made(): number {
    return this.#stored.made;
  }

  /** Bytes of all texts. */
  get texts(): number {
    return this.#stored.texts;
  }

  /** Records with objects of their own. */
  rows(): LogRecord[] {
    const { shape, seqs, ats, reasons } = this;
    const n = shape.points.length;
    const values = shape.points.map((_, i) => this.column(i));
    return seqs.map((seq, m) => {
      const row = new Array<Value>(n);
      for (let i = 0; i < n; i++) row[i] = (values[i] as readonly Value[])[m] as Value;
      let why: Uint8Array | null = null;
      if (reasons?.some((column) => column[m] !== 0)) why = Uint8Array.from(reasons, (column) => column[m] as number);
      return { seq, sample: { shape, at: ats[m] as number, values: row, reasons: why } };
    });
  }

  #spread(column: readonly Value[], reasons: Uint8Array | undefined): readonly Value[] {
    if (reasons === undefined || column.length === reasons.length) return column;
    let k = 0;
    return Array.from(reasons, (r): Value => (hasValue(r) ? (column[k++] as Value) : 0));
  }
}

function valuesIn(reasons: Uint8Array): number {
  let n = 0;
  for (const reason of reasons) if (hasValue(reason)) n++;
  return n;
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
  const { n, groups } = decoded(blob, shapeOf, only);
  const records = new Array<LogRecord | undefined>(n).fill(undefined);
  for (const { indexes, columns } of groups) {
    const rows = columns.rows();
    indexes.forEach((index, m) => {
      records[index] = rows[m];
    });
  }
  return records.filter((r) => r !== undefined);
}

/** The same without an object for each record. A column is an array, made when it is asked for. */
export function decodeShapes(
  blob: Uint8Array,
  shapeOf: (id: number) => Shape | undefined,
  only?: { has(id: number): boolean },
): ShapeColumns[] {
  return decoded(blob, shapeOf, only).groups.map((group) => group.columns);
}

/** `at` of the first record. @throws RangeError or Error when the bytes are damaged */
export function blockStart(blob: Uint8Array): number {
  const { n, input } = headOf(unseal(blob, 'block').bytes);
  if (n === 0) throw new Error('the block is damaged (no records)');
  // The first time stands behind nothing, so it is written as it is.
  return readTimes(input, [0], 1)[0] as number;
}

function decoded(
  blob: Uint8Array,
  shapeOf: (id: number) => Shape | undefined,
  only: { has(id: number): boolean } | undefined,
): { n: number; groups: { indexes: readonly number[]; columns: ShapeColumns }[] } {
  const { bytes: input, noise } = unseal(blob, 'block');
  const { n, ids, seqs, which, members } = headOf(input);
  const ats = readTimes(input, which, ids.length);
  const lengths = ids.map(() => [input.unsigned(), input.unsigned()] as const);
  const groups: { indexes: readonly number[]; columns: ShapeColumns }[] = [];
  ids.forEach((id, g) => {
    const [bytes, bits] = lengths[g] as readonly [number, number];
    const body = new ByteReader(input.raw(bytes));
    const own = new ByteReader(noise.raw(bits));
    if (only !== undefined && !only.has(id)) return;
    const shape = shapeOf(id);
    if (shape === undefined) throw new Error(`shape ${id} is not known`);
    const indexes = members[g] as number[];
    const pick = (list: readonly number[]) => (ids.length === 1 ? list : indexes.map((i) => list[i] as number));
    groups.push({ indexes, columns: new ShapeColumns(shape, pick(seqs), pick(ats), body, own) });
  });
  return { n, groups };
}

/** The part of a block before the times. */
function headOf(input: ByteReader) {
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
  const members: number[][] = ids.map(() => []);
  for (let i = 0, expected = 0; i < n; i++) {
    const index = (input.unsigned() + expected) % ids.length;
    which[i] = index;
    (members[index] as number[]).push(i);
    expected = (index + 1) % ids.length;
  }
  return { input, n, ids, seqs, which, members };
}

function readTimes(input: ByteReader, which: readonly number[], shapes: number): number[] {
  const paces = Array.from({ length: shapes }, (): Pace => ({ last: undefined, step: undefined }));
  let before = 0;
  return which.map((index) => {
    const pace = paces[index] as Pace;
    const step = input.signed() + (pace.step ?? 0);
    const at = (pace.last ?? before) + step;
    if (pace.last !== undefined) pace.step ??= step;
    pace.last = at;
    before = at;
    return at;
  });
}
