/** A set of numbers, kept as ranges: numbers of a log come in long rows. */
import { SluiceError } from '../../core/errors.ts';

/** About 100 MB. */
const MOST = 2_000_000;

export class NumberRanges {
  /** First and last of each, ascending, with gaps between them. */
  readonly #ranges: [first: number, last: number][];

  constructor(ranges: readonly (readonly [number, number])[] = []) {
    this.#ranges = [];
    for (const [first, last] of ranges) this.add(first, last);
  }

  has(n: number): boolean {
    const range = this.#ranges[this.#at(n)];
    return range !== undefined && range[0] <= n;
  }

  /** The highest number; -1 where there is none. */
  get highest(): number {
    return this.#ranges.at(-1)?.[1] ?? -1;
  }
  get all(): readonly (readonly [number, number])[] {
    return this.#ranges;
  }

  /** @throws SluiceError unsupported: there are too many gaps */
  add(first: number, last: number = first): void {
    // Neighbours become one.
    const from = this.#at(first - 1);
    let to = from;
    let [low, high] = [first, last];
    for (let range = this.#ranges[to]; range !== undefined && range[0] <= last + 1; range = this.#ranges[to]) {
      low = Math.min(low, range[0]);
      high = Math.max(high, range[1]);
      to++;
    }
    if (to === from && this.#ranges.length >= MOST)
      throw new SluiceError('unsupported', 'the target has too many gaps between its numbers; use a database as the target');
    this.#ranges.splice(from, to - from, [low, high]);
  }

  /** The first range that ends at `n` or behind it. */
  #at(n: number): number {
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as [number, number])[1] < n) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
