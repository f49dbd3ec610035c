/** An encoder of CBOR (RFC 8949), as far as payloads need it: shortest forms, definite lengths. */
import { float16ToNumber, numberToFloat16 } from './decimal.ts';

/** Keys of a map are in the order of its entries. */
export type Cbor = number | bigint | string | boolean | readonly Cbor[] | CborMap;
export type CborMap = ReadonlyMap<number | string, Cbor>;

const MAJOR = { unsigned: 0, negative: 1, text: 3, array: 4, map: 5, simple: 7 } as const;
const FALSE = 20;
const TRUE = 21;
const SAFE_WORDS = 2 ** 32;

export class CborWriter {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** The bytes so far, in memory of their own. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  /** @throws RangeError an integer of more than 64 bits */
  write(value: Cbor): this {
    if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') this.#bigint(value);
    else if (typeof value === 'boolean') this.#byte((MAJOR.simple << 5) | (value ? TRUE : FALSE));
    else if (typeof value === 'string') this.#text(value);
    else if (isMap(value)) {
      this.mapHead(value.size);
      for (const [key, inner] of value) this.write(key).write(inner);
    } else {
      this.arrayHead(value.length);
      for (const inner of value) this.write(inner);
    }
    return this;
  }
  /** What follows are so many values. */
  arrayHead(length: number): void {
    this.#head(MAJOR.array, length);
  }
  /** What follows are so many keys, each with its value. */
  mapHead(size: number): void {
    this.#head(MAJOR.map, size);
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.#head(MAJOR.unsigned, value);
      else this.#head(MAJOR.negative, -1 - value);
      return;
    }
    const half = numberToFloat16(value);
    if (Object.is(float16ToNumber(half), value)) {
      this.#byte(0xf9);
      this.#put(2, (view, at) => view.setUint16(at, half));
    } else if (Object.is(Math.fround(value), value)) {
      this.#byte(0xfa);
      this.#put(4, (view, at) => view.setFloat32(at, value));
    } else {
      this.#byte(0xfb);
      this.#put(8, (view, at) => view.setFloat64(at, value));
    }
  }
  #bigint(value: bigint): void {
    const [major, size] = value >= 0n ? [MAJOR.unsigned, value] : [MAJOR.negative, -1n - value];
    if (size >= 2n ** 64n) throw new RangeError('an integer of more than 64 bits');
    if (size <= BigInt(Number.MAX_SAFE_INTEGER)) this.#head(major, Number(size));
    else {
      this.#byte((major << 5) | 27);
      this.#put(8, (view, at) => view.setBigUint64(at, size));
    }
  }
  #text(text: string): void {
    const bytes = Buffer.from(text);
    this.#head(MAJOR.text, bytes.length);
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }
  #head(major: number, size: number): void {
    const first = major << 5;
    if (size < 24) this.#byte(first | size);
    else if (size < 2 ** 8) {
      this.#byte(first | 24);
      this.#byte(size);
    } else if (size < 2 ** 16) {
      this.#byte(first | 25);
      this.#put(2, (view, at) => view.setUint16(at, size));
    } else if (size < SAFE_WORDS) {
      this.#byte(first | 26);
      this.#put(4, (view, at) => view.setUint32(at, size));
    } else {
      this.#byte(first | 27);
      const at = this.#grow(8);
      this.#view.setUint32(at, Math.floor(size / SAFE_WORDS));
      this.#view.setUint32(at + 4, size % SAFE_WORDS);
    }
  }
  #byte(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }
  /** Growing exchanges the view, so it comes first. */
  #put(n: number, write: (view: DataView, at: number) => void): void {
    const at = this.#grow(n);
    write(this.#view, at);
  }
  /** @returns where the next `n` bytes go */
  #grow(n: number): number {
    const at = this.#length;
    this.#length += n;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

function isMap(value: readonly Cbor[] | CborMap): value is CborMap {
  return value instanceof Map;
}
