/**
 * Modbus TCP transactions per CPU second of the gateway, as it is started: a connection for each device, every register
 * asked for alone, every reply decoded, logged and committed. Devices are a process of their own, which counts the
 * transactions; its CPU is not counted. In the same run a bare loop of modbus-serial 8 asks the same devices the same
 * requests; it only asks, so its figure is what the library alone costs. `npm run bench:tcp`
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../test/harness/wait-for.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { countPolls, pidOf, type Responder, startGateway, startResponder, writeSite } from './lib/site.ts';
import { Workspace } from './lib/workspace.ts';

const WARM = 10_000;
const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 15_000);
/** Requests of a device in a round; each round is asked for every 10 ms. */
const REQUESTS = 20;

interface Measured {
  readonly perCpuSecond: number;
  readonly perSecond: number;
  /** Share of one core. */
  readonly cpu: number;
  /** Megabytes. */
  readonly rss: number;
}

async function watch(responder: Responder, pid: number): Promise<Measured> {
  await waitFor('requests', async () => (await countPolls(responder)) > 0);
  await sleep(WARM);
  const before = { polls: await countPolls(responder), cpu: cpuSeconds(pid), at: performance.now() };
  await sleep(MEASURE);
  const polls = (await countPolls(responder)) - before.polls;
  const cpu = cpuSeconds(pid) - before.cpu;
  const seconds = (performance.now() - before.at) / 1000;
  return { perCpuSecond: polls / cpu, perSecond: polls / seconds, cpu: cpu / seconds, rss: memory(pid).rss };
}

const ours = (devices: number) =>
  Workspace.use(async (space) => {
    const responder = await startResponder(space, 'words', String(REQUESTS), String(devices), '16');
    const config = await writeSite(space, {
      ...{ dataSet: dataSetNamed('words', REQUESTS), devices, buses: devices, responder: responder.port, interval: '10ms' },
      device: { limits: { merge: false } },
    });
    return watch(responder, pidOf(startGateway(space, config)));
  });

const library = (devices: number) =>
  Workspace.use(async (space) => {
    const responder = await startResponder(space, 'words', String(REQUESTS), String(devices), '16');
    const program = path.join(import.meta.dirname, 'lib', 'modbus-serial-poller.ts');
    const poller = space.spawn(process.execPath, [program, String(responder.port), String(devices), String(REQUESTS)], {});
    return watch(responder, pidOf(poller));
  });

function cells({ perCpuSecond, perSecond, cpu, rss }: Measured): string[] {
  const whole = (n: number) => Math.round(n).toLocaleString('en');
  return [whole(perCpuSecond), whole(perSecond), `${(cpu * 100).toFixed(0)} %`, rss.toFixed(0)];
}

printConditions(`Modbus TCP, ${REQUESTS} requests of one register for each device, as often as it goes (at most every 10 ms)`);
const rows: (string | number)[][] = [['devices', 'who', 'transactions/CPU-s', 'transactions/s', 'CPU of one core', 'RSS MB']];
for (const devices of [1, 10, 100]) {
  rows.push([devices, 'gateway (decode, log, commit)', ...cells(await ours(devices))]);
  rows.push([devices, 'modbus-serial (asks only)', ...cells(await library(devices))]);
}
printTable(rows);
process.exit(0);
