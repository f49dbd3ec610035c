/**
 * Gives the bytes for a client to its socket, piece by piece, and watches whether the peer takes them. A peer that takes
 * nothing for `drainTimeout` while much waits for it is reported, however large a write is, and however much the kernel still takes
 * for it: progress is what the peer acknowledges. Where the system does not say that, it is each piece that was stuck and has gone.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { unacknowledgedBytes } from './unacknowledged.ts';

/** Bytes given to the socket at once. */
const PIECE = 64 * 1024;
/**
 * So many bytes that the kernel has and the peer has not are watched although the kernel takes more. It takes megabytes: without this
 * a slow stream would fill them for seconds, or for minutes, before a peer that stopped reading is noticed. Less is not watched, so
 * that a client may be busy for some seconds.
 */
const MUCH = 256 * 1024;
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
  /** What the last look saw of bytes given to the kernel, and how many of them the peer had at most. */
  #seen: { readonly given: number; readonly waiting: number; readonly acknowledged: number } | undefined;
  #given = 0;
  /** Bytes given to the kernel since the last look. */
  #unseen = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** The piece under way was stuck at a look. */
  #seenStuck = false;
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
    this.#forget();
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
      if (error) {
        this.#forget();
        done(error);
        return;
      }
      this.#took(bytes);
      this.taken += bytes;
      this.#side.took();
      this.#from(chunks, next, done);
    });
    socket.uncork();
    if (socket.writableLength > 0) this.#watch(FIRST_LOOK);
  }

  /** The kernel took a piece. */
  #took(bytes: number): void {
    this.#given += bytes;
    this.#unseen += bytes;
    // What was stuck has gone because the peer took something.
    if (this.#seenStuck) this.#forget();
    if (this.#unseen >= MUCH) this.#watch(Math.max(FIRST_LOOK, this.#lookedAt + this.#period - this.#clock.monotonic()));
    else if (this.#stalledSince === undefined) this.#forget();
  }

  /** There is nothing to wait for any more. */
  #forget(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    this.#stalledSince = undefined;
    this.#seen = undefined;
    this.#seenStuck = false;
  }

  get #period(): number {
    return this.#drainTimeout / LOOKS;
  }

  #watch(ms: number): void {
    this.#cancelLook ??= this.#clock.after(Math.min(ms, this.#period), () => this.#look());
  }

  /** Whether the peer took anything since the last look. */
  #look(): void {
    const now = this.#clock.monotonic();
    const waiting = this.#waiting(this.#socket);
    this.#cancelLook = undefined;
    this.#lookedAt = now;
    this.#unseen = 0;
    this.#seenStuck = this.#socket.writableLength > 0;
    if (!this.#seenStuck && (waiting ?? 0) < MUCH) {
      this.#forget();
      return;
    }
    if (waiting !== undefined && this.#moved(waiting)) this.#stalledSince = now;
    this.#stalledSince ??= now;
    // The progress may be a period older than the look that saw it. The last look is at the deadline, however late the others were.
    const left = this.#stalledSince + this.#drainTimeout - this.#period - now;
    // Timers may run a fraction of a millisecond early.
    if (left < 1) this.#side.stalled();
    else this.#watch(left);
  }

  /** @param waiting bytes that the peer has not acknowledged @returns whether it acknowledged more than at the last look */
  #moved(waiting: number): boolean {
    const seen = this.#seen;
    // The kernel may have a part of the piece that is stuck: then this is too little by at most that piece.
    const acknowledged = this.#given - waiting;
    this.#seen = { given: this.#given, waiting, acknowledged: Math.max(acknowledged, seen?.acknowledged ?? acknowledged) };
    if (seen === undefined || acknowledged > seen.acknowledged) return true;
    return seen.given === this.#given && waiting < seen.waiting;
  }
}
