/**
 * Who has to give something up where there is not enough for everybody. Accounts are users, devices, tokens, and the anonymous
 * clients of this board together. Invariants:
 * - an account that is beyond its share gives up something of its own;
 * - where all together are beyond the total, the account that uses most gives something up. Of equals it is the one that asks;
 * - so an account loses something to another one only while it uses more than that one, counting what the other one adds.
 */
import { isOfThisBoard, placeOf } from '../../core/peer-place.ts';
import type { Amount } from './limits.ts';
import { ANONYMOUS } from './topic-rules.ts';

/**
 * Connections without a log-in. One that has said nothing gives way first, the oldest. Where all have sent their CONNECT, the one that came
 * last does: passwords are checked one after the other, and the others are nearer to their answer.
 */
export class Strangers<Connection> {
  /** Oldest first, both. */
  readonly #silent = new Set<Connection>();
  readonly #asking = new Set<Connection>();

  get size(): number {
    return this.#silent.size + this.#asking.size;
  }

  add(connection: Connection): void {
    this.#silent.add(connection);
  }

  /** Its CONNECT is here. */
  asks(connection: Connection): void {
    if (this.#silent.delete(connection)) this.#asking.add(connection);
  }

  delete(connection: Connection): void {
    this.#silent.delete(connection);
    this.#asking.delete(connection);
  }

  /** Who gives way to one more. */
  get first(): Connection | undefined {
    const [oldest] = this.#silent;
    return oldest ?? [...this.#asking].at(-1);
  }
}

/**
 * Connections of other machines that nobody has logged in on. An address has its share of them, and gives up one of its own beyond it, so
 * a machine that holds connections and says nothing keeps nobody out behind its router. After the log-in a connection belongs to its
 * account: behind one router a whole fleet has one address.
 */
export class Newcomers<Connection> {
  readonly #most: number;
  /** By addresses. */
  readonly #held = new Map<string, Strangers<Connection>>();
  readonly #addresses = new Map<Connection, string>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Connections of all addresses. */
  get size(): number {
    return this.#addresses.size;
  }

  /** @returns the one that gives way */
  arrives(connection: Connection, address: string): Connection | undefined {
    const held = this.#held.get(address) ?? new Strangers();
    const first = held.size >= this.#most ? held.first : undefined;
    this.#held.set(address, held);
    held.add(connection);
    this.#addresses.set(connection, address);
    if (first !== undefined) this.leaves(first);
    return first;
  }

  /** Its CONNECT is here. */
  asks(connection: Connection): void {
    const address = this.#addresses.get(connection);
    if (address !== undefined) this.#held.get(address)?.asks(connection);
  }

  /** It has logged in, or is over. */
  leaves(connection: Connection): void {
    const address = this.#addresses.get(connection);
    if (address === undefined) return;
    this.#addresses.delete(connection);
    const held = this.#held.get(address);
    held?.delete(connection);
    if (held?.size === 0) this.#held.delete(address);
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

/** Clients of this board share its addresses, so they are not counted by them. @returns undefined for those */
export function addressKey(address: string | undefined): string | undefined {
  return isOfThisBoard(address) ? undefined : placeOf(address);
}
