/** On the computer of the maker: the files of an update from the parts of an image. The gateway never loads this. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { type Chunk, chunkName, chunksOf, encodeIndex } from './chunks.ts';
import type { UpdateSecret } from './keys.ts';
import { type Manifest, type Part, signManifest } from './manifest.ts';
import { MANIFEST_FILE } from './updater.ts';

const pack = promisify(zstdCompress);
/** Slow for the maker, small for the link; the gateway unpacks every level equally fast. */
const LEVEL = 19;

export interface MakeOptions {
  /** Where the files go; it exists. */
  readonly folder: string;
  /** The parts of the image: name and file. */
  readonly parts: Readonly<Record<string, string>>;
  readonly secrets: readonly UpdateSecret[];
  readonly about: Pick<Manifest, 'target' | 'version' | 'sequence' | 'date' | 'notes' | 'keys' | 'layouts'>;
  /** Zstandard, 1 to 19. */
  readonly level?: number;
}

export async function makeUpdate({ folder, parts, secrets, about, level = LEVEL }: MakeOptions): Promise<Manifest> {
  const made: Record<string, Part> = {};
  for (const [name, file] of Object.entries(parts)) made[name] = await makePart(folder, `${name}-${about.sequence}`, file, level);
  const manifest: Manifest = { v: 1, product: 'sluice-image', ...about, parts: made };
  // Last: a gateway that looks in between finds the update before.
  await writeFile(path.join(folder, MANIFEST_FILE), signManifest(manifest, secrets));
  return manifest;
}

async function makePart(folder: string, name: string, file: string, level: number): Promise<Part> {
  const [whole, chunks] = [createHash('sha256'), [] as Chunk[]];
  const seen = new Set<string>();
  const out = createWriteStream(path.join(folder, `${name}.pack`));
  let [bytes, packedBytes] = [0, 0];
  for await (const chunk of chunksOf(createReadStream(file, { highWaterMark: 1024 ** 2 }))) {
    whole.update(chunk);
    const chunkId = chunkName(chunk);
    const packed = seen.has(chunkId)
      ? Buffer.alloc(0)
      : await pack(chunk, { params: { [constants.ZSTD_c_compressionLevel]: level } });
    seen.add(chunkId);
    chunks.push({ name: chunkId, length: chunk.length, packed: packed.length });
    bytes += chunk.length;
    packedBytes += packed.length;
    if (packed.length > 0 && !out.write(packed)) await once(out, 'drain');
  }
  out.end();
  await finished(out);
  const index = encodeIndex(chunks);
  await writeFile(path.join(folder, `${name}.index`), index);
  return {
    bytes,
    sha256: whole.digest('hex'),
    index: { file: `${name}.index`, bytes: index.length, sha256: createHash('sha256').update(index).digest('hex') },
    pack: { file: `${name}.pack`, bytes: packedBytes },
  };
}
