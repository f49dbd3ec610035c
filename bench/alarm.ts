/**
 * Reply to alarm: from the moment a device gives the reply that shows a crossing to the kernel until the alarm's PUBLISH
 * is at a subscriber of the upstream broker; idle, while a backlog drains, and with a disk that commits every 10 ms.
 * `npm run bench:alarm`; `-- idle`, `-- embedded` and `-- backlog` are its parts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../test/harness/child.ts';
import { freePort } from '../test/harness/free-port.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { startGateway, startMosquitto, startResponder, writeSite } from './lib/site.ts';
import { recordsOf, Subscriber } from './lib/subscriber.ts';
import { Workspace } from './lib/workspace.ts';

const TIMES = Number(process.env.SLUICE_ALARM_TIMES ?? 60);
/** 10 devices of 100 points every 10 ms for so long make a backlog that takes seconds to drain. */
const OUTAGE = 30_000;

async function measure(label: string, backlog: boolean, embedded: boolean): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const dataSet = dataSetNamed('decimal', 100);
    const responder = await startResponder(space, 'decimal', '100', '10', '64');
    const local = embedded ? await freePort() : undefined;
    const port = await freePort();
    const config = await writeSite(space, {
      dataSet,
      devices: 10,
      buses: 10,
      responder: responder.port,
      interval: backlog ? '10ms' : '100ms',
      upstream: port,
      embedded: embedded ? local : undefined,
      commitEvery: backlog ? '1s' : '10s',
      rules: { hot: { point: 'd0.t0', above: 200, severity: 'critical' } },
    });
    const alarms: bigint[] = [];
    const records = { data: 0, history: 0 };
    const take = (topic: string, payload: Buffer, at: bigint): void => {
      if (topic.endsWith('/alarm/hot')) alarms.push(at);
      else if (topic.endsWith('/data')) records.data += recordsOf(payload);
      else if (topic.endsWith('/history')) records.history += recordsOf(payload);
    };
    const startBroker = async (): Promise<void> => {
      await startMosquitto(space, port);
      const subscriber = new Subscriber(port, ['sluice/bench/#'], (a) => {
        if (local === undefined || !a.topic.includes('/alarm/')) take(a.topic, a.payload, a.at);
      });
      space.after(() => subscriber.close());
      await subscriber.ready();
    };
    if (!backlog) await startBroker();
    const gateway = startGateway(space, config);
    if (backlog) {
      await sleep(OUTAGE);
      await startBroker();
    }
    const said = () => [...gateway.stdout, ...gateway.stderr].join('\n');
    await waitFor(
      () => `readings:\n${said()}`,
      () => (backlog ? records.history : records.data) > 0,
      { every: 2, timeout: 60_000 },
    );
    if (local !== undefined) {
      const subscriber = new Subscriber(local, ['sluice/bench/alarm/#'], (a) => take(a.topic, a.payload, a.at));
      space.after(() => subscriber.close());
      await subscriber.ready();
    }
    if (!backlog) await sleep(3000);
    alarms.length = 0;
    const took: number[] = [];
    let drained = 0;
    for (let i = 0; i < TIMES; i++) {
      const before = records.history;
      const sent = await change(responder.child, i % 2 === 0 ? 30_000 : 1000);
      const at = await waitFor(
        () => `alarm ${i}:\n${said()}`,
        () => alarms.shift(),
        { every: 1 },
      );
      took.push(Number(at - sent) / 1e6);
      if (records.history > before) drained++;
      // Not in step with the polls.
      await sleep(backlog ? 5 : 20 + (i % 7) * 9);
    }
    if (process.env.SLUICE_BENCH_VERBOSE) console.log(records, took.map((t) => t.toFixed(0)).join(' '));
    return [
      label,
      TIMES,
      percentile(took, 0.5).toFixed(1),
      percentile(took, 0.99).toFixed(1),
      backlog ? `${drained} of ${TIMES}` : '',
    ];
  });
}

/** Sets register 0 of unit 1. @returns when the reply that carried it was given to the kernel */
async function change(child: Child, value: number): Promise<bigint> {
  const seen = child.stdout.length;
  child.write(`set 1 0 ${value}`);
  const line = await waitFor('the changed reply', () => child.stdout.slice(seen).find((l) => l.startsWith('sent ')), {
    every: 1,
  });
  return BigInt(line.slice(5));
}

printConditions('Reply to alarm at a subscriber');
const rows: (string | number)[][] = [['case', 'alarms', 'p50 ms', 'p99 ms', 'while history moved']];
const only = process.argv[2];
if (only === undefined || only === 'idle') rows.push(await measure('upstream, idle', false, false));
if (only === undefined || only === 'embedded') rows.push(await measure('embedded broker, idle', false, true));
if (only === undefined || only === 'backlog') rows.push(await measure('upstream, a backlog draining', true, false));
printTable(rows);
process.exit(0);
