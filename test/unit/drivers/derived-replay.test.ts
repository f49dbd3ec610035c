/** Derived points live, replayed, and split by restarts: always the same. And what a power cut or a damaged state does to them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ABSENT } from '../../../src/core/reasons.ts';
import { type DerivedBench, derivedBench, type Given, MemoryBench } from '../../fakes/derived-bench.ts';

const SOURCES = {
  'a.x': 'Cel',
  'a.h': '%',
  'a.s': '[ppb]',
  'b.p': 'W',
  'b.n': 'm3',
  'b.pm': 'ug/m3',
  'b.d': '[ppb]',
  'c.o': '[ppb]',
};
const DEVICES = `
  one:
    bus: sums
    staleAfter: 30m
    points:
      dew: {compute: dew-point, from: {temperature: a.x, humidity: a.h}}
      mkt: {compute: mkt, from: a.x, over: 6h}
      energy: {compute: energy, from: b.p, unit: kW.h}
  two:
    bus: sums
    staleAfter: 20m
    points:
      flow: {compute: rate, from: b.n, unit: L/min, modulus: 1000}
      cast: {compute: nowcast, from: b.pm}
      aqi: {compute: aqi, from: two.cast}
      smooth: {compute: moving-average, from: one.dew, unit: Cel, over: 2h}
      cost: {compute: sum, from: [one.energy], unit: MW.h}
      so2: {compute: aqi-so2, from: {so2: a.s, day: b.d}}
      ozone: {compute: nowcast-ozone, from: a.s}
      place: {compute: maximum, from: [two.aqi, two.so2], unit: '1', missing: skip}
      highest: {compute: maximum, from: [a.s, b.d, c.o], unit: '[ppb]', missing: skip}`;
const START = 1_700_000_000_000;

interface Step {
  /** Minutes before it. */
  readonly wait: number;
  readonly device: 'a' | 'b' | 'c';
  readonly values: Readonly<Record<string, Given>>;
}

const given = (from: number, to: number): fc.Arbitrary<Given> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: from, max: to }) },
    { weight: 1, arbitrary: fc.constantFrom<Given>({ reason: 'timeout' }, { reason: 'out-of-range', value: from }, undefined) },
  );
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      wait: fc.integer({ min: 0, max: 40 }),
      device: fc.constant('a' as const),
      values: fc.record({ x: given(-20, 40), h: given(1, 100), s: given(0, 400) }),
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      wait: fc.integer({ min: 0, max: 40 }),
      device: fc.constant('b' as const),
      values: fc.record({ p: given(-500, 5000), n: given(0, 999), pm: given(0, 300), d: given(0, 700) }),
    }),
  },
  // Most runs never have a reading of it.
  {
    weight: 1,
    arbitrary: fc.record({
      wait: fc.integer({ min: 0, max: 40 }),
      device: fc.constant('c' as const),
      values: fc.record({ o: given(0, 400) }),
    }),
  },
);
const steps = fc.array(step, { minLength: 1, maxLength: 60 });
const MINUTE = 60_000;

const told = (bench: DerivedBench, origin = 0): string[] =>
  bench.samples.map(({ shape, at, values, reasons }) =>
    JSON.stringify([shape.device, at + origin, values, reasons && [...reasons]]),
  );

/** Whether a record of what was computed has `two.highest`. */
function highestIn(line: string): 'there' | 'absent' {
  const [device, , , reasons] = JSON.parse(line) as [string, number, unknown[], number[] | null];
  return device === 'two' && reasons?.at(-1) !== ABSENT ? 'there' : 'absent';
}

/** @param ticking whether the clock runs between samples, so that timers fire when they are due */
async function play(all: readonly Step[], ticking: boolean): Promise<string[]> {
  const bench = derivedBench(SOURCES, DEVICES, { wall: { offset: START, known: true } });
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

test('derived: what is replayed at once is what was computed live', async () => {
  let withoutOne = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const live = await play(all, true);
      assert.deepEqual(await play(all, false), live);
      if (all.some(({ device }) => device === 'c')) return;
      // Its place is the last of the device.
      if (live.some((line) => highestIn(line) === 'there')) withoutOne++;
    }),
    { numRuns: 60 },
  );
  assert.ok(withoutOne > 0, 'some runs compute a point without an input that never came');
});

