/**
 * The frames of a `-wal` file, read without SQLite (format: sqlite.org/fileformat2.html, "The Write-Ahead Log"). SQLite
 * stops at the first frame that does not fit and says nothing; here it is seen whether more was committed behind it.
 *
 * - A frame is sound when its checksum follows from what stands in the frame before it, wherever the chain broke.
 * - Only frames up to the last commit count: what is behind it was never committed.
 * - A power cut keeps or loses whole sectors of the last commit. Where a sector ends within the head of a frame, the mark of a
 *   commit may be that of an earlier round of the file, before salts of this one. Only the checksum proves such a mark.
 * - The number of a page is only a name here. What reads pages asks for those that are there, never for 1 to the highest.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { openThere } from '../files/whole-file.ts';

const HEAD = 32;
const FRAME_HEAD = 24;
/** The mark of a commit and the salts are before and behind this byte of the head. */
const SALTS = 8;
const MAGIC = 0x377f0682;
/** Bytes that a disk writes whole; 4096 of newer disks are several of them. */
const SECTOR = 512;
/** Bytes read at once. */
const WINDOW = 1024 * 1024;
/** Frames that are looked at. The writer refuses commits beyond 128 MiB (wal.ts), which is half as many; what is longer is not ours. */
const MAX_FRAMES = 256 * 1024;
/** Different salts that are counted where the header does not say which ones count. */
const MAX_SALTS = 1024;

export interface WalFrame {
  readonly page: number;
  /** Place of the page's content in the file. */
  readonly offset: number;
  /** Its bytes are those that were written. */
  readonly sound: boolean;
}

export interface Wal {
  /** `none`: no file, or nothing in it; `zero`: no frames behind a header of zeros; `bad`: its header is damaged; `good`. */
  readonly header: 'none' | 'zero' | 'bad' | 'good';
  readonly pageSize: number;
  /** Up to the last commit, oldest first. */
  readonly frames: readonly WalFrame[];
  /** How many of them SQLite still reads, and how many pages the database has by the last of them. */
  readonly chain: number;
  readonly pages: number;
  /** Commits that SQLite does not read any more; one at most is the torn end of a power cut. */
  readonly behind: number;
}

const NONE: Wal = { header: 'none', pageSize: 0, frames: [], chain: 0, pages: 0, behind: 0 };

/** @param likely page size to try when the header is damaged @throws where it cannot be read */
export function readWal(file: string, likely: number): Wal {
  const fd = openThere(file);
  if (fd === undefined) return NONE;
  try {
    return scan(fd, fstatSync(fd).size, likely);
  } finally {
    closeSync(fd);
  }
}

interface Sum {
  readonly a: number;
  readonly b: number;
}

function scan(fd: number, size: number, likely: number): Wal {
  if (size < HEAD) return NONE;
  const head = Buffer.alloc(HEAD);
  readSync(fd, head, 0, HEAD, 0);
  const magic = head.readUInt32BE(0);
  const big = (magic & 1) === 1;
  const named = head.readUInt32BE(8);
  const start = checksum(head, 0, 24, big, { a: 0, b: 0 });
  const good =
    (magic & ~1) >>> 0 === MAGIC && isPageSize(named) && start.a === head.readUInt32BE(24) && start.b === head.readUInt32BE(28);
  // A damaged header says nothing that is believed.
  const file = new Frames(fd, size, good ? named : likely, good && big);
  const found = good ? { salts: head.subarray(16, 24) } : file.salts();
  if (found === undefined) return { ...NONE, header: head.every((b) => b === 0) ? 'zero' : 'bad' };
  const { salts } = found;
  const frames: WalFrame[] = [];
  let whole = good;
  let chain = 0;
  let pages = 0;
  let committed = 0;
  let behind = 0;
  for (const { bytes, at, offset, sound } of file.all(good ? start : undefined)) {
    // Left from an earlier round of the file, or damaged: the chain ends.
    const ours = salts === undefined || bytes.compare(salts, 0, 8, at + SALTS, at + SALTS + 8) === 0;
    if (!ours || !sound) whole = false;
    const page = bytes.readUInt32BE(at);
    if (!ours || page === 0) continue;
    frames.push({ page, offset, sound });
    const size = bytes.readUInt32BE(at + 4);
    if (size === 0 || (!sound && (offset - FRAME_HEAD + SALTS) % SECTOR === 0)) continue;
    committed = frames.length;
    if (whole) {
      chain = frames.length;
      pages = size;
    } else behind++;
  }
  frames.length = committed;
  return { header: good ? 'good' : 'bad', pageSize: file.pageSize, frames, chain, pages, behind };
}

