/**
 * Rows of a damaged SQLite database, read page by page without SQLite (format: sqlite.org/fileformat2.html). Pure
 * reading: nothing is written, and no tree is followed, so that a page that is gone costs the rows in it and no others.
 *
 * - The newest copy of a page comes first: frames of the write-ahead file, the newest first, then the file. Older copies
 *   are read only where a newer one is not sound. A write-ahead file without any row of ours is not ours, and is not read.
 * - What is found may be old or damaged: the caller proves each row (sealed-rows.ts, checksums of blocks).
 * - A disk that does not give a page is no damage: it throws.
 * - No number that stands in a damaged page sizes a loop or a buffer before what the files hold bounds it.
 * - Time: each copy of a page is parsed once, and overflow pages are followed for FOLLOW times as many pages as there are.
 *   `until` ends it earlier. Memory: one window of the file, one row, a number for each frame and each free page.
 */

import { closeSync, fstatSync, readSync } from 'node:fs';
import type { FoundRow } from '../files/found-row.ts';
import type { Unread } from '../files/repair-report.ts';
import { openThere } from '../files/whole-file.ts';
import { Cursor, readRecord } from './record-format.ts';
import { readWal, type WalFrame } from './salvage-wal.ts';

export interface Pace {
  /** Asked now and then: true ends the reading, and what is left is not read. */
  until?(): boolean;
  /** Pages done, and pages there are. */
  progress?(done: number, of: number): void;
  /** Pages that are read at most. */
  readonly pages?: number;
}

const MAGIC = 'SQLite format 3\0';
/** A row that claims more is damaged: a part of history.db is the largest, some hundred kilobytes. */
const MAX_PAYLOAD = 16 * 1024 * 1024;
/** Overflow pages that are followed: so many times the pages there are. In a whole file each is followed once. */
const FOLLOW = 16;
/** Pages between two looks at the time. */
const LOOK_EVERY = 256;
const WINDOW = 1024 * 1024;
/** How much of a file without a header is read once for each size of page. */
const SAMPLE = 4 * WINDOW;
const SIZES = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];

/** Which copies of a page are looked at. */
type From = 'any' | 'sound' | 'file';

export class DamagedFile {
  #pageSize: number;
  readonly #fd: number | undefined;
  readonly #walFd: number | undefined;
  readonly #size: number;
  readonly #pace: Pace;
  /** Frames of each page, oldest first. */
  readonly #frames = new Map<number, { readonly offset: number; readonly sound: boolean }[]>();
  #frameCount = 0;
  /** Pages of the file alone. */
  #pages: number;
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;
  /** Overflow pages that may still be followed. */
  #spare = 0;
  readonly #unread = { pages: 0, rows: 0 };

