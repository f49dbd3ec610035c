/**
 * The commits of the log, as the main thread makes them: what the next one carries, and what comes of it. When one begins
 * is the business of commit-cycle.ts; the writer thread carries it out.
 *
 * - A commit carries everything of its moment: the tail, lanes and cursors, clock mappings, the lease, what may go.
 * - One that failed is as if it had not been: all of it goes into the next one.
 */
import { shortOf, type Tiers } from './archive/tiers.ts';
import type { Party } from './delivery/hand-over.ts';
import type { Lease } from './delivery/lease.ts';
import type { Outlets } from './delivery/outlets.ts';
import type { ClockList } from './files/layout.ts';
import { CommitCycle } from './hot/commit-cycle.ts';
import type { CommitRequest, CommitResult } from './hot/commit-request.ts';
import type { LogOptions } from './log-options.ts';
import type { Tail, Taken } from './tail/tail.ts';
import type { Failure } from './threads/messages.ts';
import type { ClockBook } from './time/clock-book.ts';

/** The parts of the log that a commit takes something of. */
export interface CommitSide {
  readonly options: Pick<LogOptions, 'clock' | 'commitEvery' | 'maxSize' | 'maxAge' | 'retention'>;
  readonly tail: Tail;
  readonly numbers: Lease;
  readonly clock: ClockBook;
  readonly outlets: Outlets;
  readonly tiers: Tiers;
  /** UTC ms of now, when it is known. */
  wall(): number | undefined;
  /** To the writer thread. */
  send(request: CommitRequest, transfer: ArrayBuffer[]): void;
  /** The size of the next reservation of numbers. */
  reserved(): void;
  /** The commit is on the disk: what the log still has to do, before another one begins. */
  ended(result: CommitResult): void;
  /** The first failure of a row of failures; undefined when a commit went through again. */
  fault(error: string | undefined): void;
}

interface Carried {
  readonly upTo: number;
  readonly leaseEnd: number;
  readonly clock: readonly ClockList[];
  readonly taken: Taken;
  /** Those whose state it carries. */
  readonly parties: readonly Party[];
}

export class Committer {
  readonly cycle: CommitCycle<Carried>;
  readonly #side: CommitSide;
  #committed: number;
  #last: Pick<CommitResult, 'bytes' | 'held' | 'oldest'>;

  /**
   * @param committed every number up to here is in the file
   * @param bytes of the file
   */
  constructor(side: CommitSide, committed: number, bytes: number) {
    this.#side = side;
    this.#committed = committed;
    this.#last = { bytes, held: 0, oldest: [] };
    const { clock } = side.options;
    this.cycle = new CommitCycle(
      () => this.#begin(),
      clock,
      () => side.options.commitEvery,
    );
  }

  /** Every item up to here is in the file. */
  get committed(): number {
    return this.#committed;
  }
  /** The state of log.db after the last commit. */
  get last(): Pick<CommitResult, 'bytes' | 'held' | 'oldest'> {
    return this.#last;
  }

  ended(result: CommitResult): void {
    const { clock, numbers, tail, tiers } = this.#side;
    const commit = this.cycle.ended();
    if (commit === undefined) return;
    this.#last = result;
    numbers.reserved(commit.leaseEnd);
    clock.committed(commit.clock);
    this.#committed = Math.max(this.#committed, commit.upTo);
    tail.kept(commit.taken);
    this.#side.reserved();
    if (this.cycle.fault !== undefined) {
      this.cycle.fault = undefined;
      this.#side.fault(undefined);
    }
    tiers.committed(result);
    this.#side.ended(result);
    this.cycle.next();
  }

  failed(failure: Failure): void {
    const commit = this.cycle.failed();
    if (commit === undefined) return;
    this.#side.tiers.putBack();
    this.#side.tail.putBack(commit.taken, failure.chunks ?? []);
    for (const party of commit.parties) party.touch();
    const first = this.cycle.fault === undefined;
    this.cycle.fault = failure.error;
    if (first) this.#side.fault(failure.error);
  }

  #begin(): Carried {
    const { options, tail, numbers, clock: book, outlets, tiers } = this.#side;
    const { parties } = outlets;
    for (const party of parties) party.commitBegins(numbers.next);
    const clock = book.pending;
    const upTo = numbers.next - 1;
    const taken = tail.take();
    const leaseEnd = numbers.wanted();
    const { chunks, savedStates, newInventory } = taken;
    this.#side.send(
      {
        ...{ id: this.cycle.count + 1, chunks, upTo },
        forwarders: parties.flatMap((p) => p.takeStates()),
        active: outlets.states(),
        savedStates: [...savedStates],
        ...{ clock, newInventory, leaseEnd },
        wall: this.#side.wall(),
        ...{ maxSize: tiers.logLimit, total: options.maxSize },
        maxAge: options.maxAge,
        compacted: tiers.take(),
        overwrite: shortOf(options.retention) !== undefined,
        asksSpace: tiers.asksSpace,
      },
      chunks.map((c) => c.entries.buffer),
    );
    return { upTo, leaseEnd, clock, taken, parties };
  }
}
