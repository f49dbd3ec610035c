/** Windows in parts: borders of any origin lead on, and a restart finds the same parts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { Slots } from '../../../src/rules/slots.ts';

const origin = fc.double({ min: 0, max: 4e9, noNaN: true });

test('the next border is always later, whatever the fractions of the clock are', () => {
  fc.assert(
    fc.property(origin, fc.integer({ min: 1, max: 86_400_000 }), fc.integer({ min: 0, max: 1_000_000 }), (begin, over, many) => {
      const slots = new Slots({ over, parts: 60, fields: 1 });
      slots.add(begin, [1]);
      let at = slots.border(begin + many * slots.width);
      for (let i = 0; i < 20; i++) {
        const next = slots.border(at);
        assert.ok(next > at, `${begin} ${slots.width}: ${at} leads to ${next}`);
        at = next;
      }
    }),
    { numRuns: 2000 },
  );
});

test('borders around each power of two lead on', () => {
  for (const width of [30_000, 60_000, 720_000])
    for (let i = 0; i < 500; i++) {
      const begin = 2000 + i * 116.730_001_3;
      const slots = new Slots({ over: width * 60, parts: 60, fields: 1 });
      slots.add(begin, [1]);
      for (let power = 2 ** 12; power < 2 ** 32; power *= 2) {
        const near = begin + Math.floor((power - begin) / slots.width) * slots.width;
        for (let at = near - slots.width, n = 0; n < 4; n++) {
          const next = slots.border(at);
          assert.ok(next > at, `${begin} ${at}`);
          at = next;
        }
      }
    }
});

test('a saved window is taken again wherever it was saved', () => {
  fc.assert(
    fc.property(origin, fc.integer({ min: 1, max: 86_400_000 }), fc.integer({ min: 0, max: 100_000 }), (begin, over, many) => {
      const slots = new Slots({ over, parts: 60, fields: 1 });
      slots.add(begin, [1]);
      const at = slots.border(begin + many * slots.width);
      slots.add(at, [2]);
      const again = new Slots({ over, parts: 60, fields: 1 });
      again.restore(slots.save(at), at, 0);
      assert.deepEqual(
        [...again.parts()].map(({ data }) => data),
        [...slots.parts()].map(({ data }) => data),
      );
    }),
  );
});

test('a growth over a long uptime ends, reading by reading', () => {
  const rule = { name: 'r', device: 'd', point: 'n', kind: 'delta', setting: { above: 5, over: 3_600_000 }, deadband: 0 };
  const start = { at: 60_000, wall: 1e12, wallKnown: true };
  const engine = new RuleEngine({
    rules: [{ ...rule, onDelay: 0, offDelay: 0, severity: 'warning', message: undefined } as never],
    start,
  });
  const shape = { device: 'd', points: [{ name: 'n', type: 'uint32' as const, storage: 'number' as const }] };
  let seen = 0;
  for (let at = 60_321.9, n = 0; at < 40_000_000; at += 5000, n += 0.001)
    seen += engine.sample({ shape, at, values: [Math.floor(n)], reasons: null }).length;
  assert.equal(seen, 0);
});

test('a rollover with decimals and a 64-bit counter go together', () => {
  const setting = { above: 5, over: 3_600_000, rollover: 6553.6 };
  const rule = { name: 'r', device: 'd', point: 'n', kind: 'delta', setting, deadband: 0, onDelay: 0, offDelay: 0 };
  const engine = new RuleEngine({
    rules: [{ ...rule, severity: 'warning', message: undefined } as never],
    start: { at: 0, wall: 1e12, wallKnown: true },
  });
  const shape = { device: 'd', points: [{ name: 'n', type: 'uint64' as const, storage: 'integer64' as const }] };
  const states = [1n, 2n, 9n].flatMap((n, i) => engine.sample({ shape, at: 1000 * (i + 1), values: [n], reasons: null }));
  assert.deepEqual(
    states.map(({ state }) => state),
    ['active-unacknowledged'],
  );
});
