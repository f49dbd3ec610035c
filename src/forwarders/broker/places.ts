/**
 * Who stays where there is no space for everybody. On loopback all peers share an address, so nobody can be counted by it:
 * - a connection without an accepted CONNECT is displaced by a newer one; it never takes the place of a client;
 * - a client without a subscription gives way after IDLE_AFTER;
 * - the KEPT_CLIENTS that are connected for longest stay. Of the others the one that is connected for longest gives way, once
 *   it was there for STAYS. A process that holds all places therefore loses them to newcomers, and one that connects without
 *   end cannot drive out clients that were there before it.
 */
import type { Clock } from '../../core/clock.ts';
import { IDLE_AFTER, KEPT_CLIENTS, MAX_CONNECTIONS, MAX_UNCONNECTED, STAYS } from './limits.ts';

interface Client<Guard> {
  readonly guard: Guard;
  readonly since: number;
  readonly listens: () => boolean;
}

export class Places<Guard extends object> {
  readonly #clock: Clock;
  /** Oldest first, as are the clients. */
  readonly #unconnected = new Set<Guard>();
  #clients: Client<Guard>[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A connection is there. @returns the one that gives way */
  arrives(guard: Guard): Guard | undefined {
    const [oldest] = this.#unconnected;
    const full = this.#unconnected.size >= MAX_UNCONNECTED;
    if (full && oldest !== undefined) this.#unconnected.delete(oldest);
    this.#unconnected.add(guard);
    return full ? oldest : undefined;
  }

  /**
   * It becomes a client. @param replaces the connection of the same client id, which ends
   * @returns who gives way, or that nobody does
   */
  accepts(
    guard: Guard,
    listens: () => boolean,
    replaces: Guard | undefined,
  ): { readonly displaced?: Guard | undefined } | 'full' {
    if (replaces !== undefined) this.leaves(replaces);
    const displaced = this.#clients.length < MAX_CONNECTIONS ? undefined : this.#givesWay();
    if (displaced === undefined && this.#clients.length >= MAX_CONNECTIONS) return 'full';
    if (displaced !== undefined) this.leaves(displaced);
    this.#unconnected.delete(guard);
    this.#clients.push({ guard, since: this.#clock.monotonic(), listens });
    return { displaced };
  }

  leaves(guard: Guard): void {
    this.#unconnected.delete(guard);
    this.#clients = this.#clients.filter((c) => c.guard !== guard);
  }

  #givesWay(): Guard | undefined {
    const now = this.#clock.monotonic();
    const idle = this.#clients.find((c) => !c.listens() && now - c.since >= IDLE_AFTER);
    if (idle !== undefined) return idle.guard;
    const oldest = this.#clients.filter((c) => c.listens())[KEPT_CLIENTS];
    return oldest !== undefined && now - oldest.since >= STAYS ? oldest.guard : undefined;
  }
}
