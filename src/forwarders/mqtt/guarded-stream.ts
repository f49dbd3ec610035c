/**
 * Stands between the wire (a TCP or TLS stream) and the client library, whose parser buffers a packet of any declared
 * length. What arrives is checked first; a chunk with a fault in it never gets further, and the connection ends.
 */
import { Duplex } from 'node:stream';
import { SluiceError } from '../../core/errors.ts';
import type { InboundCheck } from './inbound-check.ts';

export class GuardedStream extends Duplex {
  readonly #wire: Duplex;
  readonly #passed: () => void;

  /** @param passed is called after each piece, in both directions */
  constructor(wire: Duplex, check: Pick<InboundCheck, 'fault'>, passed: () => void = () => {}) {
    super({ decodeStrings: true });
    this.#wire = wire;
    this.#passed = passed;
    wire.on('data', (chunk: Buffer) => {
      passed();
      const fault = check.fault(chunk);
      if (fault !== undefined) this.destroy(new SluiceError('upstream-protocol', `the broker ${fault}`));
      else if (!this.push(chunk)) wire.pause();
    });
    wire.on('end', () => this.push(null));
    wire.on('error', (error) => this.destroy(error));
    wire.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#wire.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#wire.write(chunk, done);
    this.#passed();
  }

  // Without it each of the small pieces that a packet is written in would become a system call.
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const wire = this.#wire;
    wire.cork();
    for (const [i, { chunk }] of chunks.entries()) {
      if (i < chunks.length - 1) wire.write(chunk);
      else wire.write(chunk, done);
    }
    wire.uncork();
    this.#passed();
  }

  override _final(done: () => void): void {
    this.#wire.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#wire.destroy();
    done(error);
  }
}
