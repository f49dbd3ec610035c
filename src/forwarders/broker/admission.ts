/**
 * A client's message before it is acknowledged. aedes writes PUBACK and hands the message on afterwards, so what has to
 * outlive a power cut goes to the store here, and `take` resolves when it is on the disk. What was admitted is recognised in
 * the queues and among the retained messages by its payload, which aedes passes on as it is.
 */
import type { BrokerStore } from '../../core/broker-store.ts';
import { copyOf, type Entry, type QueuedPacket, type Span, type Stored } from './queue.ts';
import type { Retained } from './retained.ts';
import type { Session } from './session.ts';
import type { SessionJournal } from './session-journal.ts';
import type { Sessions } from './sessions.ts';

interface Admitted {
  readonly stored: Stored;
  /** What goes into the queues; those that are left over are given up. */
  readonly entries: Map<Session, Entry>;
}

export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

interface Subscriber {
  readonly clientId: string;
  readonly qos?: number | undefined;
}

export class Admission {
  readonly #sessions: Sessions;
  readonly #retained: Retained;
  readonly #journal: SessionJournal;
  readonly #store: BrokerStore | undefined;
  readonly #admitted = new WeakMap<Buffer, Admitted>();
  readonly #retainedThen = new WeakSet<Buffer>();

  constructor(sessions: Sessions, retained: Retained, journal: SessionJournal, store: BrokerStore | undefined) {
    this.#sessions = sessions;
    this.#retained = retained;
    this.#journal = journal;
    this.#store = store;
  }

  /** Nothing more may be acknowledged before the disk has taken something. */
  get full(): boolean {
    return this.#store?.full === true;
  }

  /** Resolves when the message may be acknowledged. */
  async take(packet: Publication): Promise<void> {
    if (packet.qos === 0) return;
    this.note(packet);
    await this.#store?.settled();
  }

  /** Gives the message to the store. */
  note({ topic, payload, qos, retain }: Publication): void {
    if (this.#store === undefined) return;
    if (retain && this.#retained.takes({ topic, payload })) {
      this.#journal.retained(topic, payload, qos, 'now');
      this.#retainedThen.add(payload);
    }
    const wanted = highest(this.#sessions.subscriptions(topic));
    if (wanted.size === 0) return;
    const content = copyOf(payload);
    const stored = this.#journal.message(topic, content, qos);
    if (stored === undefined) return;
    const entries = new Map<Session, Entry>();
    for (const [id, granted] of wanted) {
      const session = this.#sessions.get(id);
      if (session === undefined) continue;
      const entry = this.#sessions.queues.entry(id, queued(topic, content, Math.min(qos, granted)), { stored });
      entries.set(session, entry);
      this.#journal.waits(session.key, stored, entry, 'now');
    }
    this.#admitted.set(payload, { stored, entries });
  }

  /** The broker puts a message into the queues of these sessions. @param own numbers of the log, of a message of the gateway */
  enqueue(subs: readonly Subscriber[], packet: QueuedPacket, own?: Span): void {
    const isOwn = this.#retained.isOwn(packet.topic);
    const admitted = this.#admitted.get(packet.payload);
    this.#admitted.delete(packet.payload);
    let { payload } = packet;
    let stored = admitted?.stored;
    for (const [id, granted] of highest(subs)) {
      const session = this.#sessions.get(id);
      if (session === undefined) continue;
      const ready = admitted?.entries.get(session);
      if (ready !== undefined) {
        admitted?.entries.delete(session);
        ready.brokerId = packet.brokerId;
        ready.brokerCounter = packet.brokerCounter;
        this.#sessions.queues.push(id, ready);
        continue;
      }
      if (stored === undefined && !isOwn) {
        payload = copyOf(payload);
        stored = this.#journal.message(packet.topic, payload, packet.qos);
      }
      const entry = this.#sessions.queues.entry(id, { ...packet, payload, qos: Math.min(packet.qos, granted) }, { own, stored });
      if (stored !== undefined) this.#journal.waits(session.key, stored, entry, 'soon');
      this.#sessions.queues.push(id, entry);
    }
    // Sessions that have given up the filter, or ended, meanwhile.
    for (const [session, entry] of admitted?.entries ?? []) {
      session.queue.remove(entry);
      if (entry.stored !== undefined) this.#journal.left(session.key, entry.stored);
    }
  }

  /** A client's retained message. */
  retain(packet: Publication & { readonly cmd: 'publish' }): void {
    const noted = this.#retainedThen.delete(packet.payload);
    if (this.#retained.keep(packet) && !noted) this.#journal.retained(packet.topic, packet.payload, packet.qos, 'soon');
  }
}

/** The highest QoS of each client. */
function highest(subs: readonly Subscriber[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { clientId, qos = 2 } of subs) found.set(clientId, Math.max(qos, found.get(clientId) ?? 0));
  return found;
}

function queued(topic: string, payload: Buffer, qos: number): QueuedPacket {
  return { cmd: 'publish', topic, payload, qos, retain: false, dup: false };
}