  /**
   * @param likely page size to try first when no header says it
   * @param proves whether a row can be nothing else: with the header gone the size that gives the most of them is taken
   */
  constructor(file: string, likely: number, proves: (row: FoundRow) => boolean, pace: Pace = {}) {
    this.#pace = pace;
    this.#pageSize = likely;
    this.#pages = 0;
    const wal = readWal(`${file}-wal`, likely);
    this.#fd = openThere(file);
    this.#walFd = wal.frames.length > 0 ? openThere(`${file}-wal`) : undefined;
    this.#size = this.#fd === undefined ? 0 : fstatSync(this.#fd).size;
    if (this.#walFd !== undefined) {
      this.#pageSize = wal.pageSize;
      this.#takeFrames(wal.frames);
      // One of another program would hide what the file has.
      if (!this.#sample(proves)) this.#takeFrames([]);
    }
    if (this.#frameCount === 0) {
      const head = this.#read(0, 100);
      const named = head.length < 100 ? 0 : head.readUInt16BE(16) === 1 ? 65_536 : head.readUInt16BE(16);
      const sane = head.toString('latin1', 0, 16) === MAGIC && SIZES.includes(named);
      this.#pageSize = sane ? named : this.#guess(likely, proves);
    }
    this.#pages = Math.ceil(this.#size / this.#pageSize);
    this.#refill();
  }

  /** What a bound left; undefined: everything was read. */
  get unread(): Unread | undefined {
    const { pages, rows } = this.#unread;
    return pages + rows === 0 ? undefined : { pages, rows };
  }

  #takeFrames(frames: readonly WalFrame[]): void {
    this.#frames.clear();
    this.#frameCount = frames.length;
    for (const { page, offset, sound } of frames) {
      const list = this.#frames.get(page);
      if (list === undefined) this.#frames.set(page, [{ offset, sound }]);
      else list.push({ offset, sound });
    }
    this.#refill();
  }
  #refill(): void {
    this.#spare = FOLLOW * (this.#pages + this.#frameCount);
  }
  /** Whether any frame holds a row of ours. */
  #sample(proves: (row: FoundRow) => boolean): boolean {
    for (const [n, frames] of this.#frames)
      for (const { offset } of frames) {
        const bytes = this.#frame(offset);
        if (bytes === undefined) continue;
        for (const row of this.#leaf(n, bytes)) if (proves(row)) return true;
      }
    return false;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    if (this.#walFd !== undefined) closeSync(this.#walFd);
  }

  /** Every row of every leaf that can be read. */
  *rows(): Generator<FoundRow> {
    const free = this.#freePages();
    const { until, progress, pages = Number.POSITIVE_INFINITY } = this.#pace;
    // Pages that only the write-ahead file has are asked for by name: their numbers may be any.
    const behind = [...this.#frames.keys()].filter((n) => n > this.#pages).sort((a, b) => a - b);
    const count = this.#pages + behind.length;
    for (let i = 0; i < count; i++) {
      if (i % LOOK_EVERY === 0) {
        progress?.(i, count);
        if (i >= pages || until?.() === true) {
          this.#unread.pages = count - i;
          return;
        }
      }
      const n = i < this.#pages ? i + 1 : (behind[i - this.#pages] as number);
      if (free.has(n)) continue;
      for (const { bytes, sound } of this.#copies(n)) {
        const whole = yield* this.#leaf(n, bytes);
        if (sound && whole) break;
      }
    }
    progress?.(count, count);
  }

  /** Newest first. @param from only such as are sound, or only what the file has */
  *#copies(n: number, from: From = 'any'): Generator<{ bytes: Buffer; sound: boolean }> {
    const frames = from === 'file' ? [] : (this.#frames.get(n) ?? []);
    for (let i = frames.length - 1; i >= 0; i--) {
      const { offset, sound } = frames[i] as { offset: number; sound: boolean };
      const bytes = sound || from === 'any' ? this.#frame(offset) : undefined;
      if (bytes !== undefined) yield { bytes, sound };
    }
    const bytes = this.#inFile(n);
    if (bytes !== undefined) yield { bytes, sound: true };
  }
  #newest(n: number, from: From = 'any'): Buffer | undefined {
    for (const { bytes } of this.#copies(n, from)) return bytes;
    return undefined;
  }
  #frame(offset: number): Buffer | undefined {
    if (this.#walFd === undefined) return undefined;
    const bytes = Buffer.alloc(this.#pageSize);
    return readSync(this.#walFd, bytes, 0, this.#pageSize, offset) === this.#pageSize ? bytes : undefined;
  }
  #inFile(n: number): Buffer | undefined {
    const at = (n - 1) * this.#pageSize;
    if (n < 1 || at >= this.#size) return undefined;
    const end = at + this.#pageSize;
    if (at < this.#windowAt || end > this.#windowAt + this.#window.length) {
      // A chain of overflow pages lies ahead of its leaf or far behind it: a single page must not throw away the window.
      if (at >= this.#windowAt + this.#window.length && at < this.#windowAt + this.#window.length + WINDOW) {
        this.#window = this.#read(at, WINDOW);
        this.#windowAt = at;
      } else return padded(this.#read(at, this.#pageSize), this.#pageSize);
    }
    return padded(this.#window.subarray(at - this.#windowAt, end - this.#windowAt), this.#pageSize);
  }
  #read(at: number, length: number): Buffer {
    if (this.#fd === undefined) return Buffer.alloc(0);
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(this.#fd, bytes, 0, length, at));
  }

  #guess(likely: number, proves: (row: FoundRow) => boolean): number {
    let best = { size: likely, proven: 0 };
    for (const size of [likely, ...SIZES]) {
      this.#pageSize = size;
      this.#pages = Math.ceil(Math.min(this.#size, SAMPLE) / size);
      this.#refill();
      let proven = 0;
      for (let n = 1; n <= this.#pages; n++) {
        const bytes = this.#inFile(n);
        if (bytes !== undefined) for (const row of this.#leaf(n, bytes)) if (proves(row)) proven++;
      }
      if (proven > best.proven) best = { size, proven };
    }
    return best.size;
  }

  /** Pages on SQLite's free list hold rows that were deleted. Empty where the list does not agree with the header. */
  #freePages(): Set<number> {
    const free = new Set<number>();
    const head = this.#newest(1);
    if (head === undefined || head.toString('latin1', 0, 16) !== MAGIC) return free;
    const says = head.readUInt32BE(36);
    const most = this.#pages + this.#frameCount;
    for (let trunk = head.readUInt32BE(32); trunk !== 0; ) {
      const bytes = free.has(trunk) || free.size >= most ? undefined : this.#newest(trunk);
      const count = bytes?.readUInt32BE(4) ?? 0;
      // A trunk that makes no sense was something else before.
      if (bytes === undefined || count > this.#pageSize / 4 - 2) return new Set();
      free.add(trunk);
      for (let i = 0; i < count; i++) free.add(bytes.readUInt32BE(8 + 4 * i));
      trunk = bytes.readUInt32BE(0);
    }
    return free.size === says ? free : new Set();
  }

  /** @returns whether the page made sense throughout */
  *#leaf(n: number, bytes: Buffer): Generator<FoundRow, boolean> {
    const at = n === 1 ? 100 : 0;
    const kind = bytes[at];
    // 13: leaf of a table; 10 and 2: leaf and interior page of a tree without rowid, both of which hold rows.
    if (kind !== 13 && kind !== 10 && kind !== 2)
      return kind === 5 || (kind === 0 && !bytes.subarray(0, 16).every((b) => b === 0));
    const pointers = at + (kind === 2 ? 12 : 8);
    const count = bytes.readUInt16BE(at + 3);
    if (pointers + 2 * count > this.#pageSize) return false;
    let whole = true;
    // Cells lie beside each other: what they take together is no more than the page.
    let left = this.#pageSize;
    for (let i = 0; i < count && left > 0; i++) {
      const found = this.#cell(bytes, bytes.readUInt16BE(pointers + 2 * i), pointers + 2 * count, kind, 'any');
      if (found === undefined) {
        whole = false;
        continue;
      }
      left -= found.local;
      yield found.row;
      // One of its overflow pages has a copy that may be damaged, or older than the others: the caller proves which row is whole.
      if (!found.unsure) continue;
      for (const from of ['sound', 'file'] as const) {
        const other = this.#cell(bytes, bytes.readUInt16BE(pointers + 2 * i), pointers + 2 * count, kind, from);
        if (other !== undefined) yield other.row;
      }
    }
    return whole && left >= 0;
  }

  /** @returns `local`: bytes of it that lie in the page */
  #cell(
    bytes: Buffer,
    pointer: number,
    lowest: number,
    kind: number,
    from: From,
  ): { row: FoundRow; local: number; unsure: boolean } | undefined {
    // No file of ours reserves bytes of a page, and a damaged header must not say so.
    const usable = this.#pageSize;
    if (pointer < lowest || pointer >= usable) return undefined;
    const cursor = new Cursor(bytes, pointer + (kind === 2 ? 4 : 0), usable);
    const length = cursor.varint();
    const rowid = kind === 13 ? cursor.varint() : 0;
    if (length === undefined || rowid === undefined || length < 1 || length > MAX_PAYLOAD) return undefined;
    const payload = this.#payload(bytes, cursor.at, length, kind === 13, usable, from);
    const columns = payload === undefined ? undefined : readRecord(payload.bytes);
    if (payload === undefined || columns === undefined) return undefined;
    const { local, unsure } = payload;
    return { row: { rowid: kind === 13 ? rowid : undefined, columns }, local, unsure };
  }

  /** Local part and overflow pages (fileformat2, "Cell Payload Overflow Pages"). */
  #payload(
    bytes: Buffer,
    at: number,
    length: number,
    table: boolean,
    usable: number,
    from: From,
  ): { bytes: Buffer; local: number; unsure: boolean } | undefined {
    const most = table ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
    if (length <= most)
      return at + length <= usable ? { bytes: bytes.subarray(at, at + length), local: length, unsure: false } : undefined;
    const least = Math.floor(((usable - 12) * 32) / 255) - 23;
    const k = least + ((length - least) % (usable - 4));
    const local = k <= most ? k : least;
    if (at + local + 4 > usable) return undefined;
    const wanted = Math.ceil((length - local) / (usable - 4));
    // It claims more than the files hold, or more was followed than a file can have.
    if (wanted > this.#pages + this.#frameCount) return undefined;
    if (wanted > this.#spare) {
      this.#unread.rows++;
      return undefined;
    }
    this.#spare -= wanted;
    const out = Buffer.alloc(length);
    bytes.copy(out, 0, at, at + local);
    let done = local;
    let next = bytes.readUInt32BE(at + local);
    let unsure = false;
    while (done < length) {
      unsure ||= this.#frames.get(next)?.some((frame) => !frame.sound) ?? false;
      const page = next === 0 ? undefined : this.#newest(next, from);
      // A row whose chain is broken is given as far as its local part goes: the head of a block stands there.
      if (page === undefined) break;
      done += page.copy(out, done, 4, Math.min(usable, 4 + length - done));
      next = page.readUInt32BE(0);
    }
    return { bytes: out, local, unsure };
  }
}

/** The last page of a file that was cut short. */
function padded(bytes: Buffer, size: number): Buffer {
  return bytes.length === size ? bytes : Buffer.concat([bytes], size);
}
