/**
 * Stands between a socket and the broker. It keeps a client from making the broker hold much memory, from keeping it busy,
 * and from holding up others:
 * - a packet that declares more than the limit ends the connection when its header arrives, before a byte of it is kept;
 * - the first packet has to be a CONNECT, and one of another MQTT version is answered here;
 * - a client that asks for more than its share is disconnected; all together get so many packets through in a turn;
 * - the broker never waits for a client: what is written lies here, and `roomy` says when there is space again;
 * - a peer that makes no progress for `drainTimeout` while something waits for it is cut off, however large a write is.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Clock } from '../../core/clock.ts';
import { FirstPacket, type OtherVersion, otherVersion } from './first-packet.ts';
import { FrameScan, PACKET } from './frame-scan.ts';
import { Requests, type Turnstile } from './requests.ts';
import { unacknowledgedBytes } from './unacknowledged.ts';

export interface GuardLimits {
  /** Largest Remaining Length before and after `accepted`. */
  readonly beforeConnect: number;
  readonly afterConnect: number;
  /** Milliseconds. */
  readonly drainTimeout: number;
  /** Bytes waiting to be sent from which on it is congested. */
  readonly unsent: number;
}

/** Why a connection was ended from here. */
export type Refusal = 'clients' | 'requests' | 'slow' | 'displaced' | 'version' | 'publish';

/** Bytes given to the socket at once: each piece that it takes is progress. */
const PIECE = 64 * 1024;
/** Looks at the progress in one `drainTimeout`. */
const LOOKS = 4;
/** What a client that was turned away may still send until it has closed the connection: bytes, and milliseconds. */
const LAST_BYTES = 64 * 1024;
const LAST_WORD = 1000;

export class FrameGuard extends Duplex {
  /** Set once the CONNECT is accepted: the larger limit holds from then on. */
  accepted = false;
  /** Set when it was ended from here. */
  refusal: Refusal | undefined;
  /** The peer ended the connection, or it broke. */
  lost = false;
  /** Called when bytes that waited have gone and few are left. */
  relieved: (() => void) | undefined;
  /** Called when the client speaks another version of MQTT. It gets its answer from here. */
  speaksAnother: ((found: OtherVersion) => void) | undefined;
  readonly requests: Requests;
  readonly #socket: Socket;
  readonly #limits: GuardLimits;
  readonly #clock: Clock;
  readonly #turnstile: Turnstile;
  readonly #scan: FrameScan;
  #first = true;
  /** Until the CONNECT was looked at. */
  #connect: FirstPacket | undefined = new FirstPacket();
  /** Bytes that may still come and are not read; undefined unless it was turned away. */
  #unread: number | undefined;
  /** Bytes that wait for their turn; the socket is paused meanwhile. */
  #held: Buffer | undefined;
  /** How many bytes of the write under way the socket took. */
  #taken = 0;
  #stalledSince: number | undefined;
  #unacknowledged: number | undefined;
  #cancelLook: (() => void) | undefined;
  /** Two replays and its own requests, at most, that wait for space. */
  #waiting: (() => void)[] = [];

