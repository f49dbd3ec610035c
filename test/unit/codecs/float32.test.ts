import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { shortestFloat32 } from '../../../src/codecs/float32.ts';

/** As the definition has it: the fewest decimals, from none on; the fewest digits where 8 decimals say too little or too much. */
function byDefinition(v: number): number {
  const decimals = Math.abs(v) > 1e-3 && Math.abs(v) < 1e9;
  for (let k = 0; decimals && k <= 8; k++) {
    const r = Math.round(v * 10 ** k) / 10 ** k;
    if (Math.fround(r) === v) return r;
  }
  for (let digits = 1; ; digits++) {
    const r = Number(v.toPrecision(digits));
    if (Math.fround(r) === v) return r;
  }
}

const between = (low: number, high: number) =>
  fc.float({ min: Math.fround(low), max: Math.fround(high), noNaN: true, noDefaultInfinity: true });
const inOneWay = fc.oneof(between(1e-4, 1e10), between(-1e10, -1e-4));

test('the shortest decimals of a float32 do not depend on the number before', () => {
  fc.assert(
    fc.property(fc.array(inOneWay, { minLength: 2, maxLength: 20 }), (numbers) => {
      for (const v of numbers) assert.equal(shortestFloat32(v), byDefinition(v));
    }),
    { numRuns: 2000 },
  );
});

test('powers of two and their neighbours get their shortest decimals too', () => {
  const word = new Uint32Array(1);
  const float = new Float32Array(word.buffer);
  for (let e = -14; e < 34; e++)
    for (let step = -3; step <= 3; step++) {
      float[0] = 2 ** e;
      word[0] = (word[0] as number) + step;
      const v = float[0] as number;
      for (const before of [1, 0.1234567, 23.4]) {
        shortestFloat32(Math.fround(before));
        assert.equal(shortestFloat32(v), byDefinition(v));
      }
    }
});

test('a float32 off the range of decimals gets its shortest digits', () => {
  const told = [0, -0, 1e-4, 3.4e38, Number.POSITIVE_INFINITY].map((v) => shortestFloat32(Math.fround(v)));
  assert.deepEqual(told, [0, -0, 1e-4, 3.4e38, Number.POSITIVE_INFINITY]);
  assert.ok(Number.isNaN(shortestFloat32(Number.NaN)));
});
