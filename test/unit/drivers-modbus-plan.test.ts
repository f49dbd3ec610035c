import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ModbusPoint } from '../../src/codecs/modbus-point.ts';
import { widthOf } from '../../src/codecs/modbus-point.ts';
import { planReads } from '../../src/drivers/modbus/plan.ts';

const limits = { maxRegisters: 125, maxBits: 2000, maxGap: 8 };
const at = (address: number, keys: Partial<ModbusPoint> = {}): ModbusPoint => ({
  name: `p${address}`,
  table: 'holding',
  address,
  type: 'uint16',
  ...keys,
});
const brief = (points: readonly ModbusPoint[], l = limits) => planReads(points, l).map((r) => [r.table, r.start, r.count]);

test('neighbours share a request, holes of up to maxGap are read along', () => {
  assert.deepEqual(brief([at(3), at(0), at(1)]), [['holding', 0, 4]]);
  assert.deepEqual(brief([at(0), at(9)]), [['holding', 0, 10]]);
  assert.deepEqual(brief([at(0), at(10)]), [
    ['holding', 0, 1],
    ['holding', 10, 1],
  ]);
  assert.deepEqual(brief([at(0), at(1), at(3)], { ...limits, maxGap: 0 }), [
    ['holding', 0, 2],
    ['holding', 3, 1],
  ]);
});

test('tables are read apart, by their own limits', () => {
  const coil = (n: number) => at(n, { table: 'coil', type: 'bool' });
  assert.deepEqual(brief([at(0), at(0, { table: 'input' }), coil(0), coil(100)]), [
    ['holding', 0, 1],
    ['input', 0, 1],
    ['coil', 0, 101],
  ]);
  assert.deepEqual(brief([coil(0), coil(130)]), [
    ['coil', 0, 1],
    ['coil', 130, 1],
  ]);
});

test('a wide point is not split at the limit', () => {
  const points = [at(0, { type: 'string', length: 124 }), at(124, { type: 'float32' })];
  assert.deepEqual(brief(points), [
    ['holding', 0, 124],
    ['holding', 124, 2],
  ]);
  assert.deepEqual(brief([at(5, { type: 'string', length: 20 }), at(6), at(30)]), [['holding', 5, 26]]);
});

test('property: every point once, never split, limits kept, not more requests than points, order of writing without effect', () => {
  const point = fc.record({
    table: fc.constantFrom('holding' as const, 'input' as const, 'coil' as const, 'discrete' as const),
    address: fc.integer({ min: 0, max: 700 }),
    type: fc.constantFrom('uint16' as const, 'float32' as const, 'uint64' as const, 'string' as const),
    length: fc.integer({ min: 1, max: 10 }),
  });
  const bounds = fc.record({
    maxRegisters: fc.integer({ min: 10, max: 125 }),
    maxBits: fc.integer({ min: 1, max: 2000 }),
    maxGap: fc.integer({ min: 0, max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(point, { maxLength: 60 }), bounds, (list, l) => {
      const points: ModbusPoint[] = list.map((p, i) => ({ ...p, name: `p${i}` }));
      const requests = planReads(points, l);
      assert.deepEqual(
        requests
          .flatMap((r) => r.points)
          .map((p) => p.name)
          .sort(),
        points.map((p) => p.name).sort(),
      );
      assert.ok(requests.length <= points.length);
      for (const r of requests) {
        const bits = r.table === 'coil' || r.table === 'discrete';
        assert.ok(r.count >= 1 && r.count <= (bits ? l.maxBits : l.maxRegisters));
        for (const p of r.points) {
          assert.equal(p.table, r.table);
          assert.ok(p.address >= r.start && p.address + widthOf(p) <= r.start + r.count);
        }
        // Nothing is read before the first or after the last point, and no hole is larger than allowed.
        assert.equal(Math.min(...r.points.map((p) => p.address)), r.start);
        assert.equal(Math.max(...r.points.map((p) => p.address + widthOf(p))), r.start + r.count);
      }
      const same = (a: typeof requests) => a.map((r) => [r.table, r.start, r.count]);
      assert.deepEqual(same(planReads([...points].reverse(), l)), same(requests));
    }),
  );
});
