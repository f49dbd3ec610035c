/** One part of a slot on the card: chunks in their order, each checked before it is written. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { SluiceError } from '../core/errors.ts';
import { type Chunk, chunkName } from './chunks.ts';
import type { Part } from './manifest.ts';
import { forgetPages } from './page-cache.ts';

/** Bytes that are read at a time. */
const PIECE = 1024 ** 2;

export class PartWriter {
  readonly #place: string;
  readonly #part: Part;
  readonly #chunks: readonly Chunk[];
  readonly #at: number[] = [0];
  readonly #packedAt: number[] = [0];
  /** Chunks of this part that are written already, and where: a repeated one is not in the pack again. */
  readonly #written = new Map<string, number>();
  #file: FileHandle | undefined;
  unflushed = 0;

  constructor(place: string, part: Part, chunks: readonly Chunk[]) {
    this.#place = place;
    this.#part = part;
    this.#chunks = chunks;
    for (const { length, packed } of chunks) {
      this.#at.push((this.#at.at(-1) ?? 0) + length);
      this.#packedAt.push((this.#packedAt.at(-1) ?? 0) + packed);
    }
  }

  /** @param done chunks that are on the card already */
  async open(done: number): Promise<void> {
    if (!isPartition(this.#place)) await mkdir(path.dirname(this.#place), { recursive: true });
    this.#file = await open(this.#place, 'r+').catch((thrown) => {
      if (isPartition(this.#place)) throw writeFault(this.#place, thrown);
      return open(this.#place, 'w+', 0o644);
    });
    const found = await this.#file.stat();
    if (found.isFile() && found.size > this.#part.bytes) await this.#file.truncate(this.#part.bytes);
    for (let i = 0; i < done; i++) this.#written.set((this.#chunks[i] as Chunk).name, i);
  }

  at(chunk: number): number {
    return this.#at[chunk] as number;
  }
  packedAt(chunk: number): number {
    return this.#packedAt[chunk] as number;
  }
  has(chunk: Chunk): boolean {
    return this.#written.has(chunk.name);
  }

  /** The chunk from where it was written before. A slot whose partition lost it begins anew after the last check. */
  async copyOf(chunk: Chunk): Promise<Buffer | undefined> {
    const before = this.#written.get(chunk.name);
    return before === undefined ? undefined : copyFrom(this.#file, this.at(before), chunk);
  }

  async write(index: number, bytes: Buffer): Promise<void> {
    const chunk = this.#chunks[index] as Chunk;
    if (bytes.length !== chunk.length || chunkName(bytes) !== chunk.name)
      throw new SluiceError(
        'update-refused',
        'a part of the update is not what the manifest says; the next try fetches it again',
      );
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await (this.#file as FileHandle).write(bytes, at, bytes.length - at, this.at(index) + at);
        at += bytesWritten;
      }
    } catch (thrown) {
      throw writeFault(this.#place, thrown);
    }
    this.#written.set(chunk.name, index);
    this.unflushed += bytes.length;
  }

  async flush(): Promise<void> {
    try {
      await this.#file?.sync();
    } catch (thrown) {
      throw writeFault(this.#place, thrown);
    }
    this.unflushed = 0;
  }

  /** @throws SluiceError: the card does not hold what was written to it; `restart` makes the next try write it again */
  async check(restart: () => void): Promise<void> {
    // Written a moment ago, it would be read from memory.
    await forgetPages((this.#file as FileHandle).fd);
    if ((await this.#sum()) === this.#part.sha256) return;
    restart();
    throw new SluiceError(
      'update-refused',
      `${this.#place} does not hold what was written to it; try again, or replace the card`,
    );
  }

  /** undefined: the card cannot read it. */
  async #sum(): Promise<string | undefined> {
    const hash = createHash('sha256');
    let at = 0;
    try {
      for await (const piece of pieces(this.#file as FileHandle)) {
        hash.update(piece.subarray(0, Math.min(piece.length, this.#part.bytes - at)));
        at += piece.length;
        if (at >= this.#part.bytes) break;
      }
      return hash.digest('hex');
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

const isPartition = (place: string): boolean => place.includes('/dev/disk/');

/** @throws SluiceError update-failed: the partition is not there. A file in its place would lie in memory, and fill it */
export function assertPlace(place: string): void {
  if (!isPartition(place) || existsSync(place)) return;
  throw new SluiceError(
    'update-failed',
    `there is no partition ${path.basename(place)}, so the card is not as the image made it; write a card with the new image`,
  );
}

function writeFault(place: string, cause: unknown): SluiceError {
  return new SluiceError('update-failed', `${place} cannot be written; the running system is untouched`, { cause });
}

export async function openThere(place: string): Promise<FileHandle | undefined> {
  try {
    return await open(place, 'r');
  } catch {
    return undefined;
  }
}

export async function* pieces(file: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const bytes = Buffer.alloc(PIECE);
    const { bytesRead } = await file.read(bytes, 0, PIECE, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield bytes.subarray(0, bytesRead);
  }
}

/** undefined: it is not there, it is not what it was, or a worn card cannot read it. */
export async function copyFrom(file: FileHandle | undefined, at: number | undefined, chunk: Chunk): Promise<Buffer | undefined> {
  if (file === undefined || at === undefined) return undefined;
  const bytes = Buffer.alloc(chunk.length);
  try {
    const { bytesRead } = await file.read(bytes, 0, chunk.length, at);
    return bytesRead === chunk.length && chunkName(bytes) === chunk.name ? bytes : undefined;
  } catch {
    return undefined;
  }
}
