/** Counts the live readings that a forwarder with a filter waits to send. Each record is looked at once, however often it is asked. */
import type { Selection } from '../../codecs/record-filter.ts';
import { readingCount } from '../../core/point.ts';
import type { Recent } from '../tail/recent.ts';

export interface LiveWaiting {
  readonly readings: number;
  /** Monotonic times of the oldest and the newest of them. */
  readonly oldest: number | undefined;
  readonly newest: number | undefined;
  /** The number of the oldest one; the number behind the last record when there is none. */
  readonly first: number;
}

export class LiveCount {
  readonly #selection: Selection;
  /** The place of the cursor when the count began. */
  #from = -1;
  /** The number to look at next. */
  #next = 0;
  #readings = 0;
  #oldest: number | undefined;
  #newest: number | undefined;
  #first = 0;

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  /** @param from the cursor */
  of(recent: Recent, from: number): LiveWaiting {
    if (from !== this.#from && !(this.#readings === 0 && from > this.#from && from <= this.#next)) {
      this.#next = from;
      this.#readings = 0;
      [this.#oldest, this.#newest] = [undefined, undefined];
    }
    this.#from = from;
    for (const { seq, sample } of recent.since(this.#next)) {
      this.#next = seq + 1;
      const wanted = this.#selection.take({ seq, sample });
      if (wanted === undefined) continue;
      if (this.#readings === 0) [this.#first, this.#oldest] = [seq, sample.at];
      this.#readings += readingCount(wanted.sample);
      this.#newest = sample.at;
    }
    const first = this.#readings === 0 ? this.#next : this.#first;
    return { readings: this.#readings, oldest: this.#oldest, newest: this.#newest, first };
  }
}
