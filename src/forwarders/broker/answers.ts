/**
 * The answers that the broker owes one client, in the order of its requests (MQTT-4.6.0-2, MQTT-4.6.0-3, MQTT-4.6.0-4). aedes
 * works on all packets of a piece of the network at once, and each waits for the disk or not. Invariants:
 * - PUBACK, PUBREC and PUBCOMP are one order, PUBREL is one, SUBACK and UNSUBACK are one; an answer that is early is held;
 * - a PUBACK that is withheld leaves when its message is on the disk, and keeps its place until then (withheld.ts);
 * - a packet of QoS 2 stays in front of the broker until all earlier ones of its number are answered: aedes would take a PUBREL
 *   before its message is stored for a late repeat, and a repeated PUBLISH for a new message;
 * - a SUBSCRIBE stays there until all UNSUBSCRIBEs before it are answered, and the other way round: aedes would find the filter that
 *   is about to be taken away, and add nothing;
 * - at most MOST_UNANSWERED requests of a client wait for an answer; what it sends behind them is not read.
 * A PINGRESP has no order: a disk that hangs must not end the connections of clients that only publish.
 */
import { MOST_UNANSWERED } from './limits.ts';
import { PACKET } from './packet-check.ts';

type Order = 'messages' | 'releases' | 'filters';

interface Owed {
  readonly answer: number;
  readonly id: number;
  /** Held until its turn. */
  bytes: Buffer | undefined;
  /** Its message is not where it has to be: it waits, written or not. */
  withheld: boolean;
}

const { publish, puback, pubrec, pubrel, pubcomp, subscribe, suback, unsubscribe, unsuback } = PACKET;

/** By the type of an answer. */
const ORDERS: Readonly<Partial<Record<number, Order>>> = {
  ...{ [puback]: 'messages', [pubrec]: 'messages', [pubcomp]: 'messages' },
  ...{ [pubrel]: 'releases', [suback]: 'filters', [unsuback]: 'filters' },
};

/** By the type of a request, a PUBLISH apart. */
const ANSWERS: Readonly<Partial<Record<number, number>>> = {
  ...{ [pubrel]: pubcomp, [pubrec]: pubrel, [subscribe]: suback, [unsubscribe]: unsuback },
};

/** @param first byte of the request @returns the type of the answer; undefined: there is none, or it has no order */
function answerTo(first: number): number | undefined {
  if (first >> 4 !== publish) return ANSWERS[first >> 4];
  const qos = (first >> 1) & 3;
  return qos === 0 ? undefined : qos === 1 ? puback : pubrec;
}

export interface AnswersSide {
  /** Writes a whole answer. */
  write(answer: Buffer): void;
  /** A packet had to wait, and may be tried again. */
  free(): void;
}

export class Answers {
  readonly #side: AnswersSide;
  readonly #owed: Readonly<Record<Order, Owed[]>> = { messages: [], releases: [], filters: [] };
  /** A packet begins with the next piece. */
  #begins = false;
  /** Pieces of the answer that is being written. */
  #pieces: Buffer[] | undefined;
  #blocked = false;

  constructor(side: AnswersSide) {
    this.#side = side;
  }

  /** Whether a packet waits in front of the broker for an answer to an earlier one. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** A packet of the client that passed the check. @param body where its variable header begins @returns false when it has to wait */
  admits(bytes: Buffer, at: number, body: number): boolean {
    const first = bytes[at] as number;
    const answer = answerTo(first);
    const order = answer === undefined ? undefined : ORDERS[answer];
    if (answer === undefined || order === undefined) return true;
    const owed = this.#owed[order];
    const id = bytes.readUInt16BE(first >> 4 === publish ? body + 2 + bytes.readUInt16BE(body) : body);
    const handshake = answer === pubrec || answer === pubcomp;
    const waits = handshake
      ? owed.some((one) => one.id === id && one.answer !== puback)
      : order === 'filters' && owed.some((one) => one.answer !== answer);
    this.#blocked = waits || owed.length >= MOST_UNANSWERED;
    if (!this.#blocked) owed.push({ answer, id, bytes: undefined, withheld: false });
    return !this.#blocked;
  }

  /** The PUBACK for a message that the broker has now does not leave. @returns lets it go; undefined: none is owed */
  withhold(id: number): (() => void) | undefined {
    const owed = this.#owed.messages;
    const its = owed.find((one) => one.answer === puback && one.id === id && one.bytes === undefined && !one.withheld);
    if (its === undefined) return undefined;
    its.withheld = true;
    return () => {
      its.withheld = false;
      this.#leave(owed);
    };
  }

  /** The broker begins a packet, or has ended one: the one before is whole. */
  next(): void {
    this.#begins = true;
    const pieces = this.#pieces;
    if (pieces === undefined) return;
    this.#pieces = undefined;
    this.#answered(Buffer.concat(pieces));
  }

  /** A piece of a packet of the broker. @returns false when it is not of an answer that has an order */
  takes(piece: unknown): boolean {
    if (this.#begins) {
      this.#begins = false;
      const order = piece instanceof Uint8Array ? ORDERS[(piece[0] as number) >> 4] : undefined;
      if (order !== undefined && this.#owed[order].length > 0) this.#pieces = [];
    }
    if (this.#pieces === undefined) return false;
    this.#pieces.push(piece as Buffer);
    return true;
  }

  #answered(bytes: Buffer): void {
    const answer = (bytes[0] as number) >> 4;
    const owed = this.#owed[ORDERS[answer] as Order];
    // The Remaining Length of a SUBACK may have two bytes.
    const at = (bytes[1] as number) < 128 ? 2 : 3;
    const id = bytes.readUInt16BE(at);
    const its = owed.find((one) => one.bytes === undefined && one.answer === answer && one.id === id);
    // A PUBREL of a session that is sent again answers nothing.
    if (its === undefined) {
      this.#side.write(bytes);
      return;
    }
    its.bytes = bytes;
    this.#leave(owed);
  }

  /** Writes those whose turn it is. */
  #leave(owed: Owed[]): void {
    while (owed[0]?.bytes !== undefined && !owed[0].withheld) this.#side.write(owed.shift()?.bytes as Buffer);
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#side.free();
  }
}
