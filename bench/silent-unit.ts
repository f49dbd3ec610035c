/**
 * The cost of a silent unit for its neighbours: how often three units are read beside one that never answers, divided by how
 * often the three are read alone. Time-out and repeats as they come. RTU on a paced pseudo-terminal, TCP with the devices in
 * a process of their own; a reply takes 10 ms. All at the same time, so that what else the machine does meets all alike.
 * `npm run bench:silent-unit`; SLUICE_BENCH_MS: milliseconds from the moment at which the unit is known as silent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../src/core/clock.ts';
import { silentLogger } from '../src/core/logger.ts';
import { reasonAt } from '../src/core/point.ts';
import { type ModbusKind, modbusRtu, modbusTcp } from '../src/drivers/modbus/kind.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { LineDevice } from '../test/peers/line-device.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { startResponder } from './lib/site.ts';
import { Workspace } from './lib/workspace.ts';

const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 90_000);
const OTHERS = [1, 3, 4];
const SILENT = 2;

interface Case {
  readonly name: string;
  readonly kind: ModbusKind;
  readonly baud?: number;
  /** So short that the bus is always busy, or as it is on a site. */
  readonly interval: string;
}
interface Rates {
  /** Readings of the others per second. */
  readonly others: number;
  /** Requests per second to the silent one. */
  readonly asked: number;
}

/** The keys of a bus whose units all answer but one. */
async function wire(space: Workspace, { kind, baud = 0 }: Case): Promise<Record<string, unknown>> {
  if (kind === modbusTcp) {
    const responder = await startResponder(space, 'words', '10', '4');
    responder.child.write(`silent ${SILENT}`);
    responder.child.write('delay 10');
    return { host: '127.0.0.1', port: responder.port };
  }
  const device = await LineDevice.start((...of) => space.spawn(...of), space.folder, { baud, answer: 10 });
  device.silence(SILENT);
  return { port: device.port, baudRate: baud };
}

async function rates(of: Case, units: readonly number[]): Promise<Rates> {
  return Workspace.use(async (space) => {
    let good = 0;
    const point = of.kind.point.parse({ table: 'holding', address: 0, type: 'float32' });
    const bus = of.kind.create(
      { name: 'field', protocol: of.kind.protocol, settings: of.kind.bus.parse(await wire(space, of)) },
      units.map((unit) => ({
        name: `d${unit}`,
        bus: 'field',
        settings: of.kind.device.parse({ unit, interval: of.interval }),
        points: new Map([['p', point]]),
      })),
      {
        clock: systemClock,
        logger: silentLogger,
        emit: (sample) => {
          if (reasonAt(sample, 0) === 0) good++;
        },
      },
    );
    bus.start();
    space.after(() => bus.stop());
    const device = () => bus.status().devices.find(({ name }) => name === `d${SILENT}`);
    await waitFor('readings', () => good > 20 && (device() === undefined || device()?.state === 'silent'));
    const before = { good, asked: device()?.counters.requests ?? 0, at: performance.now() };
    await sleep(MEASURE);
    const seconds = (performance.now() - before.at) / 1000;
    return { others: (good - before.good) / seconds, asked: ((device()?.counters.requests ?? 0) - before.asked) / seconds };
  });
}

const cases: readonly Case[] = [
  { name: 'RTU, 9600 baud, saturated', kind: modbusRtu, baud: 9600, interval: '10ms' },
  { name: 'RTU, 19200 baud, saturated', kind: modbusRtu, baud: 19_200, interval: '10ms' },
  { name: 'RTU, 19200 baud, every 250 ms', kind: modbusRtu, baud: 19_200, interval: '250ms' },
  { name: 'TCP, saturated', kind: modbusTcp, interval: '10ms' },
  { name: 'TCP, every 250 ms', kind: modbusTcp, interval: '250ms' },
];
printConditions(`One silent unit among four, timeout 1s, ${MEASURE / 1000} s from the moment at which it is known as silent`);
const rows: (string | number)[][] = [['bus', 'others alone, readings/s', 'beside it', 'share', 'requests/s to the silent one']];
const measured = await Promise.all(
  cases.map((each) => Promise.all([each, rates(each, OTHERS), rates(each, [...OTHERS, SILENT])])),
);
for (const [each, alone, beside] of measured)
  rows.push([
    each.name,
    alone.others.toFixed(1),
    beside.others.toFixed(1),
    (beside.others / alone.others).toFixed(3),
    beside.asked.toFixed(2),
  ]);
printTable(rows);
process.exit(0);
