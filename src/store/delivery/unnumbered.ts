/**
 * Alarms and events for which no number is left: the disk refused for so long that the lease ran out. They go to those who
 * listen here at once, under a log of their own that ends with the process, so that no two share a key. The newest of each
 * rule and of each kind of event waits for numbers of the real log.
 */
import { randomBytes } from 'node:crypto';
import type { NoticeMessage } from '../../core/ports.ts';

/** Rules and kinds of events that may wait; the oldest is left out. */
const MAX_WAITING = 1000;

export interface Unsaid {
  readonly kind: 'alarm' | 'event';
  readonly key: string;
  /** Monotonic ms. */
  readonly at: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export class Unnumbered {
  readonly #log = `u${randomBytes(5).toString('hex').slice(1)}`;
  #seq = 0;
  readonly #waiting = new Map<string, Unsaid>();
  #leftOut = 0;

  /** @returns it as those who listen here get it */
  take(unsaid: Unsaid): NoticeMessage {
    const { kind, key, body } = unsaid;
    const place = `${kind}/${key}`;
    if (this.#waiting.delete(place)) this.#leftOut++;
    this.#waiting.set(place, unsaid);
    for (const [oldest] of this.#waiting) {
      if (this.#waiting.size <= MAX_WAITING) break;
      this.#waiting.delete(oldest);
      this.#leftOut++;
    }
    const seq = ++this.#seq;
    return { kind, key, seq, unnumbered: true, json: JSON.stringify({ v: 1, log: this.#log, seq, ...body }) };
  }

  /** There are numbers again: gives what waits, oldest first. @returns how many were left out since the last time */
  release(give: (unsaid: Unsaid) => void): number {
    const waiting = [...this.#waiting.values()];
    const leftOut = this.#leftOut;
    this.#waiting.clear();
    this.#leftOut = 0;
    for (const unsaid of waiting) give(unsaid);
    return leftOut;
  }
}