interface Frame {
  /** Valid until the next one. */
  readonly bytes: Buffer;
  /** Place of its head in `bytes`. */
  readonly at: number;
  /** Place of its page in the file. */
  readonly offset: number;
  readonly sound: boolean;
}

/** Frames of one size, one after the other; memory: one window. */
class Frames {
  readonly pageSize: number;
  readonly #fd: number;
  readonly #count: number;
  readonly #step: number;
  readonly #big: boolean;

  /** @param big order of bytes in checksums: machines that SQLite runs on write the other one */
  constructor(fd: number, size: number, pageSize: number, big: boolean) {
    this.#fd = fd;
    this.pageSize = pageSize;
    this.#step = FRAME_HEAD + pageSize;
    this.#count = Math.min(MAX_FRAMES, Math.floor((size - HEAD) / this.#step));
    this.#big = big;
  }

  /** @param start sums of the header; undefined where it is damaged, and whether the first frame is sound cannot be known */
  *all(start: Sum | undefined): Generator<Frame> {
    const step = this.#step;
    const window = Buffer.alloc(Math.max(1, Math.floor(WINDOW / step)) * step);
    let before = start;
    for (let i = 0; i < this.#count; ) {
      const got = Math.min(this.#count - i, Math.floor(readSync(this.#fd, window, 0, window.length, HEAD + i * step) / step));
      if (got === 0) return;
      for (let k = 0; k < got; k++, i++) {
        const at = k * step;
        const said = { a: window.readUInt32BE(at + 16), b: window.readUInt32BE(at + 20) };
        let sound = false;
        if (before !== undefined) {
          const is = checksum(window, at + FRAME_HEAD, this.pageSize, this.#big, checksum(window, at, 8, this.#big, before));
          sound = is.a === said.a && is.b === said.b;
        }
        before = said;
        yield { bytes: window, at, offset: HEAD + i * step + FRAME_HEAD, sound };
      }
    }
  }

  /**
   * With the header gone: those of the first frame that is sound, since a new round of the file begins at its front. Where none
   * is, any may count (`salts: undefined`): the rows in them prove themselves. undefined: no two frames share any, so that
   * these are no frames.
   */
  salts(): { readonly salts: Buffer | undefined } | undefined {
    const counts = new Map<string, number>();
    for (const { bytes, at, sound } of this.all(undefined)) {
      if (bytes.readUInt32BE(at) === 0) continue;
      const salts = bytes.subarray(at + SALTS, at + SALTS + 8);
      if (sound) return { salts: Buffer.from(salts) };
      const name = salts.toString('hex');
      const count = counts.get(name);
      if (count !== undefined || counts.size < MAX_SALTS) counts.set(name, (count ?? 0) + 1);
    }
    return [...counts.values()].some((count) => count > 1) ? { salts: undefined } : undefined;
  }
}

function isPageSize(n: number): boolean {
  return n >= 512 && n <= 65_536 && (n & (n - 1)) === 0;
}

function checksum(bytes: Buffer, from: number, length: number, big: boolean, before: Sum): Sum {
  let { a, b } = before;
  const view = new DataView(bytes.buffer, bytes.byteOffset + from, length);
  for (let i = 0; i < length; i += 8) {
    a = (a + view.getUint32(i, !big) + b) >>> 0;
    b = (b + view.getUint32(i + 4, !big) + a) >>> 0;
  }
  return { a, b };
}
