/**
 * Who stays where there is no space for everybody. On loopback all peers share an address, so nobody can be counted by it:
 * - a connection without an accepted CONNECT is displaced by a newer one, first one without a CONNECT (shares.ts); it never takes the
 *   place of a client;
 * - an account has its share of the places, and where all are taken the one with the most clients gives one up (shares.ts);
 * - of its clients one without a subscription gives way after IDLE_AFTER, or its newest one where another account asks;
 * - where it asks itself, its KEPT_CLIENTS that are connected for longest stay. Of the others the one that is connected for longest
 *   gives way, once it was there for STAYS. A process that holds all places therefore loses them to newcomers, and one that connects
 *   without end cannot drive out clients that were there before it.
 */
import type { Clock } from '../../core/clock.ts';
import { IDLE_AFTER, KEPT_CLIENTS, MAX_CONNECTIONS, MAX_PER_ACCOUNT, MAX_UNCONNECTED, STAYS } from './limits.ts';
import { Ledger, Strangers } from './shares.ts';

interface Client<Guard> {
  readonly guard: Guard;
  readonly account: string;
  readonly since: number;
  readonly listens: () => boolean;
}

export class Places<Guard extends object> {
  readonly #clock: Clock;
  readonly #unconnected = new Strangers<Guard>();
  /** Oldest first. */
  readonly #clients: Client<Guard>[] = [];
  readonly #held = new Ledger(
    { count: MAX_CONNECTIONS, bytes: Number.POSITIVE_INFINITY },
    { count: MAX_PER_ACCOUNT, bytes: Number.POSITIVE_INFINITY },
  );

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A connection is there. @returns the one that gives way */
  arrives(guard: Guard): Guard | undefined {
    const first = this.#unconnected.size >= MAX_UNCONNECTED ? this.#unconnected.first : undefined;
    if (first !== undefined) this.#unconnected.delete(first);
    this.#unconnected.add(guard);
    return first;
  }

  /** Its CONNECT is here. */
  asks(guard: Guard): void {
    this.#unconnected.asks(guard);
  }

  /**
   * It becomes a client. @param replaces the connection of the same client id, which ends
   * @returns who gives way, if anybody does; or that every place is taken, or that its account has its share
   */
  accepts(
    guard: Guard,
    account: string,
    listens: () => boolean,
    replaces: Guard | undefined,
  ): { readonly displaced?: Guard | undefined } | 'full' | 'share' {
    if (replaces !== undefined) this.leaves(replaces);
    this.#held.add(account, 1);
    const loser = this.#held.loser(account);
    const displaced = loser?.why === 'total' ? this.#givesWay(loser.account, loser.account === account) : undefined;
    if (loser !== undefined && displaced === undefined) {
      this.#held.add(account, -1);
      return loser.why === 'share' ? 'share' : 'full';
    }
    if (displaced !== undefined) this.leaves(displaced);
    this.#unconnected.delete(guard);
    this.#clients.push({ guard, account, since: this.#clock.monotonic(), listens });
    return { displaced };
  }

  /** The account of a client. */
  accountOf(guard: Guard): string | undefined {
    return this.#clients.find((c) => c.guard === guard)?.account;
  }

  leaves(guard: Guard): void {
    this.#unconnected.delete(guard);
    const at = this.#clients.findIndex((c) => c.guard === guard);
    const [client] = at < 0 ? [] : this.#clients.splice(at, 1);
    if (client !== undefined) this.#held.add(client.account, -1);
  }

  #givesWay(account: string, itself: boolean): Guard | undefined {
    const now = this.#clock.monotonic();
    const clients = this.#clients.filter((c) => c.account === account);
    const idle = clients.find((c) => !c.listens() && now - c.since >= IDLE_AFTER);
    if (idle !== undefined) return idle.guard;
    if (!itself) return clients.at(-1)?.guard;
    const oldest = clients.filter((c) => c.listens())[KEPT_CLIENTS];
    return oldest !== undefined && now - oldest.since >= STAYS ? oldest.guard : undefined;
  }
}
