/**
 * Persistent sessions (clean session = 0) and their queues, in memory. Invariants:
 * - a session holds at most MAX_SESSION_MESSAGES and MAX_SESSION_BYTES, all of them MAX_ALL_SESSIONS_BYTES; what does not
 *   fit pushes out the oldest ordinary message first, alarms last, and an overflow is reported once per episode;
 * - what is queued leaves in the order it came: while a returning client is being sent its queue (`replaying`), newer
 *   messages for it wait in the queue as well;
 * - a filter that was not granted is not remembered.
 */
import type { Clock } from '../../core/clock.ts';
import { MAX_ALL_SESSIONS_BYTES, MAX_SESSION_BYTES, MAX_SESSION_MESSAGES, MAX_SESSIONS, SESSION_EXPIRY } from './limits.ts';
import { matches } from './topic-filter.ts';

/** The fields of aedes' packets that a queue needs. */
export interface QueuedPacket {
  cmd: 'publish';
  brokerId?: string | undefined;
  brokerCounter?: number | undefined;
  topic: string;
  payload: Buffer;
  qos: number;
  retain: boolean;
  dup: boolean;
  messageId?: number | undefined;
}

export interface Filter {
  readonly topic: string;
  readonly qos: number;
}

interface Session {
  readonly id: string;
  readonly filters: Map<string, number>;
  queue: QueuedPacket[];
  bytes: number;
  /** Messages pushed out in the running episode; 0 when there is none. */
  dropped: number;
  /** Monotonic time since when the client is away; undefined while it is connected. */
  awaySince: number | undefined;
  replaying: boolean;
  /** Counts its connections: a replay ends with the one it began with. */
  connection: number;
  /** The packet that the replay has handed out and not seen written. */
  awaited: { readonly counter: number | undefined; readonly resume: () => void } | undefined;
}

export interface SessionsOptions {
  readonly clock: Clock;
  /** Messages on this prefix are pushed out last. */
  readonly alarms: string;
  /** Resolves when the client of a session has space for more, or is gone. */
  readonly roomy: (client: string) => Promise<void>;
  /** Called at the first message of an episode. */
  readonly onOverflow: (client: string) => void;
  /** Called when a session with queued messages ends without its client. */
  readonly onLost: (client: string, messages: number, why: 'expired' | 'displaced') => void;
}

export class Sessions {
  /** Messages pushed out of queues since the start. */
  dropped = 0;
  /** Changes whenever a filter of a session comes or goes. */
  revision = 0;
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  #bytes = 0;

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
    let n = 0;
    for (const session of this.#sessions.values()) n += session.queue.length;
    return n;
  }

  /** True when some session, its client here or not, has a filter with QoS 1 for this topic. */
  wants(topic: string): boolean {
    return this.of(topic).length > 0;
  }

  /** Ids of the sessions that keep messages of this topic. */
  of(topic: string): string[] {
    const found: string[] = [];
    for (const session of this.#sessions.values()) {
      for (const [filter, qos] of session.filters) {
        if (qos > 0 && matches(filter, topic)) {
          found.push(session.id);
          break;
        }
      }
    }
    return found;
  }

  filters(id: string): Filter[] {
    return Array.from(this.#sessions.get(id)?.filters ?? [], ([topic, qos]) => ({ topic, qos }));
  }

  /** A client with this session has connected; what is queued is going to be replayed. */
  resume(id: string): void {
    this.expire();
    let session = this.#sessions.get(id);
    if (session === undefined) {
      if (this.#sessions.size >= MAX_SESSIONS) this.#displace();
      session = {
        id,
        filters: new Map(),
        queue: [],
        bytes: 0,
        dropped: 0,
        awaySince: undefined,
        replaying: true,
        connection: 0,
        awaited: undefined,
      };
      this.#sessions.set(id, session);
    }
    session.awaySince = undefined;
    session.replaying = true;
    session.connection++;
    session.awaited = undefined;
    session.dropped = 0;
    for (const packet of session.queue) {
      // A new number, since those given to live messages of this connection start anywhere and could meet the old ones.
      if (packet.messageId !== undefined) packet.dup = true;
      packet.messageId = undefined;
    }
  }

  away(id: string): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) session.awaySince = this.#options.clock.monotonic();
  }

  subscribe(id: string, filter: Filter): void {
    this.#sessions.get(id)?.filters.set(filter.topic, filter.qos);
    this.revision++;
  }
  unsubscribe(id: string, topics: readonly string[]): void {
    for (const topic of topics) this.#sessions.get(id)?.filters.delete(topic);
    this.revision++;
  }

