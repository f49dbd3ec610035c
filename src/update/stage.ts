/**
 * Writes an update into the slot that does not run.
 *
 * - The slot is discarded before its first byte changes: a half-written system never boots. Before that the update has shown its
 *   indexes, and every part has its place: a slot that ran well is not given up for an update that cannot be taken.
 * - A chunk that the running system holds comes from there; only the others are fetched.
 * - Every chunk is checked before it is written. What is on the card is checked again, whole, before the slot is offered.
 * - A cut of the power or of the link costs the chunks since the last flush. The progress is saved behind the flush.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { SluiceError } from '../core/errors.ts';
import { type Chunk, chunkName, chunksOf, decodeIndex } from './chunks.ts';
import type { Manifest, Part } from './manifest.ts';
import { assertPlace, copyFrom, openThere, PartWriter, pieces } from './part-writer.ts';
import type { Slots } from './slots.ts';
import type { Source } from './source.ts';
import type { UpdateState } from './state.ts';

const unpack = promisify(zstdDecompress);
/** Bytes that are asked for at a time: half a minute on a link of 64 kbit/s. */
const MOST_ASKED = 256 * 1024;
/** Bytes between two flushes. */
const FLUSH = 8 * 1024 ** 2;

export interface Staged {
  /** Bytes fetched now, without headers. */
  readonly fetched: number;
  /** Bytes that the running system already held. */
  readonly held: number;
  /** `budget`: the bytes of today are used up. `window`: its time is over. The next call continues. */
  readonly outcome: 'complete' | 'budget' | 'window';
}
export interface StageOptions {
  readonly manifest: Manifest;
  /** SHA-256 of the manifest, in hexadecimal. */
  readonly id: string;
  readonly source: Source;
  readonly slots: Slots;
  readonly state: UpdateState;
  /** Bytes that may be fetched now. Infinity: no limit. */
  readonly left: () => number;
  /** Called before each request with the bytes that it takes at most. */
  readonly beforeRequest?: (bytes: number) => void;
  /** Whether the download may continue now. Default: always. */
  readonly mayContinue?: () => boolean;
  readonly onProgress?: (done: number, all: number) => void;
}

export async function stage(options: StageOptions): Promise<Staged> {
  const { manifest, slots, state, source } = options;
  const names = Object.keys(manifest.parts);
  if (names.length !== slots.parts.length || !slots.parts.every((name) => names.includes(name)))
    throw new SluiceError(
      'update-refused',
      `this update has the parts ${names.join(', ')}; this board needs ${slots.parts.join(', ')}`,
    );
  const start = source.received;
  const used = () => source.received - start;
  const progress = state.progress(options.id);
  const slot = slots.other();
  const indexes = new Map<string, Chunk[]>();
  for (const name of slots.parts) {
    const part = manifest.parts[name] as Part;
    assertPlace(slots.place(slot, name));
    const index = await indexOf(source, state, name, part, options);
    if (index === undefined) return { fetched: used(), held: 0, outcome: 'budget' };
    indexes.set(name, decodeIndex(index, part.bytes, part.pack.bytes));
  }
  slots.discard(slot);
  let held = 0;
  const all = Object.values(manifest.parts).reduce((sum, { bytes }) => sum + bytes, 0);
  let before = 0;
  for (const name of slots.parts) {
    const part = manifest.parts[name] as Part;
    const chunks = indexes.get(name) as Chunk[];
    const writer = new PartWriter(slots.place(slot, name), part, chunks);
    const done = Math.min(progress.done[name] ?? 0, chunks.length);
    try {
      await writer.open(done);
      const save = async (next: number) => {
        await writer.flush();
        progress.done[name] = next;
        state.saveProgress(progress);
      };
      const own = done === chunks.length ? new Map<string, number>() : await ownChunks(slots.place(slots.running, name));
      const running = await openThere(slots.place(slots.running, name));
      try {
        let next = done;
        while (next < chunks.length) {
          const chunk = chunks[next] as Chunk;
          const here = (await writer.copyOf(chunk)) ?? (await copyFrom(running, own.get(chunk.name), chunk));
          if (here !== undefined) {
            held += chunk.length;
            await writer.write(next, here);
            next++;
          } else {
            if (chunk.packed === 0) {
              progress.done[name] = 0;
              state.saveProgress(progress);
              throw new SluiceError(
                'update-failed',
                `${slots.place(slot, name)} lost what was written to it; try again, or replace the card`,
              );
            }
            const most = Math.min(MOST_ASKED, options.left());
            const asked = together(chunks, next, most, (c) => own.has(c.name) || writer.has(c));
            if (asked.bytes > options.left()) {
              await save(next);
              return { fetched: used(), held, outcome: 'budget' };
            }
            if (options.mayContinue?.() === false) {
              await save(next);
              return { fetched: used(), held, outcome: 'window' };
            }
            options.beforeRequest?.(asked.bytes);
            const packed = await source.range(part.pack.file, writer.packedAt(next), asked.bytes);
            let at = 0;
            for (let i = next; i < next + asked.count; i++) {
              const { length } = chunks[i] as Chunk;
              const size = (chunks[i] as Chunk).packed;
              await writer.write(i, await unpacked(packed.subarray(at, at + size), length));
              at += size;
            }
            next += asked.count;
          }
          options.onProgress?.(before + writer.at(next), all);
          if (writer.unflushed >= FLUSH) await save(next);
        }
        await save(next);
        await writer.check(() => {
          progress.done[name] = 0;
          state.saveProgress(progress);
        });
      } finally {
        await running?.close();
      }
    } finally {
      await writer.close();
    }
    before += part.bytes;
  }
  return { fetched: used(), held, outcome: 'complete' };
}

