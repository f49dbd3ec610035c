/**
 * The brokers of one forwarder, in the order of the configuration. The first is where it belongs: each outage begins with it, and from
 * another one the link goes back when the first takes connections again. All of them share one cursor, so a move loses and repeats
 * nothing but what every lost connection repeats. Pure.
 */

/** Milliseconds on another broker until the first one is asked. Each question doubles it: over TLS one costs kilobytes. */
const BACK_AFTER = 600_000;
const BACK_LONGEST = 3_600_000;
/** Connections in a row without an answer after which another broker is next: a slow link needs the second one, which begins with less. */
const UNANSWERED = 2;

export class Brokers {
  readonly #urls: readonly string[];
  readonly #backAfter: number;
  #at = 0;
  #back: number;
  /** Monotonic: when the first one is asked. It outlives connections to another one, which a log-in renews. */
  #askAt: number | undefined;
  #unanswered = 0;

  constructor(urls: string | readonly string[], backAfter = BACK_AFTER) {
    this.#urls = typeof urls === 'string' ? [urls] : urls;
    this.#backAfter = backAfter;
    this.#back = backAfter;
  }

  /** The one whose turn it is. */
  get url(): string {
    return this.#urls[this.#at] as string;
  }
  get first(): string {
    return this.#urls[0] as string;
  }
  get several(): boolean {
    return this.#urls.length > 1;
  }
  get isFirst(): boolean {
    return this.#at === 0;
  }

  /**
   * A connection is over, or none came about.
   * @param good it lasted, or carried something
   * @param unanswered it was not good, and ended since no acknowledgement came
   * @returns whether the next one comes after a pause; without it another broker is tried at once
   */
  ended(good: boolean, unanswered = false): boolean {
    if (unanswered && ++this.#unanswered < UNANSWERED) return true;
    this.#unanswered = 0;
    if (good) {
      if (this.isFirst) this.#back = this.#backAfter;
      this.#toFirst();
      return true;
    }
    this.#at = (this.#at + 1) % this.#urls.length;
    if (this.isFirst) this.#toFirst();
    return this.isFirst;
  }

  /** @param now monotonic @returns milliseconds until the first one is asked whether it takes connections */
  nextQuestion(now: number): number {
    this.#askAt ??= now + this.#back;
    return Math.max(0, this.#askAt - now);
  }

  /** A question to the first one is over. */
  asked(): void {
    this.#askAt = undefined;
    this.#back = Math.min(2 * this.#back, Math.max(BACK_LONGEST, this.#backAfter));
  }

  /** The first one takes connections: it is next. */
  goBack(): void {
    this.#unanswered = 0;
    this.#toFirst();
  }

  /** The connection that comes is itself a question. */
  #toFirst(): void {
    this.#at = 0;
    this.#askAt = undefined;
  }
}
