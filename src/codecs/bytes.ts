/** Bytes and bits written and read one after the other. Integers are LEB128, signed ones zigzag, exact up to 2^53. */

/** Grows as it is written to. */
export class ByteWriter {
  bytes = new Uint8Array(1024);
  #view = new DataView(this.bytes.buffer);
  length = 0;
  get written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
  #reserve(n: number): void {
    if (this.length + n <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.length + n, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
  byte(v: number): void {
    this.#reserve(1);
    this.bytes[this.length++] = v;
  }
  raw(v: Uint8Array): void {
    this.#reserve(v.length);
    this.bytes.set(v, this.length);
    this.length += v.length;
  }
  unsigned(v: number): void {
    this.#reserve(10);
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
    this.#reserve(8);
    this.#view.setFloat64(this.length, v);
    this.length += 8;
  }
}

/** The weight of the eighth byte of an integer. */
const LARGEST_WEIGHT = 128 ** 7;

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
    if (this.#o + n > this.#bytes.length) throw new RangeError('it ends too early');
    const out = this.#bytes.subarray(this.#o, this.#o + n);
    this.#o += n;
    return out;
  }
  /** Everything that was not read yet. */
  rest(): Uint8Array {
    return this.raw(this.#bytes.length - this.#o);
  }
  skip(n: number): void {
    if (this.#o + n > this.#bytes.length) throw new RangeError('it ends too early');
    this.#o += n;
  }
  get position(): number {
    return this.#o;
  }
  /** Another reader of the same bytes. */
  at(position: number): ByteReader {
    const other = new ByteReader(this.#bytes);
    other.#o = position;
    return other;
  }
  /** Goes on at another place. */
  seek(position: number): this {
    this.#o = position;
    return this;
  }
  unsigned(): number {
    let b = this.byte();
    let v = b & 0x7f;
    for (let m = 128; b >= 0x80; m *= 128) {
      // Eight bytes hold every number that is written. Far beyond them it would become NaN, and no bound holds for that.
      if (m > LARGEST_WEIGHT) throw new RangeError('a number is too long');
      b = this.byte();
      v += (b & 0x7f) * m;
    }
    return v;
  }
  /** Passes over `n` integers. @returns how many of them are not 0 */
  skipIntegers(n: number): number {
    const bytes = this.#bytes;
    let o = this.#o;
    let others = n;
    for (let i = 0; i < n; i++) {
      if (bytes[o] === 0) others--;
      while ((bytes[o] as number) >= 0x80) o++;
      o++;
    }
    if (o > bytes.length) throw new RangeError('it ends too early');
    this.#o = o;
    return others;
  }
  /** Passes over `n` bytes. @returns the sum of what `of` gives for each of them */
  skipBytes(n: number, of: Uint8Array): number {
    let sum = 0;
    for (const byte of this.raw(n)) sum += of[byte] as number;
    return sum;
  }
  signed(): number {
    const v = this.unsigned();
    return v % 2 === 0 ? v / 2 : -(v + 1) / 2;
  }
  float64(): number {
    const v = this.#view.getFloat64(this.#o);
    this.#o += 8;
    return v;
  }
}

/** Bits at once at most: with up to 7 waiting they fit into 32. */
const PIECE = 24;
const SPAN = 2 ** PIECE;

/** Numbers of 0 to 53 bits, without gaps, the highest bit first. */
export class BitWriter {
  readonly #out: ByteWriter;
  #waiting = 0;
  #bits = 0;
  constructor(out: ByteWriter) {
    this.#out = out;
  }
  write(v: number, bits: number): void {
    if (bits > PIECE) {
      this.write(Math.floor(v / SPAN), bits - PIECE);
      this.write(v % SPAN, PIECE);
      return;
    }
    let acc = (this.#waiting << bits) | v;
    let n = this.#bits + bits;
    while (n >= 8) {
      n -= 8;
      this.#out.byte((acc >>> n) & 0xff);
    }
    acc &= (1 << n) - 1;
    this.#waiting = acc;
    this.#bits = n;
  }
  /** The next value begins with a whole byte. */
  align(): void {
    if (this.#bits > 0) this.write(0, 8 - this.#bits);
  }
}

export class BitReader {
  readonly #in: ByteReader;
  #waiting = 0;
  #bits = 0;
  constructor(input: ByteReader) {
    this.#in = input;
  }
  skip(bits: number): void {
    if (bits <= this.#bits) {
      this.read(bits);
      return;
    }
    const more = bits - this.#bits;
    this.#bits = 0;
    this.#waiting = 0;
    this.#in.skip(more >> 3);
    this.read(more & 7);
  }
  /** In bits of its input. */
  get position(): number {
    return 8 * this.#in.position - this.#bits;
  }
  /** Goes on at another bit of its input. */
  seek(position: number): this {
    this.#in.seek(Math.floor(position / 8));
    this.#waiting = 0;
    this.#bits = 0;
    this.read(position % 8);
    return this;
  }
  read(bits: number): number {
    if (bits > PIECE) return this.read(bits - PIECE) * SPAN + this.read(PIECE);
    while (this.#bits < bits) {
      this.#waiting = (this.#waiting << 8) | this.#in.byte();
      this.#bits += 8;
    }
    this.#bits -= bits;
    const v = this.#waiting >>> this.#bits;
    this.#waiting &= (1 << this.#bits) - 1;
    return v;
  }
}
