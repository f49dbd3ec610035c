/**
 * Gives the bytes for a client to its socket, piece by piece, and watches whether the peer takes them. A peer that takes
 * nothing for `drainTimeout` while much waits for it is reported, however large a write is, and however much the kernel still takes
 * for it. Progress is what its program reads: the window of the peer says that (access/doors/standing.ts). Where the system does not
 * know it, progress is what the peer acknowledges, or each piece that was stuck and has gone.
 */
import type { Socket } from 'node:net';
import type { Standing } from '../../access/doors/standing.ts';
import type { Clock } from '../../core/clock.ts';
import { standingOf } from './peer-standing.ts';

/** Bytes given to the socket at once. */
const PIECE = 64 * 1024;
/**
 * So many bytes that the kernel has and the peer has not are watched although the kernel takes more. It takes megabytes: without this
 * a slow stream would fill them for seconds, or for minutes, before a peer that stopped reading is noticed. Less is not watched, so
 * that a client may be busy for some seconds.
 */
const MUCH = 256 * 1024;
/**
 * After so many bytes the kernel is asked how far the peer is, and after MUCH where the last look found a peer that keeps up: a
 * look costs something, and the time of a peer that stops begins with a look.
 */
const SOME = 64 * 1024;
/** With so many bytes unacknowledged a peer does not keep up, where its window is not known. */
const LAG = 16 * 1024;
/** Less is no progress: the window of a peer that reads nothing goes on growing by some bytes. */
const STEP = 2 * 1024;
/** Looks at the progress in one `drainTimeout`. */
const LOOKS = 10;
/**
 * The first look finds where the peer stands, so it comes soon: with nothing later to compare, the time before it counts for nothing.
 * Most pieces that are stuck for a moment have gone by then, and cost no look. Milliseconds.
 */
const FIRST_LOOK = 100;
/**
 * The end comes by this share of `drainTimeout` earlier, counted from the look that saw the last progress: it may be a period old, and
 * a window goes on growing for a moment.
 */
const UNSEEN = 1 / 6;
/** A look that was not planned by the one before compares with it when it is not older than so many periods. */
const FRESH = 2;

interface Seen extends Standing {
  /** That of the last progress. */
  readonly edge?: number;
  readonly given: number;
  /** At most. */
  readonly acknowledged: number;
}

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
  /** Since when looks find much that waits, and no progress. */
  #muchSince: number | undefined;
  /** What the last look saw of bytes given to the kernel, and how many of them the peer had at most. */
  #seen: Seen | undefined;
  #given = 0;
  /** Bytes given to the kernel since the last look. */
  #unseen = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** The piece under way was stuck at a look. */
  #seenStuck = false;
  #cancelLook: (() => void) | undefined;
  /** The greatest window of the peer. */
  #widest = 0;
  /** So the last look found. */
  #keepsUp = false;
  /** The look to come follows from the last one. */
  #planned = false;
  readonly #standing: typeof standingOf;

  /** @param standing what the kernel says of a connection */
  constructor(socket: Socket, clock: Clock, drainTimeout: number, side: OutboundSide, standing = standingOf) {
    this.#standing = standing;
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
    // What was stuck has gone because the peer took something, or because the kernel takes more: only the window tells.
    if (this.#seenStuck && this.#seen?.edge === undefined) this.#forget();
    if (this.#unseen >= (this.#keepsUp ? MUCH : SOME))
      this.#watch(Math.max(FIRST_LOOK, this.#lookedAt + this.#period - this.#clock.monotonic()));
    else if (this.#stalledSince === undefined) this.#forget();
  }

  /** There is nothing to wait for any more. */
  #forget(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    this.#stalledSince = undefined;
    this.#muchSince = undefined;
    this.#seen = undefined;
    this.#seenStuck = false;
    this.#planned = false;
  }

  get #period(): number {
    return this.#drainTimeout / LOOKS;
  }

  #watch(ms: number): void {
    if (this.#cancelLook !== undefined) return;
    const wait = Math.min(ms, this.#period);
    const due = this.#clock.monotonic() + wait;
    this.#cancelLook = this.#clock.after(wait, () => this.#look(due));
  }

  /** Whether the peer took anything since the last look. @param due when it was planned for */
  #look(due: number): void {
    const now = this.#clock.monotonic();
    this.#stoodStill(now - due);
    const standing = this.#standing(this.#socket);
    const before = this.#planned || now - this.#lookedAt <= FRESH * this.#period ? this.#seen : undefined;
    const flows = this.#unseen > 0;
    this.#cancelLook = undefined;
    this.#planned = false;
    this.#lookedAt = now;
    this.#unseen = 0;
    this.#seenStuck = this.#socket.writableLength > 0;
    const lags = this.#lags(standing);
    this.#keepsUp = !this.#seenStuck && !lags;
    const moved = standing !== undefined && this.#moved(standing, before);
    if (moved) this.#stalledSince = now;
    this.#stalledSince ??= now;
    if (this.#seenStuck || (standing?.waiting ?? 0) >= MUCH) {
      if (moved) this.#muchSince = now;
      this.#muchSince ??= now;
      // The last look is at the deadline, however late the others were. Timers may run a fraction of a millisecond early.
      // What has just left may be on its way: the window of a peer far away says for a moment that it reads nothing.
      const left = Math.max(this.#stalledSince + this.#drainTimeout * (1 - UNSEEN), this.#muchSince + this.#period) - now;
      if (left < 1) this.#side.stalled();
      else this.#goOn(left);
      return;
    }
    this.#muchSince = undefined;
    // Little waits here. A peer that has not read all has the rest in its own kernel: its time goes on.
    if (lags || (flows && (!moved || before === undefined))) this.#goOn(this.#period);
    else if (!flows) this.#forget();
  }

  /**
   * The gateway itself had no turn for so long, as on a board that has no processor time: what the peer took meanwhile was not sent
   * on, and its program may have had no turn either. That time is not the peer's.
   */
  #stoodStill(late: number): void {
    if (late < this.#period) return;
    if (this.#stalledSince !== undefined) this.#stalledSince += late;
    if (this.#muchSince !== undefined) this.#muchSince += late;
  }

  /** Whether its program has not read all that its kernel has, as far as anybody knows. */
  #lags(standing: Standing | undefined): boolean {
    if (standing?.window === undefined) return (standing?.waiting ?? 0) >= LAG;
    this.#widest = Math.max(this.#widest, standing.window);
    return standing.window < this.#widest - STEP;
  }

  #goOn(ms: number): void {
    this.#planned = true;
    this.#watch(ms);
  }

  /** @param seen by the last look @returns whether the peer took more since, as far as anybody knows */
  #moved(standing: Standing, seen: Seen | undefined): boolean {
    const { waiting, edge } = standing;
    // The kernel may have a part of the piece that is stuck: then this is too little by at most that piece.
    const acknowledged = this.#given - waiting;
    const most = Math.max(acknowledged, seen?.acknowledged ?? acknowledged);
    const advanced = seen?.edge === undefined || edge === undefined || edge - seen.edge >= STEP;
    const last = advanced ? edge : seen.edge;
    this.#seen = { waiting, ...(last === undefined ? {} : { edge: last }), given: this.#given, acknowledged: most };
    if (seen === undefined) return true;
    // The kernel is asked in another way since: there is nothing to compare yet, and the two ways differ by some bytes.
    if (edge !== undefined && seen.edge === undefined) return false;
    if (edge !== undefined && seen.edge !== undefined) return advanced;
    return acknowledged > seen.acknowledged || (seen.given === this.#given && waiting < seen.waiting);
  }
}
