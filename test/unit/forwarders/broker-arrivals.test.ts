/** Connections that wait for their first turn: the addresses take turns. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Arrivals } from '../../../src/forwarders/broker/arrivals.ts';

test('a burst of one address holds up no other one, and each address keeps its order', () => {
  const arrivals = new Arrivals<string>();
  for (let i = 0; i < 2000; i++) arrivals.add(`a${i}`, 'a');
  for (const name of ['b0', 'b1']) arrivals.add(name, 'b');
  arrivals.add('c0', 'c');
  const taken = Array.from({ length: 7 }, () => arrivals.next());
  assert.deepEqual(taken, ['a0', 'b0', 'c0', 'a1', 'b1', 'a2', 'a3']);
  // Who comes while others are served waits for one of each address at most.
  arrivals.add('d0', 'd');
  assert.deepEqual([arrivals.next(), arrivals.next()], ['a4', 'd0']);
  assert.equal([...arrivals].length, 2000 - 5);
});

test('nobody is left out, and none comes twice', () => {
  const arrivals = new Arrivals<number>();
  for (let i = 0; i < 300; i++) arrivals.add(i, `${i % 7}`);
  const taken: number[] = [];
  for (let next = arrivals.next(); next !== undefined; next = arrivals.next()) taken.push(next);
  assert.deepEqual(
    taken.toSorted((a, b) => a - b),
    Array.from({ length: 300 }, (_, i) => i),
  );
  assert.deepEqual([...arrivals], []);
});

test('property: those that are over are not waited for, and the others keep their turns', () => {
  const step = fc.record({ does: fc.constantFrom('comes', 'goes', 'turn'), address: fc.nat(3), which: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const arrivals = new Arrivals<number>();
      const waiting: { readonly id: number; readonly address: string }[] = [];
      for (const [id, { does, address, which }] of steps.entries()) {
        if (does === 'comes') {
          waiting.push({ id, address: `${address}` });
          arrivals.add(id, `${address}`);
        } else if (does === 'goes') {
          const [gone] = waiting.splice(which % Math.max(1, waiting.length), 1);
          if (gone !== undefined) arrivals.remove(gone.id, gone.address);
          // One that is not there changes nothing.
          arrivals.remove(-1, `${address}`);
        } else {
          const next = arrivals.next();
          assert.equal(next === undefined, waiting.length === 0);
          const at = waiting.findIndex(({ id: one }) => one === next);
          if (next === undefined) continue;
          assert.ok(at >= 0, 'it waits');
          const [{ address: its } = { address: '' }] = waiting.splice(at, 1);
          assert.ok(!waiting.slice(0, at).some(({ address: other }) => other === its), 'nobody of its address came before it');
        }
        assert.equal(arrivals.size, waiting.length);
        assert.equal([...arrivals].length, waiting.length);
      }
    }),
  );
});
