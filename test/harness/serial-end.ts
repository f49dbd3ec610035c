/** The far end of a serial line: what came over it, and what is sent back, only when the test says so. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import type { Ends } from './scratch.ts';
import { waitFor } from './wait-for.ts';

export class SerialEnd {
  readonly #fd: number;
  readonly #stream: ReadStream;
  #bytes: Buffer = Buffer.alloc(0);
  #seen = 0;

  /** @param file a pseudo terminal */
  constructor(t: Ends, file: string) {
    this.#fd = openSync(file, constants.O_RDWR | constants.O_NOCTTY);
    this.#stream = new ReadStream(this.#fd);
    this.#stream.setRawMode(true);
    this.#stream.on('error', () => {});
    this.#stream.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
    });
    t.after(() => {
      this.#stream.destroy();
      closeSync(this.#fd);
    });
  }

  /** All bytes so far. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The next so many bytes. */
  async next(count: number, within?: number): Promise<Buffer> {
    const from = this.#seen;
    await waitFor(
      () => `${count} bytes on the line; there are ${this.#bytes.length - from}`,
      () => this.#bytes.length >= from + count,
      within === undefined ? {} : { timeout: within },
    );
    this.#seen = from + count;
    return this.#bytes.subarray(from, this.#seen);
  }

  /** What came until now is of no interest. */
  skip(): void {
    this.#seen = this.#bytes.length;
  }

  send(bytes: Uint8Array): void {
    writeSync(this.#fd, bytes);
  }
}
