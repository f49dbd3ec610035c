/**
 * Persistent sessions (clean session = 0) and their queues. The truth is here in memory; the journal follows. Invariants:
 * - a session holds at most MAX_SESSION_MESSAGES and MAX_SESSION_BYTES, all of them MAX_ALL_SESSIONS_MESSAGES and
 *   MAX_ALL_SESSIONS_BYTES; what does not fit pushes out records that were asked for again, then the oldest ordinary message, alarms last, and an overflow is
 *   reported once per episode;
 * - what is queued leaves in the order it came: while a returning client is being sent its queue (`replaying`), newer
 *   messages for it wait in the queue as well;
 * - a filter that was not granted is not remembered;
 * - a session belongs to the owner that began it, and ends with it, and when another one asks for it.
 */
import type { BrokerChange, BrokerPace } from '../../core/broker-store.ts';
import type { Clock } from '../../core/clock.ts';
import * as limits from './limits.ts';
import { type Entry, type OutgoingPacket, packetOf, Queue, type QueuedPacket, type Span, type Stored } from './queue.ts';
import {
  type FilterRow,
  filterChange,
  messageChange,
  type Place,
  placeChange,
  type SessionJournal,
  sessionChange,
} from './session-journal.ts';
import { matches } from './topic-filter.ts';
import { ANONYMOUS } from './topic-rules.ts';

export interface Filter {
  readonly topic: string;
  readonly qos: number;
}

export interface Session {
  readonly key: number;
  readonly id: string;
  readonly owner: string;
  readonly filters: Map<string, FilterRow>;
  readonly queue: Queue;
  /** Packet identifiers of QoS 2 messages that its client has published and not released. */
  readonly incoming: Set<number>;
  /** Messages pushed out in the running episode; 0 when there is none. */
  dropped: number;
  /** Monotonic time since when the client is away; undefined while it is connected. */
  awaySince: number | undefined;
  replaying: boolean;
  /** Counts its connections: a replay ends with the one it began with. */
  connection: number;
  /** The packet that the replay has handed out and not seen written. */
  awaited: { readonly entry: Entry; readonly resume: () => void } | undefined;
  /** As the store has it. */
  place: Place | undefined;
}

export interface SessionsOptions {
  readonly clock: Clock;
  /** Messages on this prefix are pushed out last. */
  readonly alarms: string;
  /** Messages on this prefix are pushed out first: the log has them, and somebody asked for them again. */
  readonly again: string;
  /** Resolves when the client of a session has space for more, or is gone. */
  readonly roomy: (client: string) => Promise<void>;
  /** Called at the first message of an episode. */
  readonly onOverflow: (client: string) => void;
  /** Called when a session with queued messages ends without its client. */
  readonly onLost: (client: string, messages: number, why: 'expired' | 'displaced') => void;
  readonly journal?: SessionJournal | undefined;
  /** The lowest number of the log that has not gone through the broker; undefined: there is no log. */
  readonly place?: () => Place | undefined;
}

/** How a message comes into a queue. */
export interface Origin {
  /** Of the gateway's own messages. */
  readonly own?: Span | undefined;
  /** Of a client's. */
  readonly stored?: Stored | undefined;
}

