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
import type { PointInfo, Shape, Value } from '../core/point.ts';
import { hasValue } from '../core/point.ts';
import { ABSENT } from '../core/reasons.ts';
import type { ShapeRows } from './blocks.ts';
import { type ByteReader, ByteWriter } from './bytes.ts';
import { decimalsOf, encodeColumns, hasDecimals, POWERS, StoredColumns } from './columns.ts';
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

/** @param spanMs from the first record to the last @returns the smallest width with about 30 records in a bucket */
export function rollupWidth(spanMs: number, records: number): number {
  const enough = ROLLUP_WIDTHS.find((width) => width * records >= PER_BUCKET * Math.max(spanMs, 1));
  return enough ?? (ROLLUP_WIDTHS.at(-1) as number);
}

/**
 * @param width of a bucket in milliseconds
 * @param offset `at` + offset = UTC ms, as known now
 */
export function encodeRollups(rows: ShapeRows, width: number, offset: number): Buffer {
  const { shape } = rows;
  const shift = Math.round(offset);
  const members = new Members(rows.ats, width, shift);
  const { indexes, sizes } = members;
  const points = shape.points.map((point, i) => summed(rows, members, i, point.storage === 'string'));
  const out = new ByteWriter();
  out.byte(VERSION);
  out.unsigned(width);
  out.unsigned(points.length);
  out.unsigned(indexes.length);
  indexes.forEach((index, b) => {
    if (b === 0) out.signed(index * width - shift);
    else out.unsigned(index - (indexes[b - 1] as number));
  });
  for (const size of sizes) out.unsigned(size);
  const whole = points.map(({ count }) => sizes.every((size, b) => count[b] === size));
  for (const all of whole) out.byte(all ? 0 : 1);
  for (const [i, { count, bad }] of points.entries()) {
    if (whole[i]) continue;
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

/** Which records belong to which bucket. */
class Members {
  /** Of the buckets that have records, in widths, ascending. */
  readonly indexes: readonly number[];
  /** Records of each bucket. */
  readonly sizes: Uint32Array;
  /** By record: the place of its bucket. */
  readonly places: Uint32Array;

  constructor(ats: ArrayLike<number>, width: number, shift: number) {
    const indexOf = (m: number) => Math.floor(((ats[m] as number) + shift) / width);
    const found = new Set<number>();
    for (let m = 0; m < ats.length; m++) found.add(indexOf(m));
    this.indexes = [...found].sort((a, b) => a - b);
    const placeOf = new Map(this.indexes.map((index, b) => [index, b]));
    this.sizes = new Uint32Array(this.indexes.length);
    this.places = new Uint32Array(ats.length);
    for (let m = 0; m < ats.length; m++) {
      const b = placeOf.get(indexOf(m)) as number;
      this.places[m] = b;
      this.sizes[b] = (this.sizes[b] as number) + 1;
    }
  }
}

function summed(rows: ShapeRows, { indexes, places }: Members, i: number, text: boolean): PointRollup {
  const { count, bad, min, max, mean } = emptyPoint(indexes.length);
  const values = rows.column(i);
  const reasons = rows.reasons?.[i];
  const base = new Float64Array(indexes.length);
  // The sum of what is above the first value: a large counter loses no digits.
  const above = new Float64Array(indexes.length);
  for (let m = 0; m < places.length; m++) {
    const b = places[m] as number;
    const reason = reasons?.[m] ?? 0;
    if (!hasValue(reason)) {
      if (reason !== ABSENT) bad[b] = (bad[b] as number) + 1;
      continue;
    }
    const n = (count[b] as number) + 1;
    count[b] = n;
    if (text) continue;
    const v = Number(values[m]);
    if (n === 1) base[b] = v;
    if (n === 1 || v < (min[b] as number)) min[b] = v;
    if (n === 1 || v > (max[b] as number)) max[b] = v;
    above[b] = (above[b] as number) + (v - (base[b] as number));
  }
  if (!text)
    for (const [b, n] of count.entries()) {
      if (n === 0) continue;
      const sum = above[b] as number;
      const middle = Number.isFinite(sum) ? (base[b] as number) + sum / n : meanOfLarge(values, reasons, places, b, n);
      mean[b] = Math.min(Math.max(middle, min[b] as number), max[b] as number);
    }
  return { count, bad, min, max, mean };
}

/** Where the sum leaves the range of doubles, or a value is infinite. */
function meanOfLarge(
  values: ArrayLike<Value>,
  reasons: Uint8Array | undefined,
  places: Uint32Array,
  b: number,
  count: number,
): number {
  let mean = 0;
  for (let m = 0; m < places.length; m++) if (places[m] === b && hasValue(reasons?.[m] ?? 0)) mean += Number(values[m]) / count;
  return mean;
}

function emptyCounts(buckets: number): Pick<PointRollup, 'count' | 'bad'> {
  return { count: new Uint32Array(buckets), bad: new Uint32Array(buckets) };
}
function emptyPoint(buckets: number): PointRollup {
  const nothing = () => new Float64Array(buckets).fill(Number.NaN);
  return { ...emptyCounts(buckets), min: nothing(), max: nothing(), mean: nothing() };
}

/** Buckets with a value. */
function filledOf({ count }: PointRollup): number[] {
  const filled: number[] = [];
  for (let b = 0; b < count.length; b++) if ((count[b] as number) > 0) filled.push(b);
  return filled;
}

function formOf(point: PointRollup, storage: string): number {
  const filled = filledOf(point);
  if (storage === 'string' || filled.length === 0) return FORM.none;
  if (storage === 'boolean') return FORM.boolean;
  const bounds = filled.flatMap((b) => [point.min[b] as number, point.max[b] as number]);
  const spreads = filled.map((b) => (point.max[b] as number) - (point.min[b] as number));
  if (!spreads.every(Number.isFinite)) return FORM.wide;
  // Values between the bounds may have more decimals than these have: then the means need the finer grid.
  for (let form = decimalsOf(bounds) ?? POWERS.length; form < POWERS.length; form++)
    if (bounds.every((v) => hasDecimals(v, form)) && filled.every((b) => meanFits(point, b, form))) return form;
  return FORM.float;
}

/** Whether the mean of a bucket is near enough to a step of the grid. */
function meanFits({ min, max, mean, count }: PointRollup, b: number, form: number): boolean {
  const power = POWERS[form] as number;
  const [low, high] = [min[b] as number, max[b] as number];
  const steps = stepsOf(Math.round(high * power) - Math.round(low * power), count[b] as number);
  if (steps === 0 || steps === STEPS) return true;
  const perUnit = steps / (high - low);
  const step = ((mean[b] as number) - low) * perUnit;
  const lost = 2 * Number.EPSILON * Math.max(Math.abs(low), Math.abs(high)) * perUnit;
  return Math.abs(step - Math.round(step)) <= steps / (2 * STEPS) + lost;
}

/** The numbers of one point, written in three goes, so that like stands beside like. */
class Column {
  readonly form: number;
  readonly #point: PointRollup;
  readonly #filled: readonly number[];

  constructor(point: PointRollup, form: number) {
    this.form = form;
    this.#point = point;
    this.#filled = form === FORM.none ? [] : filledOf(point);
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
    return isFloat(this.form) ? [this.#pick(this.#point.min), this.#pick(this.#point.max)] : [];
  }

  /** Steps between min and max that a mean can stand on. */
  #steps(b: number): number {
    const power = this.#power;
    if (power === undefined) return STEPS;
    const units = Math.round((this.#point.max[b] as number) * power) - Math.round((this.#point.min[b] as number) * power);
    return stepsOf(units, this.#point.count[b] as number);
  }
  #pick(from: Float64Array): number[] {
    return this.#filled.map((b) => from[b] as number);
  }
}

const isFloat = (form: number): boolean => form === FORM.float || form === FORM.wide;
/** On a decimal grid every sum has its own step, as long as they are few. @param units between min and max */
const stepsOf = (units: number, count: number): number => Math.min(STEPS, units * count);

/** Columns as blocks have them; their name does not matter there. */
const FLOAT: PointInfo = { name: '', type: 'float64', storage: 'number' };

function writeFloats(out: ByteWriter, noise: ByteWriter, columns: readonly Column[]): void {
  const bounds = columns.flatMap((column) => column.bounds);
  const points = bounds.map(() => FLOAT);
  encodeColumns(out, noise, points, bounds);
}

/** Where the numbers of a point lie in the bytes. */
interface Place {
  readonly form: number;
  /** Each record has a value, else counts are there. */
  readonly whole: boolean;
  counts: number;
  /** Buckets with a value. */
  filled: number;
  lows: number;
  highs: number;
  /** On the decimal grid: buckets in which min and max differ. */
  spread: number;
  /** Among the columns of floats, that of its minima. */
  float: number;
}

/** Of one part. All is passed over at once, which costs little; what one point has is made when it is asked for. */
export class Rollups {
  /** Milliseconds. */
  readonly width: number;
  /** Monotonic ms at which each bucket starts, ascending. It ends `width` later. */
  readonly buckets: Float64Array;
  readonly #records: Uint32Array;
  readonly #input: ByteReader;
  readonly #places: readonly Place[];
  readonly #floats: StoredColumns;
  /** Where the means of each point begin, as far as that was asked for. */
  readonly #means: number[];
  #made = 0;

  /** @throws Error when the bytes are damaged, or of another shape or a newer version */
  constructor(shape: Shape, blob: Uint8Array) {
    const { bytes: input, noise } = unseal(blob, 'roll-up');
    const version = input.byte();
    if (version !== VERSION) throw new Error(`roll-up version ${version} is not known`);
    this.#input = input;
    this.width = input.unsigned();
    if (input.unsigned() !== shape.points.length) throw new Error('the roll-up belongs to another shape');
    const n = input.unsigned();
    this.buckets = new Float64Array(n);
    for (let b = 0; b < n; b++)
      this.buckets[b] = b === 0 ? input.signed() : (this.buckets[b - 1] as number) + input.unsigned() * this.width;
    this.#records = Uint32Array.from(this.buckets, () => input.unsigned());
    const own = shape.points.map(() => input.byte() !== 0);
    const counts = own.map((counted) => {
      const counts = input.position;
      if (!counted) return { counts, filled: n };
      const filled = input.skipIntegers(n);
      input.skipIntegers(n);
      return { counts, filled };
    });
    this.#places = counts.map(({ counts, filled }, i) => {
      const form = input.byte();
      const count = form === FORM.none ? 0 : filled;
      return { form, whole: !own[i], counts, filled: count, lows: 0, highs: 0, spread: 0, float: -1 };
    });
    this.#passBounds();
    const floats = this.#places.filter(({ form }) => isFloat(form));
    for (const [i, place] of floats.entries()) place.float = 2 * i;
    const lengths = floats.flatMap(({ filled }) => [filled, filled]);
    this.#floats = new StoredColumns(
      input,
      noise,
      lengths.map(() => FLOAT),
      lengths,
    );
    this.#means = [input.position];
  }

  /** Points that were made, for those who count. */
  get made(): number {
    return this.#made;
  }

  #passBounds(): void {
    for (const place of this.#places) {
      place.lows = this.#input.position;
      if (POWERS[place.form] !== undefined) this.#input.skipIntegers(place.filled);
      else if (place.form < FORM.float || place.form > FORM.none) throw new Error(`roll-up form ${place.form} is not known`);
    }
    for (const place of this.#places) {
      place.highs = this.#input.position;
      if (POWERS[place.form] !== undefined) place.spread = this.#input.skipIntegers(place.filled);
    }
  }

  /** How many readings a point has, good or bad. */
  readings(i: number): number {
    const counts = emptyCounts(this.buckets.length);
    this.#readCounts(this.#places[i] as Place, counts);
    let n = 0;
    for (const column of [counts.count, counts.bad]) for (const k of column) n += k;
    return n;
  }

  point(i: number): PointRollup {
    this.#made++;
    const place = this.#places[i] as Place;
    const point = emptyPoint(this.buckets.length);
    this.#readCounts(place, point);
    if (place.filled === 0) return point;
    const filled = filledOf(point);
    if (POWERS[place.form] !== undefined) this.#readDecimals(place, point, filled);
    else if (isFloat(place.form)) this.#readFloats(place, point, filled);
    this.#readMeans(i, point, filled);
    return point;
  }

  #readCounts({ whole, counts }: Place, { count, bad }: Pick<PointRollup, 'count' | 'bad'>): void {
    if (whole) {
      count.set(this.#records);
      return;
    }
    const input = this.#input.at(counts);
    for (const column of [count, bad]) for (let b = 0; b < column.length; b++) column[b] = input.unsigned();
  }
  #readDecimals({ form, lows, highs }: Place, { min, max }: PointRollup, filled: readonly number[]): void {
    const power = POWERS[form] as number;
    const low = this.#input.at(lows);
    const high = this.#input.at(highs);
    let x = 0;
    for (const b of filled) {
      x += low.signed();
      min[b] = x / power;
      max[b] = (x + high.unsigned()) / power;
    }
  }
  #readFloats({ float }: Place, { min, max }: PointRollup, filled: readonly number[]): void {
    const lows = this.#floats.column(float) as number[];
    const highs = this.#floats.column(float + 1) as number[];
    for (const [k, b] of filled.entries()) {
      min[b] = lows[k] as number;
      max[b] = highs[k] as number;
    }
  }
  #readMeans(i: number, { min, max, mean, count }: PointRollup, filled: readonly number[]): void {
    const { form } = this.#places[i] as Place;
    const power = POWERS[form];
    const input = this.#input.at(this.#meansOf(i));
    for (const b of filled) {
      const n = count[b] as number;
      const low = min[b] as number;
      const high = max[b] as number;
      if (form === FORM.wide) mean[b] = input.float64();
      else if (form === FORM.boolean) {
        const code = input.unsigned();
        const yes = code === 0 ? 0 : code === 1 ? n : code - 1;
        min[b] = yes === n ? 1 : 0;
        max[b] = yes > 0 ? 1 : 0;
        mean[b] = yes / n;
      } else if (high - low > 0) {
        const steps = power === undefined ? STEPS : stepsOf(Math.round(high * power) - Math.round(low * power), n);
        mean[b] = Math.min(high, low + (high - low) * (input.unsigned() / steps));
      } else mean[b] = low;
    }
  }

  /** Means have no lengths: those of the points before have to be passed over. */
  #meansOf(i: number): number {
    for (let k = this.#means.length - 1; k < i; k++) {
      const { form, filled, spread, float } = this.#places[k] as Place;
      const input = this.#input.at(this.#means[k] as number);
      if (form === FORM.wide) input.skip(8 * filled);
      else if (form === FORM.float) input.skipIntegers(this.#floats.risen(float, float + 1));
      else input.skipIntegers(form === FORM.boolean ? filled : spread);
      this.#means.push(input.position);
    }
    return this.#means[i] as number;
  }
}
