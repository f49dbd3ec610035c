/** Readings of a point summed up into buckets of one width, aligned to UTC. Pure. */
import { hasValue, type PointInfo, type Value } from '../../core/point.ts';
import { ABSENT } from '../../core/reasons.ts';

/** min, max and mean are NaN where no reading has a number; of booleans they are of 0 and 1. */
export interface Bucket {
  /** UTC ms at which it starts. */
  readonly time: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Readings with a value. */
  readonly count: number;
  readonly bad: number;
  /** The time of a reading in it is estimated. */
  readonly estimated: boolean;
}

/** A roll-up, with its middle in UTC ms. */
export interface Summary {
  readonly middle: number;
  readonly count: number;
  readonly bad: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** From a minute on roll-ups fit into each without a rest. */
const WIDTHS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, 30 * SECOND],
  ...[MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE],
  ...[HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR],
];

/** The smallest round width with which at most `buckets` (and one cut by each end) cover the span. Milliseconds. */
export function bucketWidth(span: number, buckets: number): number {
  const least = span / buckets;
  return WIDTHS.find((width) => width >= least) ?? Math.ceil(least / DAY) * DAY;
}

/** The start of the bucket that a time lies in. */
export function startOf(time: number, width: number): number {
  return Math.floor(time / width) * width;
}

interface Sum {
  count: number;
  bad: number;
  min: number;
  max: number;
  /** The first number, and the sum of what others are above it: a large counter loses no digits. */
  base: number;
  above: number;
  numbers: number;
  estimated: boolean;
}

export class Buckets {
  readonly #width: number;
  /** UTC ms, whole buckets; `to` is not in it. */
  readonly from: number;
  readonly to: number;
  readonly #sums = new Map<number, Sum>();
  #last: Sum | undefined;
  #lastStart = Number.NaN;

  /** Takes what lies in whole buckets from..to (to exclusive), UTC ms. */
  constructor(width: number, from: number, to: number) {
    this.#width = width;
    this.from = startOf(from, width);
    this.to = Math.ceil(to / width) * width;
  }

  reading(point: PointInfo, time: number, value: Value, reason: number, estimated: boolean): void {
    if (reason === ABSENT) return;
    const sum = this.#at(time);
    if (sum === undefined) return;
    if (estimated) sum.estimated = true;
    if (!hasValue(reason)) {
      sum.bad++;
      return;
    }
    sum.count++;
    if (point.storage === 'string') return;
    const v = Number(value);
    this.#number(sum, v, v, v, 1);
  }

  rollup({ middle, count, bad, min, max, mean }: Summary, estimated: boolean): void {
    if (count === 0 && bad === 0) return;
    const sum = this.#at(middle);
    if (sum === undefined) return;
    if (estimated) sum.estimated = true;
    sum.count += count;
    sum.bad += bad;
    if (count > 0 && !Number.isNaN(min)) this.#number(sum, min, max, mean, count);
  }

  /** Ascending; buckets without a reading are left out. */
  rows(): Bucket[] {
    return [...this.#sums]
      .sort(([a], [b]) => a - b)
      .map(([time, { count, bad, min, max, base, above, numbers, estimated }]) => {
        const mean = numbers === 0 ? Number.NaN : Math.min(Math.max(base + above / numbers, min), max);
        return { time, min, max, mean, count, bad, estimated };
      });
  }

  #number(sum: Sum, min: number, max: number, mean: number, n: number): void {
    if (sum.numbers === 0) {
      sum.base = mean;
      sum.min = min;
      sum.max = max;
    }
    if (min < sum.min) sum.min = min;
    if (max > sum.max) sum.max = max;
    sum.above += (mean - sum.base) * n;
    sum.numbers += n;
  }

  #at(time: number): Sum | undefined {
    const start = startOf(time, this.#width);
    if (start === this.#lastStart) return this.#last;
    if (start < this.from || start >= this.to) return undefined;
    let sum = this.#sums.get(start);
    if (sum === undefined) {
      const nothing = Number.NaN;
      sum = { ...{ count: 0, bad: 0, min: nothing, max: nothing, base: 0, above: 0, numbers: 0 }, estimated: false };
      this.#sums.set(start, sum);
    }
    this.#last = sum;
    this.#lastStart = start;
    return sum;
  }
}
