/**
 * A client's message before it is acknowledged. aedes writes PUBACK and hands the message on afterwards, so what has to
 * outlive a power cut goes to the store here, and `take` resolves when it is on the disk. What was admitted is recognised in
 * the queues and among the retained messages by its payload, which aedes passes on as it is. Invariants:
 * - what `take` brought to the disk is handed on, whether or not its PUBACK can still be written (make-aedes.ts);
 * - while the disk takes nothing or is late, a message of QoS 1 is handed on and its PUBACK waits (withheld.ts). One of QoS 2 waits
 *   itself: its receivers would have it twice. What no session and no later subscriber needs is acknowledged all the same;
 * - the row of a message stays while any session is still being given it;
 * - accounts take turns (lanes.ts): nobody waits for all that another one has published. One retained message of a topic may pass one of
 *   another account on the way, so the row of the topic is that of the one that came last to the receivers.
 */
import type { BrokerStore } from '../../core/broker-store.ts';
import type { Clock } from '../../core/clock.ts';
import { DiskWait } from './disk-wait.ts';
import { type Given, Lanes, type Turns } from './lanes.ts';
import { MAX_ACCOUNT_UNSETTLED, MAX_ACCOUNT_UNSETTLED_MESSAGES, MAX_UNSETTLED, MAX_UNSETTLED_BEHIND } from './limits.ts';
import { copyOf, type Entry, GATEWAY, type QueuedPacket, type Span, type Stored, sizeOf } from './queue.ts';
import type { Retained } from './retained.ts';
import type { Session } from './session.ts';
import type { SessionJournal } from './session-journal.ts';
import type { Sessions } from './sessions.ts';
import { Ledger } from './shares.ts';
import { type Held, type Publisher, Withheld } from './withheld.ts';

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
  readonly messageId?: number | undefined;
}

/** A client's message, and its account. */
interface Published extends Publication {
  readonly from: string;
}

/** What is handed on before the disk has it. */
interface HandedOn {
  readonly held: Held;
  /** Its retained message has to be on the disk as well. */
  readonly retained: boolean;
  /** What queues have of it. */
  readonly places: [Session, Entry][];
}

