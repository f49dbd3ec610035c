/** Chunks end where the content says so, and an index from outside never sizes anything by itself. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '../../../src/core/errors.ts';
import { chunkName, chunksOf, decodeIndex, encodeIndex, LEAST, MOST } from '../../../src/update/chunks.ts';

/** Bytes that look random and are the same each time. */
function noise(seed: number, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 64) }, (_, i) => createHash('sha512').update(`${seed} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
}
async function cut(bytes: Buffer, piece: number): Promise<Buffer[]> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
  }
  const found: Buffer[] = [];
  for await (const chunk of chunksOf(pieces())) found.push(Buffer.from(chunk));
  return found;
}

test('the pieces of a stream do not change its chunks, and nothing is lost', async () => {
  const bytes = Buffer.concat([noise(1, 700_000), Buffer.alloc(600_000), noise(2, 300_001)]);
  const whole = (await cut(bytes, bytes.length)).map(chunkName);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 900, max: 400_000 }), async (piece) => {
      const chunks = await cut(bytes, piece);
      assert.deepEqual(chunks.map(chunkName), whole);
      assert.ok(Buffer.concat(chunks).equals(bytes));
      for (const [i, { length }] of chunks.entries()) {
        assert.ok(length <= MOST);
        if (i < chunks.length - 1) assert.ok(length >= LEAST, `${length}`);
      }
    }),
    { numRuns: 12 },
  );
});

test('bytes put in at the front change the first chunks only', async () => {
  const bytes = noise(3, 2_000_000);
  const before = new Set((await cut(bytes, 65_536)).map(chunkName));
  const after = (await cut(Buffer.concat([noise(4, 777), bytes]), 65_536)).map(chunkName);
  assert.ok(after.length > 10, `${after.length}`);
  assert.ok(after.filter((name) => !before.has(name)).length <= 3);
});

test('an empty stream has no chunk', async () => assert.deepEqual(await cut(Buffer.alloc(0), 1), []));

const chunk = fc
  .record({ seed: fc.integer({ min: 0, max: 5 }), length: fc.integer({ min: 1, max: MOST }) })
  .map(({ seed, length }) => ({ name: chunkName(Buffer.from(`${seed} ${length}`)), length }));

test('an index that was written is read again', () => {
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 40 }), (entries) => {
      const seen = new Set<string>();
      const chunks = entries.map((one) => {
        const packed = seen.has(one.name) ? 0 : Math.ceil(one.length / 2) + 1;
        seen.add(one.name);
        return { ...one, packed };
      });
      const sum = (of: 'length' | 'packed') => chunks.reduce((all, one) => all + one[of], 0);
      assert.deepEqual(decodeIndex(encodeIndex(chunks), sum('length'), sum('packed')), chunks);
    }),
  );
});

test('a damaged index is refused, or its sums are those of the manifest', () => {
  const chunks = [1, 2, 3].map((i) => ({ name: chunkName(Buffer.from([i])), length: i * 1000, packed: i * 500 }));
  const good = encodeIndex(chunks);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
          const bytes = Buffer.from(good);
          bytes[at] = (bytes[at] as number) ^ by;
          return bytes;
        }),
        fc.nat(good.length - 1).map((length) => good.subarray(0, length)),
      ),
      (bytes) => {
        try {
          const found = decodeIndex(bytes, 6000, 3000);
          assert.equal(
            found.reduce((sum, { length }) => sum + length, 0),
            6000,
          );
          assert.ok(found.every(({ length, packed }) => length > 0 && length <= MOST && packed <= MOST + 64));
        } catch (thrown) {
          assert.ok(thrown instanceof SluiceError && thrown.code === 'update-refused', `${thrown}`);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a head that names a million chunks is refused before anything is made for them', () => {
  const bytes = encodeIndex([]);
  bytes.writeUInt32LE(0xffff_ffff, 4);
  assert.throws(() => decodeIndex(bytes, 1, 1), { code: 'update-refused' });
});