/** @returns undefined: it is not here, and longer than what may be fetched */
async function indexOf(
  source: Source,
  state: UpdateState,
  name: string,
  part: Part,
  { left, beforeRequest }: Pick<StageOptions, 'left' | 'beforeRequest'>,
): Promise<Buffer | undefined> {
  const isRight = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex') === part.index.sha256;
  const kept = state.index(name, part.index.bytes);
  if (kept !== undefined && isRight(kept)) return kept;
  if (part.index.bytes > left()) return undefined;
  beforeRequest?.(part.index.bytes);
  const bytes = await source.whole(part.index.file, part.index.bytes);
  if (!isRight(bytes))
    throw new SluiceError('update-refused', `${part.index.file} is not the file that the manifest names; fetch the update again`);
  state.saveIndex(name, bytes);
  return bytes;
}

/** The chunks from `from` on that are fetched in one request. @param most bytes, if it is more than one chunk */
function together(
  chunks: readonly Chunk[],
  from: number,
  most: number,
  isHere: (chunk: Chunk) => boolean,
): { count: number; bytes: number } {
  let [count, bytes] = [0, 0];
  const seen = new Set<string>();
  for (let i = from; i < chunks.length; i++) {
    const chunk = chunks[i] as Chunk;
    if (count > 0 && (bytes + chunk.packed > most || isHere(chunk) || seen.has(chunk.name))) break;
    seen.add(chunk.name);
    count++;
    bytes += chunk.packed;
  }
  return { count, bytes };
}

async function unpacked(bytes: Buffer, length: number): Promise<Buffer> {
  try {
    return await unpack(bytes, { maxOutputLength: length });
  } catch (thrown) {
    throw new SluiceError('update-refused', 'a part of the update is damaged; the next try fetches it again', { cause: thrown });
  }
}

/** Where the chunks of the running system lie. The file system on it is never written, so they stay. */
async function ownChunks(place: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const file = await openThere(place);
  if (file === undefined) return found;
  try {
    let at = 0;
    for await (const chunk of chunksOf(pieces(file))) {
      found.set(chunkName(chunk), at);
      at += chunk.length;
    }
  } catch {
    // A worn card cannot read on: what lies behind is fetched, and the update is the way out.
  } finally {
    await file.close();
  }
  return found;
}
