/** Computed points under hostile input: wild samples, loops of a thousand, ten thousand points, and clocks that jump. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { loadConfigText } from '../../../src/config/load.ts';
import type { Sample, Shape, Value } from '../../../src/core/point.ts';
import { hasValue } from '../../../src/core/point.ts';
import { ABSENT } from '../../../src/core/reasons.ts';
import { checkAmong } from '../../../src/drivers/derived/check.ts';
import { Graph } from '../../../src/drivers/derived/graph.ts';
import { planned } from '../../../src/drivers/derived/plan.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { numberExpressions } from '../../../src/rules/expression/number.ts';
import { derivedBench, derivedText } from '../../fakes/derived-bench.ts';

const SOURCES = { 'a.x': 'Cel', 'a.y': '%', 'b.n': 'int64 m3' };
const ALL = `
  calc:
    bus: sums
    staleAfter: 1h
    points:
      dew: {compute: dew-point, from: {temperature: a.x, humidity: a.y}}
      vpd: {compute: vpd, from: {temperature: a.x, humidity: a.y}}
      mkt: {compute: mkt, from: a.x, over: 1h}
      mean: {compute: moving-average, from: a.x, unit: Cel, over: 1m}
      kelvins: {compute: energy, from: a.x, unit: K.h}
      flow: {compute: rate, from: b.n, unit: L/s, modulus: 4294967296}
      volume: {compute: tank-volume, from: a.x, unit: L, table: [[0, 0], [1, 1]]}
      share: {expression: 'a.x / a.y'}
      worst: {compute: maximum, from: [calc.dew, calc.mkt, a.x], unit: '[degF]'}`;

const wild: fc.Arbitrary<Value> = fc.oneof(
  fc.double(),
  fc.constantFrom<Value>(
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    1e308,
    -1e308,
    5e-324,
    -0,
    true,
    'x',
    '',
  ),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
);

test('derived: wild samples and clocks give finite values or reasons, and never an exception', () => {
  const step = fc.record({
    device: fc.constantFrom('a', 'b'),
    values: fc.tuple(wild, wild),
    at: fc.oneof(fc.integer({ min: -1e6, max: 1e9 }), fc.double({ min: 0, max: 1e15, noNaN: true })),
    offset: fc.oneof(fc.constant(1.7e12), fc.double({ min: -1e15, max: 1e15, noNaN: true })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const bench = derivedBench(SOURCES, ALL, { wall: { offset: 1.7e12, known: true } });
      for (const { device, values, at, offset } of steps) {
        bench.wall.offset = offset;
        bench.clockChanged();
        bench.give(device, device === 'a' ? { x: values[0], y: values[1] } : { n: values[0] }, at);
      }
      for (const { values, reasons, shape } of bench.samples) {
        assert.equal(values.length, shape.points.length);
        values.forEach((value, i) => {
          const reason = reasons?.[i] ?? 0;
          if (reason !== ABSENT && hasValue(reason)) assert.ok(Number.isFinite(value), `${shape.points[i]?.name} is ${value}`);
        });
      }
      void bench.bus.stop();
    }),
    { numRuns: 300 },
  );
});

test('derived: a loop of a thousand points is refused once, with its beginning and its length', () => {
  const points = Array.from({ length: 1000 }, (_, i) => ({ device: Math.floor(i / 200), text: `p${i}` }));
  const devices = [0, 1, 2, 3, 4].map((device) => {
    const own = points.filter((point) => point.device === device);
    const lines = own.map(({ text }) => {
      const next = (Number(text.slice(1)) + 1) % 1000;
      return `      ${text}: {compute: sum, from: [d${Math.floor(next / 200)}.p${next}], unit: W}`;
    });
    return `  d${device}:\n    bus: sums\n    points:\n${lines.join('\n')}`;
  });
  const { faults } = loadConfigText(derivedText({ 'a.x': 'W' }, devices.join('\n')), '/tmp/gateway.yaml', kinds, {
    profileDirs: [],
  });
  assert.equal(faults.length, 1);
  assert.match(faults[0]?.message ?? '', /d0\.p0 -> d4\.p999 -> .* -> 992 more -> d0\.p0; take one of them away/);
});

/** Devices of 200 points each, without the text of a file. */
function many(count: number, pointOf: (i: number) => object) {
  return Array.from({ length: count / 200 }, (_, d) => ({
    name: `d${d}`,
    bus: 'sums',
    settings: { staleAfter: 600_000 },
    points: new Map(Array.from({ length: 200 }, (_, p) => [`x${p}`, pointOf(d * 200 + p)])) as never,
  }));
}
const nameOf = (i: number): string => `d${Math.floor(i / 200)}.x${i % 200}`;

test('derived: a chain of ten thousand points is one turn, and each of them is computed once', () => {
  const devices = many(10_000, (i) => ({ compute: 'sum', from: [i === 0 ? 's.p' : nameOf(i - 1), 's.p'], unit: 'W' }));
  const records: Sample[] = [];
  const shape: Shape = { device: 's', points: [{ name: 'p', type: 'float64', storage: 'number', unit: 'W' }] };
  const graph = new Graph(
    devices.map((device) => {
      const points = planned(device, numberExpressions);
      const infos = points.map(({ name }) => ({ name, type: 'float64', storage: 'number' }) as const);
      return { name: device.name, points, infos, reports: points.map(() => undefined), every: undefined };
    }),
    (sample) => records.push(sample),
  );
  graph.sample({ shape, at: 1, values: [1], reasons: null }, { at: 1, offset: 0, known: true });
  assert.equal(records.length, 50);
  assert.equal(records.at(-1)?.values.at(-1), 10_001);
});

test('derived: more than ten thousand points, and more than a thousand that add up, are refused', () => {
  const known = () => ({ storage: 'number', unit: 'W' }) as const;
  const words = (count: number, point: object): string =>
    checkAmong(
      many(count, () => point),
      known,
      numberExpressions,
    )
      .map(({ message }) => message)
      .join('\n');
  assert.equal(words(10_000, { compute: 'sum', from: ['s.p'], unit: 'W' }), '');
  assert.match(
    words(10_200, { compute: 'sum', from: ['s.p'], unit: 'W' }),
    /there are 10200 derived points; a gateway computes at most 10000/,
  );
  assert.match(words(1200, { compute: 'energy', from: 's.p', unit: 'W.h' }), /1200 derived points add up over time/);
  assert.match(
    words(200, { compute: 'nowcast-ozone', from: 's.p' }),
    /200 points of nowcast-ozone; a gateway computes at most 4/,
  );
  const big = derivedText(
    { 'a.x': 'W' },
    `  d:\n    bus: sums\n    points:\n${Array.from({ length: 257 }, (_, i) => `      p${i}: {compute: sum, from: [a.x], unit: W}`).join('\n')}`,
  );
  const { faults } = loadConfigText(big, '/tmp/gateway.yaml', kinds, { profileDirs: [] });
  assert.match(faults[0]?.message ?? '', /at most 256 points, and this one 257; make several devices of it/);
});
