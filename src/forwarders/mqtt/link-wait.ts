/**
 * Which part of the time of a batch no byte causes: a broker that commits before it acknowledges, a way that is long.
 *
 * - Two sizes tell it: what the larger batch takes longer is what its bytes cost. One size alone says nothing.
 * - The shortest time of each size counts. A broker delays an answer, and never hurries one.
 * - A small batch counts with the bytes of the other lane that left before it, a large one without them. Where the lanes overlap,
 *   the estimate of the wait is therefore too small, and never too large for that reason.
 *
 * Pure: the caller has the clock.
 */

/** Acknowledged batches that are remembered. */
export const REMEMBERED = 32;
/** Small is a batch of at most half the size in question, large one that is about as large. */
const SMALL = 1 / 2;
const LARGE = 1 / 1.2;

/** An acknowledged batch. */
export interface Trip {
  readonly bytes: number;
  /** With those of the other lane that waited for their acknowledgement when it left. */
  readonly together: number;
  readonly ms: number;
}

const byTime = (a: Trip, b: Trip): number => a.ms - b.ms;

export class LinkWait {
  #trips: Trip[] = [];

  note(trip: Trip): void {
    this.#trips.push(trip);
    if (this.#trips.length > REMEMBERED) this.#trips.shift();
  }

  /** What was before does not hold any more. */
  forget(...except: readonly Trip[]): void {
    this.#trips = [...except];
  }

  /** @returns milliseconds that a batch of about `bytes` waits beside its transmission, undefined where sizes are alike */
  of(bytes: number): number | undefined {
    return this.#between(bytes * SMALL, bytes * LARGE) ?? this.#between(bytes * 1.1, bytes * 2);
  }

  #between(small: number, large: number): number | undefined {
    const low = this.#trips.filter(({ together }) => together <= small).sort(byTime);
    const high = this.#trips.filter(({ bytes }) => bytes >= large).sort(byTime);
    const [left, right, last] = [low[0], high[0], high.at(-1)];
    if (left === undefined || right === undefined || last === undefined) return undefined;
    // The fastest of a few was not as fast as one can be: where times spread, by a share of that.
    const spread = last.ms - right.ms;
    const leftMs = left.ms - spread / (low.length + 1);
    const rightMs = right.ms - spread / (high.length + 1);
    const perByte = Math.max(0, rightMs - leftMs) / (right.bytes - left.together);
    return Math.max(0, Math.min(leftMs, rightMs) - perByte * left.together);
  }
}
