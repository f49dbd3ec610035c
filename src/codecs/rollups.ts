/**
 * Roll-ups of one part: for each point and each bucket of time how many readings there were, and their smallest, largest
 * and mean value. They outlive the readings, and a chart of a day is drawn from them.
 *
 * - A bucket is aligned to UTC as known when the part was made, but its start is stored in the monotonic time of the
 *   boot: nothing is written again when the clock becomes better. Buckets without a record are left out.
 * - `min` and `max` are exact (64-bit integers as doubles: exact up to 2^53). The mean is kept as a step between the two:
 *   exact where the values have a decimal grid and the bucket has few enough steps, else within (max - min) / 131,070.
 *   It is thus never outside min..max, and exact where they are equal. Of booleans it is the share of true, exact.
 * - Texts are only counted. What a record lacks (ABSENT) is not counted at all.
 *
 * Version 1, sealed (codecs/sealed), integers LEB128: version, width, number of points and buckets, start of the first
 * bucket (signed), steps to the others in widths; records of each bucket; for each point 0 (each record has a value) or 1
 * and counts and bad ones of each bucket; then the forms of all points, all minima, all
 * distances from them to the maxima, both bounds of points off the decimal grid (codecs/columns), all means.
 */
import type { LogRecord, PointInfo, Shape, Value } from '../core/point.ts';
import { hasValue } from '../core/point.ts';
import { ABSENT } from '../core/reasons.ts';
import { type ByteReader, ByteWriter } from './bytes.ts';
import { decimalsOf, decodeColumns, encodeColumns, POWERS } from './columns.ts';
import { seal, unseal } from './sealed.ts';

const VERSION = 1;
/** Each is written once and kept for years. */
const LEVEL = 9;
/** 0..6: min × 10^form is a whole number. `wide`: the mean is a double of its own. */
const FORM = { float: 16, wide: 17, boolean: 18, none: 19 } as const;
/** The finest steps of a mean between min and max. */
const STEPS = 65_535;
/** Widths of buckets, in milliseconds: each divides the next but one, and the day. */
export const ROLLUP_WIDTHS = [10_000, 60_000, 300_000, 900_000, 3_600_000] as const;
/** Fewer readings in a bucket would make roll-ups as large as the readings themselves. */
const PER_BUCKET = 25;

/** Arrays by bucket. Where `count` is 0 there is no min, max and mean: NaN. Of texts they are NaN always. */
export interface PointRollup {
  /** Readings with a value: good and uncertain ones. */
  readonly count: Uint32Array;
  readonly bad: Uint32Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly mean: Float64Array;
}
export interface PartRollup {
  /** Milliseconds. */
  readonly width: number;
  /** Monotonic ms at which each bucket starts, ascending. It ends `width` later. */
  readonly buckets: Float64Array;
  /** By the shape's points. */
  readonly points: readonly PointRollup[];
}

/** @param spanMs from the first record to the last @returns the smallest width with about 30 records in a bucket */
export function rollupWidth(spanMs: number, records: number): number {
  const enough = ROLLUP_WIDTHS.find((width) => width * records >= PER_BUCKET * Math.max(spanMs, 1));
  return enough ?? (ROLLUP_WIDTHS.at(-1) as number);
}

/**
 * @param records of this shape alone
 * @param width of a bucket in milliseconds
 * @param offset `at` + offset = UTC ms, as known now
 */
export function encodeRollups(shape: Shape, records: readonly LogRecord[], width: number, offset: number): Buffer {
  const shift = Math.round(offset);
  const members = new Map<number, LogRecord[]>();
  for (const record of records) {
    const index = Math.floor((record.sample.at + shift) / width);
    const group = members.get(index);
    if (group === undefined) members.set(index, [record]);
    else group.push(record);
  }
  const indexes = [...members.keys()].sort((a, b) => a - b);
  const groups = indexes.map((index) => members.get(index) as LogRecord[]);
  const points = shape.points.map((point, i) => summed(groups, i, point.storage === 'string'));
  const out = new ByteWriter();
  out.byte(VERSION);
  out.unsigned(width);
  out.unsigned(points.length);
  out.unsigned(indexes.length);
  indexes.forEach((index, b) => {
    if (b === 0) out.signed(index * width - shift);
    else out.unsigned(index - (indexes[b - 1] as number));
  });
  for (const group of groups) out.unsigned(group.length);
  for (const { count } of points) {
    const whole = groups.every((group, b) => count[b] === group.length);
    out.byte(whole ? 0 : 1);
  }
  for (const { count, bad } of points) {
    if (groups.every((group, b) => count[b] === group.length)) continue;
    for (const n of count) out.unsigned(n);
    for (const n of bad) out.unsigned(n);
  }
  const columns = points.map((point, i) => new Column(point, formOf(point, shape.points[i]?.storage ?? 'string')));
  for (const column of columns) out.byte(column.form);
  const noise = new ByteWriter();
  for (const column of columns) column.lows(out);
  for (const column of columns) column.highs(out);
  writeFloats(out, noise, columns);
  for (const column of columns) column.means(out);
  return seal(out.written, noise.written, LEVEL);
}

