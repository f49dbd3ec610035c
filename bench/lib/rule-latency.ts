/**
 * From the moment a device gives the reply that shows a crossing to the kernel until the alarm is at a subscriber of the upstream broker,
 * and until the write of the rule is at another device; idle, while a backlog drains, and while every sync of the disk takes a second.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../test/harness/child.ts';
import { freePort } from '../../test/harness/free-port.ts';
import { waitFor } from '../../test/harness/wait-for.ts';
import { findProgram } from '../../test/peers/peers.ts';
import { percentile } from './conditions.ts';
import { dataSetNamed } from './data-sets.ts';
import { startGateway, startMosquitto, startResponder, writeSite } from './site.ts';
import { recordsOf, Subscriber } from './subscriber.ts';
import { Workspace } from './workspace.ts';

const TIMES = Number(process.env.SLUICE_RULES_TIMES ?? 200);
const OUTAGE = Number(process.env.SLUICE_RULES_OUTAGE ?? 30_000);
/** The unit that the rule writes to, on a bus of its own. */
const SIREN = 16;

type Way = 'idle' | 'backlog' | 'slow-disk';

export async function latencyTable(): Promise<(string | number)[][]> {
  const only = process.argv[3];
  const rows: (string | number)[][] = [
    ['case', 'alarms', 'alarm p50 ms', 'p99', 'writes', 'write p50 ms', 'p99', 'while history moved'],
  ];
  if (only === undefined || only === 'idle') rows.push(await measure('idle', 'idle'));
  if (only === undefined || only === 'backlog') rows.push(await measure('a backlog drains', 'backlog'));
  if (only !== undefined && only !== 'slow-disk') return rows;
  if (findProgram('strace') === undefined) console.log('the slow disk needs strace: apt-get install -y strace');
  else rows.push(await measure('every fsync and fdatasync takes 1 s', 'slow-disk'));
  return rows;
}

async function measure(label: string, way: Way): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const backlog = way === 'backlog';
    const responder = await startResponder(space, 'decimal', '100', String(SIREN), '64');
    const port = await freePort();
    const config = await writeSite(space, {
      ...{ dataSet: dataSetNamed('decimal', 100), devices: 10, buses: 10, responder: responder.port },
      ...{ interval: backlog ? '10ms' : '100ms', upstream: port, commitEvery: '1s' },
      rules: { hot: { point: 'd0.t0', above: 200, severity: 'critical', do: [{ write: 'siren.on', value: 1 }] } },
      more: {
        buses: { siren: { protocol: 'modbus-tcp', host: `127.0.0.${SIREN}`, port: responder.port } },
        devices: {
          siren: {
            ...{ bus: 'siren', unit: SIREN, interval: '10s' },
            points: { on: { table: 'holding', address: 0, type: 'uint16', write: { min: 0, max: 1, every: '0ms' } } },
          },
        },
      },
    });
    const alarms: bigint[] = [];
    const records = { data: 0, history: 0 };
    const startBroker = async (): Promise<void> => {
      await startMosquitto(space, port);
      const subscriber = new Subscriber(port, ['sluice/bench/#'], ({ topic, payload, at }) => {
        if (topic.endsWith('/alarm/hot') && payload.includes('active-unacknowledged')) alarms.push(at);
        else if (topic.endsWith('/data')) records.data += recordsOf(payload);
        else if (topic.endsWith('/history')) records.history += recordsOf(payload);
      });
      space.after(() => subscriber.close());
      await subscriber.ready();
    };
    if (!backlog) await startBroker();
    // With seccomp only the calls that are late stop at the tracer.
    const late = [
      '-f',
      '--seccomp-bpf',
      '-o',
      '/dev/null',
      '-e',
      'trace=fsync,fdatasync',
      '-e',
      'inject=fsync,fdatasync:delay_enter=1000000',
    ];
    const gateway = startGateway(space, config, undefined, way === 'slow-disk' ? ['strace', ...late] : []);
    if (backlog) {
      await sleep(OUTAGE);
      await startBroker();
    }
    const said = () => [...gateway.stdout, ...gateway.stderr].slice(-20).join('\n');
    await waitFor(
      () => `readings:\n${said()}`,
      () => (backlog ? records.history : records.data) > 0,
      { every: 2, timeout: 180_000 },
    );
    if (!backlog) await sleep(3000);
    alarms.length = 0;
    const took: number[] = [];
    const wrote: number[] = [];
    let moved = 0;
    for (let i = 0; i < TIMES; i++) {
      const before = records.history;
      const mark = responder.child.stdout.length;
      const sent = await change(responder.child, 30_000);
      const at = await waitFor(
        () => `alarm ${i}:\n${said()}`,
        () => alarms.shift(),
        { every: 1 },
      );
      took.push(Number(at - sent) / 1e6);
      // A rule whose first write did not come is not waited for again.
      const writes = i === 0 || wrote.length > 0;
      const line = writes ? await written(responder.child, mark) : undefined;
      if (line !== undefined) wrote.push(Number(BigInt(line.slice(6)) - sent) / 1e6);
      if (records.history > before) moved++;
      await change(responder.child, 1000);
      // Not in step with the polls.
      await sleep(backlog ? 5 : 20 + (i % 7) * 9);
    }
    return [
      ...[label, took.length, percentile(took, 0.5).toFixed(1), percentile(took, 0.99).toFixed(1)],
      ...[
        wrote.length,
        ...(wrote.length === 0 ? ['', ''] : [percentile(wrote, 0.5).toFixed(1), percentile(wrote, 0.99).toFixed(1)]),
      ],
      backlog ? `${moved} of ${TIMES}` : '',
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

/** The line that says when a write came; undefined: none in five seconds. */
function written(child: Child, from: number): Promise<string | undefined> {
  const find = () => child.stdout.slice(from).find((l) => l.startsWith('wrote '));
  return waitFor('the write', find, { every: 1, timeout: 5000 }).catch(() => undefined);
}
