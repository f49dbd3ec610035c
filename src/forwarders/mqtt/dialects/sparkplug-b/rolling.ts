/**
 * What was sent in the last moments. With QoS 0 nobody says that a host has it: a broker may have lost it with a connection, and a
 * host may have been away before its STATE said so. So it is owed again.
 */
import type { OutBatch } from '../../../../store/delivery/out.ts';

/** Stretches that are remembered; batches that follow each other quickly are put together. */
const MOST = 64;

export interface SentSpan {
  readonly log: number;
  readonly lane: OutBatch['lane'];
  first: number;
  last: number;
  /** Monotonic; of its first and its newest part. */
  readonly begun: number;
  at: number;
}

export class Rolling {
  #spans: SentSpan[] = [];
  readonly #keep: number;
  readonly #slice: number;

  /** @param keep milliseconds */
  constructor(keep: number) {
    this.#keep = keep;
    this.#slice = (4 * keep) / MOST;
  }

  add({ log, lane, first, last }: Pick<OutBatch, 'log' | 'lane' | 'first' | 'last'>, now: number): void {
    this.#spans = this.#spans.filter(({ at }) => now - at <= this.#keep);
    const before = this.#spans.findLast((span) => span.log === log && span.lane === lane);
    // `at` of a stretch is that of its newest part, so putting two together keeps the older one longer, never shorter.
    const same = before !== undefined && (now - before.begun < this.#slice || this.#spans.length >= MOST);
    if (same && last >= before.first) {
      before.first = Math.min(before.first, first);
      before.last = Math.max(before.last, last);
      before.at = now;
    } else this.#spans.push({ log, lane, first, last, begun: now, at: now });
    if (this.#spans.length > MOST) this.#spans.shift();
  }

  /**
   * What has to be sent again, a stretch for each log and lane; nothing of it stays.
   * @param since monotonic; what was sent before is not
   * @param lane absent: both
   */
  take(since: number, lane?: OutBatch['lane']): SentSpan[] {
    const owed = new Map<string, SentSpan>();
    for (const span of this.#spans) {
      if (span.at < since || (lane !== undefined && span.lane !== lane)) continue;
      const key = `${span.log} ${span.lane}`;
      const known = owed.get(key);
      if (known === undefined) owed.set(key, { ...span });
      else {
        known.first = Math.min(known.first, span.first);
        known.last = Math.max(known.last, span.last);
      }
    }
    this.#spans = [];
    return [...owed.values()];
  }
}
