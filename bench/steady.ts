/**
 * A site in steady state: 10 devices of 100 points, each read once a second, upstream and embedded broker on, everything
 * else as it comes. CPU of the gateway process per 1,000 readings, time from the reply to the PUBLISH at an upstream
 * subscriber, bytes on the upstream connection. `npm run bench:steady`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { pidOf, startGateway, startMosquitto, startResponder, writeSite } from './lib/site.ts';
import { Subscriber } from './lib/subscriber.ts';
import { Workspace } from './lib/workspace.ts';

/** V8 compiles in the background for the first minutes; half a minute takes most of it out. */
const WARM = 30_000;
const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 20_000);

interface Batch {
  readonly records: readonly { readonly time: number; readonly values: Readonly<Record<string, unknown>> }[];
}

async function measure(label: string, name: string, devices: number, buses: number): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const dataSet = dataSetNamed(name, 100);
    const broker = await startMosquitto(space);
    const proxy = space.spawn(process.execPath, [`${import.meta.dirname}/lib/counting-proxy.ts`, String(broker)], {
      stdin: true,
    });
    const upstream = Number((await proxy.line(/^listening/)).split(' ')[1]);
    const responder = await startResponder(space, name, '100', String(devices), '512');
    const config = await writeSite(space, {
      dataSet,
      devices,
      buses,
      responder: responder.port,
      interval: '1s',
      upstream,
      embedded: true,
    });
    const took: number[] = [];
    let readings = 0;
    let payload = 0;
    const subscriber = new Subscriber(broker, ['sluice/bench/data', 'sluice/bench/history'], (arrival) => {
      payload += arrival.payload.length;
      for (const record of (JSON.parse(arrival.payload.toString()) as Batch).records) {
        const n = Object.keys(record.values).length;
        readings += n;
        for (let i = 0; i < n; i++) took.push(arrival.wall - record.time);
      }
    });
    space.after(() => subscriber.close());
    await subscriber.ready();
    const gateway = startGateway(space, config);
    await waitFor(
      () => `readings:\n${[...gateway.stdout, ...gateway.stderr].join('\n')}`,
      () => readings > 0,
    );
    await sleep(WARM);
    const count = async (): Promise<number> => {
      const seen = proxy.stdout.length;
      proxy.write('count');
      const line = await waitFor('the proxy to count', () => proxy.stdout.slice(seen).find((l) => l.startsWith('bytes ')));
      return line
        .split(' ')
        .slice(1)
        .reduce((sum, n) => sum + Number(n), 0);
    };
    const pid = pidOf(gateway);
    took.length = 0;
    payload = 0;
    const before = { cpu: cpuSeconds(pid), readings, bytes: await count() };
    await sleep(MEASURE);
    const n = readings - before.readings;
    const cpu = cpuSeconds(pid) - before.cpu;
    const bytes = (await count()) - before.bytes;
    return [
      label,
      n.toLocaleString('en'),
      ((cpu / n) * 1000).toFixed(4),
      percentile(took, 0.5).toFixed(0),
      percentile(took, 0.99).toFixed(0),
      (bytes / n).toFixed(1),
      (payload / n).toFixed(1),
      memory(pid).rss.toFixed(0),
    ];
  });
}

printConditions('Steady state at 1 Hz, default batch (1,000 readings or 1 s), commitEvery 10s, upstream and embedded broker on');
const rows: (string | number)[][] = [
  ['site', 'readings', 'CPU-s/1,000', 'p50 ms', 'p99 ms', 'wire B/reading', 'payload B/reading', 'RSS MB'],
];
rows.push(await measure('decimal, 10 × 100 points, one bus', 'decimal', 10, 1));
rows.push(await measure('decimal, 5 × 100 points, one bus', 'decimal', 5, 1));
rows.push(await measure('float32, 10 × 100 points, one bus', 'float32', 10, 1));
printTable(rows);
process.exit(0);
