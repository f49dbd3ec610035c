/**
 * The wire format of Protocol Buffers, as far as messages of this gateway need it: varints, fixed numbers and bytes. There is no
 * schema here. What is read comes from outside, so every length is checked against what is there before it is used.
 */

/** How a field is written. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const ALL_64 = 2n ** 64n - 1n;
/** Bytes of a varint of 64 bits. */
const LONGEST_VARINT = 10;
const encoder = new TextEncoder();

/** Grows as it is written to. */
export class ProtoWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;
  length = 0;

  constructor(size = 256) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** The bytes so far; they change with the next write. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }
  /** The bytes so far, in memory of their own. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }
  clear(): this {
    this.length = 0;
    return this;
  }

  byte(value: number): this {
    this.#reserve(1);
    this.#bytes[this.length++] = value;
    return this;
  }
  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }
  /** @param value a whole number from 0 to 2^53 */
  varint(value: number): this {
    this.#reserve(LONGEST_VARINT);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.length++] = rest;
    return this;
  }
  /** @param value of up to 64 bits; a negative one as its two's complement */
  bigVarint(value: bigint): this {
    let rest = value & ALL_64;
    if (rest <= SAFE) return this.varint(Number(rest));
    this.#reserve(LONGEST_VARINT);
    while (rest >= 0x80n) {
      this.#bytes[this.length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.length++] = Number(rest);
    return this;
  }

  tag(field: number, wire: number): this {
    return this.varint(field * 8 + wire);
  }
  uint(field: number, value: number): this {
    return this.tag(field, WIRE.varint).varint(value);
  }
  flag(field: number, value: boolean): this {
    return this.tag(field, WIRE.varint).byte(value ? 1 : 0);
  }
  float(field: number, value: number): this {
    this.tag(field, WIRE.fixed32).#reserve(4);
    this.#view.setFloat32(this.length, value, true);
    this.length += 4;
    return this;
  }
  double(field: number, value: number): this {
    this.tag(field, WIRE.fixed64).#reserve(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
    return this;
  }
  text(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }
  bytes(field: number, value: Uint8Array): this {
    return this.tag(field, WIRE.bytes).varint(value.length).raw(value);
  }

  #reserve(n: number): void {
    if (this.length + n <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.length + n, this.#bytes.length * 2));
    grown.set(this.written);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** One field of a message as it was written: `bits` of a varint, or the bytes of everything else. */
export type ProtoField =
  | { readonly field: number; readonly wire: 0; readonly bits: bigint }
  | { readonly field: number; readonly wire: 1 | 2 | 5; readonly bytes: Uint8Array };

/**
 * The fields of a message, in their order.
 * @param most fields of a message that is still read
 * @throws RangeError it is no message: a length beyond the end, a group, a field 0, more than `most` fields
 */
export function* protoFields(message: Uint8Array, most: number): Generator<ProtoField> {
  let at = 0;
  const varint = (): bigint => {
    let [bits, factor] = [0, 1];
    for (let i = 0; i < LONGEST_VARINT; i++) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError('it ends within a number');
      // Up to 49 bits are exact in a double.
      if (i < 7) {
        bits += (byte & 0x7f) * factor;
        factor *= 128;
        if (byte < 0x80) return BigInt(bits);
        continue;
      }
      return bigRest(BigInt(bits), BigInt(byte));
    }
    throw new RangeError('a number has more than 64 bits');
  };
  const bigRest = (low: bigint, first: bigint): bigint => {
    let [bits, shift, byte] = [low, 49n, first];
    for (;;) {
      bits |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return bits & ALL_64;
      shift += 7n;
      if (shift > 63n) throw new RangeError('a number has more than 64 bits');
      const next = message[at++];
      if (next === undefined) throw new RangeError('it ends within a number');
      byte = BigInt(next);
    }
  };
  const take = (length: number): Uint8Array => {
    if (length > message.length - at) throw new RangeError('it ends within a field');
    at += length;
    return message.subarray(at - length, at);
  };
  for (let fields = 0; at < message.length; fields++) {
    if (fields >= most) throw new RangeError(`it has more than ${most} fields`);
    const tag = varint();
    const [field, wire] = [Number(tag >> 3n), Number(tag & 7n)];
    if (field < 1 || field > 0x1fffffff) throw new RangeError('a field has no such number');
    if (wire === WIRE.varint) yield { field, wire, bits: varint() };
    else if (wire === WIRE.fixed64) yield { field, wire, bytes: take(8) };
    else if (wire === WIRE.fixed32) yield { field, wire, bytes: take(4) };
    else if (wire === WIRE.bytes) {
      const length = varint();
      if (length > BigInt(message.length)) throw new RangeError('it ends within a field');
      yield { field, wire, bytes: take(Number(length)) };
    } else throw new RangeError(`a field is of the kind ${wire}, which is not known`);
  }
}