export class Sessions {
  /** Messages pushed out of queues since the start. */
  dropped = 0;
  /** Changes whenever a filter of a session comes or goes. */
  revision = 0;
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  #bytes = 0;
  #messages = 0;
  #nextKey = 1;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#sessions.size;
  }
  get queuedBytes(): number {
    return this.#bytes;
  }
  get queuedMessages(): number {
    return this.#messages;
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

  /** A client with this session has connected; what is queued is going to be replayed. */
  resume(id: string, owner = ANONYMOUS): void {
    this.expire();
    let session = this.#sessions.get(id);
    if (session !== undefined && session.owner !== owner) {
      this.end(id);
      session = undefined;
    }
    if (session === undefined) {
      if (this.#sessions.size >= limits.MAX_SESSIONS) this.#displace();
      session = this.add({ key: this.#nextKey, id, owner, away: undefined, place: undefined });
    }
    session.awaySince = undefined;
    session.replaying = true;
    session.connection++;
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
      queue: new Queue(),
      incoming: new Set(),
      dropped: 0,
      awaySince: away === undefined ? undefined : this.#options.clock.monotonic() - away,
      replaying: true,
      connection: 0,
      awaited: undefined,
    };
    this.#nextKey = Math.max(this.#nextKey, key + 1);
    this.#sessions.set(id, session);
    return session;
  }

  away(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined || session.awaySince !== undefined) return;
    session.awaySince = this.#options.clock.monotonic();
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

  subscribe(id: string, { topic, qos, ...rest }: Filter & Record<string, unknown>): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    const before = session.filters.get(topic);
    // A filter that is renewed counts from where it did.
    const row: FilterRow = {
      topic,
      qos,
      rest,
      place: before !== undefined && before.qos > 0 ? before.place : this.#options.place?.(),
    };
    session.filters.set(topic, row);
    this.#options.journal?.filter(session.key, row);
    this.revision++;
  }
  unsubscribe(id: string, topics: readonly string[]): void {
    const session = this.#sessions.get(id);
    for (const topic of topics) {
      if (session?.filters.delete(topic) === true) this.#options.journal?.unfilter(session.key, topic, 'now');
    }
    this.revision++;
  }

  /** Ends a session, as a CONNECT with clean session = 1 asks. */
  end(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    const { journal } = this.#options;
    this.#bytes -= session.queue.bytes;
    this.#messages -= session.queue.length;
    this.#sessions.delete(id);
    for (const { stored } of session.queue.entries) if (stored !== undefined) journal?.left(session.key, stored, 'soon');
    for (const topic of session.filters.keys()) journal?.unfilter(session.key, topic, 'soon');
    for (const number of session.incoming) journal?.incomingDone(session.key, number, 'soon');
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
      if (session.awaySince !== undefined && session.awaySince < oldest) this.lose(session, 'expired');
  }

  /** Makes an entry for a session that is not in its queue yet. */
  entry(id: string, { brokerId, brokerCounter, topic, payload, qos }: QueuedPacket, { own, stored }: Origin = {}): Entry {
    const common = { brokerId, brokerCounter, topic, payload, qos, own, stored };
    const entry: Entry = { ...common, dup: false, messageId: undefined, sent: false, released: false };
    // Kept with the message: a QoS 2 message that comes again under another one would be a second message.
    if (qos === 2) this.#sessions.get(id)?.queue.number(entry, undefined);
    if (stored !== undefined) stored.waits++;
    return entry;
  }

  enqueue(id: string, packet: QueuedPacket, origin?: Origin): void {
    if (this.#sessions.has(id)) this.push(id, this.entry(id, packet, origin));
  }
  push(id: string, entry: Entry): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.queue.push(entry);
    this.#count(1, entry.payload.length);
    this.#bound(session);
  }
  /** Puts messages of the gateway itself in front of newer ones, and behind older ones of clients. */
  insert(session: Session, entries: readonly Entry[], before: Place): void {
    session.queue.insert(entries, ({ own, brokerCounter }) =>
      own === undefined ? (brokerCounter ?? 0) > 0 : own.log === before.log && own.first >= before.seq,
    );
    for (const entry of entries) this.#count(1, entry.payload.length);
    this.#bound(session);
  }

  /** The broker is about to write this packet to the client. It gets the number that it keeps. */
  written(id: string, packet: { brokerCounter?: number | undefined; messageId?: number | undefined }): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    const entry = session.queue.entries.findLast((p) => p.brokerCounter === packet.brokerCounter);
    if (entry === undefined) return;
    packet.messageId = session.queue.number(entry, packet.messageId);
    entry.sent = true;
    if (session.awaited?.entry === entry) session.awaited.resume();
  }

  /** Its receiver has it (QoS 2): PUBREL is about to be written. @returns whether the store has to know before that */
  released(id: string, messageId: number | undefined): boolean {
    const session = this.#sessions.get(id);
    const entry = messageId === undefined ? undefined : session?.queue.numbered(messageId);
    if (session === undefined || entry === undefined) return false;
    const news = !entry.released;
    entry.released = true;
    entry.sent = true;
    if (session.awaited?.entry === entry) session.awaited.resume();
    if (!news || entry.stored === undefined) return false;
    this.#options.journal?.waits(session.key, entry.stored, entry, 'now');
    return true;
  }

  acknowledged(id: string, messageId: number | undefined): OutgoingPacket | undefined {
    const session = this.#sessions.get(id);
    // A message that was passed over has no number yet; it stays for the replay.
    const entry = messageId === undefined ? undefined : session?.queue.numbered(messageId);
    if (session === undefined || entry === undefined || !entry.sent) return undefined;
    const { queue } = session;
    // The episode is over once half of the space is free again.
    if (queue.length < limits.MAX_SESSION_MESSAGES / 2 && queue.bytes < limits.MAX_SESSION_BYTES / 2) session.dropped = 0;
    const packet = packetOf(entry);
    this.#remove(session, entry);
    return packet;
  }

  /** True when this packet is kept for this session, so that passing it over now loses nothing. */
  keeps(id: string, packet: { brokerCounter?: number | undefined }): boolean {
    const entries = this.#sessions.get(id)?.queue.entries;
    return entries?.findLast((p) => p.brokerCounter === packet.brokerCounter) !== undefined;
  }
  /** True while the queue is being sent: what is kept must not overtake it. */
  replaying(id: string): boolean {
    return this.#sessions.get(id)?.replaying === true;
  }

  /** Hands out the queue until it has nothing unsent; each packet only after the one before it was written, and as there is space. */
  replay(id: string): AsyncGenerator<OutgoingPacket> {
    return this.#replay(id, this.#sessions.get(id)?.connection);
  }
  async *#replay(id: string, connection: number | undefined): AsyncGenerator<OutgoingPacket> {
    for (;;) {
      await this.#options.roomy(id);
      const session = this.#sessions.get(id);
      if (session === undefined || session.connection !== connection) return;
      const next = session.queue.entries.find((p) => !p.sent);
      if (next === undefined) {
        session.replaying = false;
        return;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      session.awaited = { entry: next, resume: resolve };
      yield packetOf(next);
      await promise;
    }
  }

  lose(session: Session, why: 'expired' | 'displaced'): void {
    this.end(session.id);
    if (session.queue.length > 0) this.#options.onLost(session.id, session.queue.length, why);
  }

  /** Every row as it is now. */
  *rows(): Generator<BrokerChange> {
    const messages = new Set<number>();
    for (const session of this.#sessions.values()) {
      yield sessionChange({ ...session, away: this.#awayOf(session), place: this.#placeOf(session) });
      for (const filter of session.filters.values()) yield filterChange(session.key, filter);
      for (const number of session.incoming) yield { table: 'incoming', values: [session.key, number], gone: false };
      for (const entry of session.queue.entries) {
        const { stored, topic, payload, qos } = entry;
        if (stored === undefined) continue;
        if (!messages.has(stored.message)) yield messageChange(stored.message, topic, payload, qos);
        messages.add(stored.message);
        yield placeChange(session.key, stored.message, entry);
      }
    }
  }

  #displace(): void {
    let away: Session | undefined;
    let any: Session | undefined;
    for (const session of this.#sessions.values()) {
      any ??= session;
      if (session.awaySince !== undefined && session.awaySince < (away?.awaySince ?? Number.POSITIVE_INFINITY)) away = session;
    }
    const victim = away ?? any;
    if (victim !== undefined) this.lose(victim, 'displaced');
  }

  #bound(session: Session): void {
    const { queue } = session;
    while (queue.length > limits.MAX_SESSION_MESSAGES || queue.bytes > limits.MAX_SESSION_BYTES) this.#pushOut(session);
    while (this.#bytes > limits.MAX_ALL_SESSIONS_BYTES) this.#pushOut(this.#longest((q) => q.bytes));
    while (this.#messages > limits.MAX_ALL_SESSIONS_MESSAGES) this.#pushOut(this.#longest((q) => q.length));
  }

  #longest(size: (queue: Queue) => number): Session {
    let longest: Session | undefined;
    for (const session of this.#sessions.values())
      if (size(session.queue) > (longest === undefined ? 0 : size(longest.queue))) longest = session;
    return longest as Session;
  }

  #pushOut(session: Session): void {
    const { entries } = session.queue;
    const ordinary = (p: Entry) => !p.topic.startsWith(this.#options.alarms);
    const again = (p: Entry) => p.topic.startsWith(this.#options.again);
    const victim =
      entries.find((p) => again(p) && !p.sent) ??
      entries.find((p) => ordinary(p) && !p.sent) ??
      entries.find(ordinary) ??
      entries[0];
    if (victim !== undefined) this.#remove(session, victim);
    this.dropped++;
    if (session.dropped++ === 0) this.#options.onOverflow(session.id);
  }

  #remove(session: Session, entry: Entry): void {
    session.queue.remove(entry);
    this.#count(-1, -entry.payload.length);
    if (entry.stored !== undefined) this.#options.journal?.left(session.key, entry.stored);
    // Of an absent client's queue the place stays where it was: the next start takes the newest from there, as now.
    if (entry.own !== undefined && session.awaySince === undefined) this.#note(session, 'later');
  }

  #count(messages: number, bytes: number): void {
    this.#messages += messages;
    this.#bytes += bytes;
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
