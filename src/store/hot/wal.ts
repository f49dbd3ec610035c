/**
 * The write-ahead file of log.db, and what makes a commit durable. SQLite runs with synchronous=NORMAL and without
 * checkpoints of its own; both are done here. docs/decisions/wal-sync.md has the reasons.
 *
 * - `sync` returns only when everything that SQLite wrote into the file is on the disk.
 * - After a failed fdatasync nothing is written before the same bytes were written again and synced: the kernel may have
 *   let go of pages it could not write, and says so once.
 * - At any moment at most one commit is not on the disk, so a power cut leaves at most one that is torn. The remains of a
 *   torn one are wiped before the first commit of a run. Two commits behind a frame that does not fit are therefore
 *   damage (check-log.ts), never a power cut.
 * - The file keeps its length: zeros are written ahead of SQLite's use, so that a commit changes data and nothing else.
 * - Used by the writer's thread alone.
 */
import { closeSync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import type Database from 'better-sqlite3';
import { SluiceError, toError } from '../../core/errors.ts';
import { codeOf } from '../files/sqlite-errors.ts';
import { statSize } from '../files/whole-file.ts';

/** sqlite.org/walformat.html */
const HEADER = 32;
const FRAME_HEADER = 24;
/** Zeros are written so much at a time, when less than AHEAD is left. */
const STEP = 256 * 1024;
const AHEAD = 48 * 1024;
/** Length at which everything goes into the database file. */
const LENGTH = { least: 128 * 1024, most: 16 * 1024 * 1024 };
/** Times the length: from here on readers are waited for, and here commits are refused. */
const PRESS = 2;
const REFUSE = 8;
/** How long readers are waited for, milliseconds; the writer does nothing else meanwhile. */
const PATIENCE = 250;
/** As better-sqlite3 sets it: another program may write, for a while. */
const BUSY = 5000;
/** Milliseconds between two questions to SQLite while another program writes. */
const LOOK = 5;
const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Length that the write-ahead file of a log of `maxSize` bytes is let grow to, bytes. */
export function walLength(maxSize: number): number {
  return Math.max(LENGTH.least, Math.min(LENGTH.most, Math.floor(maxSize / 8)));
}

/** The files were removed or replaced: what is written now is lost at the next start. Ends the thread. */
export class WalGone extends SluiceError {}

/** sqlite.org/pragma.html#pragma_wal_checkpoint */
interface Checkpointed {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

export class WriteAhead {
  readonly #db: Database.Database;
  readonly #file: string;
  #target: number;
  readonly #frameSize: number;
  #fd: number | undefined;
  /** Inodes of database and write-ahead file. */
  #inodes = '';
  /** Up to here the file of this generation was synced; the salts of its header tell the generation. */
  #synced = 0;
  #salts = '';
  #end = 0;
  /** Bytes of the latest commit. */
  #grown = 0;
  /** How long the file was when readers were last waited for. */
  #pressed = 0;
  /** The bytes that the kernel took and did not confirm, with their place. Bounded by one commit. */
  #unsure: { readonly bytes: Buffer; readonly at: number } | undefined;
  /** A `sync` began and ended before it knew what SQLite has committed: nothing is written before it was done again. */
  #behind = false;
  #fault: string | undefined;
  /** Frames that are of no use any more are to be overwritten: asked for, then when the file began anew under other salts. */
  #overwrite: 'asked' | { readonly salts: string } | undefined;
  /** No frame ends behind, of this generation or an earlier one. */
  #highest: number | undefined;

  /** @param target bytes, see `walLength` */
  constructor(file: string, db: Database.Database, target: number) {
    this.#file = file;
    this.#db = db;
    this.#target = target;
    this.#frameSize = (db.pragma('page_size', { simple: true }) as number) + FRAME_HEADER;
    db.pragma('synchronous = NORMAL');
    // Within a commit a failed checkpoint would make SQLite report a commit as failed that it has made.
    db.pragma('wal_autocheckpoint = 0');
    // The growth that a long reader caused is cut off; the file is never shorter than it was made.
    db.pragma(`journal_size_limit = ${target}`);
  }

  /**
   * To be called before the first transaction of a run: what the run before left is on the disk when this returns, and
   * what was torn is gone. SQLite goes on behind the last frame that fits, under the same salts; a commit that is
   * shorter than the torn one would leave the end of that behind itself.
   * @throws when that is not certain
   */
  begin(): void {
    this.sync();
    const fd = this.#open();
    const from = Math.max(this.#end, HEADER);
    // A full disk ends a file in the middle of a frame, and nothing has to be taken away behind that.
    const to = Math.min(this.#tornEnd(fd, from), fstatSync(fd).size);
    if (to <= from) return;
    const zeros = Buffer.alloc(STEP);
    try {
      for (let at = from; at < to; ) at += writeSync(fd, zeros, 0, Math.min(zeros.length, to - at), at);
    } catch (thrown) {
      if (!/^(ENOSPC|EDQUOT)$/.test(codeOf(thrown) ?? '')) throw thrown;
      // A hole or a copy on write needs room that is not there. A shorter file needs none.
      ftruncateSync(fd, from);
    }
    fdatasyncSync(fd);
  }

  /** @returns where the last frame ends that bears the salts of the header; `from` without one */
  #tornEnd(fd: number, from: number): number {
    const salts = Buffer.from(this.#salts, 'hex');
    if (salts.every((byte) => byte === 0)) return from;
    let end = from;
    const frames = Math.floor(STEP / this.#frameSize);
    for (let at = from; ; at += frames * this.#frameSize) {
      const some = this.#read(fd, at, frames * this.#frameSize);
      for (let k = 0; k + FRAME_HEADER <= some.length; k += this.#frameSize)
        if (some.compare(salts, 0, salts.length, k + 8, k + 8 + salts.length) === 0) end = at + k + this.#frameSize;
      if (some.length < frames * this.#frameSize) return end;
    }
  }

  /** To be called before each transaction. @throws while the disk takes nothing: SQLite is not asked then */
  ready(): void {
    if (this.#unsure !== undefined) this.#writeAgain(this.#unsure);
    if (this.#behind) this.sync();
    if (this.#end > this.#target * REFUSE && !this.#checkpoint(true))
      throw new SluiceError(
        'log-write',
        `${this.#file}-wal has ${this.#end} bytes and cannot be brought into the database file: ${this.#fault ?? 'another program reads the log and does not end; close it'}`,
      );
  }

  /**
   * Another length, between two commits. SQLite cuts a file that is longer when it begins it anew.
   * @returns false while a reader holds it: to be asked again
   */
  resize(target: number): boolean {
    if (target === this.#target) return true;
    if (statSize(`${this.#file}-wal`) > target && !this.#checkpoint(true)) return false;
    this.#target = target;
    this.#db.pragma(`journal_size_limit = ${target}`);
    return true;
  }

  /** Everything that SQLite has committed is on the disk when this returns. @throws when that is not certain */
  sync(): void {
    this.#behind = true;
    const fd = this.#open();
    const frames = this.#frames();
    this.#end = frames === 0 ? 0 : HEADER + frames * this.#frameSize;
    const salts = this.#read(fd, 16, 8).toString('hex');
    const from = salts === this.#salts ? Math.min(this.#synced, this.#end) : 0;
    this.#grown = this.#end - from;
    if (this.#highest !== undefined) this.#highest = Math.max(this.#highest, this.#end);
    // Read before the sync, while the pages are certain to be in memory.
    const unsure = { bytes: this.#read(fd, from, this.#end - from), at: from };
    this.#unsure = unsure;
    this.#behind = false;
    // The bytes of an earlier run may be on the disk or, after a failed sync of that run, in memory only.
    if (this.#salts === '') this.#writeAgain(unsure);
    else {
      fdatasyncSync(fd);
      this.#confirmed(salts);
    }
  }

  /** To be called after a commit was reported: keeps length and content in bounds. @returns what is wrong with the database file */
  tend(): string | undefined {
    if (this.#fd === undefined || this.#unsure !== undefined || this.#behind) return this.#fault;
    if (this.#end + AHEAD + this.#grown > this.#target) {
      const press = this.#end > Math.max(this.#target * PRESS, this.#pressed + this.#target / 2);
      if (this.#checkpoint(press)) this.#pressed = 0;
      else if (press) this.#pressed = this.#end;
    } else this.#growAhead(this.#fd);
    this.#tendOld(this.#fd);
    return this.#fault;
  }

  /**
   * What was deleted lies in frames of the write-ahead file as well. They are overwritten with zeros once everything is in the database
   * file and the file began anew: with one of the next calls of `tend`. What is overwritten is what was written since the last time.
   */
  overwriteOld(): void {
    this.#overwrite ??= 'asked';
  }

  #tendOld(fd: number): void {
    if (this.#overwrite === undefined) return;
    if (this.#overwrite === 'asked') {
      if (this.#checkpoint(true)) this.#overwrite = { salts: this.#salts };
      return;
    }
    // The next commit makes it begin anew. Until then frames of the old generation are read.
    if (this.#salts === this.#overwrite.salts || this.#salts === '') return;
    try {
      const to = Math.min(this.#highest ?? fstatSync(fd).size, fstatSync(fd).size);
      const zeros = Buffer.alloc(STEP);
      for (let at = Math.max(this.#end, HEADER); at < to; ) at += writeSync(fd, zeros, 0, Math.min(zeros.length, to - at), at);
      fdatasyncSync(fd);
      this.#highest = this.#end;
      this.#overwrite = undefined;
    } catch {
      // It is tried again; what is wrong with the disk the next commit finds out.
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #writeAgain({ bytes, at }: { bytes: Buffer; at: number }): void {
    const fd = this.#open();
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
    fdatasyncSync(fd);
    this.#confirmed(this.#read(fd, 16, 8).toString('hex'));
  }

  #confirmed(salts: string): void {
    this.#unsure = undefined;
    this.#synced = this.#end;
    this.#salts = salts;
  }

  /**
   * Frames of all commits. SQLite does not know them while another program writes and the header in the shared memory is half done.
   * Its busy handler is not asked in this mode, so the time-out of the connection is waited here. Unknown is not zero: `begin` would
   * wipe every commit.
   * @throws when the number stays unknown
   */
  #frames(): number {
    for (let waited = 0; ; waited += LOOK) {
      const [row] = this.#db.pragma('wal_checkpoint(NOOP)') as Checkpointed[];
      if (row?.busy === 0 && row.log >= 0) return row.log;
      if (row?.busy !== 1)
        throw new SluiceError('log-write', `${this.#file} has no write-ahead file in use any more; restart the gateway`);
      if (waited >= (this.#db.pragma('busy_timeout', { simple: true }) as number))
        throw new SluiceError('log-write', `another program writes to ${this.#file} and does not end; close it`);
      Atomics.wait(nobody, 0, 0, LOOK);
    }
  }

  /** SQLite opened its own before; both have to be the file that the next start will find. @throws WalGone */
  #open(): number {
    const inodes = [this.#file, `${this.#file}-wal`].map((f) => statSync(f, { throwIfNoEntry: false })?.ino ?? 'none').join('/');
    if (this.#fd !== undefined && inodes === this.#inodes) return this.#fd;
    if (this.#fd !== undefined || inodes.includes('none'))
      throw new WalGone(
        'log-write',
        `${this.#file} or its write-ahead file was removed or replaced while the gateway was running`,
      );
    this.#fd = openSync(`${this.#file}-wal`, 'r+');
    this.#inodes = inodes;
    // Its name as well.
    const folder = openSync(path.dirname(this.#file), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    return this.#fd;
  }

  #read(fd: number, at: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const n = readSync(fd, bytes, done, length - done, at + done);
      if (n === 0) break;
      done += n;
    }
    return bytes.subarray(0, done);
  }

  #growAhead(fd: number): void {
    try {
      const { size } = fstatSync(fd);
      if (this.#end + AHEAD + this.#grown <= size || size >= this.#target) return;
      const zeros = Buffer.alloc(Math.min(this.#target, Math.max(size, this.#end) + STEP) - size);
      for (let done = 0; done < zeros.length; ) done += writeSync(fd, zeros, done, zeros.length - done, size + done);
      fdatasyncSync(fd);
    } catch {
      // It only makes commits cheaper. Whatever is wrong with the disk, the next commit finds it out.
    }
  }

  /** @param press waits for readers @returns whether the next commit can begin the file anew */
  #checkpoint(press: boolean): boolean {
    try {
      if (press) this.#db.pragma(`busy_timeout = ${PATIENCE}`);
      const [row] = this.#db.pragma(`wal_checkpoint(${press ? 'RESTART' : 'PASSIVE'})`) as Checkpointed[];
      this.#fault = undefined;
      return row?.busy === 0 && row.log === row.checkpointed;
    } catch (thrown) {
      this.#fault = toError(thrown).message;
      return false;
    } finally {
      if (press) this.#db.pragma(`busy_timeout = ${BUSY}`);
    }
  }
}
