/**
 * Retained messages for new subscriptions. A client has one replay at a time, as fast as its socket takes it: filters that it
 * subscribes to meanwhile wait for the next one, together, however often it asks.
 */
import { Readable } from 'node:stream';
import { MAX_SUBSCRIPTIONS, REPLAYED_PER_TURN } from './limits.ts';
import type { Retained, RetainedPacket } from './retained.ts';

/** A client, as far as a replay needs it. */
export interface Reader {
  over(): boolean;
  granted(filter: string): boolean;
  /** Resolves when there is space for more, or it is over. */
  roomy(): Promise<void>;
}

export class Replays<Client extends object> {
  readonly #retained: Retained;
  readonly #readerOf: (client: Client) => Reader;
  readonly #turn: () => Promise<void>;
  /** Filters that wait, of each client that has a replay; at most MAX_SUBSCRIPTIONS, and those given up meanwhile. */
  readonly #waiting = new WeakMap<Client, Set<string>>();

  /** @param turn resolves when more may be sent without holding up others */
  constructor(retained: Retained, readerOf: (client: Client) => Reader, turn: () => Promise<void>) {
    this.#retained = retained;
    this.#readerOf = readerOf;
    this.#turn = turn;
  }

  /** What a client gets for these filters now. */
  of(client: Client, filters: readonly string[]): Readable {
    const waiting = this.#waiting.get(client);
    if (waiting === undefined) {
      this.#waiting.set(client, new Set(filters));
      return Readable.from(this.#messages(client));
    }
    for (const filter of filters) waiting.add(filter);
    const reader = this.#readerOf(client);
    if (waiting.size > MAX_SUBSCRIPTIONS) for (const filter of waiting) if (!reader.granted(filter)) waiting.delete(filter);
    return Readable.from([]);
  }

  async *#messages(client: Client): AsyncGenerator<RetainedPacket> {
    const reader = this.#readerOf(client);
    const waiting = this.#waiting.get(client) ?? new Set();
    let sent = 0;
    try {
      while (waiting.size > 0) {
        const filters = [...waiting].filter((filter) => reader.granted(filter));
        waiting.clear();
        for (const packet of this.#retained.matching(filters)) {
          if (packet === undefined || ++sent % REPLAYED_PER_TURN === 0) await this.#turn();
          if (packet !== undefined) yield packet;
          await reader.roomy();
          if (reader.over()) return;
        }
      }
    } finally {
      this.#waiting.delete(client);
    }
  }
}
