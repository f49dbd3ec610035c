/** Shares of addresses and accounts in the places of the broker. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { addressKey, Newcomers } from '../../../src/forwarders/broker/shares.ts';

test('clients of this board are not counted by address, and one machine has one key', () => {
  for (const own of [undefined, '127.0.0.1', '127.3.4.5', '::1', '::ffff:127.0.0.1']) assert.equal(addressKey(own), undefined);
  assert.equal(addressKey('::ffff:192.168.1.20'), addressKey('192.168.1.20'));
  // One machine may take any address of its network.
  assert.equal(addressKey('fd00::1'), addressKey('fd00::2'));
  assert.notEqual(addressKey('fd00::1'), addressKey('fd00:0:0:1::1'));
});

test('property: of the share of an address a silent one gives way before one that logs in', () => {
  const step = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('comes', 'comes', 'asks', 'goes'), fc.nat(10));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const newcomers = new Newcomers<number>(5);
      const held: Record<string, { silent: number[]; asking: number[] }> = {};
      for (const [id, [address, does, which]] of steps.entries()) {
        held[address] ??= { silent: [], asking: [] };
        const its = held[address];
        const all = [...its.silent, ...its.asking];
        const one = all[which % Math.max(1, all.length)] ?? -1;
        if (does === 'comes') {
          const gone = all.length < 5 ? undefined : (its.silent.shift() ?? its.asking.pop());
          assert.equal(newcomers.arrives(id, address), gone);
          its.silent.push(id);
        } else if (does === 'asks') {
          newcomers.asks(one);
          newcomers.asks(one);
          if (its.silent.includes(one)) its.asking.push(...its.silent.splice(its.silent.indexOf(one), 1));
        } else {
          newcomers.leaves(one);
          newcomers.leaves(one);
          its.silent = its.silent.filter((other) => other !== one);
          its.asking = its.asking.filter((other) => other !== one);
        }
        assert.equal(newcomers.size, Object.values(held).flatMap(({ silent, asking }) => [...silent, ...asking]).length);
      }
    }),
  );
});
