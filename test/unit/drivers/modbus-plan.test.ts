import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { widthOf } from '../../../src/codecs/modbus-point.ts';
import type { PlannedRead, PlanPoint, ReadLimits } from '../../../src/drivers/modbus/plan.ts';
import { planReads } from '../../../src/drivers/modbus/plan.ts';
import { readTime, wireCost } from '../../../src/drivers/modbus/wire-cost.ts';
import { cheapestByTrying, isBarrier, planCost } from '../../oracles/brute-plan.ts';

const limits: ReadLimits = { maxRegisters: 125, maxBits: 2000, merge: true };
const line = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const;
/** At 9600 baud, with a device that answers after 20 ms: 37.2 ms a request, 2.08 ms a register. */
const pauses = { turnaround: 0, inFlight: 1 };
const slow = wireCost({ protocol: 'modbus-rtu', line, ...pauses }, { responseTime: 20, turnaround: 0 });
const network = wireCost({ protocol: 'modbus-tcp', ...pauses }, { responseTime: 10, turnaround: 0 });
const at = (address: number, keys: Partial<PlanPoint> = {}): PlanPoint => ({
  name: `p${address}`,
  table: 'holding',
  address,
  type: 'uint16',
  interval: 1000,
  ...keys,
});
const coil = (address: number) => at(address, { table: 'coil', type: 'bool' });
const brief = (points: readonly PlanPoint[], l: Partial<ReadLimits> = {}, cost = slow) =>
  planReads(points, { ...limits, ...l }, cost).map((r) => [r.table, r.start, r.count]);

test('a hole is read along as long as that is cheaper than another request', () => {
  // 17 registers of 2.08 ms are less than 37.2 ms, 18 are more.
  assert.deepEqual(brief([at(0), at(18)]), [['holding', 0, 19]]);
  assert.deepEqual(brief([at(0), at(19)]), [
    ['holding', 0, 1],
    ['holding', 19, 1],
  ]);
  assert.deepEqual(brief([at(0), at(120)], {}, network), [['holding', 0, 121]]);
  assert.deepEqual(brief([coil(0), coil(296)]), [
    ['coil', 0, 1],
    ['coil', 296, 1],
  ]);
  assert.deepEqual(brief([coil(0), coil(295)]), [['coil', 0, 296]]);
});

test('limits: maxGap caps a hole, gaps are never read, merge: false asks for each point alone', () => {
  assert.deepEqual(brief([at(3), at(0), at(1)], { maxGap: 0 }), [
    ['holding', 0, 2],
    ['holding', 3, 1],
  ]);
  assert.deepEqual(brief([at(0), at(9), at(20)], { maxGap: 8 }), [
    ['holding', 0, 10],
    ['holding', 20, 1],
  ]);
  // 16 bits are as much as a register.
  assert.deepEqual(brief([coil(0), coil(17), coil(50)], { maxGap: 1 }), [
    ['coil', 0, 18],
    ['coil', 50, 1],
  ]);
  const gap = (from: number, to: number, table: 'holding' | 'input' = 'holding') => ({ gaps: [{ table, from, to }] });
  assert.deepEqual(brief([at(0), at(2)], gap(1, 1)), [
    ['holding', 0, 1],
    ['holding', 2, 1],
  ]);
  assert.deepEqual(brief([at(0), at(2)], gap(1, 1, 'input')), [['holding', 0, 3]]);
  assert.deepEqual(brief([at(0), at(2)], gap(3, 65535)), [['holding', 0, 3]]);
  // The bits of one register are still one request.
  const flags = [at(4, { name: 'a', bit: 0 }), at(4, { name: 'b', bit: 1 }), at(5)];
  assert.deepEqual(
    planReads(flags, { ...limits, merge: false }, slow).map((r) => [r.start, r.count, r.points.map((p) => p.name)]),
    [
      [4, 1, ['a', 'b']],
      [5, 1, ['p5']],
    ],
  );
});

test('tables are read apart, and a point is not split at the limit', () => {
  assert.deepEqual(brief([at(0), at(0, { table: 'input' }), coil(0), coil(100)]), [
    ['holding', 0, 1],
    ['input', 0, 1],
    ['coil', 0, 101],
  ]);
  assert.deepEqual(brief([at(0, { type: 'string', length: 124 }), at(124, { type: 'float32' })]), [
    ['holding', 0, 124],
    ['holding', 124, 2],
  ]);
  assert.deepEqual(brief([at(5, { type: 'string', length: 20 }), at(6), at(30)]), [['holding', 5, 26]]);
});

