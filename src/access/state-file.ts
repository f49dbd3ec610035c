/**
 * A small file that only the gateway may read, written whole: beside itself, synced, renamed, the folder synced. A kill or a power cut
 * leaves the old file or the new one.
 *
 * What is read is believed only where nobody else could have written it: a file of the gateway's own user or of root, no link, not
 * writable by others.
 *
 * What runs in the background takes turns, so a disk that hangs holds one thread of the pool, and never all four of them: names are
 * looked up, passwords are checked and ports are opened by the others.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { toError } from '../core/errors.ts';

/** A file system may say 0 of a file that has something. Bytes. */
const SMALL = 64 * 1024;

export type Found =
  | { readonly kind: 'text'; readonly text: string; readonly readableByOthers: boolean }
  | { readonly kind: 'none' }
  /** `why` is for people: it completes "the file …". */
  | { readonly kind: 'unusable'; readonly why: string };

/** Whose files are believed: those of the own user and of root, or of anybody. */
export type Owner = 'self' | 'anybody';

export type FoundBytes =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly readableByOthers: boolean }
  | Exclude<Found, { kind: 'text' }>;

/** It was done, and the disk did not confirm it: a power cut may bring back what was there before. */
export class UnsyncedError extends Error {
  constructor(cause: unknown) {
    super(toError(cause).message, { cause });
  }
}

let last: Promise<unknown> = Promise.resolve();

/** Work on files of the state directory, when all before it is over. It must not wait for another turn. */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

/** A text. Never rejects. @param most bytes @param of `anybody`: whoever it belongs to */
export async function readOwn(file: string, most: number, of: Owner = 'self'): Promise<Found> {
  const found = await readOwnBytes(file, most, of);
  if (found.kind !== 'bytes') return found;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(found.bytes);
    return { kind: 'text', text, readableByOthers: found.readableByOthers };
  } catch {
    return { kind: 'unusable', why: 'is damaged' };
  }
}

/** The same at once, before anything runs. Never throws. @param most bytes @param of `anybody`: whoever it belongs to */
export function readOwnNow(file: string, most: number, of: Owner = 'self'): Found {
  let fd: number | undefined;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const why = distrust(fstatSync(fd), most, of);
    if (why !== undefined) return { kind: 'unusable', why };
    const bytes = Buffer.alloc(most + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(fd, bytes, length, bytes.length - length, null);
    if (length > most) return { kind: 'unusable', why: `is larger than ${most} bytes, or grows` };
    // The mark at the front stays: digests are of the whole text.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length));
    return { kind: 'text', text, readableByOthers: (fstatSync(fd).mode & 0o044) !== 0 };
  } catch (thrown) {
    return unread(thrown);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Why nobody may believe it; completes "the file …". */
function distrust(stats: Pick<Stats, 'isFile' | 'uid' | 'mode' | 'size'>, most: number, of: Owner): string | undefined {
  const own = process.getuid?.() ?? 0;
  if (!stats.isFile()) return 'is not a file';
  if (of === 'self' && stats.uid !== own && stats.uid !== 0)
    return `belongs to another user (uid ${stats.uid}), who could have written anything in it`;
  if ((stats.mode & 0o022) !== 0) return 'could be written by other users';
  return stats.size > most ? `is larger than ${most} bytes` : undefined;
}

function unread(thrown: unknown): Exclude<Found, { kind: 'text' }> {
  const code = codeOf(thrown);
  if (code === 'ENOENT') return { kind: 'none' };
  if (code === 'ELOOP') return { kind: 'unusable', why: 'is a link' };
  return { kind: 'unusable', why: `cannot be read: ${toError(thrown).message}` };
}

/** The same of a file that is no text. Never rejects. @param most bytes */
export function readOwnBytes(file: string, most: number, of: Owner = 'self'): Promise<FoundBytes> {
  return inTurn(() => read(file, most, of));
}

async function read(file: string, most: number, of: Owner): Promise<FoundBytes> {
  let handle: FileHandle | undefined;
  try {
    // Opening a pipe must not wait for a writer.
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = await handle.stat();
    const why = distrust(stats, most, of);
    if (why !== undefined) return { kind: 'unusable', why };
    // One byte more than it has: it may grow meanwhile.
    const bytes = Buffer.alloc(Math.min(most, Math.max(stats.size, SMALL)) + 1);
    const length = await fill(handle, bytes);
    if (length === bytes.length) return { kind: 'unusable', why: `is larger than ${most} bytes, or grows` };
    return { kind: 'bytes', bytes: bytes.subarray(0, length), readableByOthers: (stats.mode & 0o044) !== 0 };
  } catch (thrown) {
    return unread(thrown);
  } finally {
    await handle?.close();
  }
}

async function fill(handle: FileHandle, bytes: Uint8Array): Promise<number> {
  for (let at = 0; ; ) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at);
    at += bytesRead;
    if (bytesRead === 0 || at === bytes.length) return at;
  }
}

/** Rejects with `UnsyncedError`: the new file is there; with another fault of the file system: the old one is there as it was. @param mode of a file that others may read */
export function writeOwn(file: string, text: string, mode = 0o600): Promise<void> {
  return inTurn(() => write(file, text, mode));
}

async function write(file: string, text: string, mode: number): Promise<void> {
  const beside = `${file}.new`;
  try {
    await rm(beside, { force: true });
    const handle = await open(beside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      await handle.writeFile(text);
      if (mode !== 0o600) await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (thrown) {
    // What is there of it would take room on a full disk.
    await rm(beside, { force: true }).catch(() => {});
    throw thrown;
  }
  await sync(file);
}

/** Why a file cannot be written, in words that say what to do where that is known. */
export function unwrittenWords(thrown: unknown): string {
  if (thrown instanceof UnsyncedError) return `it is there, and the disk did not confirm it (${thrown.message})`;
  const code = codeOf(thrown);
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk is full, make room there';
  if (code === 'EROFS') return 'the disk is read-only';
  return toError(thrown).message;
}

/** Removes it for good; a file that is not there is no fault. Rejects with `UnsyncedError`: it is gone. */
export function removeOwn(file: string): Promise<void> {
  return inTurn(async () => {
    await rm(file, { force: true });
    await sync(file);
  });
}

/** Out of the way, for a person to look at. Rejects with `UnsyncedError`: it was moved. @returns where it lies now */
export function setAside(file: string): Promise<string> {
  return inTurn(async () => {
    const aside = `${file}.damaged`;
    await rename(file, aside);
    await sync(file);
    return aside;
  });
}

/** What was made or removed in the folder of this file stays so. */
export function syncFolder(file: string): Promise<void> {
  return inTurn(() => sync(file));
}

async function sync(file: string): Promise<void> {
  try {
    const folder = await open(path.dirname(file), constants.O_RDONLY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (cause) {
    throw new UnsyncedError(cause);
  }
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
}
