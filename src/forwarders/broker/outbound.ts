/**
 * Gives the bytes for a client to its socket, piece by piece, and watches whether the peer takes them. A peer that takes
 * nothing for `drainTimeout` while something waits for it is reported, however large a write is: each piece that the kernel
 * takes is progress, and so is what the peer acknowledges to it.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { unacknowledgedBytes } from './unacknowledged.ts';

/** Bytes given to the socket at once. */
const PIECE = 64 * 1024;
/** Looks at the progress in one `drainTimeout`. */
const LOOKS = 6;
/**
 * The first look finds where the peer stands, so it comes soon: with nothing later to compare, the time before it counts for nothing.
 * Most pieces that are stuck for a moment have gone by then, and cost no look. Milliseconds.
 */
const FIRST_LOOK = 100;

export interface OutboundSide {
  /** The socket took a piece. */
  took(): void;
  /** The peer took nothing for so long. */
  stalled(): void;
}

export class Outbound {
  /** How many bytes of the write under way the socket took. */
  taken = 0;
  readonly #socket: Socket;
  readonly #clock: Clock;
  /** Milliseconds. */
  readonly #drainTimeout: number;
  readonly #side: OutboundSide;
  #stalledSince: number | undefined;
  #unacknowledged: number | undefined;
  #cancelLook: (() => void) | undefined;
  readonly #waiting: typeof unacknowledgedBytes;

  /** @param waiting bytes that the kernel has of a connection */
  constructor(socket: Socket, clock: Clock, drainTimeout: number, side: OutboundSide, waiting = unacknowledgedBytes) {
    this.#waiting = waiting;
    this.#socket = socket;
    this.#clock = clock;
    this.#drainTimeout = drainTimeout;
    this.#side = side;
  }

  /** @param done called when all of them are with the kernel, or with why they are not */
  send(chunks: Buffer[], done: (error?: Error | null) => void): void {
    this.#from(chunks, 0, done);
  }

  stop(): void {
    this.#progressed();
  }

  #from(chunks: Buffer[], at: number, done: (error?: Error | null) => void): void {
    if (at >= chunks.length) {
      this.taken = 0;
      done();
      this.#side.took();
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
        done(error);
        return;
      }
      this.taken += bytes;
      this.#side.took();
      this.#from(chunks, next, done);
    });
    socket.uncork();
    if (socket.writableLength > 0) this.#watch();
  }

  /** The kernel took a piece, or there is nothing to wait for any more. */
  #progressed(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    this.#stalledSince = undefined;
    this.#unacknowledged = undefined;
  }

  #watch(): void {
    this.#cancelLook ??= this.#clock.after(Math.min(FIRST_LOOK, this.#drainTimeout / LOOKS), () => this.#look());
  }

  /** Whether the peer took anything since the last look. */
  #look(): void {
    const now = this.#clock.monotonic();
    const waiting = this.#waiting(this.#socket);
    if (waiting !== undefined && waiting !== this.#unacknowledged) this.#stalledSince = now;
    this.#stalledSince ??= now;
    this.#unacknowledged = waiting;
    const period = this.#drainTimeout / LOOKS;
    // The progress may be a period older than the look that saw it. The last look is at the deadline, however late the others were.
    const left = this.#stalledSince + this.#drainTimeout - period - now;
    // Timers may run a fraction of a millisecond early.
    const isOver = left < 1;
    this.#cancelLook = isOver ? undefined : this.#clock.after(Math.min(left, period), () => this.#look());
    if (isOver) this.#side.stalled();
  }
}
