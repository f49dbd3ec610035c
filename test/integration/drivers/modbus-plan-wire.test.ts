/** What goes over a serial line in whole cycles is the cheapest there is, counted by the other end and computed without the planner. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { type Table, widthOf } from '../../../src/codecs/modbus-point.ts';
import type { PointType } from '../../../src/core/point.ts';
import { reasonAt } from '../../../src/core/point.ts';
import { registerOf } from '../../fakes/modbus-device.ts';
import { startChild } from '../../harness/child.ts';
import { type Site, startSite } from '../../harness/modbus-site.ts';
import { scratch } from '../../harness/scratch.ts';
import { standsStill, waitFor } from '../../harness/wait-for.ts';
import {
  cheapestCuts,
  cheapestReads,
  joinReads,
  type Limits,
  type Line,
  type Place,
  readsOf,
} from '../../oracles/wire-optimum.ts';
import { LineDevice, type LineExchange } from '../../peers/line-device.ts';
import { pythonPeer } from '../../peers/peers.ts';

/** The response time that the planner assumes for a device without `responseTime`. */
const ANSWER = 20;
const CYCLES = 3;
/** Until a run had no time-out. */
const TRIES = 6;
const FUNCTIONS: Readonly<Record<Table, number>> = { coil: 1, discrete: 2, holding: 3, input: 4 };
const WIDTHS: Partial<Record<PointType, number>> = { bool: 1, uint16: 1, uint32: 2, float32: 2, float64: 4 };

interface Layout {
  readonly points: readonly (readonly [table: Table, address: number, type: PointType])[];
  /** As a person writes them, and the same for the judge. */
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly judged?: Limits;
}

const layouts: Readonly<Record<string, Layout>> = {
  // As energy meters have them: numbers of two registers, with holes of all widths.
  meter: { points: [0, 6, 12, 18, 24, 30, 70, 72, 342].map((address) => ['input', address, 'float32']) },
  // Holes of 17, 21 and 28 registers: which of them pay depends on the speed.
  holes: { points: [0, 18, 40, 41, 70].map((address) => ['holding', address, 'uint16']) },
  // More than the device answers at once, and a number of four registers that no request may cut.
  small: {
    points: [...[0, 2, 4, 12].map((a) => ['holding', a, 'uint32'] as const), ['holding', 7, 'float64']],
    limits: { maxRegisters: 10 },
    judged: { maxRegisters: 10 },
  },
  bits: {
    points: [...[0, 3, 100, 600].map((a) => ['coil', a, 'bool'] as const), ['discrete', 5, 'bool']],
  },
  // A register that must not be read, where reading across would pay.
  forbidden: {
    points: [0, 4, 5].map((address) => ['holding', address, 'uint16']),
    limits: { gaps: [{ table: 'holding', from: 2, to: 2 }] },
    judged: { forbidden: [{ table: 'holding', from: 2, to: 3 }] },
  },
  single: {
    points: [0, 1, 2].map((address) => ['input', address, 'uint16']),
    limits: { merge: false },
    judged: { alone: true },
  },
};

const placeOf = ([table, from, type]: Layout['points'][number]): Place => ({ table, from, to: from + (WIDTHS[type] ?? 0) });
const nameOf = ([table, address]: Layout['points'][number]) => `${table}-${address}`;

async function lineDevice(t: TestContext, baud: number): Promise<LineDevice | undefined> {
  if (pythonPeer(t, 'pty', 'apt-get install -y python3') === undefined) return undefined;
  return LineDevice.start((command, args, options) => startChild(t, command, args, options), scratch(t, 'line'), {
    baud,
    answer: ANSWER,
  });
}

const askedOf = ({ unit, code, start, count }: LineExchange) => `${unit}: ${code} ${start} ${count}`;

