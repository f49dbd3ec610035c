/**
 * Every change that provisioning makes to a disk. Invariants:
 * - A file is written whole: beside itself, synced, renamed, the folder synced. A power cut leaves the old file or the new one.
 * - Modes and owners are set before the file has its name.
 * - No link is followed in the last part of a path: a folder of the gateway's user may hold one.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import path from 'node:path';
import { besideOf, bytesOf, ifKept, type Owner, syncFolder, writeAll, writeNew } from '../disk/durable.ts';

export interface PutOptions {
  readonly mode: number;
  readonly owner?: Owner | undefined;
}

/** Bytes of a piece that is written over: enough for a secret of UTF-16 to be known as erased. */
const HEAD = 64;

export class Disk {
  readonly #step: (what: string) => void;

  /** @param step is called between any two changes; a test cuts the power there by a throw */
  constructor(step: (what: string) => void = () => {}) {
    this.#step = step;
  }

  /** @throws what the file system says; then the old file is there as it was */
  put(file: string, content: string | Uint8Array, { mode, owner }: PutOptions): void {
    const beside = besideOf(file);
    this.#step(`before ${file}`);
    try {
      rmSync(beside, { force: true });
      writeNew(beside, [bytesOf(content)], { mode, owner, onFat: true });
      this.#step(`written beside ${file}`);
      replace(beside, file);
    } catch (thrown) {
      // What is there of it takes room on a full disk. A cut leaves it, and the next start removes it.
      if (!(thrown instanceof PowerCut)) rmSync(beside, { force: true });
      throw thrown;
    }
    syncFolder(path.dirname(file));
    this.#step(`after ${file}`);
  }

  /**
   * Writes over bytes where they lie. The length of the file stays. The heads of all pieces are on the disk before the rest goes: a cut
   * leaves secrets that are as they were, or that say by their first signs that they were taken (isErased).
   * @param before its content
   * @throws Swapped: it has another content by now, and was not touched
   */
  overwrite(file: string, pieces: readonly { readonly at: number; readonly bytes: Uint8Array }[], before: Uint8Array): void {
    this.#step(`before writing over ${file}`);
    const fd = openSync(file, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      if (!holds(fd, before)) throw new Swapped();
      const split = pieces.map(({ at, bytes }) => ({ at, bytes, head: headOf(bytes.length, before.subarray(at)) }));
      const heads = split.map(({ at, bytes, head }) => ({ at, bytes: bytes.subarray(0, head) }));
      const rests = split.map(({ at, bytes, head }) => ({ at: at + head, bytes: bytes.subarray(head) }));
      for (const some of [heads, rests.filter(({ bytes }) => bytes.length > 0)]) {
        for (const { at, bytes } of some) {
          writeAll(fd, bytes, at);
          this.#step(`written over at ${at} in ${file}`);
        }
        if (some.length > 0) fsyncSync(fd);
      }
    } finally {
      closeSync(fd);
    }
    this.#step(`after writing over ${file}`);
  }

  /** A folder that is there already keeps its mode. A new one has `mode` whatever the mask of the process is. @throws Error something else is in its place */
  folder(dir: string, { mode, owner }: PutOptions): void {
    const there = lstatSync(dir, { throwIfNoEntry: false });
    if (there?.isDirectory()) return;
    if (there !== undefined) throw new Error(`${dir} is not a folder; move it away`);
    this.#step(`before ${dir}`);
    // The service runs with UMask=0077, and other users read folders of the system. No cut comes between folder and mode this way.
    const mask = process.umask(0);
    try {
      mkdirSync(dir, { recursive: true, mode });
    } finally {
      process.umask(mask);
    }
    if (owner !== undefined) ifKept(() => lchownSync(dir, owner.uid, owner.gid));
    syncFolder(path.dirname(dir));
    this.#step(`after ${dir}`);
  }

  move(from: string, to: string): void {
    this.#step(`before ${to}`);
    renameSync(from, to);
    syncFolder(path.dirname(to));
    syncFolder(path.dirname(from));
    this.#step(`after ${to}`);
  }

  remove(file: string): void {
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return;
    this.#step(`before removing ${file}`);
    rmSync(file, { force: true });
    syncFolder(path.dirname(file));
    this.#step(`after removing ${file}`);
  }
}

/** No letter of UTF-8 is written over in part: the file would be no text any more. */
function headOf(length: number, before: Uint8Array): number {
  let head = Math.min(HEAD, length);
  while (head < length && ((before[head] ?? 0) & 0xc0) === 0x80) head++;
  return head;
}

/** Somebody put another file in the place of the one that was read. */
export class Swapped extends Error {
  constructor() {
    super('it was changed while the gateway read it');
  }
}

function holds(fd: number, content: Uint8Array): boolean {
  const stat = fstatSync(fd);
  if (!stat.isFile() || stat.size !== content.length) return false;
  const bytes = Buffer.alloc(content.length);
  for (let at = 0; at < bytes.length; ) {
    const read = readSync(fd, bytes, at, bytes.length - at, at);
    if (read === 0) return false;
    at += read;
  }
  return bytes.equals(content);
}

/** Thrown by the step of a test. */
export class PowerCut extends Error {}

/** One line of a file of the kernel, without the zero byte of a device tree. */
export function readLine(file: string): string | undefined {
  try {
    // Files of the kernel have no size; 4 kB of one are enough. A fake root is a test's own.
    const text = readFileSync(file).subarray(0, 4096).toString('utf8');
    const line = (text.replaceAll('\0', '').split('\n')[0] ?? '').trim();
    return line === '' ? undefined : line;
  } catch {
    return undefined;
  }
}

/** Some drivers of FAT do not rename over a file. The new one lies beside it meanwhile. */
function replace(beside: string, file: string): void {
  try {
    renameSync(beside, file);
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown;
    rmSync(file);
    renameSync(beside, file);
  }
}
