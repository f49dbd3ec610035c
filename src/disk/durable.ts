/**
 * Files that are on the disk when the call returns, for everybody who writes whole files. Invariants:
 * - A file is made new: what has its name already, be it a link, is never written to. Nobody but its writer can open it before it is whole and has its owner.
 * - A file that is replaced is written beside itself, synced, renamed, and the folder synced. A power cut leaves the old or the new one.
 * - No link is followed in the last part of a path.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface NewFile {
  readonly mode: number;
  readonly owner?: Owner | undefined;
  /** FAT has no modes and no owners, and refuses some of these: the file is written all the same. */
  readonly onFat?: boolean;
}

/** @param pieces are written one behind the other, and are on the disk at the return. @throws Error of the file system: something has its name */
export function writeNew(file: string, pieces: Iterable<Uint8Array>, { mode, owner, onFat }: NewFile): void {
  const fd = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    let at = 0;
    for (const piece of pieces) {
      writeAll(fd, piece, at);
      at += piece.length;
    }
    const change = onFat === true ? ifKept : (set: () => void) => set();
    if (owner !== undefined) change(() => fchownSync(fd, owner.uid, owner.gid));
    // The umask of a unit would close a file that others have to read.
    change(() => fchmodSync(fd, mode));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** @throws what the file system says; then the old file is there as it was, or the new one where the disk did not confirm its name */
export function replaceFile(file: string, content: Uint8Array | string, mode = 0o600): void {
  const beside = besideOf(file);
  rmSync(beside, { force: true });
  writeNew(beside, [bytesOf(content)], { mode });
  renameSync(beside, file);
  syncFolder(path.dirname(file));
}

/** Where a file lies until it takes its place. What a cut leaves there, the next try removes. */
export const besideOf = (file: string): string => `${file}.new`;
export const bytesOf = (content: Uint8Array | string): Uint8Array =>
  typeof content === 'string' ? Buffer.from(content) : content;

export function writeAll(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
}

export function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * A small file of any user that is no link. @param most bytes
 * @returns undefined where there is none, or none that can be used
 */
export function readSmall(file: string, most: number): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > most) return undefined;
    const bytes = Buffer.alloc(most + 1);
    let length = 0;
    for (;;) {
      const read = readSync(fd, bytes, length, bytes.length - length, length);
      length += read;
      if (length > most) return undefined;
      if (read === 0) return bytes.subarray(0, length);
    }
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Does what a file system may not keep. */
export function ifKept(change: () => void): void {
  try {
    change();
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (!['EPERM', 'ENOTSUP', 'EINVAL', 'ENOSYS'].includes(String(code))) throw thrown;
  }
}
