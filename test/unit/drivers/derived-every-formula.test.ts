/**
 * Every formula of the table, and an expression: what is replayed is what was computed live, a restart changes nothing, and no point
 * shows a value that is no number as a good one. The points are made from the table, so a new formula is in.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { hasValue } from '../../../src/core/point.ts';
import { ABSENT, GOOD, qualityOf } from '../../../src/core/reasons.ts';
import { ALIKE, AS_READ, type Formula, type Role } from '../../../src/drivers/derived/formula.ts';
import { FORMULAS } from '../../../src/drivers/derived/formulas.ts';
import { type DerivedBench, derivedBench, type Given, MemoryBench } from '../../fakes/derived-bench.ts';

const START = 1_700_000_000_000;
const MINUTE = 60_000;

/** Units of results and of inputs where the formula leaves them open. */
const OPEN: Readonly<Record<string, { readonly own: string; readonly input: string }>> = {
  energy: { own: 'kW.h', input: 'W' },
  rate: { own: 'L/min', input: 'm3' },
  'tank-volume': { own: 'L', input: 'm' },
};
const DEFAULT = { own: 'kW', input: 'W' };
/** What the sensors of the test show, by unit. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  Cel: [-20, 40],
  '%': [1, 100],
  m3: [0, 999],
  m: [0, 2],
  '[ppm]': [0, 0.19],
};
const NEEDS: Readonly<Record<string, string>> = { over: 'over: 6h', table: 'table: [[0, 0], [0.5, 310], [2, 700]]' };
const TAKES: Readonly<Record<string, string>> = {
  modulus: 'modulus: 1000',
  maxPerSecond: 'maxPerSecond: 5',
  missing: 'missing: skip',
};

/** Points of the devices `a` and `b`, with their units: inputs of one formula come in two records. */
const SOURCES: Record<string, string> = {};
const DEVICES = ['a', 'b'] as const;

function sourceOf(formula: Formula, role: Role, place: number): string {
  const { own, input } = OPEN[formula.name] ?? DEFAULT;
  const wanted = role.unit(formula.unit ?? own);
  const open = wanted === AS_READ || wanted === ALIKE || wanted.startsWith('(') || formula.unit === undefined;
  const name = `${DEVICES[place % 2]}.${formula.name}-${place}`;
  SOURCES[name] = open ? input : wanted;
  return name;
}

/** The lines of its points: with what it needs, and with each of the keys that it takes. */
function pointsOf(formula: Formula): string[] {
  const { name, roles, needs = [], takes = [], unit } = formula;
  const list = 'list' in roles ? [0, 1, 2].map(() => roles.list) : roles;
  const inputs = list.map((role, i) => [role, sourceOf(formula, role, i)] as const);
  const from =
    'list' in roles
      ? `[${inputs.map(([, source]) => source).join(', ')}]`
      : `{${inputs.map(([role, source]) => `${role.name}: ${source}`).join(', ')}}`;
  const written = [
    `compute: ${name}`,
    `from: ${from}`,
    ...(unit === undefined ? [`unit: '${(OPEN[name] ?? DEFAULT).own}'`] : []),
    ...needs.map((key) => NEEDS[key] ?? assert.fail(`the formula ${name} needs ${key}: write a value into this test`)),
  ];
  return [
    `      ${name}: {${written.join(', ')}}`,
    ...takes.map((key) => {
      const more = TAKES[key] ?? assert.fail(`the formula ${name} takes ${key}: write a value into this test`);
      return `      ${name}-${key.toLowerCase()}: {${[...written, more].join(', ')}}`;
    }),
  ];
}

const CONFIG = `
  every:
    bus: sums
    staleAfter: 30m
    points:
${FORMULAS.flatMap(pointsOf).join('\n')}
      expression: {expression: 'point("a.energy-0") / 1000.0 + point("b.sum-1") / 1000.0', unit: kW}
      chain: {compute: moving-average, from: every.dew-point, unit: Cel, over: 2h}`;
const NAMES = [...CONFIG.matchAll(/^ {6}([a-z0-9-]+): \{/gm)].map(([, name = '']) => name);

test('every formula of the table has a point in this test', () => {
  for (const { name } of FORMULAS) assert.ok(NAMES.includes(name), name);
  assert.ok(NAMES.includes('expression'));
});

interface Step {
  readonly wait: number;
  readonly device: (typeof DEVICES)[number];
  readonly values: Readonly<Record<string, Given>>;
}

function given(unit: string): fc.Arbitrary<Given> {
  const [min, max] = RANGES[unit] ?? [0, 400];
  return fc.oneof(
    { weight: 12, arbitrary: max < 3 ? fc.double({ min, max, noNaN: true }) : fc.integer({ min, max }) },
    { weight: 1, arbitrary: fc.constantFrom<Given>({ reason: 'timeout' }, { reason: 'out-of-range', value: min }, undefined) },
  );
}
const step: fc.Arbitrary<Step> = fc.oneof(
  ...DEVICES.map((device) => {
    const own = Object.entries(SOURCES).filter(([name]) => name.startsWith(`${device}.`));
    return fc.record({
      wait: fc.integer({ min: 0, max: 40 }),
      device: fc.constant(device),
      values: fc.record(Object.fromEntries(own.map(([name, unit]) => [name.slice(2), given(unit)]))),
    });
  }),
);
const steps = fc.array(step, { minLength: 1, maxLength: 60 });
const begin = (memory = new MemoryBench(), offset = START): DerivedBench =>
  derivedBench(SOURCES, CONFIG, { memory, wall: { offset, known: true } });

const told = (bench: DerivedBench, origin = 0): string[] =>
  bench.samples.map(({ shape, at, values, reasons }) =>
    JSON.stringify([shape.device, at + origin, values, reasons && [...reasons]]),
  );

async function play(all: readonly Step[], ticking: boolean): Promise<string[]> {
  const bench = begin();
  let at = 0;
  for (const { wait, device, values } of all) {
    at += wait * MINUTE;
    if (ticking) await bench.clock.advance(wait * MINUTE);
    bench.give(device, values, at);
  }
  if (!ticking) await bench.clock.advance(at);
  await bench.clock.advance(MINUTE);
  return told(bench);
}

/** Points that were good at some time. */
const good = new Set<string>();
function note(live: readonly string[]): void {
  for (const line of live) {
    const [, , , reasons] = JSON.parse(line) as [string, number, unknown[], number[] | null];
    for (const [i, name] of NAMES.entries()) if ((reasons?.[i] ?? GOOD) === GOOD) good.add(name);
  }
}

test('every formula: what is replayed at once is what was computed live', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const live = await play(all, true);
      assert.deepEqual(await play(all, false), live);
      note(live);
    }),
    { numRuns: 40 },
  );
});

