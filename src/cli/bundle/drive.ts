/** The file system on which a folder lies: its top folder, its id, and whether its drive can be pulled out. */
import { readdirSync, readFileSync, realpathSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';

export interface Drive {
  readonly top: string;
  /** As in /dev/disk/by-uuid; undefined: it has none, or the system does not say. */
  readonly id: string | undefined;
  readonly removable: boolean;
}

/** Where the system describes its drives; tests have others. */
export interface SystemFolders {
  readonly sys: string;
  readonly byUuid: string;
}
const SYSTEM: SystemFolders = { sys: '/sys', byUuid: '/dev/disk/by-uuid' };

export function driveOf(folder: string, { sys, byUuid }: SystemFolders = SYSTEM): Drive {
  let top = realpathSync(folder);
  const { dev } = statSync(top);
  while (path.dirname(top) !== top && statSync(path.dirname(top)).dev === dev) top = path.dirname(top);
  // Linux: 12 bits of the major number, 20 of the minor one, in the order of glibc.
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  // A board may run from a drive on USB, which nobody carries away.
  const carried = statSync('/').dev !== dev && isRemovable(path.join(sys, 'dev', 'block', `${major}:${minor}`));
  return { top, id: idOf(dev, byUuid), removable: carried };
}

/** FAT12, FAT16 and FAT32 on Linux (linux/magic.h). */
const MSDOS = 0x4d44;
/** FAT32 keeps the length of a file in 32 bits. */
const FAT_FILE = 2 ** 32 - 1;

export interface Room {
  /** Bytes that are free. */
  readonly free: number;
  /** Bytes of one file at most. */
  readonly largest: number;
}

export function roomOf(folder: string): Room {
  const { type, bavail, bsize } = statfsSync(folder);
  return { free: bavail * bsize, largest: type === MSDOS ? FAT_FILE : Number.POSITIVE_INFINITY };
}

function idOf(dev: number, byUuid: string): string | undefined {
  try {
    return readdirSync(byUuid).find((name) => statSync(path.join(byUuid, name)).rdev === dev);
  } catch {
    return undefined;
  }
}

/** A stick says so of the whole drive, and a card reader too. Many drives in USB cases do not, so the bus counts as well. */
function isRemovable(block: string): boolean {
  try {
    const own = realpathSync(block);
    if (own.split('/').some((part) => /^usb\d+$/.test(part))) return true;
    return [own, path.dirname(own)].some((drive) => flagOf(path.join(drive, 'removable')));
  } catch {
    return false;
  }
}
function flagOf(file: string): boolean {
  try {
    return readFileSync(file, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
