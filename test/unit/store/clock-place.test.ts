import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { placeBoots } from '../../../src/store/time/clock-place.ts';

const lengths = fc.array(fc.nat({ max: 10_000_000 }), { maxLength: 30 });

test('boots without a clock lie between their neighbours, with even gaps', () => {
  assert.deepEqual(placeBoots(1000, 2000, [100, 200]), { starts: [1233, 1566], tight: false });
  assert.deepEqual(placeBoots(undefined, 2000, [100, 200]), { starts: [1700, 1800], tight: false });
  assert.deepEqual(placeBoots(1900, 2000, [100, 200]), { starts: [1700, 1800], tight: true });
  assert.deepEqual(placeBoots(1000, 2000, []), { starts: [], tight: false });
});

test('never over each other, in order, within the room that there is', () => {
  fc.assert(
    fc.property(fc.option(fc.nat({ max: 1e9 }), { nil: undefined }), fc.nat({ max: 1e9 }), lengths, (after, before, all) => {
      const { starts, tight } = placeBoots(after, before, all);
      const total = all.reduce((sum, n) => sum + n, 0);
      assert.equal(starts.length, all.length);
      assert.equal(tight, after !== undefined && before - after < total);
      starts.forEach((start, i) => {
        assert.ok(Number.isSafeInteger(start));
        assert.ok(start + (all[i] as number) <= (starts[i + 1] ?? before), 'over the next one');
      });
      if (after !== undefined && !tight) {
        assert.ok((starts[0] ?? after) >= after, 'over the one before');
        const gaps = [...starts, before].map(
          (start, i) => start - (i === 0 ? after : (starts[i - 1] as number) + (all[i - 1] as number)),
        );
        assert.ok(Math.max(...gaps) - Math.min(...gaps) <= 1 + gaps.length, `gaps are even: ${gaps}`);
      }
      if (after === undefined || tight) assert.equal(starts[0] ?? before, before - total, 'right before the next one');
    }),
    { numRuns: 500 },
  );
});
