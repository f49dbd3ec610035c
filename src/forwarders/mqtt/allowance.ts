/**
 * Keeps what leaves on a connection within what the platform allows in a second. In any stretch of a second at most
 * `perSecond + atOnce` and one more leave. Messages leave in the order of the calls; a retained one may first wait for its topic.
 */
import type { Clock } from '../../core/clock.ts';
import type { PlatformLimits, Rate } from './platform.ts';

/** Topics whose last retained message is remembered; those that may have the next one are forgotten first. */
const MOST_TOPICS = 256;

/** When the next message may leave: the generic cell rate algorithm, in monotonic milliseconds. */
class Meter {
  readonly #rate: Rate;
  #next = Number.NEGATIVE_INFINITY;

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  earliest(): number {
    return this.#next - (this.#rate.atOnce * 1000) / this.#rate.perSecond;
  }
  leaves(at: number, cost: number): void {
    this.#next = Math.max(at, this.#next) + (cost * 1000) / this.#rate.perSecond;
  }
}

export class Allowance {
  readonly #clock: Clock;
  readonly #retainedEvery: number;
  readonly #messages: Meter | undefined;
  readonly #bytes: Meter | undefined;
  /** When a topic gets its next retained message at the earliest. */
  readonly #retained = new Map<string, number>();
  /** One for each call that waits; the callers bound how many. */
  readonly #sleepers = new Set<() => void>();
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor({ messages, bytes, retainedEvery = 0 }: PlatformLimits, clock: Clock) {
    this.#clock = clock;
    this.#retainedEvery = retainedEvery;
    this.#messages = messages && new Meter(messages);
    this.#bytes = bytes && new Meter(bytes);
  }

  /** @param retained its topic, when the message is retained @returns once it may leave; false after `close` */
  async take(bytes: number, retained?: string): Promise<boolean> {
    // Not in the queue: other topics need not wait for this one.
    if (retained !== undefined) await this.#until(this.#retained.get(retained) ?? 0);
    this.#last = this.#last.then(() => this.#leave(bytes));
    await this.#last;
    if (retained !== undefined && this.#retainedEvery > 0) this.#remember(retained);
    return !this.#closed;
  }

  close(): void {
    this.#closed = true;
    for (const wake of [...this.#sleepers]) wake();
  }

  /** What counts is when it leaves: after a standstill of the process, what fell due meanwhile does not leave at once. */
  async #leave(bytes: number): Promise<void> {
    await this.#until(Math.max(this.#messages?.earliest() ?? 0, this.#bytes?.earliest() ?? 0));
    const now = this.#clock.monotonic();
    this.#messages?.leaves(now, 1);
    this.#bytes?.leaves(now, bytes);
  }

  #remember(topic: string): void {
    const now = this.#clock.monotonic();
    if (this.#retained.size >= MOST_TOPICS)
      for (const [known, next] of this.#retained) if (next <= now) this.#retained.delete(known);
    this.#retained.set(topic, now + this.#retainedEvery);
  }

  #until(at: number): Promise<void> {
    const ms = at - this.#clock.monotonic();
    if (ms <= 0 || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#sleepers.delete(wake);
        resolve();
      };
      const cancel = this.#clock.after(ms, wake);
      this.#sleepers.add(wake);
    });
  }
}
