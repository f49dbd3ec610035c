/** Points that an expression computes: values, quality, units, and what `check` says of a wrong one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadConfigText } from '../../../src/config/load.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { derivedBench, derivedText } from '../../fakes/derived-bench.ts';

const SOURCES = {
  ...{ 'pump-1.power': 'W', 'pump-1.running': 'bool ', 'pump-1.count': 'int64 1', 'grid.u': 'V', 'grid.i': 'A', 'grid.p': 'kW' },
  ...{ 'hall.t': 'Cel', 'hall.h': '%', 'hall.label': 'string ' },
};
const point = (text: string, unit?: string): string => `
  calc:
    bus: sums
    points:
      x: {expression: '${text}'${unit === undefined ? '' : `, unit: '${unit}'`}}`;

function faultsOf(text: string, unit?: string): string[] {
  const { faults } = loadConfigText(derivedText(SOURCES, point(text, unit)), '/tmp/gateway.yaml', kinds, { profileDirs: [] });
  return faults.map(({ path, message }) => `${path}: ${message}`);
}

test('expression: it computes from the newest readings, whole numbers and truth among them', () => {
  const bench = derivedBench(SOURCES, point('point("pump-1.running") ? point("pump-1.power") * 2 + 1.5 : 0.0'));
  bench.give('pump-1', { power: 100, running: true, count: 1n });
  bench.give('pump-1', { running: false });
  bench.give('pump-1', { power: { reason: 'timeout' } });
  assert.deepEqual(bench.told(), ['calc.x=201.5', 'calc.x=0', 'calc.x!timeout']);
  const whole = derivedBench(SOURCES, point('point("pump-1.count") * 2'));
  whole.give('pump-1', { count: 21n });
  whole.give('pump-1', { count: 9_223_372_036_854_775_807n });
  assert.deepEqual(whole.told(), ['calc.x=42', 'calc.x!not-a-number']);
});

test('expression: a division by zero and infinity are bad, and an uncertain input shows', () => {
  const bench = derivedBench(SOURCES, point('grid.p / grid.u', 'kA'));
  bench.give('grid', { p: 5, u: 0, i: 1 });
  bench.give('grid', { p: 1e308, u: 1e-300 });
  bench.give('grid', { p: 4.6, u: { reason: 'out-of-range', value: 230 } });
  assert.deepEqual(bench.told(), ['calc.x!not-a-number', 'calc.x!not-a-number', 'calc.x=0.02?out-of-range']);
});

test('expression: units that fit are taken', () => {
  for (const [text, unit] of [
    ['grid.u * grid.i', 'V.A'],
    ['grid.u * grid.i', 'W'],
    ['grid.u * grid.i / 1000.0', 'kW'],
    ['grid.p * 1000.0 - point("pump-1.power")', 'W'],
    ['hall.t * 1.8 + 32.0', '[degF]'],
    ['hall.h > 50.0 ? hall.t : 20.0', 'Cel'],
    ['max(grid.u, 230.0)', 'V'],
    ['(grid.u - 230.0) / 230.0', 'V'],
    ['grid.u / grid.i', 'Ohm'],
    ['100.0 / grid.u', 'whatever'.length > 0 ? 'Hz' : ''],
    ['grid.p', undefined],
  ] as const)
    assert.deepEqual(faultsOf(text, unit), [], text);
});

test('expression: what does not fit is refused with words', () => {
  const cases: [string, string | undefined, RegExp][] = [
    ['grid.u + grid.i', 'V', /^devices\.calc\.points\.x\.expression: V and A cannot be added$/],
    ['grid.p - point("pump-1.power")', 'kW', /kW and W differ by a factor, so they cannot be subtracted; multiply one of them/],
    ['grid.u > grid.i ? 1.0 : 0.0', '1', /V and A cannot be compared/],
    ['grid.u * grid.i', 'kW', /gives V\.A, and the unit of the point is kW: they differ by a factor/],
    ['grid.u * grid.u', 'W', /gives V\.V, and the unit of the point is W/],
    ['grid.u > 1.0', undefined, /the expression gives true or false, and a derived point needs a number/],
    ['grid.x + 1.0', undefined, /the device grid has no point "x"/],
    ['calc.x + 1.0', undefined, /the point is computed from itself: calc\.x -> calc\.x/],
    ['grid.u +', undefined, /expression/],
    ['grid.u.matches("a")', undefined, /expression/],
    ['1.0 + 2.0', undefined, /names no point/],
  ];
  for (const [text, unit, words] of cases) {
    const faults = faultsOf(text, unit);
    assert.ok(faults.length > 0, text);
    assert.match(faults.join('\n'), words, text);
  }
});

test('expression: a point has a formula or an expression, and not both', () => {
  const of = (keys: string): string => {
    const text = derivedText(SOURCES, `\n  calc:\n    bus: sums\n    points:\n      x: {${keys}}`);
    return loadConfigText(text, '/tmp/gateway.yaml', kinds, { profileDirs: [] })
      .faults.map(({ message }) => message)
      .join('\n');
  };
  assert.match(of("unit: '1'"), /write compute: with the name of a formula, or expression:/);
  assert.match(of('compute: sum, expression: grid.u, unit: V'), /and one of both/);
  assert.match(of('expression: grid.u, from: grid.u, unit: V'), /from has no meaning with expression/);
  assert.match(of('compute: sum, unit: V'), /sum needs from/);
});
