/**
 * Erases files: each is overwritten with zeros once, synced and removed. On a hard disk nothing of it is left. A flash card, an SSD and a
 * file system that copies on write may keep the old blocks: overwriting proves nothing there, and the command says so.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';

const ZEROS = Buffer.alloc(1024 * 1024);
/** Bytes from one sync to the next. */
const PART = 16 * 1024 * 1024;

export interface Erased {
  files: number;
  bytes: number;
}

/** Everything in a folder; links are removed and not followed. @param keeps names in it that stay @throws Error of the file system */
export function eraseState(folder: string, keeps: readonly string[] = []): Erased {
  const erased: Erased = { files: 0, bytes: 0 };
  for (const name of readdirSync(folder)) if (!keeps.includes(name)) eraseAny(path.join(folder, name), erased);
  return erased;
}

/** A file or a folder; one that is not there is no fault. */
export function eraseAny(file: string, erased: Erased = { files: 0, bytes: 0 }): Erased {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return erased;
  if (stat.isDirectory()) {
    for (const name of readdirSync(file)) eraseAny(path.join(file, name), erased);
    try {
      rmdirSync(file);
    } catch (thrown) {
      // A unit mounts the folders that it may write. Nothing is left in it.
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EBUSY')) throw thrown;
    }
    return erased;
  }
  // A second name of it elsewhere would lose its content there too.
  if (stat.isFile() && stat.nlink === 1) erased.bytes += overwrite(file);
  unlinkSync(file);
  erased.files++;
  return erased;
}

function overwrite(file: string): number {
  let fd: number;
  try {
    fd = openSync(file, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    // A file that may only be read is removed all the same.
    return 0;
  }
  try {
    const { size } = fstatSync(fd);
    // From the end: the file is shorter after a cut, so a start that has little time gets on with a large one.
    for (let end = size; end > 0; ) {
      const from = Math.max(0, end - PART);
      for (let at = from; at < end; ) at += writeSync(fd, ZEROS, 0, Math.min(ZEROS.length, end - at), at);
      fsyncSync(fd);
      ftruncateSync(fd, from);
      end = from;
    }
    return size;
  } catch (thrown) {
    // A full disk that cannot take the zeros (copy on write): removing is what is left.
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOSPC') return 0;
    throw thrown;
  } finally {
    closeSync(fd);
  }
}
