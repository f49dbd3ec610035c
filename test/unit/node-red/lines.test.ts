/** Lines out of a stream of bytes, however it is cut into chunks. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { Lines } from '../../../src/node-red/lines.ts';

function cut(chunks: readonly Buffer[], longest: number) {
  const taken: string[] = [];
  const lines = new Lines(longest, (line) => void taken.push(line));
  for (const chunk of chunks) lines.push(chunk);
  return { taken, lines };
}

test('for any chunks the lines are those of the text, empty ones left out', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 20 })), fc.array(fc.nat(50)), (texts, cuts) => {
      const whole = Buffer.from(`${texts.map((t) => t.replaceAll('\n', ' ')).join('\n')}\n`);
      const ends = [...cuts.map((c) => c % (whole.length + 1)), whole.length].sort((a, b) => a - b);
      const chunks = ends.map((end, i) => whole.subarray(ends[i - 1] ?? 0, end));
      const { taken } = cut(chunks, 1000);
      assert.deepEqual(
        taken,
        whole
          .toString()
          .split('\n')
          .filter((l) => l !== ''),
      );
    }),
  );
});

test('a line without end gives its first bytes once, and costs no more memory', () => {
  const { taken, lines } = cut([...Array.from({ length: 100 }, () => Buffer.alloc(1000, 97)), Buffer.from('\nnext\n')], 64);
  assert.deepEqual(taken, ['a'.repeat(64), 'next']);
  assert.equal(lines.cut, 1);
});

test('a line of exactly the longest length is whole', () => {
  const { taken, lines } = cut([Buffer.from('12345678\n123456789\n')], 8);
  assert.deepEqual(taken, ['12345678', '12345678']);
  assert.equal(lines.cut, 1);
});

test('what is left at the end of the stream is a line, the rest of a cut one is not', () => {
  const { taken, lines } = cut([Buffer.from('last words')], 64);
  assert.deepEqual(taken, []);
  lines.end();
  lines.end();
  assert.deepEqual(taken, ['last words']);
  const other = cut([Buffer.from('far too long')], 3);
  other.lines.end();
  assert.deepEqual(other.taken, ['far']);
});

test('a line keeps its bytes when the chunk is used again', () => {
  const chunk = Buffer.from('first');
  const { taken, lines } = cut([chunk], 64);
  chunk.fill(0);
  lines.push(Buffer.from('\n'));
  assert.deepEqual(taken, ['first']);
});

test('lines that come byte by byte cost no more memory than their bytes', () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  // Garbage counts for nothing: when it goes is the affair of the collector, and measured code makes more of it.
  const used = (): number => {
    gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const KB = 1024;
  const before = used();
  // As the clients of the socket for flows may begin them, all together.
  const senders = Array.from({ length: 24 }, () => cut([], 64 * KB));
  const byte = Buffer.from('a');
  for (let i = 0; i < 60 * KB; i++) for (const { lines } of senders) lines.push(byte);
  const more = used() - before;
  assert.ok(more < 16 * KB * KB, `${Math.round(more / KB / KB)} MB for ${senders.length} lines of 60 KB`);
  for (const { lines, taken } of senders) {
    lines.end();
    assert.deepEqual(taken, ['a'.repeat(60 * KB)]);
  }
});
