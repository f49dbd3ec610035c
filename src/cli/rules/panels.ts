/** The values of a play for its picture: buckets that become wider when there are too many. */
import type { Bucket } from '../chart/chart.ts';
import { MAX_BUCKETS, MAX_PANELS } from '../chart/chart.ts';
import type { Recorded } from './recording.ts';

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];
/** Widths of buckets, ms. Each is a multiple of the one before it, so that buckets can be added up. */
const WIDTHS: readonly number[] = [
  ...[SECOND, 5 * SECOND, 15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR],
  ...[DAY, 7 * DAY, 28 * DAY, 364 * DAY, 3640 * DAY],
];

interface Sum {
  time: number;
  min: number;
  max: number;
  sum: number;
  /** Readings with a number. */
  numbers: number;
  count: number;
  bad: number;
}

/** Bounded: MAX_PANELS points with twice MAX_BUCKETS buckets. */
export class Panels {
  readonly #points = new Map<string, Sum[]>();
  #width = 0;
  /** Points that had no room. */
  readonly more = new Set<string>();

  /** Milliseconds of a bucket. */
  get width(): number {
    return WIDTHS[this.#width] as number;
  }

  take(time: number, { device, point, value }: Recorded): void {
    const name = `${device}.${point}`;
    let sums = this.#points.get(name);
    if (sums === undefined) {
      if (this.#points.size >= MAX_PANELS) {
        if (this.more.size < 1000) this.more.add(name);
        return;
      }
      sums = [];
      this.#points.set(name, sums);
    }
    const start = Math.floor(time / this.width) * this.width;
    let last = sums.at(-1);
    if (last === undefined || start > last.time) {
      last = empty(start);
      sums.push(last);
    }
    const number = typeof value === 'string' || value === undefined ? undefined : Number(value);
    if (value === undefined) last.bad++;
    else last.count++;
    if (number !== undefined) {
      last.min = Math.min(last.min, number);
      last.max = Math.max(last.max, number);
      last.sum += number;
      last.numbers++;
    }
    if (sums.length > MAX_BUCKETS * 2 && this.#width < WIDTHS.length - 1) this.#widen();
  }

  /** The buckets of each point, at most MAX_BUCKETS of them where the width allows it. */
  end(): Map<string, readonly Bucket[]> {
    while ([...this.#points.values()].some((sums) => sums.length > MAX_BUCKETS) && this.#width < WIDTHS.length - 1) this.#widen();
    return new Map([...this.#points].map(([name, sums]) => [name, sums.map(bucketOf)]));
  }

  #widen(): void {
    this.#width++;
    for (const [name, sums] of this.#points) {
      const wide: Sum[] = [];
      for (const sum of sums) {
        const start = Math.floor(sum.time / this.width) * this.width;
        const last = wide.at(-1);
        if (last?.time === start) add(last, sum);
        else wide.push({ ...sum, time: start });
      }
      this.#points.set(name, wide);
    }
  }
}

function empty(time: number): Sum {
  return { time, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, sum: 0, numbers: 0, count: 0, bad: 0 };
}

function add(to: Sum, from: Sum): void {
  to.min = Math.min(to.min, from.min);
  to.max = Math.max(to.max, from.max);
  to.sum += from.sum;
  to.numbers += from.numbers;
  to.count += from.count;
  to.bad += from.bad;
}

function bucketOf({ time, min, max, sum, numbers, count, bad }: Sum): Bucket {
  const has = numbers > 0;
  return { time, min: has ? min : null, mean: has ? sum / numbers : null, max: has ? max : null, count, bad };
}