test('derived: a restart between any two samples changes no point', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 }), async (all, places) => {
      const whole = await play(all, true);
      const memory = new MemoryBench();
      const parts: string[] = [];
      // Each run has monotonic times of its own.
      let origin = 0;
      const begin = () =>
        derivedBench(SOURCES, DEVICES, { memory: memory.ended(), wall: { offset: START + origin, known: true } });
      let bench = begin();
      for (const [i, { wait, device, values }] of all.entries()) {
        await bench.clock.advance(wait * MINUTE);
        if (places.includes(i)) {
          await bench.bus.stop();
          parts.push(...told(bench, origin));
          origin += bench.clock.monotonic();
          bench = begin();
        }
        bench.give(device, values);
      }
      await bench.clock.advance(MINUTE);
      parts.push(...told(bench, origin));
      assert.deepEqual(parts, whole);
    }),
    {
      numRuns: 60,
      // A counter that was 0 for a moment is no counter that was reset, also over a restart.
      examples: [
        // What became too old in a run without readings is not told again by the next one.
        [
          [
            { wait: 0, device: 'b', values: { p: 0, n: 0, pm: 0 } },
            { wait: 1, device: 'b', values: { n: 0, pm: 0 } },
            { wait: 30, device: 'a', values: { x: 0, h: 1 } },
          ],
          [1, 2],
        ],
        [[10, 0, 10].map((n, i): Step => ({ wait: i, device: 'b', values: { p: 0, n, pm: 0 } })), [2]],
        // The wait for an input that never comes goes on over two restarts.
        [[0, 10, 8, 4].map((wait): Step => ({ wait, device: 'b', values: { p: 0, n: 0, pm: 0, d: 5 } })), [1, 2]],
      ],
    },
  );
});

test('derived: a step of the clock neither empties a window nor counts an hour twice', async () => {
  const bench = derivedBench(SOURCES, DEVICES, { wall: { offset: START, known: true } });
  const hours = async (count: number): Promise<void> => {
    for (let i = 0; i < count * 6; i++) {
      await bench.clock.advance(10 * MINUTE);
      bench.give('b', { p: 1000, n: 1, pm: 20 });
    }
  };
  const cast = (): unknown =>
    bench.samples.findLast(({ shape, reasons }) => shape.device === 'two' && reasons?.[1] === 0)?.values[1];
  await hours(5);
  assert.equal(cast(), 20);
  for (const offset of [START + 17 * MINUTE, START - 5 * 3_600_000, 0, 2 * START]) {
    bench.wall.offset = offset;
    bench.clockChanged();
    bench.samples.length = 0;
    await hours(1);
    assert.equal(cast(), 20, `after a step to ${offset}`);
  }
});

test('derived: hours off are a gap, also where the clock gets known after the start', async () => {
  const memory = new MemoryBench();
  const first = derivedBench(SOURCES, DEVICES, { memory, wall: { offset: START, known: true } });
  for (let i = 0; i < 5 * 6; i++) {
    await first.clock.advance(10 * MINUTE);
    first.give('b', { p: 1000, n: 1, pm: 20 });
  }
  const end = START + first.clock.monotonic();
  await first.bus.stop();
  const cast = (bench: DerivedBench): string =>
    bench
      .told()
      .join(' ')
      .match(/.*(cast\S+)/)?.[1] ?? 'nothing';
  for (const known of [true, false]) {
    const wall = { offset: end + 4 * 3_600_000, known };
    const copy = new MemoryBench();
    for (const [device, { state }] of memory.kept) copy.kept.set(device, { state });
    const bench = derivedBench(SOURCES, DEVICES, { memory: copy, wall });
    if (!known) {
      bench.give('b', { p: 1000, n: 1, pm: 20 });
      // Nobody knows how long it was off: the hours are taken as the last ones.
      assert.equal(cast(bench), 'cast=20');
      wall.known = true;
      bench.clockChanged();
    }
    bench.give('b', { p: 1000, n: 1, pm: 20 });
    assert.equal(cast(bench), 'cast!not-ready', `known at the start: ${known}`);
    await bench.bus.stop();
  }
});

