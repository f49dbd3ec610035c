/**
 * The agreement between the writer and the keeper while an hour is made: whether its commit blocks may be dropped for want of
 * space, whether the dropped ones were lost, and whether the part of log.db that the keeper reads is on the disk. It lies in
 * memory that both threads see.
 *
 * - The keeper reserves the blocks of an hour before it reads them, and asks again before the hour is committed.
 * - The writer never waits. It takes a reserved block away, and the hour is then not made; while the hour is being
 *   committed the block stays, so that log.db is over its limit by what one commit brings.
 * - A block that is in an hour may go without a word: its records are not lost.
 * - The keeper reads a commit as soon as SQLite has it. history.db says nothing of it before the disk has it, too: after a
 *   power cut log.db would be behind history.db, which is the mark of a loss.
 */
import { keyOf } from '../files/layout.ts';

const STATE = { idle: 0, reserved: 1, committing: 2, revoked: 3 } as const;
/**
 * The first four bytes are the state; then first and last key of what is reserved, and the last key that is in an hour; then how
 * many commits the writer began, and how many of them are on the disk.
 */
const BYTES = 40;
const BEGUN = 0;
const ON_DISK = 1;
/** How long the keeper waits for the disk, milliseconds; it answers nobody meanwhile. */
const PATIENCE = 1000;

export type Verdict = 'lost' | 'in-hour' | 'stays';

export class Agreement {
  readonly buffer: SharedArrayBuffer;
  readonly #state: Int32Array;
  readonly #keys: Float64Array;
  readonly #commits: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    this.buffer = buffer;
    this.#state = new Int32Array(buffer, 0, 1);
    this.#keys = new Float64Array(buffer, 8, 3);
    this.#commits = new Int32Array(buffer, 32, 2);
  }

  // The keeper's side.

  /** @param first @param last keys of the first and of the last record of the hour that is to be made */
  begin(first: number, last: number): void {
    this.#keys[0] = first;
    this.#keys[1] = last;
    Atomics.store(this.#state, 0, STATE.reserved);
  }
  /** The hour gets fewer blocks than were reserved. What was dropped of the others may have revoked it all the same. @param last as above */
  shorten(last: number): void {
    this.#keys[1] = last;
  }
  /** @returns false when a block was dropped meanwhile: the hour must not be committed */
  commit(): boolean {
    return Atomics.compareExchange(this.#state, 0, STATE.reserved, STATE.committing) === STATE.reserved;
  }
  /** @param made whether the hour is in history.db */
  end(made: boolean): void {
    if (made) this.#keys[2] = this.#keys[1] as number;
    Atomics.store(this.#state, 0, STATE.idle);
  }
  /** history.db is another file now. */
  forget(): void {
    this.#keys[2] = 0;
  }

  /** @returns whether all that was read of log.db before this call is on the disk; false when the disk takes long */
  onDisk(): boolean {
    const begun = Atomics.load(this.#commits, BEGUN);
    const until = performance.now() + PATIENCE;
    for (;;) {
      const done = Atomics.load(this.#commits, ON_DISK);
      // One commit is under way at a time, so the difference is small, also where the counts begin anew.
      if (((begun - done) | 0) <= 0) return true;
      const left = until - performance.now();
      if (left <= 0) return false;
      Atomics.wait(this.#commits, ON_DISK, done, left);
    }
  }

  // The writer's side.

  /** SQLite gets a commit now, which a reader may see before the disk has it. */
  commitBegins(): void {
    Atomics.add(this.#commits, BEGUN, 1);
  }
  /** Nobody ever sees it. */
  commitRolledBack(): void {
    Atomics.sub(this.#commits, BEGUN, 1);
  }
  /** Every commit that began is on the disk. */
  commitsOnDisk(): void {
    Atomics.store(this.#commits, ON_DISK, Atomics.load(this.#commits, BEGUN));
    Atomics.notify(this.#commits, ON_DISK);
  }

  /** @param first @param last keys of a block that has to go. To be followed when it is not `stays`. */
  drop(first: number, last: number): Verdict {
    if (last <= (this.#keys[2] as number) && sameLog(first, this.#keys[2] as number)) return 'in-hour';
    if (first > (this.#keys[1] as number) || last < (this.#keys[0] as number)) return 'lost';
    const was = Atomics.compareExchange(this.#state, 0, STATE.reserved, STATE.revoked);
    if (was === STATE.committing) return 'stays';
    // It may have been committed between the first look and this one.
    return last <= (this.#keys[2] as number) && sameLog(first, this.#keys[2] as number) ? 'in-hour' : 'lost';
  }
}

function sameLog(a: number, b: number): boolean {
  return Math.floor(a / keyOf(1, 0)) === Math.floor(b / keyOf(1, 0));
}
