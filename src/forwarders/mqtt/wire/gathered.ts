/**
 * What lies between TLS and TCP where each byte costs: what is said at one time leaves in one packet. TLS hands over each record as soon as
 * it is made. The end of its handshake and the first packet of MQTT are two of them, and so are the goodbye of MQTT and the end of TLS.
 *
 * The end of TCP is left to the broker for a moment: it should close after the goodbye where the client has not (MQTT 3.1.1, 3.14.4). The
 * caller closes a connection whose broker does not.
 */
import { Duplex } from 'node:stream';

/** Times at which something leaves until a connection stands: the first message, and the end of the handshake with the CONNECT. */
const OPENING = 2;
/** Turns of the event loop in which a further record may come: the next one is made when this one counts as written. */
const TURNS = 4;
/** Bytes that are put together; more of them fill packets anyway. */
const MOST = 16_384;

export class Gathered extends Duplex {
  readonly #socket: Duplex;
  readonly #passed: () => void;
  #pieces: Buffer[] = [];
  #size = 0;
  #waits = false;
  #left = 0;
  #last = false;

  /** @param passed is called after something left */
  constructor(socket: Duplex, passed: () => void) {
    super();
    this.#socket = socket;
    this.#passed = passed;
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** What is said from now on is the last, and leaves with the end of TLS. */
  lastWords(): void {
    this.#last = true;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#pieces.push(chunk);
    this.#size += chunk.length;
    // Later an acknowledgement of TCP would not wait for it, and take a packet of its own.
    const waits = this.#last || this.#left < OPENING;
    if (!waits || this.#size >= MOST || this.#socket.writableNeedDrain) {
      this.#leave(done);
      return;
    }
    done();
    if (this.#last || this.#waits) return;
    this.#waits = true;
    this.#afterTurns(TURNS);
  }

  override _final(done: () => void): void {
    const ends = this.#last;
    this.#leave();
    if (!ends) this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#leave();
    this.#socket.destroy();
    done(error);
  }

  #afterTurns(left: number): void {
    setImmediate(() => {
      if (left > 1) this.#afterTurns(left - 1);
      else {
        this.#waits = false;
        if (!this.#last) this.#leave();
      }
    });
  }

  #leave(done?: (error?: Error | null) => void): void {
    const pieces = this.#pieces;
    [this.#pieces, this.#size] = [[], 0];
    if (pieces.length === 0 || this.#socket.destroyed) done?.();
    else {
      this.#left++;
      this.#socket.write(Buffer.concat(pieces), done);
      this.#passed();
    }
  }
}
