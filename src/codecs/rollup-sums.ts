/** Readings summed up by bucket: the first half of making roll-ups (rollup-form.ts has the whole). */
import type { Value } from '../core/point.ts';
import { hasValue } from '../core/point.ts';
import { ABSENT } from '../core/reasons.ts';
import type { ShapeRows } from './blocks.ts';
import { emptyPoint, type PointRollup } from './rollup-form.ts';

/** Widths of buckets, in milliseconds: each divides the next but one, and the day. */
export const ROLLUP_WIDTHS = [10_000, 60_000, 300_000, 900_000, 3_600_000] as const;
/** Fewer readings in a bucket would make roll-ups as large as the readings themselves. */
const PER_BUCKET = 25;

/** @param spanMs from the first record to the last @returns the smallest width with about 30 records in a bucket */
export function rollupWidth(spanMs: number, records: number): number {
  const enough = ROLLUP_WIDTHS.find((width) => width * records >= PER_BUCKET * Math.max(spanMs, 1));
  return enough ?? (ROLLUP_WIDTHS.at(-1) as number);
}

/** Which records belong to which bucket. */
export class Members {
  /** Places of the buckets that have records, counted in widths, ascending. */
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

export function summed(rows: ShapeRows, { indexes, places }: Members, i: number, text: boolean): PointRollup {
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
