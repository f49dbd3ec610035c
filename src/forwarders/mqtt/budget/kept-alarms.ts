/**
 * The channels of which a broker takes the alarms later, and when each is worth the next visit. Other channels do not wait for them.
 * Many such channels make hardly more visits than one: each is offered on any visit that comes in the second half of its pause.
 */

/** As many channels as may wait at once in a log. With more, the one that was offered first on an earlier visit is offered again. */
export const MOST = 1024;
/** Channels that one visit keeps, apart from those under way then: it offers no alarm any more. The next visit offers the others. */
export const MOST_ON_VISIT = 256;

interface Kept {
  readonly why: string;
  /** Visits in a row on which it was not taken. */
  readonly times: number;
  /** Monotonic: the second half of its pause begins, and its end. Infinite while its visit lasts. */
  readonly half: number;
  readonly end: number;
}

export class KeptAlarms {
  readonly #kept = new Map<string, Kept>();
  /** Kept on this visit. */
  #now = 0;

  /** Why one waits, in the words of the broker; undefined: none does. */
  get why(): string | undefined {
    return [...this.#kept.values()].at(-1)?.why;
  }

  /** Whether it is worth no visit. @param now monotonic */
  waits(channel: string, now: number): boolean {
    return (this.#kept.get(channel)?.end ?? now) > now;
  }

  /** Whether it is not offered on a visit. @param now monotonic */
  holds(channel: string, now: number): boolean {
    return this.#now >= MOST_ON_VISIT || (this.#kept.get(channel)?.half ?? now) > now;
  }

  /** The broker does not take it on this visit. */
  keep(channel: string, why: string): void {
    const { times = 0, end = 0 } = this.#kept.get(channel) ?? {};
    if (end !== Number.POSITIVE_INFINITY) this.#now++;
    this.#kept.delete(channel);
    // What was offered on this visit is not offered again on it. A visit keeps fewer than fit, so another one goes.
    const before = [...this.#kept].find(([, of]) => of.end !== Number.POSITIVE_INFINITY);
    if (this.#kept.size >= MOST && before !== undefined) this.#kept.delete(before[0]);
    this.#kept.set(channel, { why, times, half: Number.POSITIVE_INFINITY, end: Number.POSITIVE_INFINITY });
  }

  /** Taken, or refused for good. */
  forget(channel: string): void {
    if (this.#kept.get(channel)?.end === Number.POSITIVE_INFINITY) this.#now--;
    this.#kept.delete(channel);
  }

  /** Only these still wait. */
  forgetOthers(waiting: ReadonlySet<string>): void {
    for (const channel of this.#kept.keys()) if (!waiting.has(channel)) this.forget(channel);
  }

  /** The visit is over. @param pause milliseconds, after so many visits in a row before this one */
  visited(now: number, pause: (before: number) => number): void {
    this.#now = 0;
    for (const [channel, { why, times, end }] of this.#kept) {
      if (end !== Number.POSITIVE_INFINITY) continue;
      const ms = pause(times);
      this.#kept.set(channel, { why, times: times + 1, half: now + ms / 2, end: now + ms });
    }
  }
}
