/** Shares of addresses and accounts in the places of the broker. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { addressKey, Shares } from '../../../src/forwarders/broker/shares.ts';

test('clients of this board are not counted by address, and one machine has one key', () => {
  for (const own of [undefined, '127.0.0.1', '127.3.4.5', '::1', '::ffff:127.0.0.1']) assert.equal(addressKey(own), undefined);
  assert.equal(addressKey('::ffff:192.168.1.20'), addressKey('192.168.1.20'));
  assert.notEqual(addressKey('fd00::1'), addressKey('fd00::2'));
});

test('property: nobody holds more than the share, and what is given back is free again', () => {
  const step = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const shares = new Shares(5);
      const held: Record<string, number> = { a: 0, b: 0, c: 0 };
      for (const [key, takes] of steps) {
        const now = held[key] ?? 0;
        if (takes) {
          assert.equal(shares.take(key), now < 5);
          held[key] = Math.min(5, now + 1);
        } else if (now > 0) {
          shares.give(key);
          held[key] = now - 1;
        }
      }
    }),
  );
});
