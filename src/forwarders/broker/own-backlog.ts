/**
 * What the gateway itself published while a session could not be given it: before this start, and while a reload changed the
 * broker. Nothing of it is stored a second time: alarms, events and readings are in the log, and are read from there by the
 * number that the session had come to. Bounded as the queue of a session is, from the newest backwards.
 */
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../store/log.ts';
import { BATCH_READINGS, MAX_SESSION_BYTES, MAX_SESSION_MESSAGES } from './limits.ts';
import type { Span } from './queue.ts';
import type { Place } from './session-journal.ts';

/** Numbers looked at in one go, from the newest backwards. */
const WINDOW = 512;
/** Alarms or events asked for at once, and how often. */
const NOTICES = 1_000;
const NOTICE_ROUNDS = 100;
/** How long the last items before the start may take to get into the file. */
const COMMIT_WITHIN = 2_000;

export interface OwnMessage {
  /** Below the root. */
  readonly topic: string;
  readonly payload: Buffer;
  readonly span: Span;
}

export interface OwnMessages {
  /** In the order of the log. */
  readonly messages: readonly OwnMessage[];
  /** Readings that were not looked at, since newer ones fill a queue. */
  readonly left: Span | undefined;
}

/** What of the log the broker asks for. */
export interface OwnBacklog {
  /** The number that the next item gets. */
  next(): Place;
  /** Whether something of a message is not older than a place. */
  isFrom(place: Place, span: Span): boolean;
  /** Everything from a place on and before another one. */
  read(from: Place, to: Place, wants: { readonly data: boolean; readonly notices: boolean }): Promise<OwnMessages>;
}

interface Stretch {
  readonly ordinal: number;
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export class LogBacklog implements OwnBacklog {
  readonly #log: () => Log;
  readonly #clock: Clock;
  readonly #gateway: () => string;

  constructor(log: () => Log, clock: Clock, gateway: () => string) {
    this.#log = log;
    this.#clock = clock;
    this.#gateway = gateway;
  }

  next(): Place {
    const log = this.#log();
    return { log: log.id, seq: log.next };
  }

  isFrom(place: Place, span: Span): boolean {
    if (place.log === span.log) return span.last >= place.seq;
    // A log that is not known any more was before those that are.
    return this.#order(span.log) > this.#order(place.log);
  }

  async read(from: Place, to: Place, wants: { readonly data: boolean; readonly notices: boolean }): Promise<OwnMessages> {
    const log = this.#log();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(COMMIT_WITHIN, resolve);
    await Promise.race([log.flush(), late]);
    cancel();
    const messages: OwnMessage[] = [];
    let left: Span | undefined;
    let bytes = 0;
    for (const stretch of this.#stretches(from, to).reverse()) {
      if (wants.notices) for (const only of ['alarm', 'event'] as const) messages.push(...(await this.#notices(stretch, only)));
      if (!wants.data) continue;
      const data = await this.#data(stretch, bytes);
      messages.push(...data.messages);
      bytes = data.bytes;
      if (data.left === undefined) continue;
      left = data.left;
      break;
    }
    const order = ({ span }: OwnMessage) => this.#order(span.log);
    return { messages: messages.sort((a, b) => order(a) - order(b) || a.span.first - b.span.first), left };
  }

  #order(name: string): number {
    return this.#log().opened.logs.find((log) => log.name === name)?.ordinal ?? 0;
  }

  /** Oldest first. */
  #stretches(from: Place, to: Place): Stretch[] {
    const log = this.#log();
    const first = this.#order(from.log);
    const committed = log.committed;
    return log.opened.logs
      .filter(({ ordinal }) => ordinal >= first)
      .map(({ ordinal, name, last }) => ({
        ...{ ordinal, name },
        from: name === from.log ? from.seq : 1,
        to: name === to.log ? Math.min(to.seq - 1, committed) : last,
      }));
  }

  /** The newest, as many as a queue takes. */
  async #notices({ ordinal, name, from, to }: Stretch, only: 'alarm' | 'event'): Promise<OwnMessage[]> {
    const found: OwnMessage[] = [];
    let after = from - 1;
    for (let round = 0; round < NOTICE_ROUNDS && after < to; round++) {
      const { notices } = await this.#log().keeper.notices({ log: ordinal, only, after, to, limit: NOTICES });
      for (const { seq, key, json } of notices) {
        const span = { log: name, first: seq, last: seq };
        found.push({ topic: only === 'alarm' ? `alarm/${key}` : 'event', payload: Buffer.from(json), span });
        after = Math.max(after, seq);
      }
      if (notices.length < NOTICES) break;
      found.splice(0, Math.max(0, found.length - MAX_SESSION_MESSAGES));
    }
    return found;
  }

  async #data({ ordinal, name, from, to }: Stretch, before: number): Promise<OwnMessages & { bytes: number }> {
    const log = this.#log();
    const last = Math.min(to, log.clock.settledBelow(ordinal) - 1);
    const messages: OwnMessage[] = [];
    let bytes = before;
    let start = last + 1;
    while (start > from) {
      if (bytes > MAX_SESSION_BYTES) return { messages, left: { log: name, first: from, last: start - 1 }, bytes };
      const end = start - 1;
      start = Math.max(from, start - WINDOW);
      const window: OwnMessage[] = [];
      for (let next = start; next <= end; ) {
        const { batch } = await log.keeper.read({
          ...{ log: ordinal, logName: name, from: next, to: end, maxReadings: BATCH_READINGS, lane: 'data' },
          ...{ format: 'json', formatOptions: {}, gateway: this.#gateway(), sent: this.#clock.wall() },
        });
        if (batch === undefined) break;
        for (const { payload } of batch.messages) {
          const content =
            typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload.buffer, payload.byteOffset, payload.length);
          window.push({ topic: 'data', payload: content, span: { log: name, first: batch.first, last: batch.last } });
          bytes += content.length;
        }
        next = batch.last + 1;
      }
      messages.unshift(...window);
    }
    return { messages, left: undefined, bytes };
  }
}
