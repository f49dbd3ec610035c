/**
 * Flows of the palette in the real Node-RED beside the gateway, under another user: `npm run bench:palette` (root; Node-RED installed by
 * scripts/setup-node-red.sh). A measured message goes this way: a reading of a point of the gateway, *reading in*, a function node,
 * *reading out*, a reading of a derived point. A connection of this process gives the first reading and gets the last one; all else
 * is as people use it. Ten Modbus devices of 100 points are polled each second beside it.
 *
 * 1. Messages a second: how many come back, their latency, CPU time of both processes, PSS of both while they pass.
 * 2. Starts with that flow: from the start of the daemon until Node-RED runs its flows.
 */
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../src/admin/client.ts';
import type { GatewayStatus } from '../src/admin/target.ts';
import { installFault } from '../src/node-red/place.ts';
import { putNode } from '../test/harness/door-site.ts';
import { askEditor } from '../test/harness/node-red-site.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { type Door, DoorClient, doorIn, readingsOf } from './lib/door-client.ts';
import { onOwnNode } from './lib/own-node.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { pidOf, startGateway, startResponder, writeSite } from './lib/site.ts';
import { Workspace } from './lib/workspace.ts';

const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 20_000);
const STARTS = Number(process.env.SLUICE_BENCH_RUNS ?? 5);
/** Messages a second. A device of flows takes 1,000 readings a second (perSecond below). */
const RATES = [10, 100, 300, 600, 900];
const DEVICES = 10;
const POINTS = 100;
/** Each of the two devices of flows has so many, and each of them takes 100 readings a second. */
const POINTS_OF_FLOWS = 20;
/** What is under way when the last one has been sent gets so long. */
const LAST = 3000;
/** A start gives back by then what it needed. */
const SETTLE = 15_000;
/** It has no rights, and every Debian has it. */
const USER = 'nobody';

const FLOW = [
  { id: 'tab', type: 'tab', label: 'bench' },
  {
    ...{ id: 'in', type: 'sluice reading in', z: 'tab', x: 100, y: 100, name: '', gateway: '', points: ['source.*'] },
    ...{ mode: 'every', every: '', everyUnit: 's', quality: 'good', initial: false, wires: [['mean']] },
  },
  {
    ...{ id: 'mean', type: 'function', z: 'tab', x: 300, y: 100, name: '', outputs: 1, libs: [], wires: [['out']] },
    func: "msg.target = msg.point.replace('source', 'derived');\nreturn msg;",
  },
  {
    ...{ id: 'out', type: 'sluice reading out', z: 'tab', x: 500, y: 100, name: '', gateway: '', wires: [] },
    ...{ point: 'target', pointType: 'msg', value: 'payload', valueType: 'msg', unit: '', time: '', timeType: 'now' },
  },
];

interface Running {
  readonly door: Door;
  readonly daemon: number;
  readonly nodeRed: number;
}

async function messages({ door, daemon, nodeRed }: Running, rate: number): Promise<(string | number)[]> {
  const sentAt: number[] = [];
  const took: number[] = [];
  let id = 0;
  const client = await DoorClient.connect(door, (line) => {
    const readings = readingsOf(line);
    for (const { value } of readings) took.push(performance.now() - (sentAt[value] ?? Number.NaN));
    if (readings.length > 0) client.say({ type: 'credit', id: 's', n: 1 });
  });
  client.say({ type: 'subscribe', id: 's', points: ['derived.*'], mode: 'every', credit: 1024 });
  await sleep(500);
  const cpu = [cpuSeconds(daemon), cpuSeconds(nodeRed)] as const;
  const pss: number[][] = [];
  const begin = performance.now();
  for (let n = 0; performance.now() - begin < MEASURE; ) {
    for (const due = ((performance.now() - begin) / 1000) * rate; n < due; n++) {
      sentAt[n] = performance.now();
      // The points in turn, since one takes 100 readings a second.
      const readings = [{ point: `source.p${n % POINTS_OF_FLOWS}`, value: n }];
      client.say({ type: 'call', id: `p${id++}`, do: 'put', readings });
    }
    if ((performance.now() - begin) / 1000 > pss.length) pss.push([memory(daemon).pss, memory(nodeRed).pss]);
    await sleep(1);
  }
  const sent = sentAt.length;
  const end = performance.now() + LAST;
  while (took.length < sent && performance.now() < end) await sleep(10);
  const used = [cpuSeconds(daemon) - cpu[0], cpuSeconds(nodeRed) - cpu[1]] as const;
  client.end();
  const ms = (p: number): string => percentile(took, p).toFixed(1);
  const most = (of: 0 | 1): string => Math.max(...pss.map((one) => one[of] ?? 0)).toFixed(1);
  return [
    ...[rate, sent, took.length, ms(0.5), ms(0.99), Math.max(...took).toFixed(1)],
    ...used.map((seconds) => ((1000 * seconds) / sent).toFixed(2)),
    ...[most(0), most(1), Math.max(...pss.map(([a = 0, b = 0]) => a + b)).toFixed(1)],
  ];
}

