/**
 * The items that wait for the next commit, as chunks of entries. A chunk defines every shape that its records use, so that the
 * oldest chunk can be given up alone when the disk takes nothing for too long.
 */
import { ENTRY, EntryWriter, type StoredNotice } from '../../codecs/rows.ts';
import type { LogRecord } from '../../core/point.ts';

/** A chunk is closed at this size (about 100,000 readings). */
export const CHUNK_BYTES = 1024 * 1024;
/** Closed chunks that may wait for a disk that does not take them. */
const MAX_CHUNKS = 24;
/** The bound of the waiting items, and of the items on their way to the disk. */
export const PENDING_MOST = 2 * (MAX_CHUNKS + 1) * CHUNK_BYTES;

export interface Chunk {
  readonly entries: Uint8Array<ArrayBuffer>;
  readonly readings: number;
  /** Alarms and events. */
  readonly notices: number;
  /** Revision of the inventory that the records were taken under. */
  readonly inventory: number;
}

export class Pending {
  #writer = new EntryWriter();
  #readings = 0;
  #notices = 0;
  #lost = { readings: 0, notices: 0 };
  #shapes = new Set<number>();
  #chunks: Chunk[] = [];
  #inventory = 0;
  #underWay = 0;

  /** Bytes that the disk does not have yet, with those on their way there. */
  get bytes(): number {
    return this.#underWay + this.#writer.length + sizeOf(this.#chunks);
  }
  get readings(): number {
    return this.#readings + this.#chunks.reduce((sum, c) => sum + c.readings, 0);
  }
  get empty(): boolean {
    return this.#writer.length === 0 && this.#chunks.length === 0;
  }
  /** Enough for a commit of its own. */
  get large(): boolean {
    return this.#chunks.length > 0;
  }

  /** Items that were given up since the last call. */
  givenUp(): { readonly readings: number; readonly notices: number } {
    const lost = this.#lost;
    this.#lost = { readings: 0, notices: 0 };
    return lost;
  }

  /** @param content of its shape, as an entry has it @returns the bytes of the new entries (valid until the next call) */
  record(record: LogRecord, shapeId: number, content: string): Uint8Array {
    if (this.#writer.length >= CHUNK_BYTES) this.#close();
    const start = this.#writer.length;
    if (!this.#shapes.has(shapeId)) {
      this.#shapes.add(shapeId);
      this.#writer.shape(shapeId, content);
    }
    this.#writer.record(record.seq, shapeId, record.sample.at, record.sample);
    this.#readings += record.sample.shape.points.length;
    return this.#writer.since(start);
  }

  /** As `record`. */
  notice(notice: StoredNotice): Uint8Array {
    if (this.#writer.length >= CHUNK_BYTES) this.#close();
    const start = this.#writer.length;
    this.#writer.json(ENTRY.notice, notice);
    this.#notices++;
    return this.#writer.since(start);
  }

  /** Records from now on belong to this revision. */
  setInventory(revision: number): void {
    this.#close();
    this.#inventory = revision;
  }

  /** A new mirror segment begins: it has to define shapes anew. */
  forgetShapes(): void {
    this.#shapes.clear();
  }

  /** A copy of the entries that wait, oldest first; each part defines every shape that it uses. */
  copy(): Uint8Array[] {
    return [...this.#chunks.map((c) => c.entries.slice()), ...(this.#writer.length === 0 ? [] : [this.#writer.since(0).slice()])];
  }

  /** Everything, for a commit: nothing is given up for it. */
  take(): Chunk[] {
    this.#endChunk();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#underWay = sizeOf(chunks);
    return chunks;
  }

  /** The taken items are on the disk. */
  kept(): void {
    this.#underWay = 0;
  }

  /** A commit failed: its chunks come first again. */
  putBack(chunks: readonly Chunk[]): void {
    this.#underWay = 0;
    this.#chunks = [...chunks, ...this.#chunks];
    this.#bound();
  }

  #close(): void {
    this.#endChunk();
    this.#bound();
  }
  #endChunk(): void {
    if (this.#writer.length === 0) return;
    const counts = { readings: this.#readings, notices: this.#notices };
    this.#chunks.push({ entries: this.#writer.take(), ...counts, inventory: this.#inventory });
    this.#readings = 0;
    this.#notices = 0;
    this.#shapes.clear();
  }

  #bound(): void {
    for (const { readings, notices } of this.#chunks.splice(0, Math.max(0, this.#chunks.length - MAX_CHUNKS))) {
      this.#lost.readings += readings;
      this.#lost.notices += notices;
    }
  }
}

function sizeOf(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, c) => sum + c.entries.length, 0);
}
