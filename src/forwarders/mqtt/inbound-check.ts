/**
 * What an upstream broker may send, decided from the fixed header of each packet before its body is kept anywhere. Pure.
 *
 * - The first packet is a CONNACK, and the only one.
 * - A packet is at most LIMITS.publish or LIMITS.other long: a longer one is refused by its declared length.
 * - Types that no client of ours can be sent end the connection, and so does QoS 2: nothing here asks for it, and the client
 *   library keeps such a message until it is released.
 * - An answer to what was sent is free. Everything else is taken from a budget per second.
 */
export const INBOUND_LIMITS = {
  /** Remaining Length of a PUBLISH. A command, or the birth request of a platform, is some hundred bytes. */
  publish: 64 * 1024,
  /** Remaining Length of everything else: answers, with the properties of MQTT 5. */
  other: 4 * 1024,
  /** Packets that nothing asked for: so many at once, and so many a second. */
  burst: 500,
  perSecond: 50,
} as const;
export type InboundLimits = { readonly [K in keyof typeof INBOUND_LIMITS]: number };

/** The limits where commands may come. @param publish bytes, where the platform sends long ones */
export function commandedLimits(publish: number = INBOUND_LIMITS.publish): InboundLimits {
  return { ...INBOUND_LIMITS, publish, burst: 2000, perSecond: 100 };
}

const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const SUBACK = 9;
const UNSUBACK = 11;
const PINGRESP = 13;
/** With DISCONNECT (14), which the parser refuses where the version has none. Nothing here asks for AUTH (15). */
const KNOWN = new Set([CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP, 14]);
/** First bytes of those that are no MQTT broker, or not on this port: an alert of TLS, `HTTP/1.1`. */
const NO_MQTT: Readonly<Record<number, string>> = {
  21: 'expects TLS on this port; write mqtts:// instead of mqtt:// (wss:// instead of ws://), or name the port where it takes MQTT without TLS (often 1883)',
  72: 'answers like a web server; name the port where it takes MQTT (often 1883)',
};

export class InboundCheck {
  readonly #limits: InboundLimits;
  /** Monotonic milliseconds. */
  readonly #now: () => number;
  #connected = false;
  /** Answers that the broker owes. */
  #owed = 0;
  #budget: number;
  #filledAt: number;
  /** Bytes of the current body still to come. */
  #body = 0;
  /** Where in the fixed header we are: 0 type, 1 to 4 bytes of the length. */
  #header = 0;
  #length = 0;
  #limit = 0;

  constructor(now: () => number, limits: InboundLimits = INBOUND_LIMITS) {
    this.#now = now;
    this.#limits = limits;
    this.#budget = limits.burst;
    this.#filledAt = now();
  }

  /** A packet leaves that the broker has to answer once. */
  owe(): void {
    this.#owed++;
  }

  /** @returns what is wrong, as the end of "the broker …"; nothing of the chunk may be used then */
  fault(chunk: Uint8Array): string | undefined {
    let i = 0;
    while (i < chunk.length) {
      if (this.#body > 0) {
        const skip = Math.min(this.#body, chunk.length - i);
        this.#body -= skip;
        i += skip;
        continue;
      }
      const byte = chunk[i++] as number;
      const fault = this.#header === 0 ? this.#type(byte) : this.#lengthByte(byte);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #type(byte: number): string | undefined {
    const type = byte >> 4;
    const foreign = this.#connected ? undefined : NO_MQTT[byte];
    if (foreign !== undefined) return foreign;
    if (!KNOWN.has(type)) return `sent a packet of type ${type}, which a broker must not send to this gateway`;
    if (type === CONNACK && this.#connected) return 'accepted the connection a second time';
    if (type !== CONNACK && !this.#connected) return `began with a packet of type ${type} instead of a CONNACK`;
    if (type === PUBLISH && (byte & 6) > 2) return 'sent a message with QoS 2, which this gateway never asks for';
    this.#connected = true;
    this.#limit = type === PUBLISH ? this.#limits.publish : this.#limits.other;
    this.#header = 1;
    this.#length = 0;
    const answer = type === PUBACK || type === SUBACK || type === UNSUBACK || type === PINGRESP;
    if (answer && this.#owed > 0) {
      this.#owed--;
      return undefined;
    }
    return this.#afford()
      ? undefined
      : `sends too much that was not asked for: more than ${this.#limits.burst} packets at once, or ${this.#limits.perSecond} a second`;
  }

  #lengthByte(byte: number): string | undefined {
    this.#length += (byte & 127) * 128 ** (this.#header - 1);
    if (this.#length > this.#limit) return `declared a packet of ${this.#length} bytes or more; at most ${this.#limit} are taken`;
    if (byte >= 128) return ++this.#header > 4 ? 'sent a malformed packet length' : undefined;
    this.#body = this.#length;
    this.#header = 0;
    return undefined;
  }

  #afford(): boolean {
    const now = this.#now();
    const { burst, perSecond } = this.#limits;
    this.#budget = Math.min(burst, this.#budget + ((now - this.#filledAt) * perSecond) / 1000);
    this.#filledAt = now;
    if (this.#budget < 1) return false;
    this.#budget--;
    return true;
  }
}