async function measure(): Promise<void> {
  await Workspace.use(async (space) => {
    chmodSync(space.folder, 0o755);
    const responder = await startResponder(space, 'decimal', String(POINTS), String(DEVICES));
    const stateDir = path.join(space.folder, 'state');
    const points = Object.fromEntries(Array.from({ length: POINTS_OF_FLOWS }, (_, i) => [`p${i}`, {}]));
    const perSecond = { point: 100, device: 1000 };
    const config = await writeSite(space, {
      ...{ dataSet: dataSetNamed('decimal', POINTS), devices: DEVICES, responder: responder.port, stateDir },
      ...{ interval: '1s', nodeRed: { enabled: true, user: USER } },
      more: {
        buses: { flows: { protocol: 'flows' } },
        devices: { source: { bus: 'flows', perSecond, points }, derived: { bus: 'flows', perSecond, points } },
      },
    });
    const socket = path.join(stateDir, 'sluice.sock');
    putNode(stateDir, `${stateDir}-node-red`, true);
    /** @returns seconds from its start until Node-RED runs its flows */
    const started = async () => {
      const began = performance.now();
      const gateway = startGateway(space, config);
      const status = await waitFor(
        () => `the gateway:\n${[...gateway.stdout, ...gateway.stderr].slice(-20).join('\n')}`,
        async () => {
          const now = await statusOf(socket);
          return now?.flows?.state === 'running' ? now : undefined;
        },
        { timeout: 120_000 },
      );
      return { gateway, seconds: (performance.now() - began) / 1000, nodeRed: status.flows?.pid ?? 0 };
    };
    const { gateway, nodeRed } = await started();
    const { code } = await askEditor(path.join(stateDir, 'node-red.sock'), 'POST', '/flows', FLOW);
    if (code !== 204) throw new Error(`the flow was not taken: ${code}`);
    const running = { door: await doorIn(`${stateDir}-node-red`), daemon: pidOf(gateway), nodeRed };
    await sleep(SETTLE);
    const quiet = [memory(running.daemon).pss, memory(nodeRed).pss];
    const rows: (string | number)[][] = [];
    for (const rate of RATES) rows.push(await messages(running, rate));
    printTable([
      [
        ...['messages/s', 'sent', 'back', 'median ms', 'p99 ms', 'most ms', 'CPU ms/message, daemon', 'Node-RED'],
        ...['PSS most, MB: daemon', 'Node-RED', 'both'],
      ],
      ...rows,
    ]);
    const both = quiet.reduce((sum, one) => sum + one, 0);
    const words = quiet.map((one) => one.toFixed(1));
    console.log(
      `Before the first message, ${SETTLE / 1000} s after the deploy: ${words.join(' and ')} MB, both ${both.toFixed(1)} MB.`,
    );
    await gateway.stop();
    const starts: number[] = [];
    for (let i = 0; i < STARTS; i++) {
      const next = await started();
      starts.push(next.seconds);
      await next.gateway.stop();
    }
    const all = starts.map((one) => one.toFixed(1)).join(', ');
    console.log(`Starts with this flow until Node-RED runs it: median ${percentile(starts, 0.5).toFixed(1)} s of ${all}.`);
  });
}

/** undefined while it does not answer. */
function statusOf(socket: string): Promise<GatewayStatus | undefined> {
  return request(socket, 'GET', '/api/v1/status').then(
    (report) => report as GatewayStatus,
    () => undefined,
  );
}

const fault = installFault();
if (process.getuid?.() !== 0) throw new Error('this measurement runs Node-RED under another user and needs root');
if (fault !== undefined) throw new Error(fault);
await onOwnNode(import.meta.filename);
printConditions(
  `Reading in, function, reading out in the real Node-RED: ${DEVICES} Modbus devices of ${POINTS} points each second beside it, ${MEASURE / 1000} s each`,
);
await measure();
