/** Roll-ups read from their bytes, point by point. The layout is in rollup-form.ts, the writing in rollup-encode.ts. */
import type { Shape } from '../core/point.ts';
import type { ByteReader } from './bytes.ts';
import { POWERS, StoredColumns } from './columns.ts';
import {
  emptyCounts,
  emptyPoint,
  FLOAT,
  FORM,
  filledOf,
  isFloat,
  type PointRollup,
  STEPS,
  stepsOf,
  VERSION,
} from './rollup-form.ts';
import { unseal } from './sealed.ts';

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

/** The roll-ups of one part. The constructor only walks over them, which costs little; a point is decoded when it is asked for. */
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
