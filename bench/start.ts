/**
 * Cold start: from spawning bin/sluice to the first `data` message at a subscriber of the upstream broker. The device
 * answers at once, batches leave after 1 ms. `new` begins without a state folder, `again` with the log of the run
 * before. `npm run bench:start`
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { cpuSeconds } from './lib/proc.ts';
import { pidOf, startGateway, startMosquitto, startResponder, writeSite } from './lib/site.ts';
import { Subscriber } from './lib/subscriber.ts';
import { Workspace } from './lib/workspace.ts';

const RUNS = Number(process.env.SLUICE_BENCH_RUNS ?? 15);

async function measure(label: string, embedded: boolean, fresh: boolean): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const dataSet = dataSetNamed('decimal', 100);
    const upstream = await startMosquitto(space);
    const responder = await startResponder(space, 'decimal', '100', '1', '64');
    const stateDir = path.join(space.folder, 'state');
    const config = await writeSite(space, {
      dataSet,
      devices: 1,
      responder: responder.port,
      interval: '1s',
      upstream,
      batch: { maxAge: '1ms' },
      embedded,
      stateDir,
    });
    let first: bigint | undefined;
    const subscriber = new Subscriber(upstream, ['sluice/bench/data'], ({ at }) => {
      first ??= at;
    });
    space.after(() => subscriber.close());
    await subscriber.ready();
    const times: number[] = [];
    const cpus: number[] = [];
    for (let i = 0; i <= RUNS; i++) {
      if (fresh) rmSync(stateDir, { recursive: true, force: true });
      first = undefined;
      const began = process.hrtime.bigint();
      const gateway = startGateway(space, config);
      const at = await waitFor(
        () => `the first reading:\n${[...gateway.stdout, ...gateway.stderr].join('\n')}`,
        () => first,
        {
          every: 5,
        },
      );
      const cpu = cpuSeconds(pidOf(gateway));
      // The first run warms the file cache: a board that has just booted is a matter of its card.
      if (i > 0) {
        times.push(Number(at - began) / 1e6);
        cpus.push(cpu * 1000);
      }
      await gateway.stop('SIGTERM');
      await sleep(100);
    }
    const ms = (p: number) => percentile(times, p).toFixed(0);
    return [label, ms(0), ms(0.5), ms(1), percentile(cpus, 0.5).toFixed(0)];
  });
}

printConditions(`Cold start to the first published reading, ${RUNS} runs each, bin/sluice with files in the cache`);
const rows: (string | number)[][] = [['start', 'min ms', 'median ms', 'max ms', 'CPU ms']];
rows.push(await measure('new, upstream', false, true));
rows.push(await measure('again, upstream', false, false));
rows.push(await measure('again, upstream and embedded broker', true, false));
printTable(rows);
process.exit(0);
