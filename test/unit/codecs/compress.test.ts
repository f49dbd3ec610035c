/** Compressed payloads of every format come back as they were, from programs that are not ours too. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { COMPRESSIONS, compressed } from '../../../src/codecs/compress.ts';
import { encodeBatch, FORMATS } from '../../../src/codecs/formats.ts';
import { batches } from '../../oracles/random-batch.ts';

const opened = { gzip: gunzipSync, brotli: brotliDecompressSync, zstd: zstdDecompressSync };

test('a compressed batch is what the format made of it', () => {
  fc.assert(
    fc.property(batches, fc.constantFrom(...FORMATS.values()), fc.constantFrom(...COMPRESSIONS), (batch, format, compress) => {
      const plain = encodeBatch(format, batch, { compress: 'none' });
      assert.deepEqual(plain, format.encode(batch, {}));
      const packed = encodeBatch(format, batch, { compress });
      assert.deepEqual(
        packed.map(({ payload }) => opened[compress](payload)),
        plain.map(({ payload }) => Buffer.from(payload as string)),
      );
    }),
  );
});

test('every size is compressed, small and large', () => {
  for (const how of COMPRESSIONS)
    for (const size of [0, 1, 16_384, 16_385, 262_145, 2_000_000]) {
      const bytes = Buffer.alloc(size, 'sluice,device=d n=1 1795000000000\n');
      const packed = compressed(bytes, how);
      assert.deepEqual(opened[how](packed), bytes);
      if (size > 1000) assert.ok(packed.length < size / 50, `${how} of ${size}: ${packed.length}`);
    }
});
