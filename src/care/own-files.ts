/**
 * Files that root makes and reads in folders of the gateway's user. Invariants:
 * - No link is followed in the last part of a path, and no owner or mode is given through one.
 * - Root obeys no file that another user can have made. The gateway obeys its own files and those of root.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { bytesOf, type Owner, writeNew } from '../disk/durable.ts';

/** Whose a folder is; undefined where only that user could run this. */
export function ownerOf(folder: string): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = statSync(folder);
  return { uid, gid };
}

export function writeSynced(file: string, text: string | Uint8Array, mode = 0o600, owner?: Owner): void {
  rmSync(file, { force: true });
  writeNew(file, [bytesOf(text)], { mode, owner });
}

/** Makes one folder. @throws Error of the file system: something is in its place */
export function makeOne(folder: string, mode: number, owner: Owner | undefined): void {
  mkdirSync(folder, { mode: 0o700 });
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, mode);
  } finally {
    closeSync(fd);
  }
}

/** A folder, and those above it inside `root`. A link or a file in the way is removed. */
export function makeInside(root: string, relative: string, owner: Owner | undefined): void {
  let at = root;
  for (const part of relative.split('/').filter((name) => name !== '' && name !== '.')) {
    at = path.join(at, part);
    const there = lstatSync(at, { throwIfNoEntry: false });
    if (there?.isDirectory() === true) continue;
    if (there !== undefined) rmSync(at);
    makeOne(at, 0o750, owner);
  }
}

/** Root may have made it, and the gateway has to write it. */
export function give(file: string, owner: Owner | undefined): void {
  if (owner !== undefined) lchownSync(file, owner.uid, owner.gid);
}

export const isFolder = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false })?.isDirectory() === true;

/**
 * @param most bytes
 * @returns 'foreign': something is there that this user must not obey; undefined: nothing is there, or this user cannot see it
 */
export function readObeyed(file: string, most: number): { readonly text: string; readonly uid: number } | 'foreign' | undefined {
  let fd: number | undefined;
  try {
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return undefined;
  } catch {
    return undefined;
  }
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    const obeyed = stat.uid === 0 || stat.uid === process.getuid?.();
    if (!stat.isFile() || !obeyed || (stat.mode & 0o022) !== 0 || stat.nlink !== 1 || stat.size > most) return 'foreign';
    return { text: readFileSync(fd, 'utf8'), uid: stat.uid };
  } catch {
    return 'foreign';
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
