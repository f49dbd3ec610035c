/**
 * What waits for the next commit, as chunks of entries. A chunk defines every shape that its records use, so that the
 * oldest chunk can be given up alone when the disk takes nothing for too long.
 */
import { ENTRY, EntryWriter, type StoredNotice } from '../codecs/rows.ts';
import type { LogRecord, Shape } from '../core/point.ts';

/** A chunk is closed at this size (about 100,000 readings). */
export const CHUNK_BYTES = 1024 * 1024;
/** Closed chunks that may wait for a disk that does not take them. */
const MAX_CHUNKS = 24;
/** What waits and what is on its way to the disk, each so much at most. */
export const PENDING_MOST = 2 * (MAX_CHUNKS + 1) * CHUNK_BYTES;

export interface Chunk {
  readonly entries: Uint8Array<ArrayBuffer>;
  readonly readings: number;
  /** Revision of the inventory that the records were taken under. */
  readonly inventory: number;
}

export class Pending {
  #writer = new EntryWriter();
  #readings = 0;
  #shapes = new Set<number>();
  #chunks: Chunk[] = [];
  #inventory = 0;
  #underWay = 0;

  /** What the disk does not have yet, with what is on its way there. */
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

  /** @returns the bytes of the new entries (valid until the next call) and readings that had to be given up for them */
  record(record: LogRecord, shapeId: number, shape: Shape): { bytes: Uint8Array; givenUp: number } {
    const givenUp = this.#writer.length >= CHUNK_BYTES ? this.#close() : 0;
    const start = this.#writer.length;
    if (!this.#shapes.has(shapeId)) {
      this.#shapes.add(shapeId);
      this.#writer.shape(shapeId, { device: shape.device, points: shape.points });
    }
    this.#writer.record(record.seq, shapeId, record.sample.at, record.sample);
    this.#readings += shape.points.length;
    return { bytes: this.#writer.since(start), givenUp };
  }

  /** As `record`. */
  notice(notice: StoredNotice): { bytes: Uint8Array; givenUp: number } {
    const givenUp = this.#writer.length >= CHUNK_BYTES ? this.#close() : 0;
    const start = this.#writer.length;
    this.#writer.json(ENTRY.notice, notice);
    return { bytes: this.#writer.since(start), givenUp };
  }

  /** Records from now on belong to this revision. @returns readings given up */
  setInventory(revision: number): number {
    const givenUp = this.#close();
    this.#inventory = revision;
    return givenUp;
  }

  /** A new mirror segment begins: it has to define shapes anew. */
  forgetShapes(): void {
    this.#shapes.clear();
  }

  /** Everything, for a commit: nothing is given up for it. */
  take(): Chunk[] {
    this.#endChunk();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#underWay = sizeOf(chunks);
    return chunks;
  }

  /** What was taken is on the disk. */
  kept(): void {
    this.#underWay = 0;
  }

  /** A commit failed: its chunks come first again. @returns readings given up */
  putBack(chunks: readonly Chunk[]): number {
    this.#underWay = 0;
    this.#chunks = [...chunks, ...this.#chunks];
    return this.#bound();
  }

  #close(): number {
    this.#endChunk();
    return this.#bound();
  }
  #endChunk(): void {
    if (this.#writer.length === 0) return;
    this.#chunks.push({ entries: this.#writer.take(), readings: this.#readings, inventory: this.#inventory });
    this.#readings = 0;
    this.#shapes.clear();
  }

  #bound(): number {
    let givenUp = 0;
    while (this.#chunks.length > MAX_CHUNKS) givenUp += this.#chunks.shift()?.readings ?? 0;
    return givenUp;
  }
}

function sizeOf(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, c) => sum + c.entries.length, 0);
}
