/**
 * Memory of the daemon as it is started, at 1,000 points a second: upstream, embedded broker and socket API on. After
 * 30 s at 1 Hz, and after the readings of some ten minutes, taken ten times as fast. `npm run bench:memory`; with the word `slow` and SLUICE_BENCH_MS=300000 five minutes at 1 Hz.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../test/harness/wait-for.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { memory } from './lib/proc.ts';
import { pidOf, startGateway, startMosquitto, startResponder, writeSite } from './lib/site.ts';
import { recordsOf, Subscriber } from './lib/subscriber.ts';
import { Workspace } from './lib/workspace.ts';

const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 30_000);

async function measure(label: string, interval: string, ms: number): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const broker = await startMosquitto(space);
    const responder = await startResponder(space, 'decimal', '100', '10', '256');
    const config = await writeSite(space, {
      dataSet: dataSetNamed('decimal', 100),
      devices: 10,
      responder: responder.port,
      interval,
      upstream: broker,
      embedded: true,
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
    let most = 0;
    let sum = 0;
    let count = 0;
    const end = performance.now() + ms;
    while (performance.now() < end) {
      await sleep(1000);
      const { rss } = memory(pidOf(gateway));
      most = Math.max(most, rss);
      if (end - performance.now() < ms / 3) {
        sum += rss;
        count++;
      }
    }
    const { rss, pss } = memory(pidOf(gateway));
    return [
      label,
      (records * 100).toLocaleString('en'),
      (sum / count).toFixed(0),
      most.toFixed(0),
      rss.toFixed(0),
      pss.toFixed(0),
    ];
  });
}

printConditions('Memory at 1,000 points, bin/sluice run, MB (1024²)');
const rows: (string | number)[][] = [
  ['site', 'readings', 'RSS mean of last third', 'RSS most', 'RSS at the end', 'PSS at the end'],
];
rows.push(await measure('1 Hz', '1s', MEASURE));
if (process.argv[2] !== 'slow') rows.push(await measure('10 Hz', '100ms', MEASURE * 2));
printTable(rows);
process.exit(0);
