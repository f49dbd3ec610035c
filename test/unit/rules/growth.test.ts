import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Growth } from '../../../src/rules/growth.ts';

test('whole numbers of 64 bits grow by what they grow, beyond 2^53 and over 2^64', () => {
  const start = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  // A fall is a reset below nine tenths of the range, and these steps cause none.
  const steps = fc.array(fc.bigInt({ min: 0n, max: 2n ** 40n }), { maxLength: 20 });
  fc.assert(
    fc.property(start, steps, fc.boolean(), (first, grown, isKept) => {
      let growth = new Growth({ rollover: 2 ** 64 });
      growth.take(0, first);
      let value = first;
      grown.forEach((step, i) => {
        value = BigInt.asUintN(64, value + step);
        assert.equal(growth.take((i + 1) * 1000, value)?.amount, Number(step), `${first} and ${grown}`);
        if (!isKept) return;
        const saved = growth.save((i + 1) * 1000);
        growth = new Growth({ rollover: 2 ** 64 });
        growth.restore(JSON.parse(JSON.stringify(saved)), (i + 1) * 1000, 0);
      });
    }),
    {
      examples: [
        [2n ** 64n - 10n, [15n, 15n, 30n], true],
        [2n ** 60n, [10n, 90n], false],
      ],
    },
  );
});
