/** The queue of one session: in the order in which messages came, with the packet identifiers that are in use. */

import type { Measure } from './shares.ts';

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
/** What is left of a QoS 2 message that its receiver has. */
export interface ReleasedPacket {
  cmd: 'pubrel';
  messageId: number;
  brokerCounter?: undefined;
  dup?: undefined;
}
export type OutgoingPacket = QueuedPacket | ReleasedPacket;

/** Numbers of the log that a message of the gateway itself is made of. */
export interface Span {
  readonly log: string;
  readonly first: number;
  readonly last: number;
}

/** A message of a client in the store: counted, since several sessions may wait for it. */
export interface Stored {
  readonly message: number;
  /** Sessions that wait for it. */
  waits: number;
  /** Called when no session waits for it any more. */
  over?: (() => void) | undefined;
}

export interface Entry {
  brokerId: string | undefined;
  brokerCounter: number | undefined;
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  dup: boolean;
  /** Its packet identifier; undefined until it has one. It keeps it over connections (MQTT-4.4.0-1). */
  messageId: number | undefined;
  /** Handed to the connection of now. */
  sent: boolean;
  /** Its receiver has it (QoS 2): only PUBREL is still to be answered. */
  released: boolean;
  readonly own: Span | undefined;
  readonly stored: Stored | undefined;
  /** The account that published it; GATEWAY: the gateway did. */
  readonly from: string;
}

/** No account has this name. */
export const GATEWAY = '';

const HIGHEST = 65_535;
/** Identifiers that are looked at for one that is not in flight; then one that is in flight is taken. */
const MOST_LOOKS = 8192;
export const nothingInFlight = (): boolean => false;
/** Sources of which nothing is in the queue now and that are still noted. */
const IDLE_SOURCES = 16;

interface Use {
  count: number;
  bytes: number;
}

export class Queue {
  readonly entries: Entry[] = [];
  /** They are those of topics and payloads. */
  bytes = 0;
  /** What is in it, by whom it came from. */
  readonly #from = new Map<string, Use>();
  readonly #numbers = new Map<number, Entry>();
  #next = 1;
  #nextOther = HIGHEST;
  /** Whether an identifier is on its way to the client that is here, for a message of the queue or another one. */
  inFlight: (messageId: number) => boolean = nothingInFlight;

  get length(): number {
    return this.entries.length;
  }

  push(entry: Entry): void {
    this.entries.push(entry);
    this.#came(entry);
  }

  /** Puts entries before the first of which `isLater` says so. */
  insert(entries: readonly Entry[], isLater: (entry: Entry) => boolean): void {
    const at = this.entries.findIndex(isLater);
    this.entries.splice(at < 0 ? this.entries.length : at, 0, ...entries);
    for (const entry of entries) this.#came(entry);
  }

  remove(entry: Entry): void {
    if (entry.messageId !== undefined && this.#numbers.get(entry.messageId) === entry) this.#numbers.delete(entry.messageId);
    const at = this.entries.indexOf(entry);
    if (at < 0) return;
    this.entries.splice(at, 1);
    const bytes = sizeOf(entry);
    this.bytes -= bytes;
    const from = this.#from.get(entry.from);
    if (from === undefined) return;
    from.bytes -= bytes;
    // Most come again.
    if (--from.count <= 0 && this.#from.size > IDLE_SOURCES) this.#from.delete(entry.from);
  }

  /** Those from whom it has anything, with the most first. @param first where others have as much */
  sources(by: Measure, first: string): string[] {
    const more = ([one, a]: [string, Use], [other, b]: [string, Use]): number =>
      b[by] - a[by] || Number(other === first) - Number(one === first);
    return [...this.#from]
      .filter(([, { count }]) => count > 0)
      .sort(more)
      .map(([from]) => from);
  }

  numbered(messageId: number): Entry | undefined {
    return this.#numbers.get(messageId);
  }

  /** Gives an entry a packet identifier that no other message has: its own, else the wished one, else the next that is free. */
  number(entry: Entry, wish: number | undefined): number {
    if (entry.messageId !== undefined) return entry.messageId;
    const free = wish !== undefined && this.#isFree(wish, 0) ? wish : this.#free();
    entry.messageId = free;
    this.#numbers.set(free, entry);
    return free;
  }

  /** A packet identifier for a message that is not in the queue, from the other end. */
  otherNumber(): number {
    let looks = 0;
    do this.#nextOther = this.#nextOther <= 1 ? HIGHEST : this.#nextOther - 1;
    while (!this.#isFree(this.#nextOther, looks++));
    return this.#nextOther;
  }

  #free(): number {
    for (let looks = 0; !this.#isFree(this.#next, looks); looks++) this.#next = this.#next >= HIGHEST ? 1 : this.#next + 1;
    return this.#next;
  }

  /** A client that acknowledges nothing has all of them in flight. The queue has fewer messages than there are (limits.ts). */
  #isFree(messageId: number, looks: number): boolean {
    return !this.#numbers.has(messageId) && (looks >= MOST_LOOKS || !this.inFlight(messageId));
  }

  #came(entry: Entry): void {
    const bytes = sizeOf(entry);
    this.bytes += bytes;
    const from = this.#from.get(entry.from);
    if (from === undefined) this.#from.set(entry.from, { count: 1, bytes });
    else {
      from.count++;
      from.bytes += bytes;
    }
    if (entry.messageId !== undefined) this.#numbers.set(entry.messageId, entry);
  }
}

/** As aedes takes it. */
export function packetOf(entry: Entry): OutgoingPacket {
  const { brokerId, brokerCounter, topic, payload, qos, dup, messageId } = entry;
  if (entry.released && messageId !== undefined) return { cmd: 'pubrel', messageId };
  return { cmd: 'publish', brokerId, brokerCounter, topic, payload, qos, retain: false, dup, messageId };
}

/** What a message counts: a topic takes memory and disk as a payload does. */
export function sizeOf({ topic, payload }: { readonly topic: string; readonly payload: Uint8Array }): number {
  return Buffer.byteLength(topic) + payload.length;
}

/** A view of a part of something larger would keep all of it. aedes passes texts of its own on as they are. */
export function copyOf(payload: Buffer): Buffer {
  return payload instanceof Uint8Array ? Buffer.from(payload) : payload;
}
