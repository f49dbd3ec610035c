/**
 * The mirror of the uncommitted tail in a memory-backed folder: what a killed process leaves behind. A segment is begun
 * with each commit; the older ones go when the commit has ended. Every entry is written before its effect is seen
 * outside. When the folder cannot be written the mirror is down: data then waits for the commit, and nothing else stops.
 */
import { closeSync, readdirSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { ENTRY, EntryWriter } from '../../codecs/rows.ts';
import { toError } from '../../core/errors.ts';
import type { TailState } from '../files/layout.ts';
import { makeFolder } from '../files/make-folder.ts';
import { createOwn, folderFault } from './runtime-dir.ts';

/** A segment in the runtime directory. */
export const TAIL_FILE = /^tail-(\d+)\.bin$/;

/** While the disk takes nothing the oldest segments are given up beyond this, as pending.ts gives up the oldest chunks. */
const MAX_BYTES = 32 * 1024 * 1024;
/** A segment of this size is followed by another, also while no commit ends. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
export const MIRROR_MOST = MAX_BYTES + SEGMENT_BYTES;

export class Mirror {
  readonly #dir: string | undefined;
  readonly #none: string;
  #fd: number | undefined;
  #segment = 0;
  #fault: string | undefined;
  /** The highest number whose entry could not be written. */
  #lacks = 0;
  /** Bytes of each segment that is still there, oldest first. */
  readonly #sizes = new Map<number, number>();

  /** @param none why there is no folder */
  constructor(dir: string | undefined, none = 'no memory-backed folder') {
    this.#dir = dir;
    this.#none = none;
  }

  /** undefined when every entry is safe from a kill. */
  get fault(): string | undefined {
    return this.#dir === undefined ? this.#none : this.#fault;
  }
  get up(): boolean {
    return this.#fd !== undefined && this.#fault === undefined;
  }
  get bytes(): number {
    return [...this.#sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }
  /** Another segment is to be begun. */
  get full(): boolean {
    return (this.#sizes.get(this.#segment) ?? 0) > SEGMENT_BYTES;
  }
  /** Whether every item above `committed` is safe from a kill. A segment that was begun well does not heal the one before. */
  covers(committed: number): boolean {
    return this.up && this.#lacks <= committed;
  }

  /** Begins a segment with `head`. @returns its number */
  begin(head: Uint8Array): number {
    if (this.#dir === undefined) return 0;
    this.#bound();
    this.#segment++;
    this.#sizes.set(this.#segment, 0);
    try {
      if (this.#fd !== undefined) closeSync(this.#fd);
      this.#fd = undefined;
      // The folder may have been cleaned away under us, and another user may have made the one that is there.
      makeFolder(this.#dir, 0o700);
      this.#check(this.#dir);
      this.#fd = createOwn(path.join(this.#dir, `tail-${this.#segment}.bin`));
      this.#fault = undefined;
    } catch (thrown) {
      this.#fault = toError(thrown).message;
    }
    this.write(head);
    return this.#segment;
  }

  /** The entry of an item that has just got its number. */
  item(seq: number, bytes: Uint8Array): void {
    this.write(bytes);
    if (!this.up) this.#lacks = seq;
  }

  state(state: TailState): void {
    const writer = new EntryWriter(1024);
    writer.json(ENTRY.state, state);
    this.write(writer.since(0));
  }

  write(bytes: Uint8Array): void {
    if (this.#fd === undefined || this.#fault !== undefined) return;
    try {
      let done = 0;
      while (done < bytes.length) done += writeSync(this.#fd, bytes, done);
      this.#sizes.set(this.#segment, (this.#sizes.get(this.#segment) ?? 0) + done);
    } catch (thrown) {
      // Later entries would stand behind a gap: nothing more goes into this segment.
      this.#fault = toError(thrown).message;
    }
  }

  /** Everything before segment `keep` is committed. */
  drop(keep: number): void {
    if (this.#dir === undefined) return;
    for (const segment of this.#sizes.keys()) if (segment < keep) this.#sizes.delete(segment);
    let names: string[] = [];
    try {
      names = readdirSync(this.#dir);
      this.#check(this.#dir);
    } catch {
      // The folder is gone, and with it what had to go; or it is another user's, and nothing in it is ours.
      return;
    }
    for (const name of names) {
      const m = TAIL_FILE.exec(name);
      if (m === null || Number(m[1]) >= keep) continue;
      try {
        rmSync(path.join(this.#dir, name), { force: true, recursive: true });
      } catch (thrown) {
        // A committed item is not taken twice, so it may lie there; but a folder that cannot be written is no mirror.
        this.#fault = toError(thrown).message;
      }
    }
  }

  #check(dir: string): void {
    const fault = folderFault(dir);
    if (fault !== undefined) throw new Error(fault);
  }

  #bound(): void {
    let total = this.bytes;
    for (const [segment, bytes] of this.#sizes) {
      if (total <= MAX_BYTES || segment === this.#segment) return;
      total -= bytes;
      this.drop(segment + 1);
    }
  }

  /** After the opening run took the tail: all of it goes. Segments of this run begin after it. */
  clear(): void {
    if (this.#dir !== undefined) this.drop(Number.POSITIVE_INFINITY);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
