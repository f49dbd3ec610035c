/**
 * Messages of QoS 1 and 2 on their way to one connection, by packet identifier. An acknowledgement that does not fit the QoS of
 * its message, or comes out of order, is a fault of the client and ends the connection (MQTT-4.3.2-1, MQTT-4.3.3-1, MQTT-4.8.0-1);
 * the message stays where it is queued. One for an identifier that is not on its way says nothing: it may be late, or a repeat.
 */
import { type Broken, PACKET } from './packet-check.ts';

const HIGHEST = 65_535;
/** Two bits an identifier. `released`: PUBREC was there, and PUBREL follows. */
const FREE = 0;
const QOS_1 = 1;
const QOS_2 = 2;
const RELEASED = 3;

const wrong = (words: string): Broken => ({ rule: 'order', words });
const PUBREC_1 = wrong('a PUBREC for a message that was sent with QoS 1');
const PUBCOMP_1 = wrong('a PUBCOMP for a message that was sent with QoS 1');
const PUBACK_2 = wrong('a PUBACK for a message that was sent with QoS 2');
const PUBCOMP_EARLY = wrong('a PUBCOMP for a message of QoS 2 before its PUBREC');

export class Flights {
  /** A connection that gets messages of QoS 1 or 2 has it: 16 KiB. */
  #states: Uint8Array | undefined;
  #count = 0;
  #last = 0;

  sent(id: number, qos: number): void {
    this.#set(id, qos === 2 ? QOS_2 : QOS_1);
  }
  released(id: number): void {
    this.#set(id, RELEASED);
  }

  /** Whether its message is on its way, or its PUBREL. */
  has(id: number): boolean {
    return this.#get(id) !== FREE;
  }

  /** The next identifier that is not in use; where all are, the one that is for longest. */
  next(): number {
    const after = (id: number): number => (id >= HIGHEST ? 1 : id + 1);
    let id = after(this.#last);
    if (this.#count < HIGHEST) while (this.#get(id) !== FREE) id = after(id);
    this.#last = id;
    return id;
  }

  /** The client acknowledges. @param type of PACKET @returns what is wrong with it */
  acknowledged(type: number, id: number): Broken | undefined {
    const state = this.#get(id);
    if (state === FREE) return undefined;
    if (type === PACKET.puback && state !== QOS_1) return PUBACK_2;
    if (type === PACKET.pubrec && state === QOS_1) return PUBREC_1;
    if (type === PACKET.pubcomp && state !== RELEASED) return state === QOS_1 ? PUBCOMP_1 : PUBCOMP_EARLY;
    this.#set(id, type === PACKET.pubrec ? RELEASED : FREE);
    return undefined;
  }

  #get(id: number): number {
    return this.#states === undefined ? FREE : ((this.#states[id >> 2] as number) >> ((id & 3) * 2)) & 3;
  }
  #set(id: number, state: number): void {
    this.#states ??= new Uint8Array((HIGHEST + 1) / 4);
    this.#count += Number(state !== FREE) - Number(this.#get(id) !== FREE);
    const shift = (id & 3) * 2;
    this.#states[id >> 2] = ((this.#states[id >> 2] as number) & ~(3 << shift)) | (state << shift);
  }
}