/** Gives what belongs into the same commit as a message. @param given false: the message waits, and all of it is taken back */
type Along = (given: boolean) => void;

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
  /** By topics: the noted one whose row it is. One that came before it leaves the row alone. Bounded as what is unsettled. */
  readonly #rowOf = new Map<string, Buffer>();
  /** The accounts of what clients publish. */
  readonly #from = new WeakMap<Buffer, string>();
  /** Bytes of topics and payloads that wait for the disk. */
  readonly #unsettled = new Ledger(NO_BOUND, NO_BOUND);
  readonly #disk: DiskWait | undefined;
  readonly #withheld: Withheld | undefined;
  readonly #handedOn = new WeakMap<Buffer, HandedOn>();
  readonly #lanes: Lanes;

  constructor(
    sessions: Sessions,
    retained: Retained,
    journal: SessionJournal,
    store: BrokerStore | undefined,
    clock: Clock,
    turns?: Turns | undefined,
  ) {
    this.#lanes = new Lanes(turns);
    this.#disk = store === undefined ? undefined : new DiskWait(store, clock);
    this.#withheld = store === undefined ? undefined : new Withheld(store, clock);
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
    const { count, bytes } = this.#unsettled.of(from);
    const most = this.#store.full || this.#unsettled.bytes > MAX_UNSETTLED ? MAX_UNSETTLED_BEHIND : MAX_ACCOUNT_UNSETTLED;
    return count === 0 || (count < MAX_ACCOUNT_UNSETTLED_MESSAGES && bytes + sizeOf(packet) <= most);
  }

  /** Messages that wait for their acknowledgement, or for the disk, and bytes of their topics and payloads. */
  get withheld(): { readonly count: number; readonly bytes: number } {
    const { count, bytes } = this.#withheld ?? NOTHING;
    return { count, bytes };
  }

  /**
   * Resolves when the message may go on: one of QoS 1 may be handed on, one of QoS 2 handed on and acknowledged.
   * @param by its client; undefined: nobody waits for an answer
   * @param along what belongs into the same commit; called each time when the message is given to the store, or taken back
   * @returns false: its connection is over, and the message is not on the disk
   */
  async take(packet: Publication, by: (() => Publisher) | undefined, along: Along = () => {}): Promise<boolean> {
    if (packet.qos === 0) return true;
    const disk = this.#disk;
    if (disk === undefined) {
      along(true);
      return true;
    }
    const from = this.#fromOf(packet.payload);
    const size = sizeOf(packet);
    this.#unsettled.add(from, 1, size);
    const settled = (): void => this.#unsettled.add(from, -1, -size);
    let isNeeded = false;
    const give = (): Given => {
      along(true);
      isNeeded = this.note({ ...packet, from });
      return { rows: this.#rowsOf(packet.payload), settles: disk.tried() };
    };
    const isSafe = await this.#lanes.pass(from, size, give, by);
    if (isSafe || !isNeeded) {
      settled();
      return true;
    }
    // The store may have left it out.
    const retained = this.#unnote(packet);
    if (by === undefined) {
      settled();
      return true;
    }
    return packet.qos === 1 ? this.#handOn(packet, by(), retained, settled) : this.#wait(packet, by(), settled, along);
  }

  /** Resolves with whether everything of now is on the disk; it waits for a late one no longer (disk-wait.ts). */
  tried(): Promise<boolean> {
    return this.#disk?.tried() ?? Promise.resolve(true);
  }

  /** Resolves when the disk has what it was given. @returns false: the connection is over */
  async onDisk(by: Publisher): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    by.readOn();
    const held = this.#withheld?.add({ by, bytes: 0, end: resolve });
    if (held === undefined) return true;
    this.#withheld?.given(held);
    return promise;
  }

  /** Its PUBACK waits, and nothing else. */
  #handOn(packet: Publication, by: Publisher, retained: boolean, settled: () => void): boolean {
    const leaves = packet.messageId === undefined || by.isOver ? undefined : by.withhold(packet.messageId);
    const places: HandedOn['places'] = [];
    if (leaves === undefined || this.#withheld === undefined) {
      settled();
      return false;
    }
    const held = this.#withheld.add({
      ...{ by, bytes: sizeOf(packet) },
      end: (acknowledged) => {
        settled();
        if (acknowledged) leaves();
        else for (const [session, entry] of places) this.#sessions.queues.takeBack(session, entry);
      },
    });
    this.#handedOn.set(packet.payload, { held, retained, places });
    return true;
  }

  /** It waits itself. */
  #wait(packet: Publication, by: Publisher, settled: () => void, along: Along): Promise<boolean> {
    // A commit may come before it is given again.
    along(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const from = this.#fromOf(packet.payload);
    by.readOn();
    const held = this.#withheld?.add({
      ...{ by, bytes: sizeOf(packet) },
      // Anew each time: sessions come and go meanwhile.
      note: () => {
        this.#unnote(packet);
        along(true);
        return this.note({ ...packet, from });
      },
      end: (acknowledged) => {
        settled();
        if (!acknowledged) this.#unnote(packet);
        resolve(acknowledged);
      },
    });
    if (held !== undefined) this.#withheld?.given(held);
    return promise;
  }

  /** What `note` gave to the store, at least. */
  #rowsOf(payload: Buffer): number {
    return 1 + (this.#admitted.get(payload)?.entries.size ?? 0);
  }

  /** Takes back what `note` did. @returns whether a retained message was noted */
  #unnote({ topic, payload }: Publication): boolean {
    const admitted = this.#admitted.get(payload);
    this.#admitted.delete(payload);
    if (admitted !== undefined) this.#drop(admitted);
    const noted = this.#retainedThen.delete(payload);
    if (this.#endsRow(topic, payload)) this.#noteBefore(topic);
    return noted;
  }

  #drop({ entries }: Admitted): void {
    for (const [session, entry] of entries) {
      session.queue.remove(entry);
      if (entry.stored !== undefined) this.#journal.left(session.key, entry.stored);
    }
  }

  /** Gives the message to the store. @returns whether anybody needs it there */
  note({ topic, payload, qos, retain, from }: Published): boolean {
    if (this.#store === undefined) return false;
    if (retain && this.#retained.takes({ topic, payload }, from)) {
      this.#journal.retained(topic, payload, qos, from, 'now');
      this.#retainedThen.add(payload);
      this.#rowOf.set(topic, payload);
    }
    const wanted = highest(this.#sessions.subscriptions(topic));
    if (wanted.size === 0) return this.#retainedThen.has(payload);
    const content = copyOf(payload);
    const stored = this.#journal.message(topic, content, qos, from);
    if (stored === undefined) return false;
    const entries = new Map<Session, Entry>();
    for (const [id, granted] of wanted) {
      const session = this.#sessions.get(id);
      if (session === undefined) continue;
      const entry = this.#sessions.queues.entry(id, queued(topic, content, Math.min(qos, granted)), { stored, from });
      entries.set(session, entry);
      this.#journal.waits(session.key, stored, entry, 'now');
    }
    this.#admitted.set(payload, { stored, entries });
    return true;
  }

  /** The broker puts a message into the queues of these sessions. @param own numbers of the log, of a message of the gateway */
  enqueue(subs: readonly Subscriber[], packet: QueuedPacket, own?: Span): void {
    const isOwn = this.#retained.isOwn(packet.topic);
    const from = isOwn ? GATEWAY : this.#fromOf(packet.payload);
    const admitted = this.#admitted.get(packet.payload);
    this.#admitted.delete(packet.payload);
    const handedOn = this.#handedOn.get(packet.payload);
    this.#handedOn.delete(packet.payload);
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
      handedOn?.places.push([session, entry]);
    }
    // Sessions that have given up the filter, or ended, meanwhile.
    if (admitted !== undefined) this.#drop(admitted);
    if (handedOn !== undefined) this.#isWithThem(handedOn, stored);
    if (stored !== undefined && --stored.waits <= 0) this.#journal.forget(stored);
  }

  /** Those who get it have it: its acknowledgement waits for the disk, or for the last of the sessions that need it. */
  #isWithThem({ held, retained, places }: HandedOn, stored: Stored | undefined): void {
    // Its connection has ended on the way.
    if (held.by.isOver) for (const [session, entry] of places) this.#sessions.queues.takeBack(session, entry);
    if (!retained && stored === undefined) {
      this.#withheld?.needless(held);
      return;
    }
    if (!retained && stored !== undefined) stored.over = () => this.#withheld?.needless(held);
    this.#withheld?.given(held);
  }

  /** A client's retained message. */
  retain(packet: Publication & { readonly cmd: 'publish' }): void {
    const { topic, payload, qos } = packet;
    this.#retainedThen.delete(payload);
    const from = this.#fromOf(payload);
    const kept = this.#retained.keep(packet, from);
    const hadRow = this.#endsRow(topic, payload);
    // One of another account was noted later and came earlier, or none was noted.
    if (kept && !hadRow && !this.#rowOf.has(topic)) this.#journal.retained(topic, payload, qos, from, 'soon');
    // Others of its account have taken its space since then.
    if (!kept && hadRow) this.#noteBefore(topic);
  }

  /** It is noted no more. @returns whether the row of its topic was its own */
  #endsRow(topic: string, payload: Buffer): boolean {
    return this.#rowOf.get(topic) === payload && this.#rowOf.delete(topic);
  }

  /** The retained message that was there before stays. */
  #noteBefore(topic: string): void {
    const before = this.#retained.of(topic);
    if (before === undefined) this.#journal.unretained(topic, 'soon');
    else this.#journal.retained(topic, before.payload, before.qos, before.from, 'soon');
  }

  #fromOf(payload: Buffer): string {
    return this.#from.get(payload) ?? GATEWAY;
  }
}

const NOTHING = { count: 0, bytes: 0 };
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
