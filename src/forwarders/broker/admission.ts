/**
 * A client's message before it is acknowledged. aedes writes PUBACK and hands the message on afterwards, so what has to
 * outlive a power cut goes to the store here, and `take` resolves when it is on the disk. What was admitted is recognised in
 * the queues and among the retained messages by its payload, which aedes passes on as it is. Invariants:
 * - what `take` gave to the disk is handed on, whether or not its PUBACK can still be written (make-aedes.ts);
 * - the row of a message stays while any session is still being given it;
 * - those that one commit has brought to the disk go on in turns: all at once, thousands would hold up the polls.
 */
import type { BrokerStore } from '../../core/broker-store.ts';
import { MAX_ACCOUNT_UNSETTLED, MAX_UNSETTLED_BEHIND } from './limits.ts';
import { copyOf, type Entry, GATEWAY, type QueuedPacket, type Span, type Stored, sizeOf } from './queue.ts';
import type { Retained } from './retained.ts';
import type { Session } from './session.ts';
import type { SessionJournal } from './session-journal.ts';
import type { Sessions } from './sessions.ts';
import { Ledger } from './shares.ts';

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

/** A client's message, and its account. */
interface Published extends Publication {
  readonly from: string;
}

/** What core/turns.ts lets through. */
export interface Turns {
  enter(): boolean;
  later(run: () => void): void;
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
  /** The accounts of what clients publish. */
  readonly #from = new WeakMap<Buffer, string>();
  /** Bytes of topics and payloads that wait for the disk. */
  readonly #unsettled = new Ledger(NO_BOUND, { count: Number.POSITIVE_INFINITY, bytes: MAX_ACCOUNT_UNSETTLED });

  readonly #turns: Turns | undefined;
  /** Those on the disk that have not had their turn; bounded as what is unsettled. */
  #behind = 0;

  constructor(
    sessions: Sessions,
    retained: Retained,
    journal: SessionJournal,
    store: BrokerStore | undefined,
    turns?: Turns | undefined,
  ) {
    this.#turns = turns;
    this.#sessions = sessions;
    this.#retained = retained;
    this.#journal = journal;
    this.#store = store;
  }

  /**
   * A client publishes.
   * @returns false: its account has published more than the disk takes. One that has little waiting is served while others wait
   */
  arrives(packet: Publication, from: string): boolean {
    const { payload, qos } = packet;
    if (payload instanceof Uint8Array) this.#from.set(payload, from);
    // One of QoS 0 waits for nothing, and what is kept of it is bounded where it is kept.
    if (qos === 0 || this.#store === undefined) return true;
    const { bytes } = this.#unsettled.of(from);
    return bytes === 0 || bytes + sizeOf(packet) <= (this.#store.full ? MAX_UNSETTLED_BEHIND : MAX_ACCOUNT_UNSETTLED);
  }

  /** Resolves when the message may be acknowledged. */
  async take(packet: Publication): Promise<void> {
    if (packet.qos === 0) return;
    const from = this.#fromOf(packet.payload);
    this.note({ ...packet, from });
    if (this.#store === undefined) return;
    const size = sizeOf(packet);
    this.#unsettled.add(from, 1, size);
    await this.#store.settled();
    const turns = this.#turns;
    // In their order: nobody overtakes who waits.
    if (turns !== undefined && (this.#behind > 0 || !turns.enter())) {
      this.#behind++;
      await new Promise<void>((resolve) => turns.later(resolve));
      this.#behind--;
    }
    this.#unsettled.add(from, -1, -size);
  }

  /** Gives the message to the store. */
  note({ topic, payload, qos, retain, from }: Published): void {
    if (this.#store === undefined) return;
    if (retain && this.#retained.takes({ topic, payload }, from)) {
      this.#journal.retained(topic, payload, qos, from, 'now');
      this.#retainedThen.add(payload);
    }
    const wanted = highest(this.#sessions.subscriptions(topic));
    if (wanted.size === 0) return;
    const content = copyOf(payload);
    const stored = this.#journal.message(topic, content, qos, from);
    if (stored === undefined) return;
    const entries = new Map<Session, Entry>();
    for (const [id, granted] of wanted) {
      const session = this.#sessions.get(id);
      if (session === undefined) continue;
      const entry = this.#sessions.queues.entry(id, queued(topic, content, Math.min(qos, granted)), { stored, from });
      entries.set(session, entry);
      this.#journal.waits(session.key, stored, entry, 'now');
    }
    this.#admitted.set(payload, { stored, entries });
  }

  /** The broker puts a message into the queues of these sessions. @param own numbers of the log, of a message of the gateway */
  enqueue(subs: readonly Subscriber[], packet: QueuedPacket, own?: Span): void {
    const isOwn = this.#retained.isOwn(packet.topic);
    const from = isOwn ? GATEWAY : this.#fromOf(packet.payload);
    const admitted = this.#admitted.get(packet.payload);
    this.#admitted.delete(packet.payload);
    let { payload } = packet;
    let stored = admitted?.stored;
    // Held until everybody has it: a full queue may push it out before the next session gets it.
    if (stored !== undefined) stored.waits++;
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
        stored = this.#journal.message(packet.topic, payload, packet.qos, from);
        if (stored !== undefined) stored.waits++;
      }
      const entry = this.#sessions.queues.entry(
        id,
        { ...packet, payload, qos: Math.min(packet.qos, granted) },
        { own, stored, from },
      );
      if (stored !== undefined) this.#journal.waits(session.key, stored, entry, 'soon');
      this.#sessions.queues.push(id, entry);
    }
    // Sessions that have given up the filter, or ended, meanwhile.
    for (const [session, entry] of admitted?.entries ?? []) {
      session.queue.remove(entry);
      if (entry.stored !== undefined) this.#journal.left(session.key, entry.stored);
    }
    if (stored !== undefined && --stored.waits <= 0) this.#journal.forget(stored);
  }

  /** A client's retained message. */
  retain(packet: Publication & { readonly cmd: 'publish' }): void {
    const { topic, payload, qos } = packet;
    const noted = this.#retainedThen.delete(payload);
    const from = this.#fromOf(payload);
    const kept = this.#retained.keep(packet, from);
    if (kept && !noted) this.#journal.retained(topic, payload, qos, from, 'soon');
    if (kept || !noted) return;
    // Others of its account have taken its space since then: what was there before stays.
    const before = this.#retained.of(topic);
    if (before === undefined) this.#journal.unretained(topic, 'soon');
    else this.#journal.retained(topic, before.payload, before.qos, before.from, 'soon');
  }

  #fromOf(payload: Buffer): string {
    return this.#from.get(payload) ?? GATEWAY;
  }
}

const NO_BOUND = { count: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

/** The highest QoS of each client. */
function highest(subs: readonly Subscriber[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { clientId, qos = 2 } of subs) found.set(clientId, Math.max(qos, found.get(clientId) ?? 0));
  return found;
}

function queued(topic: string, payload: Buffer, qos: number): QueuedPacket {
  return { cmd: 'publish', topic, payload, qos, retain: false, dup: false };
}
