/** Follows the packets of an MQTT 3.1.1 byte stream by their headers; keeps none of their bytes. */

export const PACKET = { connect: 1, puback: 4, pubcomp: 7, subscribe: 8, unsubscribe: 10 } as const;

export interface FrameSide {
  /** A packet begins. @returns false when it has to wait, words when it may not come */
  begins(type: number): string | false | undefined;
  /** So many bytes of it are declared so far. @returns what is wrong */
  declares(length: number): string | undefined;
  /** It names a topic filter. @returns what is wrong */
  names(): string | undefined;
}

export class FrameScan {
  readonly #side: FrameSide;
  #type = 0;
  /** Bytes of the current packet's body still to come. */
  #body = 0;
  /** Where in the fixed header we are: 0 type, 1..4 length bytes. */
  #header = 0;
  #length = 0;
  /** In a packet with topic filters: bytes to the next length of one, and its first byte. */
  #toLength = 0;
  #high: number | undefined;

  constructor(side: FrameSide) {
    this.#side = side;
  }

  /** @returns how many bytes may pass now (fewer than there are: the next packet has to wait), or what is wrong */
  take(chunk: Buffer): number | string {
    let i = 0;
    while (i < chunk.length) {
      if (this.#body > 0) {
        const end = Math.min(i + this.#body, chunk.length);
        this.#body -= end - i;
        const fault =
          this.#type === PACKET.subscribe || this.#type === PACKET.unsubscribe ? this.#filters(chunk, i, end) : undefined;
        if (fault !== undefined) return fault;
        i = end;
        continue;
      }
      const byte = chunk[i] as number;
      if (this.#header === 0) {
        const answer = this.#side.begins(byte >> 4);
        if (answer === false) return i;
        if (answer !== undefined) return answer;
        this.#type = byte >> 4;
        this.#header = 1;
        this.#length = 0;
      } else {
        this.#length += (byte & 127) * 128 ** (this.#header - 1);
        const fault = this.#side.declares(this.#length);
        if (fault !== undefined) return fault;
        if (byte < 128) {
          this.#body = this.#length;
          this.#header = 0;
          // The packet id comes before the filters.
          this.#toLength = 2;
          this.#high = undefined;
        } else if (++this.#header > 4) return 'a malformed packet length';
      }
      i++;
    }
    return i;
  }

  /** Each filter is two bytes of length and its text; a SUBSCRIBE has a byte of QoS behind it. */
  #filters(chunk: Buffer, from: number, to: number): string | undefined {
    let i = from;
    while (i < to) {
      if (this.#toLength > 0) {
        const skip = Math.min(this.#toLength, to - i);
        this.#toLength -= skip;
        i += skip;
        continue;
      }
      const byte = chunk[i++] as number;
      if (this.#high === undefined) {
        this.#high = byte;
        const fault = this.#side.names();
        if (fault !== undefined) return fault;
      } else {
        this.#toLength = this.#high * 256 + byte + (this.#type === PACKET.subscribe ? 1 : 0);
        this.#high = undefined;
      }
    }
    return undefined;
  }
}
