/** How much one client may ask of the broker in a time; shared-rates.ts has what accounts, addresses and all may. */
import type { Clock } from '../../core/clock.ts';
import { KNOWN_REQUESTS_AT_ONCE, KNOWN_REQUESTS_PER_SECOND, MAX_OWED, REQUESTS_AT_ONCE, REQUESTS_PER_SECOND } from './limits.ts';

export interface Rate {
  readonly atOnce: number;
  readonly perSecond: number;
}

/** So many at once, and so many more a second. */
export class Allowance {
  #rate: Rate;
  #left: number;
  #at: number;

  /** @param now monotonic ms, as everywhere here */
  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#left = rate.atOnce;
    this.#at = now;
  }

  /** @param more how many of the new rate it has in addition at once */
  widen(rate: Rate, more: number): void {
    this.#rate = rate;
    this.#left += more;
  }

  /** @returns false when that is too many */
  take(count: number, now: number): boolean {
    this.#refill(now);
    if (this.#left < count) return false;
    this.#left -= count;
    return true;
  }

  isWhole(now: number): boolean {
    this.#refill(now);
    return this.#left >= this.#rate.atOnce;
  }

  #refill(now: number): void {
    this.#left = Math.min(this.#rate.atOnce, this.#left + ((now - this.#at) / 1000) * this.#rate.perSecond);
    this.#at = now;
  }
}

/** What is used up: the allowance of the client, of its account, of its address without a log-in, or of all. */
export type TooMany = 'requests' | 'account-requests' | 'address-requests' | 'all-requests';

/** The requests of one client. A packet is a request, and so is each topic filter in it; an acknowledgement that is owed is none. */
export class Requests {
  /** Takes them from what it shares with others. @returns what is used up */
  shared: ((count: number, now: number) => TooMany | undefined) | undefined;
  /** What refused the last request. */
  refusal: TooMany = 'requests';
  readonly #clock: Clock;
  readonly #own: Allowance;
  #owed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#own = new Allowance({ atOnce: REQUESTS_AT_ONCE, perSecond: REQUESTS_PER_SECOND }, clock.monotonic());
  }

  /** It has an account: what it publishes takes more. */
  known(): void {
    const rate = { atOnce: KNOWN_REQUESTS_AT_ONCE, perSecond: KNOWN_REQUESTS_PER_SECOND };
    this.#own.widen(rate, KNOWN_REQUESTS_AT_ONCE - REQUESTS_AT_ONCE);
  }

  /** Something was sent that has to be acknowledged so often: QoS 2 has a PUBREC and a PUBCOMP. */
  owe(times: number): void {
    this.#owed = Math.min(this.#owed + times, MAX_OWED);
  }

  /** @returns false when it is one too many */
  acknowledged(): boolean {
    if (this.#owed === 0) return this.take();
    this.#owed--;
    return true;
  }

  /** @param count packets and filters @returns false when that is too many */
  take(count = 1): boolean {
    const now = this.#clock.monotonic();
    const refusal = this.#own.take(count, now) ? this.shared?.(count, now) : 'requests';
    if (refusal !== undefined) this.refusal = refusal;
    return refusal === undefined;
  }
}
