/** The requests of all clients of an account together. They are kept while they matter: a new connection begins with no more. */
import type { Clock } from '../../core/clock.ts';
import * as limits from './limits.ts';
import { Allowance, type Requests } from './requests.ts';
import { ANONYMOUS } from './topic-rules.ts';

const KNOWN = { atOnce: limits.ACCOUNT_REQUESTS_AT_ONCE, perSecond: limits.ACCOUNT_REQUESTS_PER_SECOND };
const ANYBODY = { atOnce: limits.ANONYMOUS_REQUESTS_AT_ONCE, perSecond: limits.ANONYMOUS_REQUESTS_PER_SECOND };

export class AccountRates {
  readonly #clock: Clock;
  /** An account that left stays for ACCOUNT_REQUESTS_AT_ONCE / ACCOUNT_REQUESTS_PER_SECOND seconds: then its allowance is whole. */
  readonly #accounts = new Map<string, { readonly allowance: Allowance; clients: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#accounts.size;
  }

  /** A client of this account is accepted. @returns called at its end */
  join(requests: Requests, account: string): () => void {
    const now = this.#clock.monotonic();
    for (const [name, { allowance, clients }] of this.#accounts)
      if (clients === 0 && allowance.isWhole(now)) this.#accounts.delete(name);
    let held = this.#accounts.get(account);
    if (held === undefined) {
      held = { allowance: new Allowance(account === ANONYMOUS ? ANYBODY : KNOWN, now), clients: 0 };
      this.#accounts.set(account, held);
    }
    const { allowance } = held;
    held.clients++;
    requests.shared = allowance;
    return () => {
      const entry = this.#accounts.get(account);
      if (entry !== undefined) entry.clients--;
    };
  }
}
