/**
 * The parts of an image as chunks. A chunk ends where its content says so, so the same content has the same chunks wherever it
 * lies, and an update transfers only chunks that the running system does not hold. Pure: bytes in, numbers out.
 *
 * The cut is a gear hash (Xia et al., FastCDC, USENIX ATC 2016, section 3.2): each byte shifts the hash by one bit and adds a
 * fixed number, so the hash knows the last 32 bytes only.
 */
import { createHash } from 'node:crypto';
import { SluiceError } from '../core/errors.ts';

/** Bytes. A chunk costs 24 bytes in the index; a longer one transfers more when a single byte differs. */
export const LEAST = 32 * 1024;
export const MOST = 256 * 1024;
/** 16 bits: with the least length a chunk has 96 KiB on the mean. They are the highest bits, which know the most bytes. */
const MASK = 0xffff0000;

/** Numbers that look random and never change: another table would make every chunk a new one. */
const GEAR = Uint32Array.from({ length: 256 }, (_, i) =>
  createHash('sha256').update(`sluice chunk ${i}`).digest().readUInt32LE(0),
);

/** @returns where the chunk that begins at `from` ends, or undefined: its end is not in `bytes` yet */
export function endOfChunk(bytes: Uint8Array, from: number, last: boolean): number | undefined {
  const stop = Math.min(bytes.length, from + MOST);
  let hash = 0;
  // The bytes before the least length count too: the hash has forgotten all but 32 of them.
  for (let i = Math.min(stop, from + LEAST - 32); i < stop; i++) {
    hash = ((hash << 1) + (GEAR[bytes[i] as number] as number)) >>> 0;
    if (i - from + 1 >= LEAST && (hash & MASK) === 0) return i + 1;
  }
  if (stop - from === MOST) return stop;
  return last && stop > from ? stop : undefined;
}

/** 16 of the 32 bytes of SHA-256, in hexadecimal. The whole part has its full SHA-256 in the manifest. */
export function chunkName(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

/** All chunks of a stream, in order. Holds one chunk and one piece of the stream. */
export async function* chunksOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held = Buffer.alloc(0);
  for await (const piece of pieces) {
    held = held.length === 0 ? Buffer.from(piece) : Buffer.concat([held, piece]);
    let from = 0;
    for (let end = endOfChunk(held, from, false); end !== undefined; end = endOfChunk(held, from, false)) {
      yield held.subarray(from, end);
      from = end;
    }
    held = held.subarray(from);
  }
  for (let from = 0; from < held.length; ) {
    const end = endOfChunk(held, from, true) ?? held.length;
    yield held.subarray(from, end);
    from = end;
  }
}

export interface Chunk {
  /** See `chunkName`. */
  readonly name: string;
  /** Bytes, 1 to MOST. */
  readonly length: number;
  /** Bytes in the pack, where it is compressed (Zstandard). 0: the same chunk came before. */
  readonly packed: number;
}

/**
 * The index of a part: `SLXI`, the number of chunks (4 bytes, little-endian), then 24 bytes for each chunk: 16 of its SHA-256,
 * its length and its packed length (4 bytes each, little-endian).
 */
const MAGIC = Buffer.from('SLXI', 'latin1');
const HEAD = 8;
const ENTRY = 24;
/** An image of 8 GiB in chunks of the least length. */
export const MOST_CHUNKS = 256 * 1024;
/** Zstandard can make bytes that it cannot compress longer: by 3 for each 128 KiB, and a head. */
export const MOST_PACKED = MOST + 64;

export function encodeIndex(chunks: readonly Chunk[]): Buffer {
  const bytes = Buffer.alloc(HEAD + ENTRY * chunks.length);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(chunks.length, 4);
  chunks.forEach((chunk, i) => {
    const at = HEAD + ENTRY * i;
    bytes.write(chunk.name, at, 'hex');
    bytes.writeUInt32LE(chunk.length, at + 16);
    bytes.writeUInt32LE(chunk.packed, at + 20);
  });
  return bytes;
}

/**
 * @param part bytes of the whole part, and `pack` bytes of its pack, as the manifest says
 * @throws SluiceError `update-refused`: the index contradicts itself or the manifest
 */
export function decodeIndex(bytes: Buffer, part: number, pack: number): Chunk[] {
  const refuse = (why: string): never => {
    throw new SluiceError('update-refused', `the index of the update ${why}; fetch the update again`);
  };
  if (bytes.length < HEAD || !bytes.subarray(0, 4).equals(MAGIC)) refuse('is no index');
  const count = bytes.readUInt32LE(4);
  if (count > MOST_CHUNKS || bytes.length !== HEAD + ENTRY * count) refuse('has another length than its head says');
  const chunks: Chunk[] = [];
  const seen = new Map<string, number>();
  let [length, packed] = [0, 0];
  for (let at = HEAD; at < bytes.length; at += ENTRY) {
    const chunk = {
      name: bytes.toString('hex', at, at + 16),
      length: bytes.readUInt32LE(at + 16),
      packed: bytes.readUInt32LE(at + 20),
    };
    if (chunk.length < 1 || chunk.length > MOST || chunk.packed > MOST_PACKED) refuse('has a chunk of an impossible length');
    if (chunk.packed === 0 && seen.get(chunk.name) !== chunk.length) refuse('repeats a chunk that did not come before');
    seen.set(chunk.name, chunk.length);
    length += chunk.length;
    packed += chunk.packed;
    chunks.push(chunk);
  }
  if (length !== part || packed !== pack) refuse('has other sums than the manifest');
  return chunks;
}
