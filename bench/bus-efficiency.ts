/**
 * How much of what a serial line allows is used when every bus is asked for more than it can carry: the time of a cycle by
 * physics (computed without the planner, test/oracles/wire-optimum.ts) divided by the time that it took. The line is a paced
 * pseudo-terminal with devices of its own program, which also looks at the silence before each request: 3.5 characters,
 * above 19200 baud 1.75 ms. A second table is of devices of which nothing is said in the configuration: the bus measures them, and
 * what counts is the second minute. Beside each row a bare loop of modbus-serial 8 asks the same devices by the cheapest plan. `npm run bench:bus-efficiency`; SLUICE_BENCH_MS: milliseconds a row;
 * SLUICE_BENCH_LEARN: milliseconds until the second table measures, which it does for CYCLES cycles; SLUICE_BENCH_SPIN=0: the devices
 * sleep, for a busy machine where both have a real-time priority (chrt); words: only these layouts, these speeds.
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../src/core/clock.ts';
import { silentLogger } from '../src/core/logger.ts';
import type { ModbusBus } from '../src/drivers/modbus/bus.ts';
import { modbusRtu } from '../src/drivers/modbus/kind.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { cheapestCuts, joinReads, type Line, type Place, silenceOf, timeOf } from '../test/oracles/wire-optimum.ts';
import { LineDevice, type LineExchange } from '../test/peers/line-device.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { Workspace } from './lib/workspace.ts';

const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 5000);
const BAUDS = [9600, 19_200, 38_400, 115_200];

interface Layout {
  readonly name: string;
  readonly units: number;
  /** The addresses of each unit. */
  readonly addresses: readonly number[];
  readonly type: 'uint16' | 'float32';
  /** Milliseconds that the devices take to answer; 0: as soon as the silence after the request is over. */
  readonly answer: number;
}

/** The numbers of a three-phase energy meter (Eastron SDM630 Modbus protocol): 34 in six places. */
const METER = [
  ...Array.from({ length: 18 }, (_, i) => 2 * i),
  ...[42, 46, 48, 52, 56, 60, 62, 66, 70, 72, 74, 76, 78],
  ...[200, 224, 342],
];
const layouts: readonly Layout[] = [
  { name: '2 units, 125 registers', units: 2, addresses: Array.from({ length: 125 }, (_, i) => i), type: 'uint16', answer: 0 },
  { name: '4 energy meters', units: 4, addresses: METER, type: 'float32', answer: 0 },
  { name: '8 units, 2 registers', units: 8, addresses: [1, 2], type: 'uint16', answer: 0 },
  { name: '8 units, 2 registers, 10 ms', units: 8, addresses: [1, 2], type: 'uint16', answer: 10 },
];

/** Devices without `responseTime`; each answers after as many ms as stand here. */
interface Unknown {
  readonly name: string;
  readonly answers: readonly number[];
  readonly addresses: readonly number[];
  readonly interval: string;
  /** At which it is asked for more than it carries; default UNKNOWN_BAUDS. */
  readonly bauds?: readonly number[];
}

/** Twenty registers in six places: two of the holes between them pay where a device takes 20 ms and not where it takes 2 ms (19200 baud). */
const SCATTERED = [0, 2, 5, 24, 26, 28, 60, 62, 65, 67, 84, 86, 88, 130, 132, 134, 180, 183, 186, 190];
const unknown: readonly Unknown[] = [
  { name: '8 units, scattered, 2 ms', answers: Array(8).fill(2), addresses: SCATTERED, interval: '10ms' },
  { name: '4 units, scattered, 2 5 20 60 ms', answers: [2, 5, 20, 60], addresses: SCATTERED, interval: '10ms' },
  { name: '3 units, scattered, 5 ms, every 500 ms', answers: [5, 5, 5], addresses: SCATTERED, interval: '500ms', bauds: [9600] },
];
const UNKNOWN_BAUDS = [9600, 19_200, 115_200];
/** Milliseconds after the start: the second minute. */
const CYCLES = 40;
const SPIN = process.env.SLUICE_BENCH_SPIN !== '0';
const LEARNT = Number(process.env.SLUICE_BENCH_LEARN ?? 60_000);

