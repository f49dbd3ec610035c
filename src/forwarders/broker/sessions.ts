/**
 * Persistent sessions (clean session = 0): which there are, whose they are, and their filters; session-queues.ts has their
 * messages. The truth is here in memory; the journal follows. Invariants:
 * - a filter that was not granted is not remembered;
 * - a new filter counts from the turn in which its client begins to hear it, and is on the disk by then: what was queued before
 *   would wait for the next connection. Until then it is in `granting`. A filter that is renewed counts at once;
 * - a session belongs to the owner that began it, and ends with it, and when another one asks for it;
 * - where there are too many, shares.ts says whose goes: of that account the one that is away for longest, or the oldest.
 */
import type { BrokerChange, BrokerPace } from '../../core/broker-store.ts';
import type { Clock } from '../../core/clock.ts';
import { matches } from '../../core/topic-filter.ts';
import * as limits from './limits.ts';
import { nothingInFlight, Queue } from './queue.ts';
import type { Filter, Granting, Session } from './session.ts';
import {
  type FilterRow,
  filterChange,
  incomingChange,
  messageChange,
  type Place,
  placeChange,
  sessionChange,
} from './session-journal.ts';
import { SessionQueues, type SessionQueuesOptions } from './session-queues.ts';
import { Ledger, type Loser } from './shares.ts';
import { ANONYMOUS } from './topic-rules.ts';

export interface SessionsOptions extends Omit<SessionQueuesOptions, 'sessions' | 'moved'> {
  readonly clock: Clock;
  /** Called when a session with queued messages ends without its client. */
  readonly onLost: (client: string, messages: number, why: 'expired' | 'displaced') => void;
  /** The lowest number of the log that has not gone through the broker; undefined: there is no log. */
  readonly place?: () => Place | undefined;
}

