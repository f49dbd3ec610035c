/** The requests of all clients of an account together. They are kept while they matter: a new connection begins with no more. */
import type { Clock } from '../../core/clock.ts';
import * as limits from './limits.ts';
import { Allowance, type Requests } from './requests.ts';
import { ANONYMOUS } from './topic-rules.ts';

const KNOWN = { atOnce: limits.ACCOUNT_REQUESTS_AT_ONCE, perSecond: limits.ACCOUNT_REQUESTS_PER_SECOND };
const ANYBODY = { atOnce: limits.ANONYMOUS_REQUESTS_AT_ONCE, perSecond: limits.ANONYMOUS_REQUESTS_PER_SECOND };

interface Held {
  readonly allowance: Allowance;
  clients: number;
}

export class AccountRates {
  readonly #clock: Clock;
  /** An account that left stays for ACCOUNT_REQUESTS_AT_ONCE / ACCOUNT_REQUESTS_PER_SECOND seconds: then its allowance is whole. */
  readonly #accounts = new Map<string, Held>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#accounts.size;
  }

  /** Something that a client of this account asks for before it is accepted. @returns false when that is one too many */
  take(account: string): boolean {
    const now = this.#clock.monotonic();
    return this.#heldOf(account, now).allowance.take(1, now);
  }

  /** A client of this account is accepted. @returns called at its end */
  join(requests: Requests, account: string): () => void {
    const now = this.#clock.monotonic();
    for (const [name, { allowance, clients }] of this.#accounts)
      if (clients === 0 && allowance.isWhole(now)) this.#accounts.delete(name);
    const held = this.#heldOf(account, now);
    held.clients++;
    requests.shared = held.allowance;
    return () => {
      const entry = this.#accounts.get(account);
      if (entry !== undefined) entry.clients--;
    };
  }

  #heldOf(account: string, now: number): Held {
    const known = this.#accounts.get(account);
    if (known !== undefined) return known;
    const held = { allowance: new Allowance(account === ANONYMOUS ? ANYBODY : KNOWN, now), clients: 0 };
    this.#accounts.set(account, held);
    return held;
  }
}
