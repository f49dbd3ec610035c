/**
 * 10,000 points, each read once a second: 100 devices of 100 points on 10 Modbus TCP connections, upstream on, everything
 * else as it comes. CPU and memory of the gateway process with all its threads. `npm run bench:points-10k`
 */
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../test/harness/wait-for.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { countPolls, pidOf, startGateway, startMosquitto, startResponder, writeSite } from './lib/site.ts';
import { recordsOf, Subscriber } from './lib/subscriber.ts';
import { Workspace } from './lib/workspace.ts';

const WARM = 30_000;
const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 30_000);
const DEVICES = 100;
const POINTS = 100;

async function measure(name: string): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const dataSet = dataSetNamed(name, POINTS);
    // A record is one reply.
    const perRecord = POINTS / Math.ceil(dataSet.registers / 125);
    const broker = await startMosquitto(space);
    const responder = await startResponder(space, name, String(POINTS), String(DEVICES), '64');
    const config = await writeSite(space, {
      ...{ dataSet, devices: DEVICES, buses: 10, responder: responder.port },
      ...{ interval: '1s', upstream: broker },
    });
    let records = 0;
    const subscriber = new Subscriber(broker, ['sluice/bench/data', 'sluice/bench/history'], ({ payload }) => {
      records += recordsOf(payload);
    });
    space.after(() => subscriber.close());
    await subscriber.ready();
    const gateway = startGateway(space, config);
    await waitFor(
      () => `readings:\n${[...gateway.stdout, ...gateway.stderr].join('\n')}`,
      () => records > 0,
    );
    await sleep(WARM);
    const pid = pidOf(gateway);
    const before = { cpu: cpuSeconds(pid), records, polls: await countPolls(responder), at: performance.now() };
    const rss: number[] = [];
    while (performance.now() < before.at + MEASURE) {
      await sleep(1000);
      rss.push(memory(pid).rss);
    }
    const cpu = cpuSeconds(pid) - before.cpu;
    const seconds = (performance.now() - before.at) / 1000;
    const polls = (await countPolls(responder)) - before.polls;
    return [
      `${name}, ${DEVICES} × ${POINTS}`,
      Math.round(((records - before.records) * perRecord) / seconds).toLocaleString('en'),
      (polls / seconds).toFixed(0),
      `${((cpu / seconds) * 100).toFixed(1)} %`,
      `${((cpu / seconds / os.cpus().length) * 100).toFixed(1)} %`,
      (rss.reduce((a, b) => a + b, 0) / rss.length).toFixed(0),
      Math.max(...rss).toFixed(0),
      memory(pid).pss.toFixed(0),
    ];
  });
}

printConditions('10,000 points at 1 Hz, bin/sluice run, one upstream, memory in MB (1024²)');
const rows: (string | number)[][] = [
  ['site', 'readings/s upstream', 'requests/s', 'CPU of one core', 'of all cores', 'RSS mean', 'RSS most', 'PSS'],
];
rows.push(await measure('float32'));
rows.push(await measure('decimal'));
printTable(rows);
process.exit(0);
