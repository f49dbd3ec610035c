/**
 * The queues of the sessions: what comes in, what is on its way to a client, and what is pushed out. Invariants:
 * - a session holds at most MAX_SESSION_MESSAGES and MAX_SESSION_BYTES, those of an account MAX_ACCOUNT_QUEUED and
 *   MAX_ACCOUNT_QUEUED_BYTES, all of them MAX_ALL_SESSIONS_MESSAGES and MAX_ALL_SESSIONS_BYTES. Topics and payloads count.
 *   shares.ts says which account gives something up, and its longest queue does;
 * - what does not fit pushes records out that were asked for again, then the oldest ordinary message of whoever published most of that
 *   queue, alarms last: who floods a topic pushes out no message of others. An overflow is reported once per episode;
 * - what is queued leaves in the order it came: while a returning client is being sent its queue (`replaying`), newer
 *   messages for it wait in the queue as well;
 * - only the connection that has the id now says what was written (persistence.ts): one that was taken over marks nothing as sent.
 */
import * as limits from './limits.ts';
import { type Entry, GATEWAY, type OutgoingPacket, packetOf, type Queue, type QueuedPacket, sizeOf } from './queue.ts';
import type { Origin, Session } from './session.ts';
import type { Place, SessionJournal } from './session-journal.ts';
import { Ledger, type Measure } from './shares.ts';

export interface SessionQueuesOptions {
  /** By the ids of their clients. */
  readonly sessions: ReadonlyMap<string, Session>;
  /** Messages on this prefix are pushed out last. */
  readonly alarms: string;
  /** Messages on this prefix are pushed out first: the log has them, and somebody asked for them again. */
  readonly again: string;
  /** Resolves when the client of a session has space for more, or is gone. */
  readonly roomy: (client: string) => Promise<void>;
  /** Called at the first message of an episode. */
  readonly onOverflow: (client: string) => void;
  readonly journal?: SessionJournal | undefined;
  /** A message of the gateway itself has left the queue of a client that is here. */
  readonly moved: (session: Session) => void;
}

