/** Formulas against numbers that others published, each with its source. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { conversion } from '../../../src/core/dimensions.ts';
import { qualityOf, reasonCode } from '../../../src/core/reasons.ts';
import { because, type Calculation, good, type Result } from '../../../src/drivers/derived/formula.ts';
import { aqi, aqiWithout, POLLUTANTS } from '../../../src/drivers/derived/formulas/aqi.ts';
import { dewPoint } from '../../../src/drivers/derived/formulas/dew-point.ts';
import { ageing, kinetic } from '../../../src/drivers/derived/formulas/mkt.ts';
import { nowcast } from '../../../src/drivers/derived/formulas/nowcast.ts';
import { volumeAt } from '../../../src/drivers/derived/formulas/tank-volume.ts';
import { unbalance } from '../../../src/drivers/derived/formulas/three-phase.ts';
import { saturation } from '../../../src/drivers/derived/formulas/vpd.ts';
import { FORMULAS, formulaOf } from '../../../src/drivers/derived/formulas.ts';
import { conversionFor } from '../../../src/drivers/derived/gases.ts';
import { inOrder, loops } from '../../../src/drivers/derived/order.ts';

test('aqi: the ends of each range of EPA-454/B-24-002, table 6', () => {
  const rows: [number, number][] = [
    [0, 0],
    [9, 50],
    [9.09, 50],
    [9.1, 51],
    [35.4, 100],
    [35.49, 100],
    [35.5, 101],
    [55.4, 150],
    [55.5, 151],
    [125.4, 200],
    [125.5, 201],
    [225.4, 300],
    [225.5, 301],
    [325.4, 500],
  ];
  for (const [concentration, index] of rows) assert.equal(aqi(concentration), index, `${concentration} µg/m³`);
  assert.deepEqual([aqi(-3), aqi(1e9)], [0, { value: 500, reason: 128 }]);
});

const pollutant = (name: string) => POLLUTANTS.find(({ formula }) => formula === name) as (typeof POLLUTANTS)[number];

test('aqi: the ranges of the other pollutants, and the examples of the guide of the EPA', () => {
  const ends: Readonly<Record<string, readonly number[]>> = {
    'aqi-pm10': [54, 55, 154, 155, 254, 255, 354, 355, 424, 425, 604],
    'aqi-ozone': [0.054, 0.055, 0.07, 0.071, 0.085, 0.086, 0.105, 0.106, 0.2],
    'aqi-co': [4.4, 4.5, 9.4, 9.5, 12.4, 12.5, 15.4, 15.5, 30.4, 30.5, 50.4],
    'aqi-so2': [35, 36, 75, 76, 185, 186, 304],
    'aqi-no2': [53, 54, 100, 101, 360, 361, 649, 650, 1249, 1250, 2049],
  };
  const indexes = [50, 51, 100, 101, 150, 151, 200, 201, 300, 301, 500];
  for (const [name, concentrations] of Object.entries(ends)) {
    assert.equal(aqi(0, pollutant(name)), 0);
    for (const [i, concentration] of concentrations.entries())
      assert.equal(aqi(concentration, pollutant(name)), indexes[i], `${name} ${concentration}`);
  }
  // "Using the table and the equation": ozone is cut to 0.078 ppm, PM2.5 to 35.9 ug/m3, carbon monoxide to 8.4 ppm.
  assert.equal(aqi(0.07853333, pollutant('aqi-ozone')), 126);
  assert.equal(aqi(35.92431999), 102);
  assert.equal(aqi(8.47532711, pollutant('aqi-co')), 90);
  // By hand, 50 / 53 × 40 and 151 + 49 / 288 × 139.
  assert.deepEqual(
    [aqi(40, pollutant('aqi-no2')), aqi(500, pollutant('aqi-no2')), aqi(53.7, pollutant('aqi-no2'))],
    [38, 175, 50],
  );
  assert.deepEqual(
    [aqi(0.25, pollutant('aqi-ozone')), aqi(305, pollutant('aqi-so2')), aqi(605, pollutant('aqi-pm10'))],
    [
      { value: 300, reason: 128 },
      { value: 200, reason: 128 },
      { value: 500, reason: 128 },
    ],
  );
});

test('aqi: ozone of one hour, sulphur dioxide of 24 hours, and what the larger index is', () => {
  const index = (name: string, first: number, second: number) => aqi(first, pollutant(name), second);
  const uncertain = (value: number) => ({ value, reason: 128 });
  // A mean of 8 hours of 0.05 ppm alone has 46.
  const hours: [number, ReturnType<typeof index>][] = [
    [0, 46],
    [0.1249, 46],
    [0.125, 101],
    [0.164, 150],
    [0.165, 151],
    [0.204, 200],
    [0.205, 201],
    [0.404, 300],
    [0.405, 301],
    [0.6049, 500],
    [0.605, uncertain(500)],
  ];
  for (const [hour, expected] of hours) assert.deepEqual(index('aqi-ozone', 0.05, hour), expected, `${hour} ppm`);
  assert.deepEqual(
    [index('aqi-ozone', 0.2, 0.15), index('aqi-ozone', 0.201, 0.404), index('aqi-ozone', 0.201, 0.405)],
    [300, uncertain(300), 301],
  );
  const days: [number, ReturnType<typeof index>][] = [
    [304.9, 43],
    [305, 201],
    [604, 300],
    [605, 301],
    [1004, 500],
    [1005, uncertain(500)],
  ];
  for (const [day, expected] of days) assert.deepEqual(index('aqi-so2', 30, day), expected, `${day} ppb`);
  // The guide holds an hour above 304 ppb at 200 while the day has no index.
  assert.deepEqual([index('aqi-so2', 304, 100), index('aqi-so2', 400, 100), index('aqi-so2', 400, 400)], [200, 200, 232]);
});

const valueIn = (index: Result | number): number => (typeof index === 'number' ? index : index.value);

test('aqi: it never falls while a concentration rises', () => {
  const most = 3000;
  const concentration = fc.double({ min: 0, max: most, noNaN: true });
  const other = fc.option(concentration, { nil: undefined });
  fc.assert(
    fc.property(concentration, concentration, other, other, fc.constantFrom(...POLLUTANTS), (a, b, c, d, of) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      // An input that is left out stays left out.
      const [less, more] = c === undefined || d === undefined ? [undefined, undefined] : [Math.min(c, d), Math.max(c, d)];
      const by = 10 ** of.digits;
      const at = (first: number, second: number | undefined) => valueIn(aqi(first / by, of, second && second / by));
      assert.ok(at(low, less) <= at(high, less));
      assert.ok(at(low, less) <= at(low, more));
    }),
  );
});

test('aqi: without one mean it is never above the index of both, and good only where both agree', () => {
  const two = POLLUTANTS.filter(({ second }) => second !== undefined);
  assert.deepEqual(
    two.map(({ formula }) => formula),
    ['aqi-ozone', 'aqi-so2'],
  );
  const concentration = fc.integer({ min: 0, max: 1200 });
  let [exact, partial] = [0, 0];
  fc.assert(
    fc.property(concentration, concentration, fc.constantFrom(...two), (first, other, of) => {
      const by = 10 ** of.digits;
      const both = aqi(first / by, of, other / by);
      for (const one of [aqiWithout(first / by, of), aqiWithout(undefined, of, other / by)]) {
        if (one === undefined) continue;
        assert.ok(valueIn(one) <= valueIn(both));
        if (typeof one === 'number') {
          assert.equal(one, both);
          exact++;
        } else if (one.reason === reasonCode('partial')) partial++;
        else assert.deepEqual(one, because('out-of-range', one.value));
      }
    }),
  );
  assert.ok(exact > 0 && partial > 0);
  assert.equal(aqiWithout(undefined, pollutant('aqi-ozone')), undefined);
});

test('aqi: each cut concentration has an index, and its neighbour has one nearby', () => {
  for (const of of POLLUTANTS)
    for (const table of [of, of.second]) {
      if (table === undefined) continue;
      const { rows } = table;
      const by = 10 ** of.digits;
      const index = (cut: number) => (table === of ? aqi(cut / by, of) : aqi(0, of, cut / by));
      // The steepest range of the table, and one half for each of two roundings.
      const step = Math.max(1, ...rows.map(([low, high, from, to]) => (to - from) / (high - low))) + 1;
      const [first, last] = [rows[0]?.[0] ?? 0, rows.at(-1)?.[1] ?? 0];
      for (let cut = first; cut <= last; cut++) {
        const [here, next] = [index(cut), index(cut + 1)];
        assert.equal(typeof here, 'number', `${of.formula} ${cut}`);
        const rise = valueIn(next) - valueIn(here);
        assert.ok(rise >= 0 && rise <= step, `${of.formula} ${cut}: ${rise}`);
        // What is cut off changes nothing.
        if (table === of) assert.equal(aqi((cut + 0.999) / by, of), here, `${of.formula} ${cut}.999`);
      }
      rows.forEach(([low, , from], i) => {
        const before = rows[i - 1];
        if (before !== undefined) assert.deepEqual([low, from], [before[1] + 1, before[3] + 1], of.formula);
      });
    }
});

test('gases: masses in air become shares of it at 25 °C and 1 atm, as published tables say', () => {
  const rows: [formula: string, unit: string, value: number, wanted: string, expected: number][] = [
    ['aqi-ozone', 'ug/m3', 100, '[ppm]', 0.05094],
    ['aqi-no2', 'ug/m3', 10, '[ppb]', 5.31],
    ['aqi-so2', 'ug/m3', 2.62, '[ppb]', 1],
    ['aqi-co', 'mg/m3', 1.145, '[ppm]', 1],
    ['aqi-co', '[ppb]', 1000, '[ppm]', 1],
  ];
  for (const [formula, unit, value, wanted, expected] of rows) {
    const by = conversionFor(pollutant(formula), unit, wanted);
    assert.ok(by, `${formula} takes ${unit}`);
    const got = value * by.scale + by.offset;
    assert.ok(Math.abs(got - expected) < 0.002 * expected, `${formula}: ${value} ${unit} is ${got} ${wanted}`);
  }
  assert.equal(conversionFor(pollutant('aqi-pm10'), '[ppb]', 'ug/m3'), undefined);
  assert.equal(conversionFor(pollutant('aqi-ozone'), 'ug/m2', '[ppm]'), undefined);
  assert.equal(conversionFor(pollutant('aqi-ozone'), 'Cel', '[ppm]'), undefined);
});

test('nowcast: the worked example of 12 hours, and two of the last three hours', () => {
  // 13, 16, 10, … µg/m³, the newest first, give 17.4: the example of the article on NowCast in Wikipedia.
  const hours = [13, 16, 10, 21, 74, 64, 53, 82, 90, 75, 80, 50];
  assert.equal(nowcast(hours), 17.4);
  const steady = new Array<number>(12).fill(35.4);
  assert.equal(nowcast(steady), 35.4);
  assert.equal(nowcast([undefined, 16, 10, 21]), 15);
  assert.equal(nowcast([13, undefined, undefined, 21, 74]), undefined);
  assert.equal(nowcast([0, 0, 0]), 0);
  assert.equal(nowcast([13, 16]), 14.3);
});

test('dew point: Magnus with the coefficients of WMO-No. 8 (2023), °C at °C and %', () => {
  const rows: [number, number, number][] = [
    [20, 50, 9.3],
    [25, 60, 16.7],
    [30, 80, 26.2],
    [0, 50, -9.2],
    [10, 100, 10],
  ];
  for (const [temperature, humidity, dew] of rows)
    assert.ok(Math.abs(dewPoint(temperature, humidity) - dew) < 0.06, `${temperature} °C, ${humidity} %`);
});

test('saturation: annex 2, table 2.3 of FAO-56, kPa at °C', () => {
  // Its example 3 has 1.705 kPa at 15 °C and 3.075 kPa at 24.5 °C; the library of NCAR (satvpr_temp_fao56) repeats both.
  const rows: [number, number][] = [
    [1, 0.657],
    [10, 1.228],
    [15, 1.705],
    [20, 2.338],
    [24.5, 3.075],
    [30, 4.243],
    [40, 7.376],
  ];
  for (const [temperature, pressure] of rows)
    assert.ok(Math.abs(saturation(temperature) - pressure) < 0.0011, `${temperature} °C`);
});

test('mkt: above the mean, and the temperature itself where that is steady', () => {
  assert.ok(Math.abs(kinetic(ageing(25)) - 25) < 1e-9);
  // By hand: (e^(-10000/293.15) + e^(-10000/303.15)) / 2, with 10000 K of USP <1079.2>.
  assert.ok(Math.abs(kinetic((ageing(20) + ageing(30)) / 2) - 26.25) < 0.05);
});

test('unbalance: published examples of the formula of NEMA MG 1, and phases without anything', () => {
  // A maker's manual (SymCom 201-575-AU, page 5, which cuts 2.56 to 2.5), and a note of engineers that cites NEMA MG 1.
  assert.equal(Number((unbalance(203, 210, 212) as number).toFixed(1)), 2.6);
  assert.equal(Number((unbalance(462, 463, 455) as number).toFixed(1)), 1.1);
  assert.equal(Number((unbalance(460, 467, 450) as number).toFixed(2)), 1.96);
  assert.equal(unbalance(0, 0, 0), 0);
  assert.deepEqual(unbalance(5, -5, 0), { value: 0, reason: 6 });
});

test('tank volume: straight lines between pairs, and the end of the table beyond it', () => {
  const table = [
    [0, 0],
    [0.5, 310],
    [1, 700],
  ] as const;
  const at = (level: number) => volumeAt(table, level);
  assert.deepEqual([at(0), at(0.25), at(0.5), at(0.75), at(1)], [good(0), good(155), good(310), good(505), good(700)]);
  assert.deepEqual(
    [at(-0.1), at(1.1)],
    [
      { value: 0, reason: 128 },
      { value: 700, reason: 128 },
    ],
  );
});

test('units convert as the tables of UCUM say, and what measures something else does not', () => {
  const rows: [string, string, number, number][] = [
    ['kW', '(kW.h)/s', 3600, 1],
    ['[degF]', 'Cel', 212, 100],
    ['Cel', 'K', 0, 273.15],
    ['m3/h', 'L/s', 3.6, 1],
    ['[psi]', 'bar', 14.503773773, 1],
    ['[gal_us]', 'L', 1, 3.785411784],
    ['kV.A{reactive}', 'V.A', 1, 1000],
    ['mm[Hg]', 'kPa', 1, 0.133322],
    ['ug/m3', 'mg/L', 1000, 0.001],
    ['%', '1', 50, 0.5],
    ['[kn_i]', 'km/h', 1, 1.852],
    ['/min{revolutions}', 'Hz', 60, 1],
  ];
  for (const [from, to, value, expected] of rows) {
    const by = conversion(from, to);
    assert.ok(by, `${from} becomes ${to}`);
    const got = value * by.scale + by.offset;
    assert.ok(Math.abs(got - expected) <= 1e-9 * Math.max(1, Math.abs(expected)), `${value} ${from} is ${got} ${to}`);
  }
  for (const [from, to] of [
    ['V', 'A'],
    ['kW', 'kW.h'],
    ['Cel', 'Cel/h'],
    ['[pH]', '1'],
    ['[NTU]', '[FNU]'],
    ['lx', 'W/m2'],
    ['kWh', 'kW.h'],
    ['rad', '1'],
  ] as const)
    assert.equal(conversion(from, to), undefined, `${from} does not become ${to}`);
});

function finite(name: string, { value, reason }: Result): void {
  assert.ok(qualityOf(reason) === 'bad' || Number.isFinite(value), `${name} gives ${value}, reason ${reason}`);
}

test('no formula throws or hangs, and none gives a value that is no number as a good one', () => {
  // As instruments give them. At the ends of a double the graph takes sums that are not finite for bad (derived-every-formula.test.ts).
  const number = fc.oneof(
    fc.integer({ min: -1e9, max: 1e9 }).map((n) => n / 1000),
    fc.constantFrom(0, -0, 1e6, -1e6, -273.15, -237.3, -243.12, 100, 0.5),
  );
  const names = FORMULAS.map(({ name }) => name);
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.array(fc.tuple(number, number, number, fc.integer({ min: -1e13, max: 1e13 })), { maxLength: 20 }),
      (name, steps) => {
        const formula = formulaOf(name);
        assert.ok(formula);
        const made: Calculation = formula.create({
          staleAfter: 600_000,
          over: 3_600_000,
          table: [
            [0, 0],
            [1, 1],
          ],
        });
        const count = 'list' in formula.roles ? 3 : formula.roles.length;
        for (const [a, b, c, at] of steps) {
          const inputs = [a, b, c].slice(0, count).map((value) => ({ value, raw: value, scale: 1 }));
          const result: Result = made.step(inputs, { at, offset: 1.7e12, known: true });
          finite(name, result);
          const gap = made.gap?.({ at, offset: 0, known: false });
          const rest = made.without?.(inputs.map((input, i) => (i === 0 ? undefined : input)));
          for (const one of [gap, rest]) if (one !== undefined) finite(name, one);
          assert.ok(JSON.stringify(made.save?.(at) ?? null).length < 20_000);
        }
      },
    ),
    // Two readings with less time between them than a double can divide.
    {
      examples: [
        [
          'rate',
          [
            [0, 0, 0, 0],
            [0, 0, 0, 5e-324],
          ],
        ],
      ],
    },
  );
});

test('order: inputs come first in chains of 100,000 points, and loops of 1,000 are found whole', () => {
  const long = Array.from({ length: 100_000 }, (_, i) => (i === 0 ? [] : [i - 1]));
  assert.deepEqual(inOrder(long).slice(-2), [99_998, 99_999]);
  assert.deepEqual(loops(long), []);
  const loop = Array.from({ length: 1000 }, (_, i) => [(i + 1) % 1000]);
  assert.deepEqual([inOrder(loop), loops(loop).map((one) => one.length)], [[], [1000]]);
  assert.deepEqual(loops([[0], [2], [1], [1]]), [[0], [1, 2]]);
});

test('order: any graph is either in order, or has a loop that is one', () => {
  const graph = fc
    .integer({ min: 1, max: 12 })
    .chain((n) => fc.array(fc.array(fc.integer({ min: -1, max: n - 1 }), { maxLength: 3 }), { minLength: n, maxLength: n }));
  fc.assert(
    fc.property(graph, (inputs) => {
      const order = inOrder(inputs);
      const rank = new Map(order.map((i, place) => [i, place]));
      for (const i of order)
        for (const input of inputs[i] ?? []) if (input >= 0) assert.ok((rank.get(input) ?? 99) < (rank.get(i) ?? -1));
      const found = loops(inputs);
      assert.equal(found.length > 0, order.length < inputs.length);
      for (const loop of found)
        loop.forEach((i, place) => {
          const before = loop[(place + loop.length - 1) % loop.length] as number;
          assert.ok(inputs[i]?.includes(before), `${loop.join(' -> ')} is a loop of ${JSON.stringify(inputs)}`);
        });
    }),
  );
});