  /** Ends a session, as a CONNECT with clean session = 1 asks. */
  end(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#bytes -= session.bytes;
    this.#sessions.delete(id);
    session.awaited?.resume();
    this.revision++;
  }

  /** Ends the sessions whose clients stayed away too long. */
  expire(): void {
    const oldest = this.#options.clock.monotonic() - SESSION_EXPIRY;
    for (const session of this.#sessions.values())
      if (session.awaySince !== undefined && session.awaySince < oldest) this.#lose(session, 'expired');
  }

  enqueue(id: string, packet: QueuedPacket): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.queue.push({ ...packet, messageId: undefined });
    this.#count(session, packet.payload.length);
    while (session.queue.length > MAX_SESSION_MESSAGES || session.bytes > MAX_SESSION_BYTES) this.#pushOut(session);
    while (this.#bytes > MAX_ALL_SESSIONS_BYTES) this.#pushOut(this.#longest());
  }

  /** The broker is about to write this packet to the client. */
  written(id: string, packet: { brokerCounter?: number | undefined; messageId?: number | undefined }): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    const queued = session.queue.findLast((p) => p.brokerCounter === packet.brokerCounter);
    if (queued !== undefined) queued.messageId = packet.messageId;
    if (session.awaited?.counter === packet.brokerCounter) session.awaited?.resume();
  }

  acknowledged(id: string, messageId: number | undefined): QueuedPacket | undefined {
    const session = this.#sessions.get(id);
    // A message that was passed over has no number yet; it stays for the replay.
    if (session === undefined || messageId === undefined) return undefined;
    const at = session.queue.findIndex((p) => p.messageId === messageId);
    if (at < 0) return undefined;
    // The episode is over once half of the space is free again.
    if (session.queue.length < MAX_SESSION_MESSAGES / 2 && session.bytes < MAX_SESSION_BYTES / 2) session.dropped = 0;
    return this.#remove(session, at);
  }

  /** True when this packet is kept for this session, so that passing it over now loses nothing. */
  keeps(id: string, packet: { brokerCounter?: number | undefined }): boolean {
    return this.#sessions.get(id)?.queue.findLast((p) => p.brokerCounter === packet.brokerCounter) !== undefined;
  }
  /** True while the queue is being sent: what is kept must not overtake it. */
  replaying(id: string): boolean {
    return this.#sessions.get(id)?.replaying === true;
  }

  /** Hands out the queue until it has nothing unsent; each packet only after the one before it was written, and as there is space. */
  replay(id: string): AsyncGenerator<QueuedPacket> {
    return this.#replay(id, this.#sessions.get(id)?.connection);
  }
  async *#replay(id: string, connection: number | undefined): AsyncGenerator<QueuedPacket> {
    for (;;) {
      await this.#options.roomy(id);
      const session = this.#sessions.get(id);
      if (session === undefined || session.connection !== connection) return;
      const next = session.queue.find((p) => p.messageId === undefined);
      if (next === undefined) {
        session.replaying = false;
        return;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      session.awaited = { counter: next.brokerCounter, resume: resolve };
      yield next;
      await promise;
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
    if (victim !== undefined) this.#lose(victim, 'displaced');
  }

  #lose(session: Session, why: 'expired' | 'displaced'): void {
    this.end(session.id);
    if (session.queue.length > 0) this.#options.onLost(session.id, session.queue.length, why);
  }

  #longest(): Session {
    let longest: Session | undefined;
    for (const session of this.#sessions.values()) if (session.bytes > (longest?.bytes ?? 0)) longest = session;
    return longest as Session;
  }

  #pushOut(session: Session): void {
    const ordinary = (p: QueuedPacket) => !p.topic.startsWith(this.#options.alarms);
    let at = session.queue.findIndex((p) => ordinary(p) && p.messageId === undefined);
    if (at < 0) at = session.queue.findIndex(ordinary);
    this.#remove(session, Math.max(at, 0));
    this.dropped++;
    if (session.dropped++ === 0) this.#options.onOverflow(session.id);
  }

  #remove(session: Session, at: number): QueuedPacket | undefined {
    const [packet] = session.queue.splice(at, 1);
    if (packet !== undefined) this.#count(session, -packet.payload.length);
    return packet;
  }

  #count(session: Session, bytes: number): void {
    session.bytes += bytes;
    this.#bytes += bytes;
  }
}
