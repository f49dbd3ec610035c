/** Roll-ups as bytes: the second half of making them. The layout is in rollup-form.ts. */
import type { ShapeRows } from './blocks.ts';
import { ByteWriter } from './bytes.ts';
import { decimalsOf, encodeColumns, hasDecimals, POWERS } from './columns.ts';
import { FLOAT, FORM, filledOf, isFloat, type PointRollup, STEPS, stepsOf, VERSION } from './rollup-form.ts';
import { Members, summed } from './rollup-sums.ts';
import { seal } from './sealed.ts';

/** Each is written once and kept for years. */
const LEVEL = 9;

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

function writeFloats(out: ByteWriter, noise: ByteWriter, columns: readonly Column[]): void {
  const bounds = columns.flatMap((column) => column.bounds);
  const points = bounds.map(() => FLOAT);
  encodeColumns(out, noise, points, bounds);
}
