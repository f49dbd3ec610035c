/**
 * The socket for flows, with the real Node-RED beside the gateway under another user: `npm run bench:flows` (root; Node-RED installed
 * by scripts/setup-node-red.sh).
 *
 * 1. The way of a value through a flow: a sensor gives a reading of one point, a flow gets it and gives a reading of a second point,
 *    which the sensor gets. Two connections of this process play the sensor and the flow, so that the palette and Node-RED are not in
 *    the figures. The latency is from the write of the first line to the arrival of the last one, all four ways over the socket.
 * 2. Readings of Modbus devices to a subscription, beside the same gateway without one.
 *
 * CPU seconds are those of the gateway.
 */
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../src/admin/client.ts';
import type { GatewayStatus } from '../src/admin/target.ts';
import { installFault } from '../src/node-red/place.ts';
import { putNode } from '../test/harness/door-site.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { type Door, DoorClient, doorIn, readingsOf } from './lib/door-client.ts';
import { cpuSeconds } from './lib/proc.ts';
import { pidOf, startGateway, startResponder, writeSite } from './lib/site.ts';
import { Workspace } from './lib/workspace.ts';

const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 20_000);
/** Trips in a second; each is two readings of flows and two lines to flows. */
const RATES = [10, 100, 500, 900];
const DEVICES = 10;
const POINTS = 100;
const INTERVAL = 200;
/** Each of the two devices has so many. */
const POINTS_OF_FLOWS = 20;
/** It has no rights, and every Debian has it. */
const USER = 'nobody';

async function trips(door: Door, pid: number, rate: number): Promise<(string | number)[]> {
  // The points of the two devices in turn: one point takes 100 readings a second.
  const turn = (n: number): string => `p${n % POINTS_OF_FLOWS}`;
  const sentAt: number[] = [];
  const took: number[] = [];
  let answers = 0;
  let id = 0;
  const put = (point: string, value: number): object => ({
    type: 'call',
    id: `p${id++}`,
    do: 'put',
    readings: [{ point, value }],
  });
  const flow = await DoorClient.connect(door, (line) => {
    const readings = readingsOf(line);
    for (const { value } of readings) flow.say(put(`derived.${turn(value)}`, value));
    if (readings.length > 0) flow.say({ type: 'credit', id: 's', n: 1 });
  });
  const sensor = await DoorClient.connect(door, (line) => {
    const readings = readingsOf(line);
    for (const { value } of readings) took.push(performance.now() - (sentAt[value] ?? Number.NaN));
    if (readings.length > 0) sensor.say({ type: 'credit', id: 's', n: 1 });
    if (line.type === 'answer') answers++;
  });
  flow.say({ type: 'subscribe', id: 's', points: ['source.*'], mode: 'every', credit: 1024 });
  sensor.say({ type: 'subscribe', id: 's', points: ['derived.*'], mode: 'every', credit: 1024 });
  await sleep(500);
  const cpu = cpuSeconds(pid);
  const begin = performance.now();
  for (let n = 0; performance.now() - begin < MEASURE; ) {
    for (const due = ((performance.now() - begin) / 1000) * rate; n < due; n++) {
      sentAt[n] = performance.now();
      sensor.say(put(`source.${turn(n)}`, n));
    }
    await sleep(1);
  }
  const sent = sentAt.length;
  await waitFor('the last ones', () => answers === sent);
  await sleep(500);
  const used = cpuSeconds(pid) - cpu;
  flow.end();
  sensor.end();
  const ms = (p: number): string => percentile(took, p).toFixed(2);
  return [rate, sent, took.length, ms(0.5), ms(0.99), Math.max(...took).toFixed(1), ((1000 * used) / sent).toFixed(2)];
}

async function deliveries(door: Door, pid: number, mode: 'none' | 'current' | 'every'): Promise<(string | number)[]> {
  let readings = 0;
  let lines = 0;
  let dropped = 0;
  const client = await DoorClient.connect(door, (line) => {
    if (line.type !== 'readings') return;
    lines++;
    readings += readingsOf(line).length;
    dropped += line.dropped as number;
    client.say({ type: 'credit', id: 's', n: 1 });
  });
  if (mode !== 'none') client.say({ type: 'subscribe', id: 's', points: ['*'], mode, credit: 64 });
  await sleep(1000);
  const [cpu, begin] = [cpuSeconds(pid), performance.now()];
  const before = { readings, lines };
  await sleep(MEASURE);
  const seconds = (performance.now() - begin) / 1000;
  const used = cpuSeconds(pid) - cpu;
  client.end();
  const perSecond = (n: number): string => (n / seconds).toFixed(0);
  return [
    mode === 'none' ? 'no subscription' : `one subscription, ${mode}`,
    ...[perSecond(readings - before.readings), perSecond(lines - before.lines), dropped],
    `${((100 * used) / seconds).toFixed(1)} %`,
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
      ...{ interval: `${INTERVAL}ms`, nodeRed: { enabled: true, user: USER } },
      more: {
        buses: { flows: { protocol: 'flows' } },
        devices: { source: { bus: 'flows', perSecond, points }, derived: { bus: 'flows', perSecond, points } },
      },
    });
    const folder = `${stateDir}-node-red`;
    putNode(stateDir, folder, true);
    const gateway = startGateway(space, config);
    await waitFor(
      () => `the gateway:\n${[...gateway.stdout, ...gateway.stderr].slice(-20).join('\n')}`,
      async () => (await statusOf(path.join(stateDir, 'sluice.sock')))?.flows?.state === 'running',
      { timeout: 120_000 },
    );
    const door = await doorIn(folder);
    const pid = pidOf(gateway);
    await sleep(5000);
    const rows: (string | number)[][] = [];
    for (const rate of RATES) rows.push(await trips(door, pid, rate));
    printTable([['trips/s', 'sent', 'back', 'median ms', 'p99 ms', 'most ms', 'CPU ms/trip, all of the gateway'], ...rows]);
    const given: (string | number)[][] = [];
    for (const mode of ['none', 'current', 'every', 'none'] as const) given.push(await deliveries(door, pid, mode));
    console.log('');
    printTable([['readings of Modbus devices', 'readings/s given', 'lines/s', 'dropped', 'CPU of the gateway'], ...given]);
    await gateway.stop();
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
printConditions(
  `The socket for flows: ${DEVICES} Modbus devices of ${POINTS} points every ${INTERVAL} ms beside it, ${MEASURE / 1000} s each`,
);
await measure();
