/**
 * The frames of a `-wal` file, read without SQLite (format: sqlite.org/fileformat2.html, "The Write-Ahead Log"). SQLite
 * stops at the first frame that does not fit and says nothing; here it is seen whether more was committed behind it.
 *
 * - A frame is sound when its checksum follows from what stands in the frame before it, wherever the chain broke.
 * - Only frames up to the last commit count: what is behind it was never committed.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { openThere } from './quarantine.ts';

const HEAD = 32;
const FRAME_HEAD = 24;
const MAGIC = 0x377f0682;
/** Bytes read at once. */
const WINDOW = 1024 * 1024;

export interface WalFrame {
  readonly page: number;
  /** Of the page's content in the file. */
  readonly offset: number;
  /** Its bytes are those that were written. */
  readonly sound: boolean;
}

export interface Wal {
  /** `none`: no file, or nothing in it; `zero`: only zeros; `bad`: its header is damaged; `good`. */
  readonly header: 'none' | 'zero' | 'bad' | 'good';
  readonly pageSize: number;
  /** Up to the last commit, oldest first. */
  readonly frames: readonly WalFrame[];
  /** How many of them SQLite still reads. */
  readonly chain: number;
  /** Commits that SQLite does not read any more; one may be the torn end of a power cut. */
  readonly behind: number;
}

const NONE: Wal = { header: 'none', pageSize: 0, frames: [], chain: 0, behind: 0 };

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
  const good = (magic & ~1) >>> 0 === MAGIC && start.a === head.readUInt32BE(24) && start.b === head.readUInt32BE(28);
  const pageSize = good || isPageSize(named) ? named : likely;
  const step = FRAME_HEAD + pageSize;
  const count = Math.floor((size - HEAD) / step);
  const first = Buffer.alloc(FRAME_HEAD);
  if (count > 0) readSync(fd, first, 0, FRAME_HEAD, HEAD);
  const zero = head.every((b) => b === 0) && first.every((b) => b === 0);
  if (zero) return { ...NONE, header: 'zero' };
  // With the header gone the first frame says which salts count.
  const salts = good ? head.subarray(16, 24) : first.subarray(8, 16);
  // With the header gone either order of bytes may be the right one: machines that SQLite runs on are little-endian.
  const order = good && big;
  const frames: WalFrame[] = [];
  let before: Sum | undefined = good ? start : undefined;
  let whole = good;
  let chain = 0;
  let committed = 0;
  let behind = 0;
  const window = Buffer.alloc(Math.max(1, Math.floor(WINDOW / step)) * step);
  for (let i = 0; i < count; ) {
    const got = Math.floor(readSync(fd, window, 0, window.length, HEAD + i * step) / step);
    if (got === 0) break;
    for (let k = 0; k < got; k++, i++) {
      const at = k * step;
      if (window.compare(salts, 0, 8, at + 8, at + 16) !== 0) {
        // Left from an earlier round of the file, or damaged: the chain ends.
        whole = false;
        before = { a: window.readUInt32BE(at + 16), b: window.readUInt32BE(at + 20) };
        continue;
      }
      const page = window.readUInt32BE(at);
      const commit = window.readUInt32BE(at + 4) !== 0;
      const said = { a: window.readUInt32BE(at + 16), b: window.readUInt32BE(at + 20) };
      let sound = false;
      if (before !== undefined) {
        const is = checksum(window, at + FRAME_HEAD, pageSize, order, checksum(window, at, 8, order, before));
        sound = is.a === said.a && is.b === said.b;
      }
      before = said;
      if (!sound) whole = false;
      if (page === 0) continue;
      frames.push({ page, offset: HEAD + i * step + FRAME_HEAD, sound });
      if (!commit) continue;
      committed = frames.length;
      if (whole) chain = frames.length;
      else behind++;
    }
  }
  frames.length = committed;
  return { header: good ? 'good' : 'bad', pageSize, frames, chain, behind };
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
