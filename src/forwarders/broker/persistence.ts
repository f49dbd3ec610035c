/**
 * What aedes keeps between packets, in the shape that aedes 1.2.0 asks for (the interface of aedes-persistence 11). Four things
 * matter beyond storing:
 * - the calls on the way of a publish complete at once (`Settled`, not a promise): ../patches/aedes.ts says why. What has to
 *   be on the disk before a message is acknowledged went there before (admission.ts);
 * - a message of QoS 2 with an identifier of an earlier connection is a repeat where topic and content are the same, and a new one
 *   otherwise: its client may have lost its state. DUP does not tell: clients repeat without it. A PUBCOMP leaves when the disk has
 *   the PUBREL, so that after a kill no identifier is left whose client has finished with it;
 * - a filter counts in the turn in which aedes begins to listen for it (`Along`), behind its row on the disk;
 * - wills are in memory: they end with the broker (MQTT 3.1.1, 3.1.2.5, lets a server do so when it stops).
 */
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { BrokerPace } from '../../core/broker-store.ts';
import { SESSION_IS_PRESENT, Settled } from '../patches/aedes.ts';
import type { Admission, Publication } from './admission.ts';
import { Incoming, type IncomingPacket } from './incoming.ts';
import { MAX_INCOMING } from './limits.ts';
import { type Entry, type OutgoingPacket, packetOf, type QueuedPacket, type Span } from './queue.ts';
import type { Filter, Session, Unreleased } from './session.ts';
import type { SessionJournal } from './session-journal.ts';
import type { Sessions } from './sessions.ts';
import type { Publisher } from './withheld.ts';

interface Identified {
  readonly id: string;
  readonly clean?: boolean | undefined;
}
export interface Sent {
  readonly cmd: string;
  readonly qos?: number | undefined;
  readonly brokerCounter?: number | undefined;
  messageId?: number | undefined;
}
interface Will {
  brokerId?: string;
  clientId?: string;
}

const done: PromiseLike<void> = new Settled(undefined);
const OVER = new Error('its connection is over');

export interface PersistenceOptions {
  readonly sessions: Sessions;
  readonly admission: Admission;
  readonly journal: SessionJournal;
  /** Resolves when everything of now is on the disk, or the disk does not take it, or is late: a bounded time. */
  readonly settled: () => Promise<boolean>;
  /** A client as who waits for the acknowledgements of what it published. */
  readonly publisher: (client: object) => Publisher;
  /** What the client whose subscription was announced last gets for these filters. */
  readonly retained: (filters: readonly string[]) => Readable;
  /** Whether a filter was granted to this client. */
  readonly granted: (client: object, topic: string) => boolean;
  /** Numbers of the log that a message of the gateway itself is made of. */
  readonly span: (payload: Buffer) => Span | undefined;
  /** A PUBLISH or PUBREL is about to be written to a client with a session. */
  readonly sent: (client: object, packet: Sent) => void;
  /** Whether this client has its id now: the queue is not that of an older one any more. */
  readonly holds: (client: object & Identified) => boolean;
}

export class BrokerPersistence {
  readonly #o: PersistenceOptions;
  readonly #incoming = new Incoming();
  /** The wills of connected clients. */
  readonly #wills = new Map<string, Will>();
  broker: { readonly id: string } | undefined;

  /** QoS 2 messages whose content found no space until their PUBREL. */
  get withoutContent(): number {
    return this.#incoming.withoutContent;
  }

  constructor(options: PersistenceOptions) {
    this.#o = options;
    options.sessions.onNothingLeft = (id) => this.#incoming.forget(id);
  }

  // aedes looks whether this is an async function
  async setup(broker: { readonly id: string }): Promise<void> {
    this.broker = broker;
  }
  async destroy(): Promise<void> {}

  storeRetained(packet: Publication & { readonly cmd: 'publish' }): PromiseLike<void> {
    this.#o.admission.retain(packet);
    return done;
  }
  createRetainedStream(pattern: string): Readable {
    return this.createRetainedStreamCombi([pattern]);
  }
  createRetainedStreamCombi(patterns: readonly string[]): Readable {
    return this.#o.retained(patterns);
  }

