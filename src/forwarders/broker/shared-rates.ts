/**
 * The requests of more than one client: of an account, of an address that is not of this board, and of all. They are kept while they
 * matter: a new connection begins with no more. Invariants:
 * - An account answers for what its clients ask, wherever they are. Behind one router all clients have one address: its allowance is
 *   that of its connections without a log-in and of its anonymous clients, and nobody who has logged in takes from it.
 * - Beyond what all may ask for, the account that has asked for most lately is refused (shares.ts), so one that asks for little is
 *   served beside any flood. Allowances do not say who that is: an account that floods just within its rate has all of its own, and a
 *   modest one lacks its last burst.
 */
import type { Clock } from '../../core/clock.ts';
import * as limits from './limits.ts';
import { Allowance, type Rate, type Requests } from './requests.ts';
import { ANONYMOUS } from './topic-rules.ts';

const KNOWN: Rate = { atOnce: limits.ACCOUNT_REQUESTS_AT_ONCE, perSecond: limits.ACCOUNT_REQUESTS_PER_SECOND };
const ANYBODY: Rate = { atOnce: limits.ANONYMOUS_REQUESTS_AT_ONCE, perSecond: limits.ANONYMOUS_REQUESTS_PER_SECOND };
const ADDRESS: Rate = { atOnce: limits.ADDRESS_REQUESTS_AT_ONCE, perSecond: limits.ADDRESS_REQUESTS_PER_SECOND };
const ALL: Rate = { atOnce: limits.ALL_REQUESTS_AT_ONCE, perSecond: limits.ALL_REQUESTS_PER_SECOND };

/** What was asked for lately counts half after this, milliseconds. */
const HALF_LIFE = 10_000;

class Held {
  readonly allowance: Allowance;
  connections = 0;
  #asked = 0;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.allowance = new Allowance(rate, now);
    this.#at = now;
  }

  /** @returns false when that is too many */
  take(count: number, now: number): boolean {
    this.#asked = this.asked(now) + count;
    this.#at = now;
    return this.allowance.take(count, now);
  }

  /** How much it has asked for lately. */
  asked(now: number): number {
    return this.#asked * 2 ** ((this.#at - now) / HALF_LIFE);
  }

  isIdle(now: number): boolean {
    return this.connections === 0 && this.allowance.isWhole(now) && this.asked(now) < 1;
  }
}

/** Allowances by name. One that nobody uses stays until it is whole, and what it was asked for is long ago. */
class Allowances {
  readonly #rateOf: (name: string) => Rate;
  readonly #held = new Map<string, Held>();

  constructor(rateOf: (name: string) => Rate) {
    this.#rateOf = rateOf;
  }

  get size(): number {
    return this.#held.size;
  }

  of(name: string, now: number): Held {
    const known = this.#held.get(name);
    if (known !== undefined) return known;
    const held = new Held(this.#rateOf(name), now);
    this.#held.set(name, held);
    return held;
  }

  join(name: string, now: number): Held {
    for (const [one, other] of this.#held) if (other.isIdle(now)) this.#held.delete(one);
    const held = this.of(name, now);
    held.connections++;
    return held;
  }

  /** Whether another one has asked for more. */
  outdone(held: Held, now: number): boolean {
    const asked = held.asked(now);
    return this.#held.values().some((other) => other !== held && other.asked(now) > asked);
  }
}

export class SharedRates {
  readonly #clock: Clock;
  readonly #accounts = new Allowances((account) => (account === ANONYMOUS ? ANYBODY : KNOWN));
  readonly #addresses = new Allowances(() => ADDRESS);
  readonly #all: Allowance;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#all = new Allowance(ALL, clock.monotonic());
  }

  /** Accounts and addresses that are remembered. */
  get size(): number {
    return this.#accounts.size + this.#addresses.size;
  }

  /** A connection begins, without a log-in. @param address undefined: it is of this board, whose clients share it @returns called at its end */
  begins(requests: Requests, address: string | undefined): () => void {
    if (address === undefined) return () => {};
    const held = this.#addresses.join(address, this.#clock.monotonic());
    requests.shared = (count, now) => (held.take(count, now) ? undefined : 'address-requests');
    return () => {
      held.connections--;
    };
  }

  /** Something that a client of this account asks for before it is accepted. @returns false when that is one too many */
  take(account: string): boolean {
    const now = this.#clock.monotonic();
    return this.#accounts.of(account, now).take(1, now);
  }

  /** A client of this account is accepted. @returns called at its end */
  join(requests: Requests, account: string): () => void {
    const held = this.#accounts.join(account, this.#clock.monotonic());
    const ofAddress = account === ANONYMOUS ? requests.shared : undefined;
    requests.shared = (count, now) => {
      if (!held.take(count, now)) return 'account-requests';
      const refused = ofAddress?.(count, now);
      if (refused !== undefined) return refused;
      return this.#all.take(count, now) || this.#accounts.outdone(held, now) ? undefined : 'all-requests';
    };
    return () => {
      held.connections--;
    };
  }
}
