/**
 * The words for a full file system, and the remedy. SQLite says "disk I/O error" where it cannot make its index of the
 * write-ahead file longer, and "unable to open" where no file can be made.
 */
import { type StatsFs, statfsSync } from 'node:fs';
import { codeOf } from './sqlite-errors.ts';

/** What a log needs at its opening, bytes: the index, and the first step of the write-ahead file. */
const LEAST = 320 * 1024;

/** The possible causes of a fault. */
const CODES = /^(ENOSPC|EDQUOT|SQLITE_FULL|SQLITE_CANTOPEN.*|SQLITE_IOERR.*)$/;

/** A sentence for people where the disk has no room; undefined where the fault has another cause. @param dir that the files lie in */
export function spaceFault(thrown: unknown, dir: string): string | undefined {
  for (let error = thrown; error !== undefined; error = error instanceof Error ? error.cause : undefined)
    if (CODES.test(codeOf(error) ?? '')) return littleSpace(dir);
  return undefined;
}

/** A sentence for people; undefined where a log can be opened. */
export function littleSpace(dir: string): string | undefined {
  const space = spaceOf(dir);
  if (space === undefined) return undefined;
  return takesFile(space)
    ? bytesFault(dir, space)
    : `The disk cannot hold another file: all ${space.files} that the file system of ${dir} can have are there. Remove some, or name a folder on another disk as gateway.stateDir`;
}

/** The same where bytes are all that is missing. */
export function littleBytes(dir: string): string | undefined {
  const space = spaceOf(dir);
  return space !== undefined && takesFile(space) ? bytesFault(dir, space) : undefined;
}

function spaceOf(dir: string): StatsFs | undefined {
  try {
    return statfsSync(dir);
  } catch {
    return undefined;
  }
}

/** A file system that counts no files says 0. */
const takesFile = ({ files, ffree }: StatsFs): boolean => files === 0 || ffree > 0;

function bytesFault(dir: string, { bavail, blocks, bsize }: StatsFs): string | undefined {
  if (bavail * bsize >= LEAST) return undefined;
  const kilobytes = (n: number) => `${Math.floor((n * bsize) / 1024)} kB`;
  return `The disk is full: ${kilobytes(bavail)} of ${kilobytes(blocks)} are free where ${dir} lies. Make room there, or name a folder on a larger disk as gateway.stateDir`;
}
