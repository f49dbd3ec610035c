/** Cuts a stream of bytes into lines. Bound: one line of `longest` bytes; of a longer line the rest is skipped and counted. */
export class Lines {
  readonly #longest: number;
  readonly #take: (line: string) => void;
  #parts: Buffer[] = [];
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
      this.#add(chunk.subarray(at, end === -1 ? chunk.length : end));
      if (end === -1) return;
      this.end();
      at = end + 1;
    }
  }

  /** The stream is over: what is left is a line too. */
  end(): void {
    const line = Buffer.concat(this.#parts).toString('utf8');
    const whole = !this.#skipping;
    this.#parts = [];
    this.#length = 0;
    this.#skipping = false;
    if (whole && line !== '') this.#take(line);
  }

  #add(part: Buffer): void {
    if (part.length === 0 || this.#skipping) return;
    if (this.#length + part.length <= this.#longest) {
      // A copy: the chunk of the socket is much larger.
      this.#parts.push(Buffer.from(part));
      this.#length += part.length;
      return;
    }
    this.#parts.push(Buffer.from(part.subarray(0, this.#longest - this.#length)));
    const line = Buffer.concat(this.#parts).toString('utf8');
    this.#parts = [];
    this.#length = 0;
    this.#skipping = true;
    this.cut++;
    this.#take(line);
  }
}
