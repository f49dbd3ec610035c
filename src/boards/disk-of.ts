/** The whole disk that a folder lies on, as the kernel shows it in /sys. */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';

export interface WholeDisk {
  /** For example `mmcblk0`. */
  readonly name: string;
  /** In /sys. */
  readonly folder: string;
}

/** Disks in disks: encryption on a volume of a group, for example. */
const MOST_LEVELS = 4;

/**
 * @param sys `/sys`, or a test's own
 * @param device major:minor of the file system; tests give one
 * @returns undefined where the kernel does not say: the file system is in memory, on the network, or on several disks
 */
export function diskOf(dir: string, sys: string, device?: string): WholeDisk | undefined {
  try {
    const number = device ?? deviceOf(existsSync(dir) ? dir : path.dirname(dir));
    let folder = wholeOf(realpathSync(path.join(sys, 'dev', 'block', number)));
    for (let level = 0; level < MOST_LEVELS; level++) {
      const below = slavesOf(folder);
      if (below.length === 0) return { name: path.basename(folder), folder };
      if (below.length > 1) return undefined;
      folder = wholeOf(realpathSync(path.join(folder, 'slaves', below[0] ?? '')));
    }
    return undefined;
  } catch {
    return undefined;
  }
}

/** As in the names of /sys/dev/block. */
export function deviceOf(dir: string): string {
  const { dev } = statSync(dir);
  return `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
}

function wholeOf(folder: string): string {
  return existsSync(path.join(folder, 'partition')) ? path.dirname(folder) : folder;
}

function slavesOf(folder: string): string[] {
  const slaves = path.join(folder, 'slaves');
  return existsSync(slaves) ? readdirSync(slaves) : [];
}
