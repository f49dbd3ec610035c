/**
 * Roll-ups of one part: for each point and each bucket of time how many readings there were, and their smallest, largest
 * and mean value. They outlive the readings, and a chart of a day is drawn from them.
 *
 * - A bucket is aligned to UTC as known when the part was made, but its start is stored in the monotonic time of the
 *   boot: nothing is written again when the clock becomes better. Buckets without a record are left out.
 * - `min` and `max` are exact (64-bit integers as doubles: exact up to 2^53). The mean is kept as a step between the two:
 *   exact where the values have a decimal grid and the bucket has few enough steps, else within (max - min) / 131,070.
 *   It is thus never outside min..max, and exact where they are equal. The mean of booleans is the exact share of true.
 * - Texts are only counted. What a record lacks (ABSENT) is not counted at all.
 *
 * Version 1, sealed (codecs/sealed), integers LEB128: version, width, number of points and buckets, start of the first
 * bucket (signed), steps to the others in widths; records of each bucket; for each point 0 (each record has a value) or 1
 * and counts and bad ones of each bucket; then the forms of all points, all minima, all
 * distances from them to the maxima, both bounds of points off the decimal grid (codecs/columns), all means.
 */
import type { PointInfo } from '../core/point.ts';

export const VERSION = 1;
/** 0..6: min × 10^form is a whole number. `wide`: the mean is a double of its own. */
export const FORM = { float: 16, wide: 17, boolean: 18, none: 19 } as const;
/** The finest steps of a mean between min and max. */
export const STEPS = 65_535;
/** Arrays by bucket. A bucket whose `count` is 0 has NaN for min, max and mean, and so has every bucket of texts. */
export interface PointRollup {
  /** Readings with a value: good and uncertain ones. */
  readonly count: Uint32Array;
  readonly bad: Uint32Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly mean: Float64Array;
}

export function emptyCounts(buckets: number): Pick<PointRollup, 'count' | 'bad'> {
  return { count: new Uint32Array(buckets), bad: new Uint32Array(buckets) };
}
export function emptyPoint(buckets: number): PointRollup {
  const nothing = () => new Float64Array(buckets).fill(Number.NaN);
  return { ...emptyCounts(buckets), min: nothing(), max: nothing(), mean: nothing() };
}

/** Buckets with a value. */
export function filledOf({ count }: PointRollup): number[] {
  const filled: number[] = [];
  for (let b = 0; b < count.length; b++) if ((count[b] as number) > 0) filled.push(b);
  return filled;
}

export const isFloat = (form: number): boolean => form === FORM.float || form === FORM.wide;
/** On a decimal grid every sum has its own step, as long as they are few. @param units between min and max */
export const stepsOf = (units: number, count: number): number => Math.min(STEPS, units * count);

/** Columns as blocks have them; their name does not matter there. */
export const FLOAT: PointInfo = { name: '', type: 'float64', storage: 'number' };
