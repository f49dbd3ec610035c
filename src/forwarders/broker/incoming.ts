/**
 * QoS 2 messages that clients have published and not released (MQTT-4.3.3): a repeated one is recognised by its packet
 * identifier. Of persistent sessions the identifiers are stored; the content has gone to its receivers already.
 */
import { MAX_INCOMING_BYTES } from './limits.ts';

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

  /** The content is kept as long as there is space. How many of one client there are, aedes bounds (MAX_INCOMING). */
  store(client: string, packet: IncomingPacket): void {
    const number = packet.messageId ?? 0;
    const packets = this.#clients.get(client) ?? new Map<number, IncomingPacket>();
    this.remove(client, number);
    this.#clients.set(client, packets);
    const { length } = packet.payload;
    const fits = this.#bytes + length <= MAX_INCOMING_BYTES;
    if (!fits) this.withoutContent++;
    const payload = fits ? packet.payload : Buffer.alloc(0);
    this.#bytes += payload.length;
    const { cmd, topic, qos, dup, retain, messageId } = packet;
    packets.set(number, { cmd, topic, payload, qos, dup, retain, messageId });
    this.#clients.set(client, packets);
  }

  get(client: string, number: number | undefined): IncomingPacket | undefined {
    return number === undefined ? undefined : this.#clients.get(client)?.get(number);
  }

  remove(client: string, number: number | undefined): boolean {
    const packets = this.#clients.get(client);
    const packet = this.get(client, number);
    if (packets === undefined || packet === undefined || number === undefined) return false;
    this.#bytes -= packet.payload.length;
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