function busOf({ answer, units, addresses, type }: Layout, port: string, baudRate: number, interval: string): ModbusBus {
  return modbusRtu.create(
    { name: 'field', protocol: 'modbus-rtu', settings: modbusRtu.bus.parse({ port, baudRate }) },
    Array.from({ length: units }, (_, i) => ({
      name: `d${i}`,
      bus: 'field',
      settings: modbusRtu.device.parse({ unit: i + 1, interval, responseTime: `${answer}ms` }),
      points: new Map(addresses.map((address) => [`p${address}`, modbusRtu.point.parse({ table: 'holding', address, type })])),
    })),
    { clock: systemClock, logger: silentLogger, emit: () => {} },
  );
}

/** A row, and what modbus-serial is to ask afterwards, when the devices of the row are gone. */
interface Row {
  readonly cells: (string | number)[];
  readonly plan: readonly Asked[];
  /** Milliseconds of a cycle by physics. */
  readonly optimum: number;
}

async function measure(layout: Layout, baud: number): Promise<(string | number)[]> {
  const { answer, units, addresses, type } = layout;
  const { cells, plan, optimum } = await Workspace.use(async (space): Promise<Row> => {
    const device = await LineDevice.start((...of) => space.spawn(...of), space.folder, { baud, answer, spin: SPIN });
    const bus = busOf(layout, device.port, baud, '10ms');
    const width = type === 'float32' ? 2 : 1;
    const places = addresses.map((from): Place => ({ table: 'holding', from, to: from + width }));
    const line: Line = { baud, answer };
    const one = cheapestCuts(places, {}, line);
    const optimum = joinReads(
      Array.from({ length: units }, () => one),
      line,
    );
    await warm(space, bus, device, 2 * optimum.requests.length);
    const from = device.exchanges().length;
    /** Milliseconds of CLOCK_MONOTONIC, as the other end tells its times. */
    const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
    const read: number[] = [];
    const sent: number[] = [];
    bus.capture((way, _bytes, at) => void (way === 'out' ? sent : way === 'in' ? read : []).push(at + offset));
    const cpu = process.cpuUsage();
    const began = performance.now();
    await sleep(MEASURE);
    const { user, system } = process.cpuUsage(cpu);
    const share = (user + system) / 1000 / (performance.now() - began);
    const seen = device.exchanges().slice(from);
    const parts = partsOf(seen, read, sent, silenceOf(baud));
    const cells = [
      ...row(layout, baud, seen, { requests: optimum.requests.length, time: optimum.time, bytes: optimum.bytes }),
      ...parts.map((ms) => ms.toFixed(2)),
      `${(share * 100).toFixed(0)} %`,
      ((user + system) / 1000 / seen.length).toFixed(2),
    ];
    const plan = Array.from({ length: units }, (_, i) => requestsOf(i + 1, one.requests)).flat();
    return { cells, plan, optimum: optimum.time };
  });
  const { took, early } = await library(answer, baud, plan, optimum);
  return [...cells, (optimum / took).toFixed(3), early];
}