test('the cut is made where it costs least, not where the limit is reached', () => {
  // From the left as far as it goes: 0 to 119, 130 to 229 and 10 registers of hole. Cut at the hole: without them.
  const row = (from: number, n: number) => Array.from({ length: n }, (_, i) => at(from + i));
  assert.deepEqual(brief([...row(0, 60), ...row(70, 60), ...row(130, 60)]), [
    ['holding', 0, 60],
    ['holding', 70, 120],
  ]);
});

test('a slow point rides along where that is cheaper than a request of its own', () => {
  const plan = (fast: number, eager: number) => {
    const points = [at(0, { interval: fast }), at(1, { interval: eager }), at(10, { interval: 60_000 })];
    return planReads(points, limits, slow).map((r) => [r.start, r.count, r.interval]);
  };
  // Ten registers more each second are 20.8 ms/s; a request of its own is 39.3 ms a minute.
  assert.deepEqual(plan(1000, 1000), [
    [0, 2, 1000],
    [10, 1, 60_000],
  ]);
  // Each 50 s it is 0.36 ms/s, against 0.65.
  assert.deepEqual(plan(50_000, 50_000), [[0, 11, 50_000]]);
  // Slow ones join across a fast one: 0 and 40 in one request each minute, 20 each second.
  const across = [at(0, { interval: 60_000 }), at(10), at(14, { interval: 60_000 })];
  assert.deepEqual(
    planReads(across, limits, slow).map((r) => [r.start, r.count, r.interval, r.points.map((p) => p.name)]),
    [
      [0, 15, 60_000, ['p0', 'p14']],
      [10, 1, 1000, ['p10']],
    ],
  );
});

test('a companion is read in the same request where it fits', () => {
  const scaled = (keys: Partial<PlanPoint> = {}) => [at(0, { companions: ['factor'], ...keys }), at(60, { name: 'factor' })];
  assert.deepEqual(brief([at(0), at(60)]).length, 2);
  assert.deepEqual(brief(scaled()), [['holding', 0, 61]]);
  // The factor alone may be asked for less often: it comes along.
  const [point, factor] = scaled();
  assert.ok(point && factor);
  assert.deepEqual(brief([point, { ...factor, interval: 60_000 }]), [['holding', 0, 61]]);
  // Two points whose common factor is too far from one of them.
  assert.deepEqual(brief([...scaled(), at(180, { companions: ['factor'] })], { maxRegisters: 100 }), [
    ['holding', 0, 61],
    ['holding', 180, 1],
  ]);
  for (const l of [
    { maxRegisters: 60 },
    { maxGap: 50 },
    { gaps: [{ table: 'holding' as const, from: 5, to: 5 }] },
    { merge: false },
  ])
    assert.equal(brief(scaled(), l).length, 2, JSON.stringify(l));
  assert.equal(brief([at(0, { companions: ['elsewhere'] }), at(60, { table: 'input', name: 'elsewhere' })]).length, 2);
});

const intervals = fc.constantFrom(1000, 2000, 5000, 60_000);
const cost = fc.oneof(
  fc
    .constantFrom(1200, 9600, 19200, 115200)
    .chain((baudRate) =>
      fc
        .tuple(fc.constantFrom('modbus-rtu' as const, 'modbus-ascii' as const), fc.constantFrom(0, 5, 20, 100))
        .map(([protocol, answer]) =>
          wireCost({ protocol, line: { ...line, baudRate }, ...pauses }, { responseTime: answer, turnaround: 0 }),
        ),
    ),
  fc.constant(network),
  // A register may cost more than a request, or nothing: whatever the wire, the plan is the cheapest.
  fc.record({ request: fc.constantFrom(0, 1, 3, 10), byte: fc.constantFrom(0, 0.5, 1, 4) }),
);
const someLimits = (most: { registers: number; bits: number }) =>
  fc.record({
    maxRegisters: fc.integer({ min: 8, max: most.registers }),
    maxBits: fc.integer({ min: 1, max: most.bits }),
    maxGap: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
    gaps: fc.array(
      fc.tuple(fc.constantFrom('holding' as const, 'coil' as const), fc.nat(40), fc.nat(5)).map(([table, from, n]) => ({
        table,
        from,
        to: from + n,
      })),
      { maxLength: 2 },
    ),
    merge: fc.constant(true),
  });