for (const baud of [9600, 19_200])
  test(`at ${baud} baud every cycle on the wire is the optimum: requests, registers, bytes`, async (t) => {
    const device = await lineDevice(t, baud);
    if (!device) return;
    const line: Line = { baud, answer: ANSWER };
    const best = Object.entries(layouts).map(([name, { points, judged = {} }]) => {
      const found = cheapestReads(points.map(placeOf), judged, line);
      assert.equal(found.length, 1, `${name}: the layout leaves more than one optimum, and says nothing`);
      return found[0] ?? readsOf([], line);
    });
    const optimum = joinReads(best, line);
    const start = () =>
      startSite(
        t,
        { port: device.port, baudRate: baud, timeout: '10s', retries: 0 },
        Object.fromEntries(
          Object.entries(layouts).map(([name, { points, limits = {} }], i) => [
            name,
            {
              ...{ unit: i + 1, interval: '10ms', limits },
              points: Object.fromEntries(points.map((p) => [nameOf(p), { table: p[0], address: p[1], type: p[2] }])),
            },
          ]),
        ),
      );
    const each = optimum.requests.length;
    // A run with a time-out says nothing of the plan: the machine stood still, and a device that is silent once rests.
    const run = async (tries: number): Promise<{ site: Site; from: number }> => {
      const from = device.exchanges().length;
      const site = start();
      await waitFor(`${CYCLES} cycles of ${each} requests`, () => device.exchanges().length >= from + CYCLES * each);
      await site.bus.stop();
      const late = site.bus.status().devices.some(({ counters }) => counters.timeouts > 0);
      if (!late || tries === 1) return { site, from };
      // The request on the wire at the stop belongs to no later run.
      await standsStill('the end of what is on the line', () => device.exchanges().length);
      return run(tries - 1);
    };
    const { site, from } = await run(TRIES);
    const cycles = Array.from({ length: CYCLES }, (_, i) => device.exchanges().slice(from + i * each, from + (i + 1) * each));
    const wanted = best
      .flatMap(({ requests }, i) => requests.map((r) => `${i + 1}: ${FUNCTIONS[r.table]} ${r.from} ${r.to - r.from}`))
      .sort();
    for (const cycle of cycles) {
      // Which points share a request may differ where two ways cost the same; how often a unit is asked and for how much may not.
      assert.equal(new Set(cycle.map(askedOf)).size, each, 'each request once in a cycle');
      for (const [i, reads] of best.entries()) {
        const own = cycle.filter((exchange) => exchange.unit === i + 1);
        const sum = (of: (exchange: LineExchange) => number) => own.reduce((total, exchange) => total + of(exchange), 0);
        assert.deepEqual(
          {
            requests: own.length,
            registers: sum(({ code, count }) => (code > 2 ? count : 0)),
            bits: sum(({ code, count }) => (code > 2 ? 0 : count)),
            bytes: sum(({ asked, answered }) => asked + answered),
          },
          { requests: reads.requests.length, registers: reads.registers, bits: reads.bits, bytes: reads.bytes },
          `unit ${i + 1}: ${own.map(askedOf).join('; ')}, computed ${wanted.filter((w) => w.startsWith(`${i + 1}:`)).join('; ')}`,
        );
      }
    }
    // Every point has the value of its register.
    const seen = new Set<string>();
    for (const sample of site.samples)
      for (const [i, { name }] of sample.shape.points.entries()) {
        const [table = '', address = 0] = name.split('-').map((part, n) => (n === 0 ? part : Number(part)));
        const cell = registerOf(Number(address));
        if (reasonAt(sample, i) !== 0) continue;
        if (table === 'coil' || table === 'discrete') assert.equal(sample.values[i], (cell & 1) === 1, name);
        else if (sample.shape.device === 'holes' || sample.shape.device === 'single') assert.equal(sample.values[i], cell, name);
        seen.add(`${sample.shape.device}.${name}`);
      }
    const all = Object.entries(layouts).flatMap(([name, { points }]) => points.map((p) => `${name}.${nameOf(p)}`));
    assert.deepEqual([...seen].sort(), all.sort());
  });

test('the judge: cutting between neighbours costs no more than the best joining of all', () => {
  for (const [type, width] of Object.entries(WIDTHS)) {
    const point = { name: 'p', table: 'holding', address: 0, type: type as PointType } as const;
    assert.equal(widthOf(point), width);
  }
  const places = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 7 })
    .map((steps) => {
      let at = 0;
      return steps.map(([hole, width]): Place => {
        const from = at + hole;
        at = from + width;
        return { table: 'holding', from, to: at };
      });
    });
  fc.assert(
    fc.property(places, fc.constantFrom(2400, 9600, 19_200, 115_200), fc.constantFrom(0, 5, 20), (own, baud, answer) => {
      const line = { baud, answer };
      const [tried] = cheapestReads(own, { maxRegisters: 60 }, line);
      assert.ok(Math.abs((tried?.time ?? 0) - cheapestCuts(own, { maxRegisters: 60 }, line).time) < 1e-6);
    }),
    { numRuns: 60 },
  );
});