function summed(groups: readonly (readonly LogRecord[])[], i: number, text: boolean): PointRollup {
  const all = emptyPoint(groups.length);
  groups.forEach((group, b) => {
    let count = 0;
    let bad = 0;
    let min = Number.NaN;
    let max = Number.NaN;
    let base = 0;
    let above = 0;
    for (const { sample } of group) {
      const reason = sample.reasons === null ? 0 : (sample.reasons[i] as number);
      if (!hasValue(reason)) {
        if (reason !== ABSENT) bad++;
        continue;
      }
      count++;
      if (text) continue;
      const v = Number(sample.values[i] as Value);
      if (count === 1) base = v;
      if (count === 1 || v < min) min = v;
      if (count === 1 || v > max) max = v;
      // The sum of what is above the first value: a large counter loses no digits.
      above += v - base;
    }
    all.count[b] = count;
    all.bad[b] = bad;
    if (count === 0 || text) return;
    all.min[b] = min;
    all.max[b] = max;
    const mean = Number.isFinite(above) ? base + above / count : meanOfLarge(group, i, count);
    all.mean[b] = Math.min(Math.max(mean, min), max);
  });
  return all;
}

/** Where the sum leaves the range of doubles, or a value is infinite. */
function meanOfLarge(group: readonly LogRecord[], i: number, count: number): number {
  let mean = 0;
  for (const { sample } of group)
    if (sample.reasons === null || hasValue(sample.reasons[i] as number)) mean += Number(sample.values[i]) / count;
  return mean;
}

function emptyPoint(buckets: number): PointRollup {
  const nothing = () => new Float64Array(buckets).fill(Number.NaN);
  return {
    ...{ count: new Uint32Array(buckets), bad: new Uint32Array(buckets) },
    ...{ min: nothing(), max: nothing(), mean: nothing() },
  };
}

function formOf(point: PointRollup, storage: string): number {
  const filled = [...point.count.keys()].filter((b) => (point.count[b] as number) > 0);
  if (storage === 'string' || filled.length === 0) return FORM.none;
  if (storage === 'boolean') return FORM.boolean;
  const bounds = filled.flatMap((b) => [point.min[b] as number, point.max[b] as number]);
  const spreads = filled.map((b) => (point.max[b] as number) - (point.min[b] as number));
  if (!spreads.every(Number.isFinite)) return FORM.wide;
  return decimalsOf(bounds) ?? FORM.float;
}

/** The numbers of one point, written and read in three goes, so that like stands beside like. */
class Column {
  readonly form: number;
  readonly #point: PointRollup;
  readonly #filled: readonly number[];

  constructor(point: PointRollup, form: number) {
    this.form = form;
    this.#point = point;
    this.#filled = form === FORM.none ? [] : [...point.count.keys()].filter((b) => (point.count[b] as number) > 0);
  }

