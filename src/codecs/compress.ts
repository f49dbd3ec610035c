/**
 * Payloads, compressed. Level by size: what comes from memory is compressed in the main thread, which must not stand still
 * for long. The same payload gives the same bytes in both threads.
 */
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Payload } from './format.ts';

export const COMPRESSIONS = ['gzip', 'brotli', 'zstd'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** Up to so many bytes: the level of each. About 10 ms on a board at most for the first two, 30 ms for 1 MB. */
const LEVELS = [
  { upTo: 16 * 1024, gzip: 9, brotli: 9, zstd: 15 },
  { upTo: 256 * 1024, gzip: 6, brotli: 5, zstd: 6 },
  { upTo: Number.POSITIVE_INFINITY, gzip: 1, brotli: 2, zstd: 1 },
] as const;

export function isCompression(word: unknown): word is Compression {
  return COMPRESSIONS.some((known) => known === word);
}

export function compressed(payload: Payload, how: Compression): Uint8Array {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const level = LEVELS.find(({ upTo }) => bytes.length <= upTo) ?? LEVELS[2];
  switch (how) {
    case 'gzip':
      return gzipSync(bytes, { level: level.gzip });
    case 'brotli':
      return brotliCompressSync(bytes, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: level.brotli,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      });
    case 'zstd':
      return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level.zstd } });
  }
}