test('derived: the state is saved four times an hour at most, and energy goes on from the log', async () => {
  const bench = derivedBench(SOURCES, DEVICES, { wall: { offset: START, known: true } });
  for (let i = 0; i < 120; i++) {
    await bench.clock.advance(MINUTE / 2);
    bench.give('b', { p: 3600, n: 1, pm: 20 });
  }
  // Two devices.
  assert.ok(bench.memory.saves <= 8, `${bench.memory.saves} saves`);
  const memory = bench.memory.ended();
  memory.newer.set('one.energy', 3.57);
  const next = derivedBench(SOURCES, DEVICES, { memory, wall: { offset: START + 2 * 3_600_000, known: true } });
  next.give('b', { p: 3600, n: 1, pm: 20 });
  await next.clock.advance(MINUTE);
  next.give('b', { p: 3600, n: 1, pm: 20 });
  assert.match(next.told().join(' '), /energy=3\.57\?partial .*energy=3\.63 /);
});

/** The log gives JSON only. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

test('derived: a reload goes on where it was, also without a known clock', async () => {
  const memory = new MemoryBench();
  const wall = { offset: 0, known: false };
  const before = derivedBench(SOURCES, DEVICES, { memory, wall });
  before.give('b', { p: 3600, n: 100, pm: 20 });
  await before.clock.advance(MINUTE);
  before.give('b', { p: 3600, n: 101, pm: 20 });
  await before.bus.stop();
  const after = derivedBench(SOURCES, DEVICES, { memory, wall, clock: before.clock });
  await after.clock.advance(MINUTE);
  after.give('b', { p: 3600, n: 103, pm: 20 });
  assert.match(after.told().join(' '), /one\.energy=0\.12 .*two\.flow=2000 /);
});

test('derived: a state that lacks an input neither hangs the gateway nor makes a point of it', async () => {
  const memory = new MemoryBench();
  const good = derivedBench(SOURCES, DEVICES, { memory, wall: { offset: START, known: true } });
  good.give('a', { x: 1, h: 50 });
  await good.bus.stop();
  for (const lost of ['a.x', 'a.h']) {
    const copy = new MemoryBench();
    for (const [device, { state }] of memory.kept) {
      const { slots, ...rest } = structuredClone(state) as { slots: Record<string, unknown> };
      delete slots[lost];
      copy.kept.set(device, { state: { ...rest, slots } });
    }
    const bench = derivedBench(SOURCES, DEVICES, { memory: copy, wall: { offset: START + 3 * 3_600_000, known: true } });
    await bench.clock.advance(3 * 3_600_000);
    assert.doesNotMatch(bench.told().join(' '), /one\.dew=/);
  }
});

test('derived: a damaged state is left out, whatever is in it', () => {
  const good = derivedBench(SOURCES, DEVICES, { wall: { offset: START, known: true } });
  good.give('b', { p: 1, n: 1, pm: 1 });
  good.give('a', { x: 1, h: 1 });
  void good.bus.stop();
  const texts = Array.from(good.memory.kept.values(), ({ state }) => JSON.stringify(state));
  const evil = fc.constantFrom(
    'null',
    '1e308',
    '-1',
    '"x"',
    '[]',
    '{}',
    '[[0,0,0],[1e300,1,1]]',
    '"__proto__"',
    'true',
    '1e-300',
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...texts),
      fc.array(fc.tuple(fc.nat(), evil), { maxLength: 5 }),
      fc.jsonValue(),
      (text, changes, json) => {
        let damaged = text;
        for (const [place, by] of changes) {
          const numbers = [...damaged.matchAll(/(?<=[:[,])(?:-?[\d.e+-]+|null|true|false|"[^"]*"(?!:))/g)];
          const hit = numbers[place % Math.max(1, numbers.length)];
          if (hit !== undefined) damaged = damaged.slice(0, hit.index) + by + damaged.slice(hit.index + hit[0].length);
        }
        for (const state of [parsed(damaged), json, parsed(text.replaceAll('0', '9'))]) {
          const memory = new MemoryBench();
          for (const device of ['one', 'two']) memory.kept.set(device, { state });
          const bench = derivedBench(SOURCES, DEVICES, { memory, wall: { offset: START + 1000, known: true } });
          bench.give('b', { p: 1, n: 1, pm: 1 });
          bench.give('a', { x: 1, h: 1 });
          assert.ok(bench.samples.length >= 2);
          void bench.bus.stop();
          for (const { state: saved } of memory.kept.values()) assert.ok(JSON.stringify(saved).length < 20_000);
        }
      },
    ),
    { numRuns: 150 },
  );
});
