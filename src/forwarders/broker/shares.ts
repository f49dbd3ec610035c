/**
 * Who has to give something up where there is not enough for everybody. Accounts are users, devices, tokens, and the anonymous
 * clients of this board together. Invariants:
 * - an account that is beyond its share gives up something of its own;
 * - where all together are beyond the total, the account that uses most gives something up. Of equals it is the one that asks;
 * - so an account loses something to another one only while it uses more than that one, counting what the other one adds.
 */
import type { Amount } from './limits.ts';
import { ANONYMOUS } from './topic-rules.ts';

/** How many connections one address holds. Nobody takes every place of the others. */
export class Shares {
  readonly #most: number;
  /** At most as many entries as there are connections. */
  readonly #held = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns false when it has its share already */
  take(key: string): boolean {
    const held = this.#held.get(key) ?? 0;
    if (held >= this.#most) return false;
    this.#held.set(key, held + 1);
    return true;
  }

  give(key: string): void {
    const held = (this.#held.get(key) ?? 0) - 1;
    if (held > 0) this.#held.set(key, held);
    else this.#held.delete(key);
  }
}

/** What was exceeded. */
export type Measure = 'count' | 'bytes';

export interface Loser {
  readonly account: string;
  /** Its own share was exceeded, or the total of all. */
  readonly why: 'share' | 'total';
  readonly measure: Measure;
}

interface Use {
  count: number;
  bytes: number;
}

/** Things of a file from before accounts were noted in it. */
const UNKNOWN = '';
const NO_SHARE: Amount = { count: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
/** Accounts that use nothing now and are still noted, because most come again. */
const IDLE_USES = 64;
const NOTHING: Readonly<Use> = { count: 0, bytes: 0 };

/** What each account uses of one thing. */
export class Ledger {
  readonly #total: Amount;
  readonly #share: Amount;
  /** What each account uses; IDLE_USES that use nothing any more are remembered. */
  readonly #uses = new Map<string, Use>();
  #count = 0;
  #bytes = 0;

  /** @param share of one account; anonymous clients have none: they may use the total, and lose it to accounts that ask */
  constructor(total: Amount, share: Amount) {
    this.#total = total;
    this.#share = share;
  }

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#bytes;
  }

  of(account: string): Readonly<Use> {
    return this.#uses.get(account) ?? NOTHING;
  }

  /** @param count and @param bytes negative: it gives them back */
  add(account: string, count: number, bytes = 0): void {
    this.#count += count;
    this.#bytes += bytes;
    const use = this.#uses.get(account);
    if (use === undefined) {
      this.#uses.set(account, { count, bytes });
      return;
    }
    use.count += count;
    use.bytes += bytes;
    // One that comes and goes with each message keeps its entry.
    if (use.count <= 0 && this.#uses.size > IDLE_USES) this.#uses.delete(account);
  }

  /** Whether an account may add so much within its share. */
  within(account: string, count: number, bytes = 0): boolean {
    const share = this.#shareOf(account);
    const use = this.of(account);
    return use.count + count <= share.count && use.bytes + bytes <= share.bytes;
  }

  /** Who gives up one thing now, because of what this account has added. Asked again until nobody has to. */
  loser(asks: string): Loser | undefined {
    const use = this.#uses.get(asks);
    if (use !== undefined) {
      const share = this.#shareOf(asks);
      if (use.count > share.count) return { account: asks, why: 'share', measure: 'count' };
      if (use.bytes > share.bytes) return { account: asks, why: 'share', measure: 'bytes' };
    }
    if (this.#count > this.#total.count) return { account: this.#largest('count', asks), why: 'total', measure: 'count' };
    if (this.#bytes > this.#total.bytes) return { account: this.#largest('bytes', asks), why: 'total', measure: 'bytes' };
    return undefined;
  }

  #shareOf(account: string): Amount {
    return account === ANONYMOUS || account === UNKNOWN ? NO_SHARE : this.#share;
  }

  #largest(measure: Measure, asks: string): string {
    let account = asks;
    let most = this.of(asks)[measure];
    for (const [other, use] of this.#uses)
      if (use[measure] > most) {
        account = other;
        most = use[measure];
      }
    return account;
  }
}

const LOOPBACK = /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/i;

/** Clients of this board share its addresses, so they are not counted by them. @returns undefined for those */
export function addressKey(address: string | undefined): string | undefined {
  return address === undefined || LOOPBACK.test(address) ? undefined : address.replace(/^::ffff:/i, '');
}
