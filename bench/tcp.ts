/**
 * Modbus TCP transactions per CPU second of the gateway, as it is started: a connection for each device, every register
 * asked for alone, every reply decoded, logged and committed. Devices are a process of their own, which counts the
 * transactions; its CPU is not counted. `npm run bench:tcp`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../test/harness/wait-for.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { countPolls, pidOf, startGateway, startResponder, writeSite } from './lib/site.ts';
import { Workspace } from './lib/workspace.ts';

const WARM = 10_000;
const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 15_000);
/** Requests of a device in a round; each round is asked for every 10 ms. */
const REQUESTS = 20;

async function measure(devices: number): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const responder = await startResponder(space, 'words', String(REQUESTS), String(devices), '16');
    const config = await writeSite(space, {
      ...{ dataSet: dataSetNamed('words', REQUESTS), devices, buses: devices, responder: responder.port, interval: '10ms' },
      device: { limits: { merge: false } },
    });
    const gateway = startGateway(space, config);
    await waitFor(
      () => `requests:\n${[...gateway.stdout, ...gateway.stderr].join('\n')}`,
      async () => (await countPolls(responder)) > 0,
    );
    await sleep(WARM);
    const pid = pidOf(gateway);
    const before = { polls: await countPolls(responder), cpu: cpuSeconds(pid), at: performance.now() };
    await sleep(MEASURE);
    const polls = (await countPolls(responder)) - before.polls;
    const cpu = cpuSeconds(pid) - before.cpu;
    const seconds = (performance.now() - before.at) / 1000;
    return [
      devices,
      Math.round(polls / cpu).toLocaleString('en'),
      Math.round(polls / seconds).toLocaleString('en'),
      `${((cpu / seconds) * 100).toFixed(0)} %`,
      memory(pid).rss.toFixed(0),
    ];
  });
}

printConditions(`Modbus TCP, ${REQUESTS} requests of one register for each device, as often as it goes (at most every 10 ms)`);
const rows: (string | number)[][] = [['devices', 'transactions/CPU-s', 'transactions/s', 'CPU of one core', 'RSS MB']];
for (const devices of [1, 10, 100]) rows.push(await measure(devices));
printTable(rows);
process.exit(0);
