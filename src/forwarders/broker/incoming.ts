/**
 * QoS 2 messages that clients have published and not released (MQTT-4.3.3): a repeated one is recognised by its packet
 * identifier. Of persistent sessions the identifiers are stored; the content has gone to its receivers already. Invariants:
 * - an identifier ends with its session: in a later one of the same client it is that of another message;
 * - a client has MAX_INCOMING at most: aedes counts those of a connection, the persistence those of a session;
 * - contents with their topics have MAX_INCOMING_BYTES at most, and are copies: a view would keep what it came with.
 */
import { MAX_INCOMING_BYTES } from './limits.ts';
import { sizeOf } from './queue.ts';

/** As aedes has them. */
export interface IncomingPacket {
  readonly messageId?: number | undefined;
  readonly payload: Buffer;
  readonly cmd?: string | undefined;
  readonly topic?: string | undefined;
  readonly qos?: number | undefined;
  readonly dup?: boolean | undefined;
  readonly retain?: boolean | undefined;
}

export class Incoming {
  readonly #clients = new Map<string, Map<number, IncomingPacket>>();
  #bytes = 0;
  /** Messages whose content found no space. */
  withoutContent = 0;

  /** The content is kept as long as there is space. */
  store(client: string, packet: IncomingPacket): void {
    const number = packet.messageId ?? 0;
    const packets = this.#clients.get(client) ?? new Map<number, IncomingPacket>();
    this.remove(client, number);
    this.#clients.set(client, packets);
    const fits = this.#bytes + bytesOf(packet) <= MAX_INCOMING_BYTES;
    if (!fits) this.withoutContent++;
    const { cmd, qos, dup, retain, messageId } = packet;
    const content = fits
      ? { topic: packet.topic, payload: alone(packet.payload) }
      : { topic: undefined, payload: Buffer.alloc(0) };
    const kept: IncomingPacket = { ...{ cmd, qos, dup, retain, messageId }, ...content };
    this.#bytes += bytesOf(kept);
    packets.set(number, kept);
    this.#clients.set(client, packets);
  }

  get(client: string, number: number | undefined): IncomingPacket | undefined {
    return number === undefined ? undefined : this.#clients.get(client)?.get(number);
  }

  remove(client: string, number: number | undefined): boolean {
    const packets = this.#clients.get(client);
    const packet = this.get(client, number);
    if (packets === undefined || packet === undefined || number === undefined) return false;
    this.#bytes -= bytesOf(packet);
    packets.delete(number);
    if (packets.size === 0) this.#clients.delete(client);
    return true;
  }

  forget(client: string): number[] {
    const numbers = [...(this.#clients.get(client)?.keys() ?? [])];
    for (const number of numbers) this.remove(client, number);
    return numbers;
  }
}

function bytesOf({ topic = '', payload }: IncomingPacket): number {
  return sizeOf({ topic, payload });
}

/** A copy with memory of its own: small ones would share a pool, and one of them would keep all of it. */
function alone(payload: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(payload.length);
  copy.set(payload);
  return copy;
}