  /** aedes asks once for each filter of a packet, with all of them: those behind it are not granted yet. */
  addSubscriptions(client: Identified, filters: readonly Filter[]): PromiseLike<void> {
    const granted = filters.filter(({ topic }) => this.#o.granted(client, topic));
    const count = this.#o.sessions.announce(client.id, granted);
    return new Along(this.#patiently(), count);
  }
  async removeSubscriptions(client: Identified, topics: readonly string[]): Promise<void> {
    this.#o.sessions.unsubscribe(client.id, topics);
    await this.#patiently();
  }
  async subscriptionsByClient(client: Identified): Promise<Filter[]> {
    const filters = this.#o.sessions.filters(client.id);
    const isPresent = this.#o.sessions.get(client.id)?.isPresent === true;
    return filters.length === 0 && isPresent ? [SESSION_IS_PRESENT] : filters;
  }
  async cleanSubscriptions(client: Identified): Promise<void> {
    this.#o.sessions.end(client.id);
  }
  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    const filters = [...this.#o.sessions.all()].map((session) => [...session.filters.values()]);
    return {
      subsCount: filters.flat().filter(({ qos }) => qos > 0).length,
      clientsCount: filters.filter(({ length }) => length > 0).length,
    };
  }
  subscriptionsByTopic(topic: string): PromiseLike<{ clientId: string; topic: string; qos: number }[]> {
    return new Settled(this.#o.sessions.subscriptions(topic));
  }
  getClientList(topic: string): Readable {
    return Readable.from([...this.#o.sessions.all()].filter(({ filters }) => filters.has(topic)).map(({ id }) => id));
  }

  outgoingEnqueue(sub: { clientId: string; qos?: number }, packet: QueuedPacket): PromiseLike<void> {
    return this.outgoingEnqueueCombi([sub], packet);
  }
  outgoingEnqueueCombi(subs: readonly { clientId: string; qos?: number }[], packet: QueuedPacket): PromiseLike<void> {
    this.#o.admission.enqueue(subs, packet, this.#o.span(packet.payload));
    return done;
  }
  /** About to be written. To a client that was taken over nothing is: what it had on its way is in the queue of the next one. */
  outgoingUpdate(client: Identified, packet: Sent): PromiseLike<void> {
    if (!this.#o.holds(client)) return Promise.reject(new Error('another connection has its id'));
    if (packet.cmd === 'publish') {
      this.#o.sessions.queues.written(client.id, packet);
      this.#o.sent(client, packet);
      return done;
    }
    const unknown = this.#o.sessions.queues.released(client.id, packet.messageId);
    this.#o.sent(client, packet);
    return unknown === undefined ? done : this.#tried(unknown);
  }
  async outgoingClearMessageId(client: Identified, packet: Sent): Promise<OutgoingPacket | undefined> {
    return this.#o.sessions.queues.acknowledged(client.id, packet.messageId);
  }
  /** To a connected client one after the other, as they are written; of one that is away, what its queue holds. */
  outgoingStream(client: Identified): Readable {
    if (!this.#o.holds(client)) return Readable.from([]);
    const session = this.#o.sessions.get(client.id);
    if (session?.awaySince !== undefined) return Readable.from(session.queue.entries.map(packetOf));
    return Readable.from(this.#o.sessions.queues.replay(client.id), { highWaterMark: 1 });
  }

  async incomingStorePacket(client: Identified, packet: IncomingPacket & Publication): Promise<void> {
    const session = this.#sessionOf(client);
    const { messageId } = packet;
    const by = (): Publisher => this.#o.publisher(client);
    // Nobody repeats it, and its identifier would be taken for one of the next connection with that id.
    if (session === undefined && !this.#o.holds(client)) {
      if (!(await this.#o.admission.take(packet, by))) throw OVER;
      return;
    }
    // aedes counts those of a connection; a session outlives it.
    if (session !== undefined && messageId !== undefined && isFull(session.incoming, messageId) && !this.#forgetsOne(session))
      throw new Error(`maxInflightInbound exceeded: ${MAX_INCOMING} messages of its session wait for their PUBREL`);
    this.#incoming.store(client.id, packet);
    let one: Unreleased | undefined;
    if (session !== undefined && messageId !== undefined) {
      this.#noteDone(session, messageId);
      const sum = markOf(packet);
      one = { sum, connection: session.connection, stored: false };
      session.incoming.set(messageId, one);
    }
    // With its message in one commit: an identifier alone on the disk would make a repeat of a lost message look known.
    const along = (given: boolean): void => {
      if (session === undefined || messageId === undefined || one === undefined) return;
      if (this.#sessionOf(client) !== session || session.incoming.get(messageId) !== one) return;
      if (given) one.stored = this.#o.journal.incoming(session.key, messageId, one.sum);
      else this.#o.journal.incomingDone(session.key, messageId, one.sum, 'later');
    };
    const taking = this.#o.admission.take(packet, by, along);
    if (one !== undefined) one.taking = taking;
    if (await taking) {
      if (one !== undefined) one.taking = undefined;
      return;
    }
    // Its client sends it again, and that is no repeat. Another message may have its identifier by now.
    if (messageId === undefined || session?.incoming.get(messageId) === one) {
      this.#incoming.remove(client.id, messageId);
      this.#noteDone(session, messageId);
    }
    throw OVER;
  }
  /** A PUBLISH that may be a repeat, or a PUBREL. */
  async incomingGetPacket(client: Identified, asked: Sent & Partial<IncomingPacket>): Promise<IncomingPacket> {
    const { cmd, messageId } = asked;
    const session = this.#sessionOf(client);
    const kept = this.#incoming.get(client.id, messageId);
    const one = messageId === undefined ? undefined : session?.incoming.get(messageId);
    if (session !== undefined && one !== undefined && cmd === 'publish' && one.connection !== session.connection) {
      if (one.sum !== 0 && one.sum !== markOf(asked)) throw new Error('another message had its identifier');
      one.connection = session.connection;
    }
    // It is not on the disk yet, and may not come there: its connection may be over.
    if (cmd === 'publish' && one?.taking !== undefined && !(await one.taking)) throw new Error('no such packet');
    // An earlier run left no more than that it was there.
    if (kept === undefined && one === undefined) throw new Error('no such packet');
    return kept ?? { messageId, payload: Buffer.alloc(0) };
  }
  async incomingDelPacket(client: Identified, { messageId }: Sent): Promise<void> {
    const session = this.#sessionOf(client);
    if (session === undefined && !this.#o.holds(client)) throw new Error('another connection has its id, or none');
    // After the PUBCOMP its client may give the identifier to a message with the same content. No start may take that for a repeat.
    const isStored = messageId !== undefined && session?.incoming.get(messageId)?.stored === true;
    if (isStored && !(await this.#isForgotten(client, session, messageId))) throw OVER;
    const known = this.#incoming.remove(client.id, messageId);
    const noted = isStored ? session.incoming.delete(messageId) : this.#noteDone(session, messageId, 'now');
    if (!noted && !known) throw new Error('no such packet');
  }
  /** aedes asks at the beginning and at the end of a clean session. By its end another connection may have its id. */
  async cleanIncoming(client: Identified): Promise<void> {
    if (this.#o.holds(client)) this.#incoming.forget(client.id);
  }

  async putWill(client: Identified, will: Will): Promise<void> {
    if (this.broker !== undefined) will.brokerId = this.broker.id;
    will.clientId = client.id;
    this.#wills.set(client.id, will);
  }
  async getWill(client: Identified): Promise<Will | undefined> {
    return this.#wills.get(client.id);
  }
  async delWill(client: Identified): Promise<Will | undefined> {
    const will = this.#wills.get(client.id);
    this.#wills.delete(client.id);
    return will;
  }
  streamWill(brokers: Readonly<Record<string, unknown>> = {}): Readable {
    return Readable.from(
      [...this.#wills.values()].filter(({ brokerId }) => brokerId === undefined || brokers[brokerId] === undefined),
    );
  }

  /** A clean connection has none: that of its id belongs to another connection. */
  #sessionOf({ id, clean }: Identified): Session | undefined {
    return clean === true ? undefined : this.#o.sessions.get(id);
  }
  /** @returns whether its session had it */
  #noteDone(session: Session | undefined, messageId: number | undefined, pace: BrokerPace = 'soon'): boolean {
    const one = messageId === undefined ? undefined : session?.incoming.get(messageId);
    if (session === undefined || messageId === undefined || one === undefined) return false;
    session.incoming.delete(messageId);
    this.#o.journal.incomingDone(session.key, messageId, one.sum, pace);
    return true;
  }
  /** Resolves when the disk has it no more. In memory it stays until then: a repeated PUBREL waits as well. @returns false: nobody waits */
  async #isForgotten(client: Identified, { key, incoming }: Session, messageId: number): Promise<boolean> {
    for (;;) {
      this.#o.journal.incomingDone(key, messageId, incoming.get(messageId)?.sum ?? 0, 'now');
      if (await this.#o.admission.tried()) return true;
      if (!(await this.#o.admission.onDisk(this.#o.publisher(client)))) return false;
    }
  }
  /** Gives up an identifier of an earlier connection that its client has not repeated. @returns false: there is none */
  #forgetsOne(session: Session): boolean {
    const [oldest] = session.incoming.entries().filter(([, { connection }]) => connection !== session.connection);
    if (oldest === undefined) return false;
    this.#incoming.remove(session.id, oldest[0]);
    return this.#noteDone(session, oldest[0]);
  }
  /** A disk that hangs holds up nothing else of this client. */
  async #tried(released: Entry): Promise<void> {
    if (await this.#o.admission.tried()) this.#o.sessions.queues.known(released);
  }
  /** A disk that hangs keeps nobody from subscribing: the store follows when it can. */
  async #patiently(): Promise<void> {
    await this.#o.settled();
  }
}

/** A wait after which something is done in the same turn as what follows it: between two callbacks of a promise others have their turn. */
class Along implements PromiseLike<undefined> {
  readonly #over: Promise<void>;
  readonly #act: () => void;
  constructor(over: Promise<void>, act: () => void) {
    this.#over = over;
    this.#act = act;
  }
  // biome-ignore lint/suspicious/noThenProperty: aedes calls `then` on what it gets, and that is the point
  then<A = undefined, B = never>(
    fulfilled?: ((value: undefined) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#over.then(() => {
      this.#act();
      return fulfilled?.(undefined) as A;
    }, rejected);
  }
}

function isFull(incoming: ReadonlyMap<number, unknown>, next: number): boolean {
  return incoming.size >= MAX_INCOMING && !incoming.has(next);
}

/** Tells a repeat from another message. A client may repeat without DUP, and some do. */
function markOf({ topic = '', payload }: { readonly topic?: string | undefined; readonly payload?: Buffer | undefined }): number {
  return crc32(payload ?? '', crc32(topic));
}
