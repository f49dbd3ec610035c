/**
 * Tells the store what changes in sessions. What the gateway itself publishes is in the log already: of it a session keeps one
 * number, below which nothing is still to come. A client's message is stored once for all sessions that wait for it.
 */
import type { BrokerChange, BrokerPace, BrokerStore, BrokerTable, BrokerValue } from '../../core/broker-store.ts';
import type { Entry, Stored } from './queue.ts';

/** Packet identifiers are below. */
const IDENTIFIERS = 65_536;

/** A number of a log. */
export interface Place {
  readonly log: string;
  readonly seq: number;
}

export interface SessionRow {
  readonly key: number;
  readonly id: string;
  readonly owner: string;
  /** ms; undefined: its client is connected. */
  readonly away: number | undefined;
  /** Lowest number that may still have to come. */
  readonly place: Place | undefined;
}

export interface FilterRow {
  readonly topic: string;
  readonly qos: number;
  /** What else belongs to the subscription. */
  readonly rest: Readonly<Record<string, unknown>>;
  /** It counts from this number on. */
  readonly place: Place | undefined;
}

export class SessionJournal {
  readonly #store: BrokerStore | undefined;
  #nextMessage = 1;

  constructor(store: BrokerStore | undefined) {
    this.#store = store;
  }

  /** Numbers below have been used. */
  goOnFrom(message: number): void {
    this.#nextMessage = Math.max(this.#nextMessage, message);
  }

  session(row: SessionRow, pace: BrokerPace): void {
    this.#put(sessionChange(row), pace);
  }
  ended(key: number): void {
    this.#gone('session', [key], 'soon');
  }
  filter(key: number, row: FilterRow): void {
    this.#put(filterChange(key, row), 'now');
  }
  unfilter(key: number, topic: string, pace: BrokerPace): void {
    this.#gone('filter', [key, topic], pace);
  }

  /** A client's message, before it is in a queue. @returns undefined without a store */
  message(topic: string, payload: Uint8Array, qos: number, from: string): Stored | undefined {
    if (this.#store === undefined) return undefined;
    const message = this.#nextMessage++;
    this.#put(messageChange(message, topic, payload, qos, from), 'now');
    return { message, waits: 0 };
  }
  waits(key: number, stored: Stored, entry: Pick<Entry, 'messageId' | 'qos' | 'released'>, pace: BrokerPace): void {
    this.#put(placeChange(key, stored.message, entry), pace);
  }
  /** A session does not wait for it any more. */
  left(key: number, stored: Stored, pace: BrokerPace = 'later'): void {
    this.unplaced(key, stored.message, pace);
    if (--stored.waits <= 0) this.forget(stored, pace);
  }
  /** The row of a place alone goes. */
  unplaced(key: number, message: number, pace: BrokerPace = 'later'): void {
    this.#gone('place', [key, message], pace);
  }
  forget(stored: Stored, pace: BrokerPace = 'later'): void {
    this.#gone('message', [stored.message], pace);
    stored.over?.();
  }

  /** @returns false: the store leaves it out for now */
  incoming(key: number, number: number, sum: number): boolean {
    this.#put(incomingChange(key, number, sum), 'now');
    return this.#store?.takes ?? false;
  }
  incomingDone(key: number, number: number, sum: number, pace: BrokerPace): void {
    this.#gone('incoming', incomingChange(key, number, sum).values, pace);
  }

  retained(topic: string, payload: Uint8Array, qos: number, from: string, pace: BrokerPace): void {
    if (payload.length === 0) this.unretained(topic, pace);
    else this.#put(retainedChange(topic, payload, qos, from), pace);
  }
  unretained(topic: string, pace: BrokerPace): void {
    this.#gone('retained', [topic], pace);
  }

  #put(change: BrokerChange, pace: BrokerPace): void {
    this.#store?.change(change, pace);
  }
  #gone(table: BrokerTable, values: readonly BrokerValue[], pace: BrokerPace): void {
    this.#store?.change({ table, values, gone: true }, pace);
  }
}

export function sessionChange({ key, id, owner, away, place }: SessionRow): BrokerChange {
  const values = [key, id, owner, away === undefined ? null : Math.round(away), place?.log ?? null, place?.seq ?? null];
  return { table: 'session', values, gone: false };
}
export function filterChange(key: number, { topic, qos, rest, place }: FilterRow): BrokerChange {
  const values = [key, topic, qos, JSON.stringify(rest), place?.log ?? null, place?.seq ?? null];
  return { table: 'filter', values, gone: false };
}
/** The payload is copied: a view of something larger would take all of that along. */
export function messageChange(message: number, topic: string, payload: Uint8Array, qos: number, from: string): BrokerChange {
  return { table: 'message', values: [message, topic, new Uint8Array(payload), qos, from], gone: false };
}
export function placeChange(
  key: number,
  message: number,
  { messageId, qos, released }: Pick<Entry, 'messageId' | 'qos' | 'released'>,
): BrokerChange {
  return { table: 'place', values: [key, message, qos === 2 ? (messageId ?? 0) : 0, qos, released ? 1 : 0], gone: false };
}
export function incomingChange(key: number, number: number, sum: number): BrokerChange {
  return { table: 'incoming', values: [key, sum * IDENTIFIERS + number], gone: false };
}
export function incomingOf(value: BrokerValue | undefined): { readonly number: number; readonly sum: number } {
  return { number: Number(value) % IDENTIFIERS, sum: Math.floor(Number(value) / IDENTIFIERS) };
}
export function retainedChange(topic: string, payload: Uint8Array, qos: number, from: string): BrokerChange {
  return { table: 'retained', values: [topic, new Uint8Array(payload), qos, from], gone: false };
}
