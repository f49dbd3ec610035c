/**
 * Sums over a window of time that slides in steps. Invariants:
 *
 * - It has the bucket that fills and `count` whole ones before it, whatever comes: that is its bound.
 * - Buckets begin at whole multiples of their width in UTC, as far as UTC is known. A step of the clock moves no bucket that is
 *   there: the one that fills ends at the next multiple, after half a width at least.
 * - Time without readings is in no bucket: `time` says how much of it has some.
 */
import type { Instant } from '../../core/derived-points.ts';
import { isNumber } from './formula.ts';
import type { Stretch } from './stretches.ts';

export interface Bucket {
  /** Monotonic ms. */
  start: number;
  /** The sum of value × ms. */
  sum: number;
  /** Milliseconds that have readings. */
  time: number;
}

export class Buckets {
  readonly #width: number;
  readonly #count: number;
  /** The newest first. */
  #all: Bucket[] = [];

  /** @param width ms @param count whole ones that are kept */
  constructor(width: number, count: number) {
    this.#width = width;
    this.#count = count;
  }

  /** The bucket that fills. */
  get filling(): Bucket | undefined {
    return this.#all[0];
  }

  /** The whole ones, the newest first, with the part of each that has readings. */
  get whole(): { readonly mean: number; readonly share: number }[] {
    return this.#all.slice(1).map(({ start, sum, time }, i) => {
      const length = (this.#all[i]?.start ?? start + this.#width) - start;
      return { mean: time > 0 ? sum / time : 0, share: length > 0 ? time / length : 0 };
    });
  }

  /** The sum of everything that it has. */
  get total(): { readonly sum: number; readonly time: number } {
    let [sum, time] = [0, 0];
    for (const bucket of this.#all) {
      sum += bucket.sum;
      time += bucket.time;
    }
    return { sum, time };
  }

  /** Values between both ends lie on a straight line. */
  add({ from, to, first, last }: Stretch, now: Instant): void {
    this.roll(now);
    const at = (time: number): number => first + ((last - first) * (time - from)) / (to - from);
    let end = to;
    for (const bucket of this.#all) {
      const begin = Math.max(from, bucket.start);
      if (end > begin) {
        bucket.sum += at((begin + end) / 2) * (end - begin);
        bucket.time += end - begin;
      }
      if (bucket.start <= from) return;
      end = Math.min(end, bucket.start);
    }
  }

  roll({ at, offset }: Instant): void {
    const width = this.#width;
    const [newest] = this.#all;
    if (newest === undefined || at - newest.start > width * (this.#count + 2)) {
      this.#all = [{ start: Math.floor((at + offset) / width) * width - offset, sum: 0, time: 0 }];
      return;
    }
    for (let { start } = newest; ; ) {
      const end = Math.ceil((start + width / 2 + offset) / width) * width - offset;
      // Times beyond all that a clock can show have no width any more.
      if (at < end || end <= start) break;
      this.#all.unshift({ start: end, sum: 0, time: 0 });
      start = end;
    }
    this.#all.length = Math.min(this.#all.length, this.#count + 1);
  }

  save(at: number): unknown {
    return this.#all.map(({ start, sum, time }) => [at - start, sum, time]);
  }

  restore(saved: unknown, savedAt: number): void {
    if (!Array.isArray(saved)) return;
    const buckets: Bucket[] = [];
    for (const entry of saved.slice(0, this.#count + 1)) {
      const [ago, sum, time] = Array.isArray(entry) ? entry : [];
      // A bucket is at most one and a half widths long, and no older than the whole window.
      if (!isNumber(ago, 0) || !isNumber(sum) || !isNumber(time, 0)) return;
      if (time > 1.5 * this.#width || ago > 1.5 * this.#width * (this.#count + 1)) return;
      const start = savedAt - ago;
      const after = buckets.at(-1);
      if (after !== undefined && start >= after.start) return;
      buckets.push({ start, sum, time });
    }
    this.#all = buckets;
  }

  /** What began before `since` is so much older. */
  shift(off: number, since: number): void {
    const later = this.#all.filter(({ start }) => start >= since);
    const before = this.#all.filter(({ start }) => start < since);
    for (const bucket of before) bucket.start -= off;
    const [oldest] = later.slice(-1);
    const [newest] = before;
    const empty: Bucket[] = [];
    // The time between is empty, in one bucket a width, so that places in the window stay hours.
    if (newest !== undefined) {
      const until = oldest?.start ?? since;
      for (
        let start = newest.start + this.#width;
        start + this.#width / 2 < until && empty.length <= this.#count;
        start += this.#width
      )
        empty.unshift({ start, sum: 0, time: 0 });
    }
    this.#all = [...later, ...empty, ...before].slice(0, this.#count + 1);
  }
}
