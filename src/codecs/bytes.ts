/** Bytes written and read one after the other: LEB128 integers, signed ones zigzag. Integers are exact up to 2^53. */

/** Grows as it is written to. */
export class ByteWriter {
  bytes = new Uint8Array(4096);
  #view = new DataView(this.bytes.buffer);
  length = 0;
  #room(n: number): void {
    if (this.length + n <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.length + n, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
  byte(v: number): void {
    this.#room(1);
    this.bytes[this.length++] = v;
  }
  raw(v: Uint8Array): void {
    this.#room(v.length);
    this.bytes.set(v, this.length);
    this.length += v.length;
  }
  unsigned(v: number): void {
    this.#room(10);
    let x = v;
    while (x >= 0x80) {
      this.bytes[this.length++] = (x % 128) | 0x80;
      x = Math.floor(x / 128);
    }
    this.bytes[this.length++] = x;
  }
  signed(v: number): void {
    this.unsigned(v < 0 ? -2 * v - 1 : 2 * v);
  }
  float64(v: number): void {
    this.#room(8);
    this.#view.setFloat64(this.length, v);
    this.length += 8;
  }
}

/** Every read throws a RangeError behind the end. */
export class ByteReader {
  #o = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  byte(): number {
    return this.#view.getUint8(this.#o++);
  }
  raw(n: number): Uint8Array {
    if (this.#o + n > this.#bytes.length) throw new RangeError('block ends too early');
    const out = this.#bytes.subarray(this.#o, this.#o + n);
    this.#o += n;
    return out;
  }
  unsigned(): number {
    let v = 0;
    let m = 1;
    for (;;) {
      const b = this.byte();
      v += (b & 0x7f) * m;
      if (b < 0x80) return v;
      m *= 128;
    }
  }
  float64(): number {
    const v = this.#view.getFloat64(this.#o);
    this.#o += 8;
    return v;
  }
  signed(): number {
    const v = this.unsigned();
    return v % 2 === 0 ? v / 2 : -(v + 1) / 2;
  }
}