const pointsOf = (most: { address: number; points: number; bits: boolean }) =>
  fc
    .array(
      fc.record({
        address: fc.nat(most.address),
        type: fc.constantFrom('uint16' as const, 'float32' as const, 'uint64' as const, 'string' as const),
        length: fc.integer({ min: 1, max: 8 }),
        interval: intervals,
        companion: fc.option(fc.nat(most.points - 1), { nil: undefined, freq: 3 }),
      }),
      { minLength: 1, maxLength: most.points },
    )
    .map((list) =>
      list.map(
        ({ companion, ...p }, i): PlanPoint => ({
          ...p,
          ...(most.bits ? { table: 'coil', type: 'bool' } : { table: 'holding' }),
          name: `p${i}`,
          companions: companion === undefined ? undefined : [`p${companion}`],
        }),
      ),
    );

function assertValid(points: readonly PlanPoint[], l: ReadLimits, plan: readonly PlannedRead[]): void {
  const names = (list: readonly { name: string }[]) => list.map((p) => p.name).sort();
  assert.deepEqual(names(plan.flatMap((r) => r.points)), names(points));
  const forbidden = isBarrier(points, l);
  for (const r of plan) {
    const mine = r.points as PlanPoint[];
    assert.ok(r.count >= 1 && r.count <= (r.table === 'coil' ? l.maxBits : l.maxRegisters));
    assert.equal(r.interval, Math.min(...mine.map((p) => p.interval)));
    for (const p of mine) assert.ok(p.table === r.table && p.address >= r.start && p.address + widthOf(p) <= r.start + r.count);
    for (let a = r.start; a < r.start + r.count; a++) assert.ok(!forbidden(r.table, a), `${a} is read`);
  }
}

for (const bits of [false, true])
  test(`property: no division of ${bits ? 'coils' : 'registers'} into requests is cheaper than the plan`, () => {
    const few = fc.oneof(
      pointsOf({ address: 45, points: 7, bits }),
      pointsOf({ address: 300, points: 7, bits }),
      pointsOf({ address: 12, points: 7, bits }),
    );
    fc.assert(
      fc.property(few, someLimits({ registers: 125, bits: 300 }), cost, (points, l, c) => {
        const plan = planReads(points, l, c);
        assertValid(points, l, plan);
        const [found, best] = [planCost(plan, c), cheapestByTrying(points, l, c)];
        assert.ok(Math.abs(found - best) <= 1e-9 * best, `the plan costs ${found}, ${best} is possible`);
      }),
      { numRuns: bits ? 300 : 1000 },
    );
  });

test('property: any number of points, each once; the order of writing has no effect', () => {
  const many = fc.tuple(pointsOf({ address: 900, points: 80, bits: false }), pointsOf({ address: 3000, points: 80, bits: true }));
  fc.assert(
    fc.property(many, someLimits({ registers: 125, bits: 2000 }), cost, ([registers, coils], l, c) => {
      const points = [...registers, ...coils.map((p) => ({ ...p, name: `c${p.name}`, companions: undefined }))];
      const plan = planReads(points, l, c);
      assertValid(points, l, plan);
      const same = (p: typeof plan) => p.map((r) => [r.table, r.start, r.count, r.interval]);
      assert.deepEqual(same(planReads(points.toReversed(), l, c)), same(plan));
      const alone = planReads(points, { ...l, merge: false }, c);
      assertValid(points, l, alone);
      // Companions cost: without them nothing is dearer than to ask for each point alone.
      const free = planReads(
        points.map((p) => ({ ...p, companions: undefined })),
        l,
        c,
      );
      assert.ok(planCost(free, c) <= planCost(alone, c) * (1 + 1e-9));
    }),
    { numRuns: 100 },
  );
});

test('a large device is planned, with several intervals side by side', () => {
  const points = Array.from({ length: 2000 }, (_, i) =>
    at(2 * i + (i % 7 === 0 ? 1 : 0), { name: `p${i}`, interval: [1000, 5000, 60_000, 3_600_000][(i * i) % 4] ?? 1000 }),
  );
  const plan = planReads(points, limits, slow);
  assertValid(points, limits, plan);
  const spread = plan.reduce((sum, r) => sum + readTime(slow, r.table, r.count) / r.interval, 0);
  assert.ok(spread > 0 && spread <= planCost(planReads(points, { ...limits, maxGap: 0 }, slow), slow));
});
