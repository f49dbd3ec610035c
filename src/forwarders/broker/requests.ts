/** How much one client may ask of the broker in a time. */
import type { Clock } from '../../core/clock.ts';
import { KNOWN_REQUESTS_AT_ONCE, KNOWN_REQUESTS_PER_SECOND, MAX_OWED, REQUESTS_AT_ONCE, REQUESTS_PER_SECOND } from './limits.ts';

/** The requests of one client. A packet is a request, and so is each topic filter in it; an acknowledgement that is owed is none. */
export class Requests {
  readonly #clock: Clock;
  #most = { atOnce: REQUESTS_AT_ONCE, perSecond: REQUESTS_PER_SECOND };
  #left = REQUESTS_AT_ONCE;
  #at: number;
  #owed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#at = clock.monotonic();
  }

  /** It has an account: what it publishes takes more. */
  known(): void {
    this.#most = { atOnce: KNOWN_REQUESTS_AT_ONCE, perSecond: KNOWN_REQUESTS_PER_SECOND };
    this.#left += KNOWN_REQUESTS_AT_ONCE - REQUESTS_AT_ONCE;
  }

  /** A message was sent that has to be acknowledged. */
  owe(): void {
    this.#owed = Math.min(this.#owed + 1, MAX_OWED);
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
    this.#left = Math.min(this.#most.atOnce, this.#left + ((now - this.#at) / 1000) * this.#most.perSecond);
    this.#at = now;
    if (this.#left < count) return false;
    this.#left -= count;
    return true;
  }
}