  constructor(socket: Socket, limits: GuardLimits, clock: Clock, turnstile: Turnstile) {
    // A write never asks its caller to wait: who sends looks at `congested`.
    super({ writableHighWaterMark: Number.MAX_SAFE_INTEGER, decodeStrings: true });
    this.#socket = socket;
    this.#limits = limits;
    this.#clock = clock;
    this.#turnstile = turnstile;
    this.requests = new Requests(clock);
    this.#scan = new FrameScan({
      begins: (type) => this.#begins(type),
      declares: (length) => {
        const limit = this.accepted ? limits.afterConnect : limits.beforeConnect;
        return length > limit ? `a packet of ${length} bytes or more; at most ${limit} are accepted` : undefined;
      },
      names: () => this.#asks(this.requests.take()),
    });
    socket.on('data', (chunk: Buffer) => this.#feed(chunk));
    socket.on('end', () => {
      this.lost = true;
      if (this.#unread === undefined) this.push(null);
      else this.destroy();
    });
    socket.on('error', (error) => {
      this.lost = true;
      this.destroy(error);
    });
    socket.on('close', () => {
      this.lost ||= !this.destroyed;
      this.destroy();
    });
  }

  /** Bytes that wait here. */
  get unsent(): number {
    return this.writableLength - this.#taken;
  }
  /** True while so much waits for this client that live messages should pass it by; its own requests wait. */
  get congested(): boolean {
    return this.unsent >= this.#limits.unsent;
  }
  /** Resolves when there is space for more, or the connection is over. */
  async roomy(): Promise<void> {
    while (this.congested && !this.destroyed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Ends the connection. */
  refuse(why: Refusal, message: string): void {
    if (this.destroyed) return;
    this.refusal = why;
    this.destroy(new Error(message));
  }

  override _read(): void {
    if (this.#held === undefined) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send([chunk], 0, done);
  }

  // Without it each of the small pieces that a packet is written in would become a system call.
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#send(
      chunks.map((c) => c.chunk),
      0,
      done,
    );
  }

  override _final(done: () => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#progressed();
    this.#held = undefined;
    for (const wake of this.#waiting.splice(0)) wake();
    this.#socket.destroy();
    done(error);
  }

  /** Gives `chunks` from `at` on to the socket, one piece after the other. */
  #send(chunks: Buffer[], at: number, done: (error?: Error | null) => void): void {
    if (at >= chunks.length) {
      this.#taken = 0;
      done();
      this.#relieve();
      return;
    }
    const piece: Buffer[] = [];
    let next = at;
    let bytes = 0;
    while (next < chunks.length && bytes < PIECE) {
      const chunk = chunks[next] as Buffer;
      const part = chunk.subarray(0, PIECE - bytes);
      piece.push(part);
      bytes += part.length;
      if (part.length === chunk.length) next++;
      else chunks[next] = chunk.subarray(part.length);
    }
    const socket = this.#socket;
    socket.cork();
    const last = piece.pop() as Buffer;
    for (const part of piece) socket.write(part);
    socket.write(last, (error) => {
      this.#progressed();
      if (error) {
        this.lost = true;
        done(error);
        return;
      }
      this.#taken += bytes;
      this.#relieve();
      this.#send(chunks, next, done);
    });
    socket.uncork();
    if (socket.writableLength > 0) this.#watch();
  }

  #relieve(): void {
    if (this.destroyed || this.unsent >= this.#limits.unsent / 2) return;
    for (const wake of this.#waiting.splice(0)) wake();
    this.relieved?.();
  }

  /** The kernel took a piece, or there is nothing to wait for any more. */
  #progressed(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    this.#stalledSince = undefined;
    this.#unacknowledged = undefined;
  }

  #watch(): void {
    this.#cancelLook ??= this.#clock.after(this.#limits.drainTimeout / LOOKS, () => this.#look());
  }

  /** Whether the peer took anything since the last look. */
  #look(): void {
    this.#cancelLook = undefined;
    const now = this.#clock.monotonic();
    const waiting = unacknowledgedBytes(this.#socket);
    if (waiting !== undefined && waiting !== this.#unacknowledged) this.#stalledSince = now;
    this.#stalledSince ??= now - this.#limits.drainTimeout / LOOKS;
    this.#unacknowledged = waiting;
    if (now - this.#stalledSince >= this.#limits.drainTimeout)
      this.refuse('slow', `it took nothing for ${this.#limits.drainTimeout} ms`);
    else this.#watch();
  }

  #feed(chunk: Buffer): void {
    if (this.#unread !== undefined) {
      this.#unread -= chunk.length;
      if (this.#unread < 0) this.destroy();
      return;
    }
    if (this.congested) {
      // Answers to further requests would only add to the bytes that this client does not take.
      this.#held = chunk;
      this.#socket.pause();
      void this.roomy().then(() => this.#again());
      return;
    }
    const passes = this.#scan.take(chunk);
    if (typeof passes === 'string') {
      this.refuse(this.refusal ?? 'clients', passes);
      return;
    }
    if (passes < chunk.length) {
      this.#held = chunk.subarray(passes);
      this.#socket.pause();
      this.#turnstile.wait(() => this.#again());
    }
    if (passes > 0 && !this.#pass(chunk.subarray(0, passes))) this.#socket.pause();
    else if (this.#held === undefined) this.#socket.resume();
  }

  /** @returns false when the broker wants no more for now */
  #pass(bytes: Buffer): boolean {
    if (this.#connect === undefined) return this.push(bytes);
    const begin = this.#connect.take(bytes);
    if (begin === undefined) return true;
    this.#connect = undefined;
    const other = otherVersion(begin);
    if (other === undefined) return this.push(begin);
    this.#turnAway(other);
    return true;
  }

  /** What is unread when a connection is destroyed takes the answer with it, so the peer closes first, within a bound. */
  #turnAway(other: OtherVersion): void {
    this.refusal = 'version';
    this.#unread = LAST_BYTES;
    this.#held = undefined;
    this.end(other.answer);
    const cancel = this.#clock.after(LAST_WORD, () => this.destroy());
    this.once('close', cancel);
    this.speaksAnother?.(other);
  }

  #again(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined && !this.destroyed) this.#feed(held);
  }

  #begins(type: number): string | false | undefined {
    if (this.#first && type !== PACKET.connect) return 'the first packet was not a CONNECT';
    if (!this.#turnstile.enter()) return false;
    this.#first = false;
    const acknowledges = type >= PACKET.puback && type <= PACKET.pubcomp;
    return this.#asks(acknowledges ? this.requests.acknowledged() : this.requests.take());
  }

  #asks(allowed: boolean): string | undefined {
    if (allowed) return undefined;
    this.refusal = 'requests';
    return 'more requests than one client may make';
  }
}
