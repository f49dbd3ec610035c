/** Bytes waiting to become frames, each with the time it came. Bounded: the caller takes before it pushes more than fits. */
export class ByteQueue {
  private readonly data: Uint8Array;
  private readonly times: Float64Array;
  private head = 0;
  private tail = 0;

  constructor(capacity: number) {
    this.data = new Uint8Array(capacity);
    this.times = new Float64Array(capacity);
  }

  get length(): number {
    return this.tail - this.head;
  }

  get free(): number {
    return this.data.length - this.length;
  }

  push(chunk: Uint8Array, at: number): void {
    if (chunk.length > this.data.length - this.tail) {
      this.data.copyWithin(0, this.head, this.tail);
      this.times.copyWithin(0, this.head, this.tail);
      this.tail -= this.head;
      this.head = 0;
    }
    this.data.set(chunk, this.tail);
    this.times.fill(at, this.tail, this.tail + chunk.length);
    this.tail += chunk.length;
  }

  /** A view; valid until the next push. */
  view(): Uint8Array {
    return this.data.subarray(this.head, this.tail);
  }

  /** When the byte at `index` came. */
  timeOf(index: number): number {
    return this.times[this.head + index] ?? Number.NaN;
  }

  drop(count: number): void {
    this.head += count;
    if (this.head >= this.tail) this.head = this.tail = 0;
  }
}