test('every formula: days of hours are the same live and replayed, and every point is good then', async () => {
  const hourly = Array.from({ length: 16 * 24 * 4 }, (_, i): Step => {
    const device = DEVICES[i % 2] ?? 'a';
    const own = Object.entries(SOURCES).filter(([name]) => name.startsWith(`${device}.`));
    const value = (unit: string): number => {
      const [min, max] = RANGES[unit] ?? [0, 400];
      return min + ((max - min) * (1 + Math.sin(i / 7.6))) / 2;
    };
    return { wait: 15, device, values: Object.fromEntries(own.map(([name, unit]) => [name.slice(2), value(unit)])) };
  });
  const live = await play(hourly, true);
  assert.deepEqual(await play(hourly, false), live);
  note(live);
  assert.deepEqual(
    NAMES.filter((name) => !good.has(name)),
    [],
  );
});

test('every formula: a restart between any two samples changes no point', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 }), async (all, places) => {
      const whole = await play(all, true);
      const memory = new MemoryBench();
      const parts: string[] = [];
      // Each run has monotonic times of its own.
      let origin = 0;
      const next = () => begin(memory.ended(), START + origin);
      let bench = next();
      for (const [i, { wait, device, values }] of all.entries()) {
        await bench.clock.advance(wait * MINUTE);
        if (places.includes(i)) {
          await bench.bus.stop();
          parts.push(...told(bench, origin));
          origin += bench.clock.monotonic();
          bench = next();
        }
        bench.give(device, values);
      }
      await bench.clock.advance(MINUTE);
      parts.push(...told(bench, origin));
      assert.deepEqual(parts, whole);
    }),
    { numRuns: 40 },
  );
});

/** The readings of a broken sensor that says whatever a double can hold. */
const wild = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, 1e308, -1e308, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324),
);

test('every formula: a point shows a finite number, or it is bad and says why', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...DEVICES), fc.integer({ min: 0, max: 20 }), fc.infiniteStream(wild)), {
        maxLength: 20,
      }),
      async (list) => {
        const bench = begin();
        for (const [device, wait, values] of list) {
          await bench.clock.advance(wait * MINUTE);
          const own = Object.keys(SOURCES).filter((name) => name.startsWith(`${device}.`));
          bench.give(device, Object.fromEntries(own.map((name) => [name.slice(2), values.next().value])));
        }
        for (const { values, reasons } of bench.samples)
          for (const [i, name] of NAMES.entries()) {
            const reason = reasons?.[i] ?? GOOD;
            if (reason === ABSENT) continue;
            if (hasValue(reason)) assert.ok(Number.isFinite(values[i]), `${name} shows ${values[i]}`);
            else assert.notEqual(qualityOf(reason), 'good', name);
          }
      },
    ),
    { numRuns: 60 },
  );
});

test('every formula: one absurd reading does not keep a point bad for ever', async () => {
  for (const absurd of [1e308, -1e308, Number.NaN, 5e-324]) {
    const bench = begin();
    const ordinary = async (hours: number): Promise<void> => {
      for (let i = 0; i < hours * 6; i++) {
        await bench.clock.advance(10 * MINUTE);
        for (const device of DEVICES) {
          const own = Object.entries(SOURCES).filter(([name]) => name.startsWith(`${device}.`));
          bench.give(
            device,
            Object.fromEntries(own.map(([name, unit]) => [name.slice(2), (RANGES[unit]?.[1] ?? 400) < 3 ? 0.1 : 20 + (i % 3)])),
          );
        }
      }
    };
    await ordinary(4);
    for (const device of DEVICES) {
      const own = Object.keys(SOURCES).filter((name) => name.startsWith(`${device}.`));
      bench.give(device, Object.fromEntries(own.map((name) => [name.slice(2), absurd])));
    }
    // Longer than every window but that of ozone, which has days.
    await ordinary(16);
    const last = (i: number) => bench.samples.findLast(({ reasons }) => reasons?.[i] !== ABSENT)?.reasons?.[i] ?? GOOD;
    const bad = NAMES.filter((name, i) => !hasValue(last(i)) && name !== 'nowcast-ozone');
    assert.deepEqual(bad, [], `after ${absurd}`);
  }
});