  get #power(): number | undefined {
    return POWERS[this.form];
  }

  lows(out: ByteWriter): void {
    const power = this.#power;
    let last = 0;
    if (power !== undefined)
      for (const v of this.#pick(this.#point.min)) {
        const x = Math.round(v * power);
        out.signed(x - last);
        last = x;
      }
  }
  highs(out: ByteWriter): void {
    const power = this.#power;
    if (power !== undefined)
      for (const b of this.#filled)
        out.unsigned(Math.round((this.#point.max[b] as number) * power) - Math.round((this.#point.min[b] as number) * power));
  }
  means(out: ByteWriter): void {
    const { min, max, mean, count } = this.#point;
    if (this.form === FORM.wide) for (const v of this.#pick(mean)) out.float64(v);
    else if (this.form === FORM.boolean)
      // 0: none is true, 1: all are, else one more than how many.
      for (const b of this.#filled) {
        const n = count[b] as number;
        const yes = Math.round((mean[b] as number) * n);
        out.unsigned(yes === 0 ? 0 : yes === n ? 1 : yes + 1);
      }
    else
      for (const b of this.#filled) {
        const spread = (max[b] as number) - (min[b] as number);
        if (spread > 0) out.unsigned(Math.round((((mean[b] as number) - (min[b] as number)) / spread) * this.#steps(b)));
      }
  }

  /** Off the decimal grid: both bounds, as columns of their own. */
  get bounds(): number[][] {
    return this.isFloat ? [this.#pick(this.#point.min), this.#pick(this.#point.max)] : [];
  }
  get isFloat(): boolean {
    return this.form === FORM.float || this.form === FORM.wide;
  }
  get filled(): number {
    return this.#filled.length;
  }
  setBounds(min: readonly number[], max: readonly number[]): void {
    this.#put(this.#point.min, min);
    this.#put(this.#point.max, max);
  }

  readLows(input: ByteReader): void {
    const power = this.#power;
    let x = 0;
    if (power !== undefined)
      for (const b of this.#filled) {
        x += input.signed();
        this.#point.min[b] = x / power;
      }
    else if (this.form < FORM.float || this.form > FORM.none) throw new Error(`roll-up form ${this.form} is not known`);
  }
  readHighs(input: ByteReader): void {
    const { min, max } = this.#point;
    const power = this.#power;
    if (power !== undefined)
      for (const b of this.#filled) max[b] = (Math.round((min[b] as number) * power) + input.unsigned()) / power;
  }
  readMeans(input: ByteReader): void {
    const { min, max, mean, count } = this.#point;
    for (const b of this.#filled) {
      const n = count[b] as number;
      if (this.form === FORM.wide) mean[b] = input.float64();
      else if (this.form === FORM.boolean) {
        const code = input.unsigned();
        const yes = code === 0 ? 0 : code === 1 ? n : code - 1;
        min[b] = yes === n ? 1 : 0;
        max[b] = yes > 0 ? 1 : 0;
        mean[b] = yes / n;
      } else {
        const low = min[b] as number;
        const high = max[b] as number;
        const spread = high - low;
        mean[b] = spread > 0 ? Math.min(high, low + spread * (input.unsigned() / this.#steps(b))) : low;
      }
    }
  }

  /** Steps between min and max that a mean can stand on: on a decimal grid every sum has its own, as long as they are few. */
  #steps(b: number): number {
    const power = this.#power;
    if (power === undefined) return STEPS;
    const units = Math.round((this.#point.max[b] as number) * power) - Math.round((this.#point.min[b] as number) * power);
    return Math.min(STEPS, units * (this.#point.count[b] as number));
  }
  #pick(from: Float64Array): number[] {
    return this.#filled.map((b) => from[b] as number);
  }
  #put(to: Float64Array, values: readonly number[]): void {
    this.#filled.forEach((b, k) => {
      to[b] = values[k] as number;
    });
  }
}

/** Columns as blocks have them; their name does not matter there. */
const FLOAT: PointInfo = { name: '', type: 'float64', storage: 'number' };

function writeFloats(out: ByteWriter, noise: ByteWriter, columns: readonly Column[]): void {
  const bounds = columns.flatMap((column) => column.bounds);
  const points = bounds.map(() => FLOAT);
  encodeColumns(out, noise, points, bounds);
}
function readFloats(input: ByteReader, noise: ByteReader, columns: readonly Column[]): void {
  const floats = columns.filter((column) => column.isFloat);
  const counts = floats.flatMap((column) => [column.filled, column.filled]);
  const bounds = decodeColumns(
    input,
    noise,
    counts.map(() => FLOAT),
    counts,
  ) as number[][];
  for (const [i, column] of floats.entries()) column.setBounds(bounds[2 * i] as number[], bounds[2 * i + 1] as number[]);
}

interface Head {
  readonly input: ByteReader;
  readonly noise: ByteReader;
  readonly width: number;
  readonly buckets: Float64Array;
  readonly points: readonly PointRollup[];
}

function readHead(shape: Shape, blob: Uint8Array): Head {
  const { bytes: input, noise } = unseal(blob, 'roll-up');
  const version = input.byte();
  if (version !== VERSION) throw new Error(`roll-up version ${version} is not known`);
  const width = input.unsigned();
  if (input.unsigned() !== shape.points.length) throw new Error('the roll-up belongs to another shape');
  const buckets = new Float64Array(input.unsigned());
  for (let b = 0; b < buckets.length; b++)
    buckets[b] = b === 0 ? input.signed() : (buckets[b - 1] as number) + input.unsigned() * width;
  const records = Uint32Array.from(buckets, () => input.unsigned());
  const own = shape.points.map(() => input.byte() !== 0);
  const points = own.map((counted) => {
    const point = emptyPoint(buckets.length);
    if (!counted) point.count.set(records);
    else for (const column of [point.count, point.bad]) for (let b = 0; b < column.length; b++) column[b] = input.unsigned();
    return point;
  });
  return { input, noise, width, buckets, points };
}

/** @throws Error when the bytes are damaged, or of another shape or a newer version */
export function decodeRollups(shape: Shape, blob: Uint8Array): PartRollup {
  const { input, noise, width, buckets, points } = readHead(shape, blob);
  const columns = points.map((point) => new Column(point, input.byte()));
  for (const column of columns) column.readLows(input);
  for (const column of columns) column.readHighs(input);
  readFloats(input, noise, columns);
  for (const column of columns) column.readMeans(input);
  return { width, buckets, points };
}