export class SessionQueues {
  /** Messages pushed out since the start, by what was full: the queue of the session, those of its account, all of them. */
  readonly pushedOut = { queue: 0, share: 0, total: 0 };
  readonly #held = new Ledger(
    { count: limits.MAX_ALL_SESSIONS_MESSAGES, bytes: limits.MAX_ALL_SESSIONS_BYTES },
    { count: limits.MAX_ACCOUNT_QUEUED, bytes: limits.MAX_ACCOUNT_QUEUED_BYTES },
  );
  /** Their receivers have them, and the store may not know it: a connection that breaks here gets its PUBREL from the next one. */
  readonly #unknown = new WeakSet<Entry>();
  readonly #options: SessionQueuesOptions;
  readonly #sessions: ReadonlyMap<string, Session>;

  constructor(options: SessionQueuesOptions) {
    this.#options = options;
    this.#sessions = options.sessions;
  }

  get dropped(): number {
    const { queue, share, total } = this.pushedOut;
    return queue + share + total;
  }
  /** All queues together; bytes of topics and payloads. */
  get bytes(): number {
    return this.#held.bytes;
  }
  get messages(): number {
    return this.#held.count;
  }

  /** Makes an entry for a session that is not in its queue yet. */
  entry(
    id: string,
    { brokerId, brokerCounter, topic, payload, qos }: QueuedPacket,
    { own, stored, from = GATEWAY }: Origin = {},
  ): Entry {
    const common = { brokerId, brokerCounter, topic, payload, qos, own, stored, from };
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
    this.#held.add(session.owner, 1, sizeOf(entry));
    this.#bound(session, entry.from);
  }
  /** Puts messages of the gateway itself in front of newer ones, and behind older ones of clients. */
  insert(session: Session, entries: readonly Entry[], before: Place): void {
    session.queue.insert(entries, ({ own, brokerCounter }) =>
      own === undefined ? (brokerCounter ?? 0) > 0 : own.log === before.log && own.first >= before.seq,
    );
    for (const entry of entries) this.#held.add(session.owner, 1, sizeOf(entry));
    this.#bound(session, GATEWAY);
  }

  /** The broker is about to write this packet to the client. It gets the number that it keeps. */
  written(id: string, packet: { brokerCounter?: number | undefined; messageId?: number | undefined }): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    const entry = session.queue.entries.findLast((p) => p.brokerCounter === packet.brokerCounter);
    if (entry === undefined) {
      // It was pushed out on its way. Its number must not be one of the queue.
      packet.messageId = session.queue.otherNumber();
      if (session.awaited?.entry.brokerCounter === packet.brokerCounter) session.awaited?.resume();
      return;
    }
    packet.messageId = session.queue.number(entry, packet.messageId);
    entry.sent = true;
    if (session.awaited?.entry === entry) session.awaited.resume();
  }

  /**
   * Its receiver has it (QoS 2): PUBREL is about to be written, for the first time or again.
   * @returns the message when the store has to know before that; `known` ends this
   */
  released(id: string, messageId: number | undefined): Entry | undefined {
    const session = this.#sessions.get(id);
    const entry = messageId === undefined ? undefined : session?.queue.numbered(messageId);
    if (session === undefined) return undefined;
    if (entry === undefined) {
      // It was pushed out on its way.
      if (session.awaited?.entry.messageId === messageId) session.awaited?.resume();
      return undefined;
    }
    const news = !entry.released;
    entry.released = true;
    entry.sent = true;
    if (session.awaited?.entry === entry) session.awaited.resume();
    if (news && entry.stored !== undefined) {
      this.#options.journal?.waits(session.key, entry.stored, entry, 'now');
      this.#unknown.add(entry);
    }
    return this.#unknown.has(entry) ? entry : undefined;
  }
  /** The store knows that its receiver has it. */
  known(entry: Entry): void {
    this.#unknown.delete(entry);
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

  /** Takes a message out of a queue again: its publisher still has it. What is on its way to the client of the session stays. */
  takeBack(session: Session, entry: Entry): void {
    const isThere = this.#sessions.get(session.id) === session && session.queue.entries.includes(entry);
    if (isThere && !entry.sent) this.#remove(session, entry);
  }

  /** Its session ends. */
  end({ owner, queue }: Session): void {
    if (queue.length > 0) this.#held.add(owner, -queue.length, -queue.bytes);
  }

  /** @param from who published what came */
  #bound(session: Session, from: string): void {
    const { queue, owner } = session;
    while (queue.length > limits.MAX_SESSION_MESSAGES) this.#pushOut(session, 'queue', 'count', from);
    while (queue.bytes > limits.MAX_SESSION_BYTES) this.#pushOut(session, 'queue', 'bytes', from);
    for (let loser = this.#held.loser(owner); loser !== undefined; loser = this.#held.loser(owner)) {
      const longest = this.#longest(loser.account, loser.measure);
      if (longest === undefined) return;
      this.#pushOut(longest, loser.why, loser.measure, from);
    }
  }

  #longest(account: string, measure: Measure): Session | undefined {
    const size = (queue: Queue): number => (measure === 'count' ? queue.length : queue.bytes);
    let longest: Session | undefined;
    for (const session of this.#sessions.values())
      if (session.owner === account && size(session.queue) > (longest === undefined ? 0 : size(longest.queue))) longest = session;
    return longest;
  }

  #pushOut(session: Session, why: 'queue' | 'share' | 'total', measure: Measure, from: string): void {
    const victim = this.#victim(session.queue, measure, from);
    if (victim !== undefined) this.#remove(session, victim);
    this.pushedOut[why]++;
    if (session.dropped++ === 0) this.#options.onOverflow(session.id);
  }

  #victim(queue: Queue, measure: Measure, from: string): Entry | undefined {
    const { entries } = queue;
    const again = entries.find((p) => !p.sent && p.topic.startsWith(this.#options.again));
    if (again !== undefined) return again;
    const ordinary = (p: Entry) => !p.topic.startsWith(this.#options.alarms);
    for (const source of queue.sources(measure, from)) {
      const found =
        entries.find((p) => p.from === source && ordinary(p) && !p.sent) ?? entries.find((p) => p.from === source && ordinary(p));
      if (found !== undefined) return found;
    }
    return entries[0];
  }

  #remove(session: Session, entry: Entry): void {
    session.queue.remove(entry);
    this.#held.add(session.owner, -1, -sizeOf(entry));
    if (entry.stored !== undefined) this.#options.journal?.left(session.key, entry.stored);
    // The place of a queue whose client is away stays where it was: the next start takes the newest from there, as now.
    if (entry.own !== undefined && session.awaySince === undefined) this.#options.moved(session);
  }
}
