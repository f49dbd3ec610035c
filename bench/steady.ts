/**
 * A site in steady state: 10 devices of 100 points, each read once a second, upstream and embedded broker on, everything
 * else as it comes. CPU of the gateway process per 1,000 readings, time from the reply to the PUBLISH at an upstream
 * subscriber, bytes on the upstream connection. `npm run bench:steady`
 *
 * With folders of other built trees (`-- /path/to/tree ...`): the first row alone, of all of them and of this one at the same time,
 * with the processor time by thread.
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { cpuByThread, cpuSeconds, memory } from './lib/proc.ts';
import { pidOf, startGateway, startMosquitto, startResponder, writeSite } from './lib/site.ts';
import { Subscriber } from './lib/subscriber.ts';
import { Workspace } from './lib/workspace.ts';

/** V8 compiles in the background for the first minutes; half a minute takes most of it out. */
const WARM = 30_000;
const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 20_000);

interface Batch {
  readonly records: readonly { readonly time: number; readonly values: Readonly<Record<string, unknown>> }[];
}

interface Site {
  readonly data: string;
  readonly devices: number;
  /** The root of a built tree; undefined: this one. */
  readonly root?: string | undefined;
}

interface Measured {
  readonly readings: number;
  /** Seconds: of the process, and by thread. */
  readonly cpu: number;
  readonly threads: ReturnType<typeof cpuByThread>;
  readonly took: readonly number[];
  readonly bytes: number;
  readonly payload: number;
  readonly rss: number;
}

async function measure({ data, devices, root }: Site): Promise<Measured> {
  return Workspace.use(async (space) => {
    const dataSet = dataSetNamed(data, 100);
    const broker = await startMosquitto(space);
    const proxy = space.spawn(process.execPath, [`${import.meta.dirname}/lib/counting-proxy.ts`, String(broker)], {
      stdin: true,
    });
    const upstream = Number((await proxy.line(/^listening/)).split(' ')[1]);
    const responder = await startResponder(space, data, '100', String(devices), '512');
    const config = await writeSite(space, {
      ...{ dataSet, devices, buses: 1, responder: responder.port, interval: '1s', upstream, embedded: true },
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
    const gateway = startGateway(space, config, root);
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
    const before = { cpu: cpuSeconds(pid), threads: cpuByThread(pid), readings, bytes: await count() };
    await sleep(MEASURE);
    const { main, writer, others } = cpuByThread(pid);
    return {
      readings: readings - before.readings,
      cpu: cpuSeconds(pid) - before.cpu,
      threads: {
        main: main - before.threads.main,
        writer: writer - before.threads.writer,
        others: others - before.threads.others,
      },
      ...{ bytes: (await count()) - before.bytes, took, payload, rss: memory(pid).rss },
    };
  });
}

const perThousand = (cpu: number, { readings }: Measured): string => ((cpu / readings) * 1000).toFixed(4);

async function alone(label: string, site: Site): Promise<(string | number)[]> {
  const found = await measure(site);
  const { readings, cpu, took, bytes, payload, rss } = found;
  return [
    ...[label, readings.toLocaleString('en'), perThousand(cpu, found)],
    ...[percentile(took, 0.5).toFixed(0), percentile(took, 0.99).toFixed(0)],
    ...[(bytes / readings).toFixed(1), (payload / readings).toFixed(1), rss.toFixed(0)],
  ];
}

async function beside(roots: readonly (string | undefined)[]): Promise<void> {
  const all = await Promise.all(roots.map((root) => measure({ data: 'decimal', devices: 10, root })));
  printTable([
    ['tree', 'readings', 'CPU-s/1,000', 'main thread', "log's writer", 'others', 'p50 ms', 'p99 ms', 'wire B/reading', 'RSS MB'],
    ...all.map((found, k) => {
      const { main, writer, others } = found.threads;
      return [
        ...[path.basename(roots[k] ?? 'this one'), found.readings.toLocaleString('en')],
        ...[found.cpu, main, writer, others].map((cpu) => perThousand(cpu, found)),
        ...[percentile(found.took, 0.5).toFixed(0), percentile(found.took, 0.99).toFixed(0)],
        ...[(found.bytes / found.readings).toFixed(1), found.rss.toFixed(0)],
      ];
    }),
  ]);
}

printConditions('Steady state at 1 Hz, default batch (1,000 readings or 1 s), commitEvery 10s, upstream and embedded broker on');
const others = process.argv.slice(2);
if (others.length > 0) await beside([...others, undefined]);
else
  printTable([
    ['site', 'readings', 'CPU-s/1,000', 'p50 ms', 'p99 ms', 'wire B/reading', 'payload B/reading', 'RSS MB'],
    await alone('decimal, 10 × 100 points, one bus', { data: 'decimal', devices: 10 }),
    await alone('decimal, 5 × 100 points, one bus', { data: 'decimal', devices: 5 }),
    await alone('float32, 10 × 100 points, one bus', { data: 'float32', devices: 10 }),
  ]);
process.exit(0);
