/**
 * When the keeper is asked to make an hour or to make space, and what came of it. Main thread.
 *
 * - One request at a time; a failed one is tried again after RETRY.
 * - `buffer.maxSize` counts every file: what log.db takes now, and a quarter for what it may take, is not history's.
 * - The writer asks the file system with a commit: nothing here waits for a disk.
 * - The file system keeps `minFree`; for that the log shrinks, but not below a quarter of maxSize. A spare file (core/flow-supervisor.ts) counts as
 *   free: what flows filled costs the log nothing, because the gateway stops them and gives that file free.
 */
import type { Clock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import type { Retention } from '../../core/privacy.ts';
import type { Space } from '../files/room.ts';
import { bytesOf } from '../files/whole-file.ts';
import type { CommitResult } from '../hot/commit-request.ts';
import { HOUR_READINGS, HOUR_RECORDS } from './compact.ts';
import type { TidyRequest, TidyResult } from './tidy-request.ts';

const HOUR = 3_600_000;
/** An hour that has ended is asked for at most this often: the keeper may see its end otherwise than this thread. */
const LOOK_EVERY = 60_000;
/** A start has other things to do first. Then the keeper is to write its witness, whether there is an hour to make or not. */
const FIRST_LOOK = 5000;
/** history.db is read as a whole once a start: a damaged one is mended before somebody needs it. */
const CHECK_AFTER = 20_000;
/** A log may take so much however full the disk is, but no more than a quarter of maxSize: the write-ahead file alone grows by 256 kB. */
const SMALL_LOG = 4 * 1024 * 1024;
/** The file system is asked at most this often. */
const FREE_EVERY = 10_000;
const RETRY = 60_000;
const NEEDS_DECAY = 0.99;
/** Commit blocks of more than this are compacted, whatever the hour. */
const HOT_BYTES = 16 * 1024 * 1024;
/** An hour of a small log may be this part of it. */
const HOT_SHARE = 8;

export interface TiersSide {
  readonly options: {
    readonly clock: Clock;
    /** As the configuration says now: a reload changes them. */
    readonly maxSize: number;
    readonly maxAge: number;
    readonly minFree?: number | undefined;
    readonly retention?: Retention | undefined;
  };
  readonly boot: number;
  readonly historyFile: string;
  tidy(request: Omit<TidyRequest, 'id'>): Promise<TidyResult>;
  /** Reads all of history.db. */
  check(): Promise<unknown>;
  /** The part of the request that depends on the moment. */
  now(): Pick<TidyRequest, 'at' | 'wall' | 'active' | 'from'>;
  /** Blocks may go: a commit is to take `compacted` along. */
  compacted(): void;
  tidied(result: TidyResult): void;
  fault(fault: string | undefined): void;
}

export class Tiers {
  readonly #side: TiersSide;
  #busy = false;
  #stopped = false;
  readonly #idle: (() => void)[] = [];
  #retry: (() => void) | undefined;
  #cancelCheck: (() => void) | undefined;
  #looked: number;
  /** The first look, and what failed. */
  #owed = true;
  /** As it was looked at last. */
  #retention: Retention | undefined;
  #cancelLook: (() => void) | undefined;
  #measuredAt = Number.NEGATIVE_INFINITY;
  #free: Space | undefined;
  #compacted: TidyResult['compacted'] = [];
  /** The removals that the commit under way takes along. */
  #sent: TidyResult['compacted'] = [];
  #last: TidyResult | undefined;
  #fault: string | undefined;
  /** Since the last try. */
  #mended = false;
  #logBytes = 0;
  /** `buffer.maxSize` as the writer has followed it, and as commits are held to it: once what log.db held is compacted. */
  #maxSize: number;
  #commitMaxSize: number;
  /** Bytes that a commit may add; the largest of the last ones. */
  #needs = 0;
  readonly #bytesAtStart: number;

  constructor(side: TiersSide) {
    this.#side = side;
    this.#looked = side.now().at - LOOK_EVERY + FIRST_LOOK;
    this.#bytesAtStart = bytesOf(side.historyFile);
    this.#maxSize = side.options.maxSize;
    this.#commitMaxSize = side.options.maxSize;
    this.#retention = side.options.retention;
    this.#checkIn(CHECK_AFTER);
    this.#lookIn();
  }

  /** Readings become too old also while no commit is made. */
  #lookIn(): void {
    this.#cancelLook = this.#side.options.clock.after(HOUR, () => {
      if (this.#stopped) return;
      this.#lookIn();
      const { at } = this.#side.now();
      if (shortOf(this.#side.options.retention) === undefined || this.#busy || at - this.#looked < HOUR) return;
      this.#looked = at;
      void this.#tidy(false);
    });
  }

  /** Hours that failed, or were mended meanwhile, are looked at again. */
  #checkIn(ms: number): void {
    this.#cancelCheck = this.#side.options.clock.after(ms, () => {
      this.#side.check().catch(() => {
        if (!this.#stopped) this.#checkIn(RETRY);
      });
    });
  }

  get fault(): string | undefined {
    return this.#fault;
  }
  get held(): number {
    return this.#last?.held ?? 0;
  }
  get bytes(): number {
    return this.#last?.bytes ?? this.#bytesAtStart;
  }
  /** The waiting readings of each forwarder. Records in history.db are older than every commit block. @param inLog the blocks of log.db */
  oldestWith(inLog: CommitResult['oldest']): CommitResult['oldest'] {
    const inHistory = this.#last?.oldest ?? [];
    return [...inHistory, ...inLog.filter(([name, lane]) => !inHistory.some(([n, l]) => n === name && l === lane))];
  }
  /** Bytes that all files together may take now. */
  get limit(): number {
    return this.#limitOf(this.#maxSize);
  }
  #limitOf(maxSize: number): number {
    const { minFree } = this.#side.options;
    if (minFree === undefined || this.#free === undefined) return maxSize;
    const used = this.#logBytes + this.bytes;
    const { free, size, held } = this.#free;
    const least = Math.min(minFree, size / 10);
    const spare = (free < least ? Math.min(least, free + held) : free) - least;
    // log.db gets half of a limit: twice of what a small log uses takes nothing from it.
    return Math.min(maxSize, Math.max(used + spare, Math.min(Math.max(2 * used, SMALL_LOG), maxSize / 4)));
  }
  /** The space of log.db. It never gets smaller, so it may not take the half that history needs, not even while history takes nothing. */
  get logLimit(): number {
    const limit = this.#limitOf(this.#commitMaxSize);
    const most = limit / 2;
    return Math.max(Math.min(limit - this.bytes, most), Math.min(this.#logReserve, most));
  }
  get #logReserve(): number {
    return Math.max(this.#logBytes, this.#maxSize / 4) + this.#needs;
  }
  get #budget(): number {
    return Math.max(0, this.limit - Math.min(this.#logReserve, this.limit / 2));
  }

  /** Whether a commit that begins is to ask the file system. The writer does it, and the figure stays until the next one. */
  get asksSpace(): boolean {
    const { minFree, clock } = this.#side.options;
    return minFree !== undefined && clock.monotonic() - this.#measuredAt >= FREE_EVERY;
  }

  /** For a commit that begins. */
  take(): TidyResult['compacted'] {
    this.#sent = this.#compacted;
    this.#compacted = [];
    return this.#sent;
  }
  /** The commit that took them along failed. */
  putBack(): void {
    if (this.#compacted.length === 0) this.#compacted = this.#sent;
    this.#sent = [];
  }

  committed(result: CommitResult): void {
    this.#logBytes = result.bytes;
    this.#maxSize = result.total;
    this.#needs = Math.max(result.needs, this.#needs * NEEDS_DECAY);
    if (this.#busy || this.#retry !== undefined || this.#stopped) return;
    if (result.space !== undefined) this.#measured(result.space ?? undefined);
    const { at, wall } = this.#side.now();
    const { records, readings, bytes, oldest } = result.hot;
    const full = readings >= HOUR_READINGS || records >= HOUR_RECORDS;
    const large = bytes >= Math.min(HOT_BYTES, this.#maxSize / HOT_SHARE);
    this.#sent = [];
    // The commit that deletes them is still to come: these blocks are in an hour already.
    if (this.#compacted.length > 0) return;
    // The keeper takes memory and time as long as it runs: it is asked when there is something to do, and once an hour for
    // what has become too old.
    if (this.#side.options.retention !== this.#retention) {
      this.#retention = this.#side.options.retention;
      this.#owed = true;
      this.#looked = Number.NEGATIVE_INFINITY;
    }
    const since = at - this.#looked;
    const due = since >= HOUR || (since >= LOOK_EVERY && (this.#owed || this.#hasEnded(oldest, at, wall)));
    if (!full && !large && !due && this.bytes <= this.#budget) {
      this.#commitMaxSize = this.#maxSize;
      return;
    }
    this.#looked = at;
    void this.#tidy(large || full);
  }

  /** Makes an hour of what there is, however little, and space. Resolves when the blocks may go; the next commit deletes them. */
  async now(): Promise<void> {
    while (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await this.#tidy(true);
  }

  /** history.db is another file now: what failed on the old one is tried again with the next commit. */
  mended(): void {
    this.#mended = true;
    // It may lack an hour whose blocks were to go with the next commit; the next look says again which may.
    this.#compacted = [];
    this.#sent = [];
    this.#looked = Number.NEGATIVE_INFINITY;
    this.#retry?.();
    this.#retry = undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelCheck?.();
    this.#cancelLook?.();
    this.#retry?.();
  }

  async #tidy(force: boolean): Promise<void> {
    this.#busy = true;
    try {
      for (let more = true; more && !this.#stopped; ) {
        const { boot, options } = this.#side;
        const result = await this.#side.tidy({
          ...this.#side.now(),
          boot,
          force,
          // A log.db that is over its half has to get smaller itself.
          ...{
            budget: this.#budget,
            limit: Math.max(this.limit, this.#logBytes + this.#needs + this.#budget),
            needs: this.#needs,
          },
          maxAge: options.maxAge,
          retention: shortOf(options.retention),
        });
        more = result.more && !force;
        this.#last = result;
        this.#compacted = result.compacted;
        this.#side.tidied(result);
        if (result.more) this.#side.compacted();
      }
      this.#setFault(undefined);
      this.#commitMaxSize = this.#maxSize;
      this.#owed = false;
    } catch (thrown) {
      if (this.#stopped) return;
      this.#owed = true;
      // The fault that the keeper met, without the words for somebody who asked to read.
      const error = toError(thrown);
      this.#setFault(toError(error.cause ?? error).message);
      const wait = this.#mended ? 0 : RETRY;
      this.#mended = false;
      this.#retry = this.#side.options.clock.after(wait, () => {
        this.#retry = undefined;
      });
    } finally {
      this.#busy = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Whether the hour of a block is over; hours of UTC as far as it is known. */
  #hasEnded(block: CommitResult['hot']['oldest'], at: number, wall: number | undefined): boolean {
    if (block === undefined) return false;
    const offset = wall === undefined ? 0 : wall - at;
    return block.boot !== this.#side.boot || Math.floor((block.at + offset) / HOUR) !== Math.floor((at + offset) / HOUR);
  }

  #setFault(fault: string | undefined): void {
    if ((fault === undefined) !== (this.#fault === undefined)) this.#side.fault(fault);
    this.#fault = fault;
  }

  #measured(space: Space | undefined): void {
    this.#measuredAt = this.#side.options.clock.monotonic();
    this.#free = space;
  }
}

/** undefined: no class is kept for less. */
export function shortOf(retention: Retention | undefined): Retention | undefined {
  return retention === undefined || Object.keys(retention.keep).length === 0 ? undefined : retention;
}
