/**
 * What a folder takes on the disk. A flow may fill it with anything, so the walk is bounded in entries, depth and time, and rests
 * after each piece. It follows no link, opens folders only, and stays on the file system of the folder.
 */
import type { Dir, Stats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import path from 'node:path';

/** An empty file has no block; its name and its inode take space all the same. Bytes. */
const LEAST_OF_ENTRY = 4096;
/** Entries that one walk looks at. */
export const MOST_ENTRIES = 100_000;
/** Folders in folders; each holds a descriptor while the walk is below it. */
export const DEEPEST = 32;
const WITHIN = 60_000;
/** Entries between two rests. */
const PIECE = 100;

export interface FolderSize {
  /** At least so many where `ended` is there. */
  readonly bytes: number;
  readonly entries: number;
  /** Why the walk ended before the last entry. */
  readonly ended?: 'bytes' | 'entries' | 'depth' | 'time' | undefined;
}

export interface FolderWalk {
  /** The walk ends beyond so many bytes. */
  readonly most: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Lets everything else have its turn, for some milliseconds. */
  readonly rest: () => Promise<void>;
}

/** @throws what the folder itself throws: it is not there, or it cannot be read */
export async function folderSize(folder: string, walk: FolderWalk): Promise<FolderSize> {
  const top = await lstat(folder);
  const count = new FolderCount(walk, top);
  await count.read(await opendir(folder), folder, 1);
  return { bytes: count.bytes, entries: count.entries, ended: count.ended };
}

class FolderCount {
  readonly #walk: FolderWalk;
  readonly #device: number;
  readonly #until: number;
  bytes: number;
  entries = 0;
  ended: FolderSize['ended'];

  constructor(walk: FolderWalk, top: Stats) {
    this.#walk = walk;
    this.#device = top.dev;
    this.#until = walk.now() + WITHIN;
    this.bytes = top.blocks * 512;
  }

  async read(dir: Dir, at: string, depth: number): Promise<void> {
    for await (const { name } of dir) {
      if (++this.entries > MOST_ENTRIES) this.ended ??= 'entries';
      if (this.entries % PIECE === 0) await this.#walk.rest();
      if (this.#walk.now() > this.#until) this.ended ??= 'time';
      if (this.ended === undefined) await this.#add(path.join(at, name), depth);
      if (this.bytes > this.#walk.most) this.ended ??= 'bytes';
      if (this.ended !== undefined) return;
    }
  }

  async #add(file: string, depth: number): Promise<void> {
    const found = await lstat(file).catch(() => undefined);
    if (found === undefined || found.dev !== this.#device) return;
    this.bytes += Math.max(found.blocks * 512, LEAST_OF_ENTRY);
    if (!found.isDirectory()) return;
    if (depth >= DEEPEST) {
      this.ended = 'depth';
      return;
    }
    // It may have gone, or its flow may have closed it: the watch of the free space does not depend on that.
    const dir = await opendir(file).catch(() => undefined);
    if (dir !== undefined) await this.read(dir, file, depth + 1);
  }
}
