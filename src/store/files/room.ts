/** The room of a file system, for a thread that may wait for the disk. */
import { lstatSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { SPARE_FILE } from '../../core/flow-supervisor.ts';

/** Bytes of a file system. */
export interface Space {
  readonly free: number;
  readonly size: number;
  /** Those of the spare file, which the gateway gives free for the log. */
  readonly held: number;
}

/** @returns undefined where it cannot be asked */
export function spaceOf(folder: string): Space | undefined {
  try {
    const { bavail, blocks, bsize } = statfsSync(folder);
    const held = lstatSync(path.join(folder, SPARE_FILE), { throwIfNoEntry: false });
    return { free: bavail * bsize, size: blocks * bsize, held: (held?.blocks ?? 0) * 512 };
  } catch {
    return undefined;
  }
}