async function measureUnknown({ name, answers, addresses, interval }: Unknown, baud: number): Promise<(string | number)[]> {
  const answer = Object.fromEntries(answers.map((ms, i) => [i + 1, ms]));
  const { cells, plan, optimum } = await Workspace.use(async (space): Promise<Row> => {
    const device = await LineDevice.start((...of) => space.spawn(...of), space.folder, { baud, answer, spin: SPIN });
    const bus = modbusRtu.create(
      { name: 'field', protocol: 'modbus-rtu', settings: modbusRtu.bus.parse({ port: device.port, baudRate: baud }) },
      answers.map((_, i) => ({
        name: `d${i}`,
        bus: 'field',
        settings: modbusRtu.device.parse({ unit: i + 1, interval }),
        points: new Map(
          addresses.map((address) => [`p${address}`, modbusRtu.point.parse({ table: 'holding', address, type: 'uint16' })]),
        ),
      })),
      { clock: systemClock, logger: silentLogger, emit: () => {} },
    );
    const lineOf = (unit: number): Line => ({ baud, answer: answers[unit - 1] ?? 0 });
    const places = addresses.map((from): Place => ({ table: 'holding', from, to: from + 1 }));
    const best = answers.map((_, i) => cheapestCuts(places, {}, lineOf(i + 1)));
    const optimum = best.reduce((sum, { time }) => sum + time, 0);
    bus.start();
    space.after(() => bus.stop());
    const key = ({ unit, start, count }: LineExchange) => `${unit} ${start} ${count}`;
    const cycleOf = (seen: readonly LineExchange[]) => [...new Map(seen.map((e) => [key(e), e])).values()];
    const physics = (cycle: readonly LineExchange[]) =>
      cycle.reduce(
        (sum, { unit, start, count }) => sum + timeOf({ table: 'holding', from: start, to: start + count }, lineOf(unit)),
        0,
      );
    await sleep(8000);
    const first = cycleOf(device.exchanges());
    await sleep(LEARNT - 8000);
    const from = device.exchanges().length;
    await sleep(Math.max(MEASURE, CYCLES * optimum));
    const seen = device.exchanges().slice(from);
    const cycle = cycleOf(seen);
    const counts = [...Map.groupBy(seen, key).values()].map((all) => all.length);
    const took = (((seen.at(-1)?.at ?? 0) - (seen[0]?.at ?? 0)) * 1000 * cycle.length) / (seen.length - 1);
    const over = seen.slice(1).map((e) => Math.max(0, e.silence - silenceOf(baud)));
    const pauses = cycle.length * percentile(over, 0.5);
    const cells = [
      name,
      baud,
      `${first.length} → ${cycle.length} of ${best.reduce((sum, { requests }) => sum + requests.length, 0)}`,
      (physics(first) / optimum).toFixed(3),
      (physics(cycle) / optimum).toFixed(3),
      optimum.toFixed(1),
      took.toFixed(1),
      (took / optimum).toFixed(3),
      ((physics(cycle) + pauses) / optimum).toFixed(3),
      ((Math.min(...counts) * cycle.length) / seen.length).toFixed(3),
      seen.length,
    ];
    return { cells, plan: best.flatMap((reads, i) => requestsOf(i + 1, reads.requests)), optimum };
  });
  const { took, early } = await library(answer, baud, plan, optimum);
  return [...cells, (took / optimum).toFixed(3), early];
}

type Asked = readonly [unit: number, address: number, count: number];

function requestsOf(unit: number, places: readonly Place[]): Asked[] {
  return places.map(({ from, to }) => [unit, from, to - from]);
}

/** modbus-serial on a line of the same devices. @param plan the cheapest requests that there are @param optimum ms of a cycle by physics */
async function library(
  answer: number | Readonly<Record<number, number>>,
  baud: number,
  plan: readonly Asked[],
  optimum: number,
): Promise<{ readonly took: number; readonly early: string }> {
  return Workspace.use(async (space) => {
    const device = await LineDevice.start((...of) => space.spawn(...of), space.folder, { baud, answer, spin: SPIN });
    const program = path.join(import.meta.dirname, 'lib', 'modbus-serial-line.ts');
    space.spawn(process.execPath, [program, device.port, String(baud), JSON.stringify(plan)]);
    await waitFor('the first cycles', () => device.exchanges().length > 2 * plan.length);
    await sleep(2000);
    const from = device.exchanges().length;
    await sleep(Math.max(MEASURE, 10 * optimum));
    const seen = device.exchanges().slice(from);
    const early = seen.filter((e) => e.silence < silenceOf(baud)).length;
    const took = (((seen.at(-1)?.at ?? 0) - (seen[0]?.at ?? 0)) * 1000 * plan.length) / (seen.length - 1);
    return { took, early: `${early} of ${seen.length}` };
  });
}

async function warm(space: Workspace, bus: ModbusBus, device: LineDevice, exchanges: number): Promise<void> {
  bus.start();
  space.after(() => bus.stop());
  await waitFor('the first cycles', () => device.exchanges().length > exchanges);
  // Compiling and learning at the start are no time of the line.
  await sleep(2000);
}

/** What the same line costs where it has time. */
async function calm(layout: Layout, baud: number, interval: string): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const device = await LineDevice.start((...of) => space.spawn(...of), space.folder, { baud, answer: layout.answer });
    const bus = busOf(layout, device.port, baud, interval);
    await warm(space, bus, device, layout.units);
    const from = device.exchanges().length;
    const cpu = process.cpuUsage();
    const began = performance.now();
    await sleep(MEASURE);
    const { user, system } = process.cpuUsage(cpu);
    const hours = (performance.now() - began) / 3_600_000;
    return [layout.name, baud, interval, device.exchanges().length - from, ((user + system) / 1e6 / hours).toFixed(0)];
  });
}

