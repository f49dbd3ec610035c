/**
 * Paces the backlog of one forwarder. In any stretch of t seconds at most `rate` x (t + BURST) bytes leave, and what the last batch has
 * beyond a full bucket. Pure: the caller has the clock and the dice.
 */

/** Seconds of the rate that may leave at once. */
const BURST = 2;
/** A wait is longer by up to this share, so that gateways that came back together do not stay in step. */
const JITTER = 0.25;

export class TokenBucket {
  /** Bytes a second. */
  readonly #rate: number;
  readonly #random: () => number;
  /** Bytes; below zero after a batch that was larger than the bucket. */
  #tokens: number;
  /** Monotonic ms. */
  #at: number;

  /** @param rate bytes a second, above 0 @param random 0..1 */
  constructor(rate: number, now: number, random: () => number) {
    this.#rate = rate;
    this.#random = random;
    this.#tokens = this.#full;
    this.#at = now;
  }

  get #full(): number {
    return this.#rate * BURST;
  }

  /** A connection begins. A fleet that returns at once has buckets that are full by chance, not all of them. */
  begin(now: number): void {
    this.#fill(now);
    this.#tokens = Math.min(this.#tokens, this.#full * this.#random());
  }

  /** @param bytes of one batch @returns 0: they may leave and are counted; otherwise milliseconds until the next question */
  take(bytes: number, now: number): number {
    this.#fill(now);
    const lacking = Math.min(bytes, this.#full) - this.#tokens;
    if (lacking <= 0) {
      this.#tokens -= bytes;
      return 0;
    }
    return Math.max(1, (lacking / this.#rate) * 1000 * (1 + JITTER * this.#random()));
  }

  #fill(now: number): void {
    this.#tokens = Math.min(this.#full, this.#tokens + (this.#rate * Math.max(0, now - this.#at)) / 1000);
    this.#at = Math.max(now, this.#at);
  }
}
