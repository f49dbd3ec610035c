/**
 * Stands between a socket and the broker. It keeps a client from making the broker hold much memory and from holding
 * up others:
 * - a packet that declares more than the limit ends the connection when its header arrives, before a byte of it is kept;
 * - the first packet has to be a CONNECT;
 * - a peer that takes nothing for `drainTimeout` while something waits for it is cut off.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Clock } from '../../core/clock.ts';

export interface GuardLimits {
  /** Largest Remaining Length before and after `accepted`. */
  readonly beforeConnect: number;
  readonly afterConnect: number;
  /** Milliseconds. */
  readonly drainTimeout: number;
  /** Bytes waiting to be sent at which writers are asked to wait. */
  readonly unsent: number;
}

const CONNECT = 1;

export class FrameGuard extends Duplex {
  /** Set once the CONNECT is accepted: the larger limit holds from then on. */
  accepted = false;
  /** Called when bytes that waited have gone and few are left. */
  relieved: (() => void) | undefined;
  readonly #socket: Socket;
  readonly #limits: GuardLimits;
  readonly #clock: Clock;
  #stall: (() => void) | undefined;
  #first = true;
  /** Bytes of the current packet's body still to come. */
  #body = 0;
  /** Where in the fixed header we are: 0 type, 1..4 length bytes. */
  #header = 0;
  #length = 0;

  constructor(socket: Socket, limits: GuardLimits, clock: Clock) {
    super({ writableHighWaterMark: limits.unsent, decodeStrings: true });
    this.#socket = socket;
    this.#limits = limits;
    this.#clock = clock;
    socket.on('data', (chunk: Buffer) => {
      const fault = this.#check(chunk);
      if (fault !== undefined) this.destroy(new Error(fault));
      else if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** True while so much waits for this client that live messages should pass it by. */
  get congested(): boolean {
    return this.writableLength >= this.#limits.unsent / 2;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#watch(this.#socket.write(chunk, (error) => this.#sent(error, done)));
  }

  // Without it each of the small pieces that a packet is written in would become a system call.
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const socket = this.#socket;
    socket.cork();
    let roomy = true;
    for (let i = 0; i < chunks.length; i++) {
      const chunk = (chunks[i] as { chunk: Buffer }).chunk;
      roomy = i < chunks.length - 1 ? socket.write(chunk) : socket.write(chunk, (error) => this.#sent(error, done));
    }
    socket.uncork();
    this.#watch(roomy);
  }

  override _final(done: () => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stall?.();
    this.#stall = undefined;
    this.#socket.destroy();
    done(error);
  }

  #watch(roomy: boolean): void {
    if (roomy && this.#socket.writableLength === 0) return;
    this.#stall ??= this.#clock.after(this.#limits.drainTimeout, () => {
      this.#stall = undefined;
      this.destroy(new Error(`took nothing for ${this.#limits.drainTimeout} ms`));
    });
  }

  #sent(error: Error | null | undefined, done: (error?: Error | null) => void): void {
    this.#stall?.();
    this.#stall = undefined;
    done(error ?? null);
    if (this.relieved && !this.destroyed && this.writableLength < this.#limits.unsent / 4) this.relieved();
  }

  /** Walks over the fixed headers; says what is wrong, if anything is. */
  #check(chunk: Buffer): string | undefined {
    let i = 0;
    while (i < chunk.length) {
      if (this.#body > 0) {
        const skip = Math.min(this.#body, chunk.length - i);
        this.#body -= skip;
        i += skip;
        continue;
      }
      const byte = chunk[i++] as number;
      if (this.#header === 0) {
        if (this.#first && byte >> 4 !== CONNECT) return 'the first packet was not a CONNECT';
        this.#first = false;
        this.#header = 1;
        this.#length = 0;
        continue;
      }
      this.#length += (byte & 127) * 128 ** (this.#header - 1);
      const limit = this.accepted ? this.#limits.afterConnect : this.#limits.beforeConnect;
      if (this.#length > limit) return `a packet of ${this.#length} bytes or more; at most ${limit} are accepted`;
      if (byte < 128) {
        this.#body = this.#length;
        this.#header = 0;
      } else if (++this.#header > 4) return 'a malformed packet length';
    }
    return undefined;
  }
}
