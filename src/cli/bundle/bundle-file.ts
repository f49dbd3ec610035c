/** Files that are written whole, and bundles that are read in pieces. */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import type { ByteSource } from '../../codecs/bundle/container.ts';
import { SluiceError } from '../../core/errors.ts';
import { foreignText } from '../../core/foreign-text.ts';
import { writeAll } from '../../disk/durable.ts';
import { fileWords } from '../file-words.ts';

const PART = /^\.sluice-(\d{1,10})-\d{1,6}\.part$/;
let made = 0;

/** Beside a file until it is complete, under a name that nothing reads. */
export class WholeFile {
  readonly #folder: string;
  readonly #beside: string;
  #fd: number | undefined;

  /** @param folder has to exist @throws SluiceError usage: nothing can be written there */
  constructor(folder: string, mode = 0o644) {
    this.#folder = folder;
    removeLeftovers(folder);
    this.#beside = path.join(folder, `.sluice-${process.pid}-${++made}.part`);
    try {
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      this.#fd = openSync(this.#beside, flags, mode);
    } catch (cause) {
      throw writeFault(folder, cause);
    }
  }

  /**
   * The file that takes the place of `target`, which may be there.
   * @throws SluiceError usage: what is there is a device, a pipe or a folder, and a file in its place would break the system
   */
  static for(target: string, mode = 0o644): WholeFile {
    const file = path.resolve(target);
    refuseOther(file);
    return new WholeFile(path.dirname(file), mode);
  }

  get fd(): number {
    if (this.#fd === undefined) throw new SluiceError('internal', 'the file is closed');
    return this.#fd;
  }

  write(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length; ) {
        const written = writeSync(this.fd, bytes, at);
        // Drivers of some sticks say so where there is no room.
        if (written === 0) throw Object.assign(new Error('nothing was written'), { code: 'ENOSPC' });
        at += written;
      }
    } catch (cause) {
      throw writeFault(this.#folder, cause);
    }
  }

  /** What was written is on the disk when it returns. A large file would otherwise wait long for all of it at its end. */
  settle(): void {
    try {
      fdatasyncSync(this.fd);
    } catch (cause) {
      throw writeFault(this.#folder, cause);
    }
  }

  /** It gets the mode of the file that it replaces, and its owner where that may be set. */
  likeness({ mode, uid, gid }: Pick<Stats, 'mode' | 'uid' | 'gid'>): void {
    try {
      const own = fstatSync(this.fd);
      if (own.uid !== uid || own.gid !== gid) fchownSync(this.fd, uid, gid);
    } catch (thrown) {
      if (codeOf(thrown) !== 'EPERM') throw writeFault(this.#folder, thrown);
    }
    try {
      fchmodSync(this.fd, mode & 0o777);
    } catch (cause) {
      throw writeFault(this.#folder, cause);
    }
  }

  /** On the disk before it has its name. @returns its path */
  finish(name: string): string {
    const file = path.join(this.#folder, name);
    refuseOther(file);
    try {
      fsyncSync(this.fd);
      this.#close();
      renameSync(this.#beside, file);
      syncFolder(this.#folder);
    } catch (cause) {
      throw writeFault(this.#folder, cause);
    }
    return file;
  }

  /** Nothing of it stays. After `finish` it does nothing. */
  abandon(): void {
    try {
      this.#close();
      rmSync(this.#beside, { force: true });
    } catch {
      // The disk went. What led here says so, and the next one that writes there removes what is left.
    }
  }

  #close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) closeSync(fd);
  }
}

/** A file of a name that is free, on the disk when this returns. @param mode the umask counts @throws Error of the file system; then nothing of it stays */
export function writeFresh(file: string, text: string, mode: number): void {
  const fd = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode);
  try {
    writeAll(fd, Buffer.from(text), 0);
    fsyncSync(fd);
    syncFolder(path.dirname(file));
  } catch (thrown) {
    // Half a file would keep the next try from writing the whole one.
    rmSync(file, { force: true });
    throw thrown;
  } finally {
    closeSync(fd);
  }
}

/** The new file takes the name, so a link to a device would go as the device itself does. */
function refuseOther(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== false) return;
  throw new SluiceError('usage', `${file} is no ordinary file, so it stays as it is; name a file`);
}

/** A power cut left them; their names tell the process. */
function removeLeftovers(folder: string): void {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    // The next step says what is wrong with the folder.
  }
  for (const name of names) {
    const pid = Number(PART.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || pid === process.pid || lives(pid)) continue;
    rmSync(path.join(folder, name), { force: true });
  }
}
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return codeOf(thrown) === 'EPERM';
  }
}

/** What was renamed in it stays so. Some file systems of sticks cannot do it for a folder; then the rename is all there is. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } catch (thrown) {
    if (codeOf(thrown) !== 'EINVAL') throw thrown;
  } finally {
    closeSync(fd);
  }
}

function writeFault(folder: string, cause: unknown): SluiceError {
  // Drivers of FUSE say that a full stick has a fault.
  const code = codeOf(cause) === 'EIO' && isFull(folder) ? 'ENOSPC' : codeOf(cause);
  const words =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'there is no room; make room, or take another one'
      : code === 'EFBIG'
        ? 'its file system takes no file so large (FAT32: less than 4 GB); write smaller ones with --max 2GB'
        : code === 'EROFS'
          ? 'it is read-only'
          : code === 'EACCES' || code === 'EPERM'
            ? 'you may not write there'
            : code === 'ENOENT' || code === 'ENOTDIR'
              ? 'there is no such folder'
              : fileWords(cause);
  return new SluiceError('usage', `the file was not written to ${folder}: ${words}`, { cause });
}

function isFull(folder: string): boolean {
  try {
    return statfsSync(folder).bavail === 0;
  } catch {
    return false;
  }
}

/** A file as the source of a bundle. It never has more in memory than is asked for. */
export class FileSource implements ByteSource {
  readonly #fd: number;
  readonly size: number;

  /** @param fd stays open until the caller closes it */
  constructor(fd: number) {
    this.#fd = fd;
    this.size = fstatSync(fd).size;
  }

  read(at: number, length: number): Uint8Array {
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const n = readSync(this.#fd, bytes, done, length - done, at + done);
      if (n === 0) throw new SluiceError('bundle-refused', 'the bundle became shorter while it was read');
      done += n;
    }
    return bytes;
  }
}

/** Letters of a name of a file; a path of Linux has no more. */
const LONGEST_NAME = 4096;

/** A name for people: whoever filled a stick chose it. */
export function shown(file: string): string {
  return foreignText(file, LONGEST_NAME);
}

/** @throws SluiceError not-found */
export function openToRead(file: string): number {
  try {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
  } catch (cause) {
    throw new SluiceError('not-found', `${shown(file)} cannot be read: ${shown(fileWords(cause))}`, { cause });
  }
  throw new SluiceError('not-found', `${shown(file)} is not a file`);
}

/** A small text. @throws SluiceError not-found, usage */
export function readSmall(file: string, most: number): string {
  const fd = openToRead(file);
  try {
    if (fstatSync(fd).size > most)
      throw new SluiceError('usage', `${shown(file)} is larger than ${most} bytes: it is another file`);
    // Editors of Windows put a mark in front.
    return readFileSync(fd, 'utf8').replace(/^\ufeff/, '');
  } finally {
    closeSync(fd);
  }
}

/** The password in a file: its first line, without a line end of any kind. @throws SluiceError not-found, usage */
export function firstLine(file: string, most: number): string {
  return readSmall(file, most).split(/\r?\n/)[0] ?? '';
}

export function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}

export function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
}