export class Sessions {
  /** Changes whenever a filter of a session comes or goes. */
  revision = 0;
  /** Sessions that ended since the start, with and without messages, and why. */
  readonly ended: Record<'expired' | Loser['why'], number> = { expired: 0, share: 0, total: 0 };
  readonly queues: SessionQueues;
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #held = new Ledger(
    { count: limits.MAX_SESSIONS, bytes: Number.POSITIVE_INFINITY },
    { count: limits.MAX_ACCOUNT_SESSIONS, bytes: Number.POSITIVE_INFINITY },
  );
  #nextKey = 1;
  /** Called when nothing is left of what a client had in a session: its packet identifiers mean nothing any more. */
  onNothingLeft: (id: string) => void = () => {};

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.queues = new SessionQueues({ ...options, sessions: this.#sessions, moved: (session) => this.#note(session, 'later') });
  }

  get count(): number {
    return this.#sessions.size;
  }
  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }
  all(): Iterable<Session> {
    return this.#sessions.values();
  }

  /** True when some session, its client here or not, has a filter with QoS 1 for this topic. */
  wants(topic: string): boolean {
    return this.of(topic).length > 0;
  }

  /** Ids of the sessions that keep messages of this topic. */
  of(topic: string): string[] {
    return [...new Set(this.subscriptions(topic).map(({ clientId }) => clientId))];
  }

  /** The filters with QoS 1 or 2 that match a topic; of one session those with wildcards first. */
  subscriptions(topic: string): { clientId: string; topic: string; qos: number }[] {
    const found: { clientId: string; topic: string; qos: number }[] = [];
    for (const { id, filters } of this.#sessions.values()) {
      const exact = filters.get(topic);
      for (const filter of filters.values())
        if (filter.qos > 0 && filter !== exact && matches(filter.topic, topic))
          found.push({ clientId: id, topic: filter.topic, qos: filter.qos, ...filter.rest });
      if (exact !== undefined && exact.qos > 0) found.push({ clientId: id, topic, qos: exact.qos, ...exact.rest });
    }
    return found;
  }

  filters(id: string): Filter[] {
    return Array.from(this.#sessions.get(id)?.filters.values() ?? [], ({ topic, qos, rest }) => ({ topic, qos, ...rest }));
  }

  /** Topics of its filters, with those that wait for the disk: they count once it is back. */
  asked(id: string): string[] {
    const session = this.#sessions.get(id);
    return session === undefined ? [] : filterRows(session).map(({ topic }) => topic);
  }

  /** Whether this client gets a session: its own one, or a new one for which another account or its own gives one up. */
  accepts(id: string, owner: string): boolean {
    this.expire();
    if (this.#sessions.get(id)?.owner === owner || this.#held.count < limits.MAX_SESSIONS) return true;
    this.#held.add(owner, 1);
    const loser = this.#held.loser(owner);
    this.#held.add(owner, -1);
    return loser === undefined || this.#held.of(loser.account).count > 0;
  }

  /**
   * A client with this session has connected, and `accepts` was true; what is queued is going to be replayed.
   * @param inFlight whether a packet identifier is on its way to it
   */
  resume(id: string, owner = ANONYMOUS, inFlight?: (messageId: number) => boolean): void {
    this.expire();
    let session = this.#sessions.get(id);
    if (session !== undefined && session.owner !== owner) {
      this.end(id);
      session = undefined;
    }
    const isPresent = session !== undefined;
    // The client of now gets these with the others, and its queue is going to be replayed.
    if (session !== undefined) this.#count(session, session.granting.values());
    if (session === undefined) {
      // What it sent while it had none belongs to no session.
      this.onNothingLeft(id);
      session = this.add({ key: this.#nextKey, id, owner, away: undefined, place: undefined });
    }
    session.awaySince = undefined;
    this.#bound(session);
    session.replaying = true;
    session.isPresent = isPresent;
    session.connection++;
    session.queue.inFlight = inFlight ?? nothingInFlight;
    session.awaited = undefined;
    session.dropped = 0;
    for (const entry of session.queue.entries) {
      if (entry.sent) entry.dup = true;
      entry.sent = false;
    }
    this.#note(session, 'soon');
  }

  /** A session of an earlier run, or a new one. @param away ms; undefined: its client is connected */
  add({
    key,
    id,
    owner,
    away,
    place,
  }: {
    key: number;
    id: string;
    owner: string;
    away: number | undefined;
    place: Place | undefined;
  }): Session {
    const session: Session = {
      ...{ key, id, owner, place },
      filters: new Map(),
      granting: new Map(),
      queue: new Queue(),
      incoming: new Map(),
      dropped: 0,
      awaySince: away === undefined ? undefined : this.#options.clock.monotonic() - away,
      replaying: true,
      isPresent: false,
      connection: 0,
      awaited: undefined,
    };
    this.#nextKey = Math.max(this.#nextKey, key + 1);
    this.#sessions.set(id, session);
    this.#held.add(owner, 1);
    return session;
  }

  away(id: string): void {
    const session = this.#sessions.get(id);
    // Its session made room for another one while it was connected, or it has none.
    if (session === undefined) this.onNothingLeft(id);
    if (session === undefined || session.awaySince !== undefined) return;
    session.awaySince = this.#options.clock.monotonic();
    session.queue.inFlight = nothingInFlight;
    this.#note(session, 'soon');
  }
  /** The broker ends: nobody is connected any more. */
  allAway(): void {
    for (const session of this.#sessions.values()) {
      session.awaySince ??= this.#options.clock.monotonic();
      this.#note(session, 'soon');
    }
  }
  /** For how long clients were away belongs to what a restart needs. */
  noteAway(): void {
    for (const session of this.#sessions.values()) if (session.awaySince !== undefined) this.#note(session, 'later');
  }

  /** Gives filters to the store. @returns makes new ones count: to be called in the turn in which the client begins to hear them */
  announce(id: string, filters: readonly Filter[]): () => void {
    const session = this.#sessions.get(id);
    if (session === undefined) return () => {};
    const news: Granting[] = [];
    for (const { topic, qos, ...rest } of filters) {
      const waits = session.granting.get(topic);
      const renewed = session.filters.has(topic);
      const before = session.filters.get(topic) ?? waits?.row;
      // A filter that is renewed counts from where it did.
      const place = before !== undefined && before.qos > 0 ? before.place : this.#options.place?.();
      const row: FilterRow = { topic, qos, rest, place };
      this.#options.journal?.filter(session.key, row);
      const one = waits ?? { row };
      one.row = row;
      if (renewed) this.#count(session, [one]);
      else {
        session.granting.set(topic, one);
        news.push(one);
      }
    }
    // Those that were given up meanwhile, or whose session ended, are in `granting` no more.
    return () =>
      this.#count(
        session,
        news.filter((one) => session.granting.get(one.row.topic) === one),
      );
  }
  subscribe(id: string, filter: Filter): void {
    this.announce(id, [filter])();
  }
  unsubscribe(id: string, topics: readonly string[]): void {
    const session = this.#sessions.get(id);
    for (const topic of topics) {
      const waited = session?.granting.delete(topic) === true;
      const counted = session?.filters.delete(topic) === true;
      if (session !== undefined && (waited || counted)) this.#options.journal?.unfilter(session.key, topic, 'now');
    }
    this.revision++;
  }

  /** Ends a session, as a CONNECT with clean session = 1 asks. */
  end(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    const { journal } = this.#options;
    this.queues.end(session);
    this.#sessions.delete(id);
    this.onNothingLeft(id);
    this.#held.add(session.owner, -1);
    for (const { stored } of session.queue.entries) if (stored !== undefined) journal?.left(session.key, stored, 'soon');
    for (const { topic } of filterRows(session)) journal?.unfilter(session.key, topic, 'soon');
    session.granting.clear();
    for (const [number, { sum }] of session.incoming) journal?.incomingDone(session.key, number, sum, 'soon');
    journal?.ended(session.key);
    session.awaited?.resume();
    this.revision++;
  }

  /** Ends those whose owner is gone: who gets its name later is somebody else. */
  endOf(isGone: (owner: string) => boolean): void {
    for (const session of [...this.#sessions.values()]) if (isGone(session.owner)) this.end(session.id);
  }

  /** Ends the sessions whose clients stayed away too long. */
  expire(): void {
    const oldest = this.#options.clock.monotonic() - limits.SESSION_EXPIRY;
    for (const session of this.#sessions.values())
      if (session.awaySince !== undefined && session.awaySince < oldest) this.#lose(session, 'expired');
  }

  /** Sessions of an earlier run are there: those that are too many by the limits of this one end. */
  fit(): void {
    for (const session of [...this.#sessions.values()]) this.#bound(session);
  }

  /** Every row as it is now, for the store. */
  *rows(): Generator<BrokerChange> {
    const messages = new Set<number>();
    for (const session of this.#sessions.values()) {
      yield sessionChange({ ...session, away: this.#awayOf(session), place: this.#placeOf(session) });
      for (const filter of filterRows(session)) yield filterChange(session.key, filter);
      for (const [number, one] of session.incoming) {
        // Its message comes with it.
        if (one.taking !== undefined) continue;
        one.stored = true;
        yield incomingChange(session.key, number, one.sum);
      }
      for (const entry of session.queue.entries) {
        const { stored, topic, payload, qos, from } = entry;
        if (stored === undefined) continue;
        if (!messages.has(stored.message)) yield messageChange(stored.message, topic, payload, qos, from);
        messages.add(stored.message);
        yield placeChange(session.key, stored.message, entry);
      }
    }
  }

  #count(session: Session, granted: Iterable<Granting>): void {
    for (const { row } of granted) {
      session.filters.set(row.topic, row);
      session.granting.delete(row.topic);
      this.revision++;
    }
  }

  #lose(session: Session, why: 'expired' | Loser['why']): void {
    this.end(session.id);
    this.ended[why]++;
    if (session.queue.length > 0) this.#options.onLost(session.id, session.queue.length, why === 'expired' ? why : 'displaced');
  }

  /** @param asks stays, unless there is nothing else to give up */
  #bound(asks: Session): void {
    for (let loser = this.#held.loser(asks.owner); loser !== undefined; loser = this.#held.loser(asks.owner)) {
      const { account } = loser;
      let away: Session | undefined;
      let any: Session | undefined;
      for (const session of this.#sessions.values()) {
        if (session.owner !== account || session === asks) continue;
        any ??= session;
        if (session.awaySince !== undefined && session.awaySince < (away?.awaySince ?? Number.POSITIVE_INFINITY)) away = session;
      }
      this.#lose(away ?? any ?? asks, loser.why);
    }
  }

  #note(session: Session, pace: BrokerPace): void {
    const { journal } = this.#options;
    if (journal === undefined) return;
    session.place = this.#placeOf(session);
    journal.session({ ...session, away: this.#awayOf(session) }, pace);
  }
  #awayOf({ awaySince }: Session): number | undefined {
    return awaySince === undefined ? undefined : this.#options.clock.monotonic() - awaySince;
  }
  #placeOf({ queue }: Session): Place | undefined {
    const first = queue.entries.find((p) => p.own !== undefined)?.own;
    return first === undefined ? this.#options.place?.() : { log: first.log, seq: first.first };
  }
}

/** Those that count and those that wait for the disk. No topic is among both. */
function filterRows({ filters, granting }: Session): FilterRow[] {
  return [...filters.values(), ...Array.from(granting.values(), ({ row }) => row)];
}