function row(
  layout: Layout,
  baud: number,
  seen: readonly LineExchange[],
  optimum: { readonly requests: number; readonly time: number; readonly bytes: number },
): (string | number)[] {
  const cycles = Math.floor((seen.length - 1) / optimum.requests);
  const whole = seen.slice(0, cycles * optimum.requests);
  const last = seen[whole.length];
  if (cycles < 1 || last === undefined) throw new Error('not one whole cycle');
  const bytes = whole.reduce((sum, e) => sum + e.asked + e.answered, 0);
  if (bytes !== cycles * optimum.bytes)
    throw new Error(`${bytes} bytes in ${cycles} cycles, the optimum is ${optimum.bytes} each`);
  const took = ((last.at - (whole[0]?.at ?? 0)) * 1000) / cycles;
  const due = silenceOf(baud);
  const over = whole.map((e) => e.silence - due);
  return [
    layout.name,
    baud,
    optimum.time.toFixed(1),
    took.toFixed(1),
    (optimum.time / took).toFixed(3),
    (optimum.time / (optimum.time + optimum.requests * Math.max(0, percentile(over, 0.5)))).toFixed(3),
    whole.length,
    over.filter((ms) => ms < 0).length,
    percentile(over, 0.5).toFixed(2),
    percentile(over, 0.99).toFixed(2),
    percentile(
      whole.map((e) => e.late),
      0.99,
    ).toFixed(2),
  ];
}

/** Where a pause goes that is longer than it has to be, medians in ms: until the reply was read, until it was written, until that was seen. */
function partsOf(seen: readonly LineExchange[], read: readonly number[], sent: readonly number[], silence: number): number[] {
  const parts = seen.slice(1).flatMap((e) => {
    const at = e.at * 1000;
    const gave = at - e.silence;
    const written = sent.findLast((ms) => ms <= at && ms > gave);
    const came = read.findLast((ms) => ms >= gave && ms <= (written ?? 0));
    return written === undefined || came === undefined ? [] : [[came - gave, written - came - silence, at - written]];
  });
  return [0, 1, 2].map((i) =>
    percentile(
      parts.map((part) => part[i] as number),
      0.5,
    ),
  );
}

printConditions(`Bus efficiency, Modbus RTU 8N1, saturated, ${MEASURE / 1000} s a row; CPU of the bus alone, of one core`);
const rows: (string | number)[][] = [
  [
    'layout',
    'baud',
    'cycle by physics ms',
    'measured ms',
    'share',
    'by median pauses',
    'frames',
    'early',
    'pause too long p50 ms',
    'p99',
    'line late p99',
    'of it reading',
    'waiting',
    'writing',
    'CPU',
    'ms a frame',
    'modbus-serial: share',
    'its early frames',
  ],
];
const words = process.argv.slice(2);
const named = [...layouts, ...unknown].some(({ name }) => words.includes(name));
const wanted = <T extends { name: string }>(all: readonly T[]) => all.filter(({ name }) => !named || words.includes(name));
const wantedOf = (bauds: readonly number[]) => {
  const some = bauds.filter((baud) => words.includes(String(baud)));
  return some.length > 0 ? some : bauds;
};
for (const layout of wanted(layouts)) for (const baud of wantedOf(BAUDS)) rows.push(await measure(layout, baud));
printTable(rows);
console.log(`\nDevices of which nothing is said, from ${LEARNT / 1000} s on, ${CYCLES} cycles a row`);
const learnt: (string | number)[][] = [
  [
    'layout',
    'baud',
    'requests a cycle',
    'first plan / optimum',
    'plan / optimum',
    'cycle by physics ms',
    'measured ms',
    'measured / optimum',
    'by median pauses',
    'worst point of its share',
    'frames',
    'modbus-serial: measured / optimum',
    'its early frames',
  ],
];
for (const layout of wanted(unknown))
  for (const baud of wantedOf(layout.bauds ?? UNKNOWN_BAUDS)) learnt.push(await measureUnknown(layout, baud));
printTable(learnt);
console.log('\nThe same where the line has time');
const quiet: (string | number)[][] = [['layout', 'baud', 'interval', 'frames', 'CPU s an hour']];
for (const layout of wanted(layouts).slice(0, 3)) quiet.push(await calm(layout, 19_200, '1s'));
printTable(quiet);
process.exit(0);
