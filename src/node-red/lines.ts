/**
 * Cuts a stream of bytes into lines. Bound: one line of `longest` bytes, in one buffer of at most twice its bytes, however small the
 * chunks are: a sender that gives single bytes costs no more. Of a line that is too long the rest is skipped and counted.
 */
const NONE = Buffer.alloc(0);

export class Lines {
  readonly #longest: number;
  readonly #take: (line: string) => void;
  /** The line that is not whole yet: the first `#length` bytes. */
  #begun = NONE;
  #length = 0;
  #skipping = false;
  /** Lines that were too long. */
  cut = 0;

  constructor(longest: number, take: (line: string) => void) {
    this.#longest = longest;
    this.#take = take;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const end = chunk.indexOf(10, at);
      if (end !== -1 && this.#length === 0 && !this.#skipping && end - at <= this.#longest) {
        // Most lines: whole in their chunk.
        if (end > at) this.#take(chunk.toString('utf8', at, end));
      } else {
        this.#add(chunk.subarray(at, end === -1 ? chunk.length : end));
        if (end === -1) return;
        this.end();
      }
      at = end + 1;
    }
  }

  /** The stream is over: what is left is a line too. */
  end(): void {
    const whole = !this.#skipping;
    const line = this.#taken();
    this.#skipping = false;
    if (whole && line !== '') this.#take(line);
  }

  #add(part: Buffer): void {
    if (part.length === 0 || this.#skipping) return;
    const room = this.#longest - this.#length;
    this.#keep(part.subarray(0, room));
    if (part.length <= room) return;
    this.#skipping = true;
    this.cut++;
    this.#take(this.#taken());
  }

  /** A copy: the chunk of the socket is much larger, and used again. */
  #keep(part: Buffer): void {
    const length = this.#length + part.length;
    if (length > this.#begun.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(length, 2 * this.#begun.length), this.#longest));
      this.#begun.copy(grown, 0, 0, this.#length);
      this.#begun = grown;
    }
    part.copy(this.#begun, this.#length);
    this.#length = length;
  }

  #taken(): string {
    const line = this.#begun.toString('utf8', 0, this.#length);
    this.#begun = NONE;
    this.#length = 0;
    return line;
  }
}
