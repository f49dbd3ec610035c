/**
 * The same job by three: Node-RED with node-red-contrib-modbus alone, the gateway, and the gateway with its Node-RED beside it. Ten Modbus
 * TCP devices of 100 registers are read once a second, and everything goes to an upstream broker at QoS 1. After a minute the way to
 * the broker is cut for a minute. `npm run bench:modbus-compare` (root; npm and a network for the palette; some twelve minutes).
 *
 * The devices note each poll and give it a number; a subscriber beside the broker notes the numbers that arrive. A number that was
 * answered and never arrives is lost.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../src/admin/client.ts';
import type { GatewayStatus } from '../src/admin/target.ts';
import { installFault, NODE_RED_FOLDER } from '../src/node-red/place.ts';
import { Relay } from '../test/harness/relay.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { CONTRIB, type Job, startNodeRed } from './lib/node-red-alone.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { pidOf, startGateway, startMosquitto } from './lib/site.ts';
import { Devices, type Poll } from './lib/storm-brokers.ts';
import { Subscriber } from './lib/subscriber.ts';
import { Workspace } from './lib/workspace.ts';

const DEVICES = 10;
const REGISTERS = 100;
const INTERVAL = 1000;
const SETTLE = 20_000;
const STEADY = Number(process.env.SLUICE_BENCH_MS ?? 60_000);
const OUTAGE = STEADY;
/** After the outage: whoever kept something delivers it. */
const DRAIN = STEADY;
const USER = 'nobody';

/** Processes that do the job. */
type Start = (space: Workspace, job: Job) => Promise<number[]>;

const gateway =
  (withNodeRed: boolean): Start =>
  async (space, job) => {
    chmodSync(space.folder, 0o755);
    const points = Object.fromEntries(
      Array.from({ length: job.registers }, (_, i) => [`p${i}`, { table: 'holding', address: i, type: 'uint16' }]),
    );
    const every = Array.from({ length: job.devices }, (_, i) => i);
    const stateDir = path.join(space.folder, 'state');
    const site = {
      gateway: { id: 'bench', stateDir },
      buses: Object.fromEntries(
        every.map((i) => [`b${i}`, { protocol: 'modbus-tcp', host: `127.0.0.${i + 2}`, port: job.port }]),
      ),
      devices: Object.fromEntries(every.map((i) => [`d${i}`, { bus: `b${i}`, unit: 1, interval: '1s', points }])),
      forwarders: { cloud: { type: 'mqtt', url: `mqtt://127.0.0.1:${job.upstream}` } },
      ...(withNodeRed ? { nodeRed: { enabled: true, user: USER } } : {}),
    };
    const file = path.join(space.folder, 'gateway.yaml');
    writeFileSync(file, JSON.stringify(site));
    const child = startGateway(space, file);
    const status = await waitFor(
      () => `the gateway:\n${[...child.stdout, ...child.stderr].slice(-20).join('\n')}`,
      async () => {
        const now = (await request(path.join(stateDir, 'sluice.sock'), 'GET', '/api/v1/status')) as GatewayStatus;
        return !withNodeRed || now.flows?.state === 'running' ? now : undefined;
      },
      { timeout: 60_000 },
    );
    return [pidOf(child), ...(status.flows?.pid === undefined ? [] : [status.flows.pid])];
  };

/** What a message has: device and number of each poll. */
function pollsIn(topic: string, payload: Buffer): [device: number, number: number][] {
  const numberOf = (value: number): number => value % 20_000;
  if (topic.startsWith('plant/d')) {
    const { values } = JSON.parse(payload.toString()) as { readonly values: readonly number[] };
    return [[Number(topic.slice(7)), numberOf(values[0] ?? 0)]];
  }
  if (!/\/(data|history)$/.test(topic)) return [];
  const { records } = JSON.parse(payload.toString()) as {
    readonly records: readonly { readonly device: string; readonly values: { readonly p0?: number } }[];
  };
  return records.flatMap(({ device, values }) =>
    values.p0 === undefined ? [] : [[Number(device.slice(1)), numberOf(values.p0)]],
  );
}

const between = (polls: readonly Poll[], from: number, to: number): Poll[] => polls.filter(([, at]) => at >= from && at < to);
const now = (): number => Number(process.hrtime.bigint() / 1000n);
const gaps = (polls: readonly Poll[]): number[] =>
  polls.slice(1).map(([, at], i) => Math.abs((at - (polls[i]?.[1] ?? at)) / 1000 - INTERVAL));

async function measure(label: string, start: Start): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const program = path.join(import.meta.dirname, 'lib', 'late-devices.ts');
    const child = space.spawn(process.execPath, [program, String(DEVICES), String(REGISTERS)], { stdin: true });
    const port = Number((await child.line(/^listening/)).split(' ')[1]);
    const devices = new Devices(child);
    const broker = await startMosquitto(space);
    const relay = await Relay.start({ after: (run: () => unknown) => space.after(run) } as unknown as TestContext, broker);
    const arrived = Array.from({ length: DEVICES }, () => new Map<number, number>());
    const subscriber = new Subscriber(broker, ['plant/#', 'sluice/bench/data', 'sluice/bench/history'], ({ topic, payload }) => {
      for (const [device, number] of pollsIn(topic, payload))
        arrived[device]?.set(number, (arrived[device]?.get(number) ?? 0) + 1);
    });
    space.after(() => subscriber.close());
    await subscriber.ready();
    const pids = await start(space, { devices: DEVICES, registers: REGISTERS, port, upstream: relay.port });
    await waitFor('messages of all devices', () => arrived.every(({ size }) => size > 0));
    await sleep(SETTLE);
    const cpu = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
    const [from, used] = [now(), cpu()];
    const pss: number[] = [];
    for (const end = performance.now() + STEADY; performance.now() < end; await sleep(5000))
      pss.push(pids.reduce((sum, pid) => sum + memory(pid).pss, 0));
    const [to, usedTo] = [now(), cpu()];
    await relay.stop();
    await sleep(OUTAGE);
    await relay.start();
    const back = now();
    await sleep(DRAIN);
    const polls = await devices.polls();
    const steady = polls.map((of) => between(of, from, to));
    const cut = polls.flatMap((of, i) => between(of, to, back).map(([number]) => arrived[i]?.get(number) ?? 0));
    const before = polls.flatMap((of, i) => between(of, from, to).map(([number]) => arrived[i]?.get(number) ?? 0));
    const missed = (seen: readonly number[]): string => `${seen.filter((n) => n === 0).length} of ${seen.length}`;
    const late = steady.flatMap(gaps);
    const due = ((to - from) / 1e6) * DEVICES;
    return [
      ...[
        label,
        (usedTo - used).toFixed(2),
        (pss.reduce((a, b) => a + b, 0) / pss.length).toFixed(1),
        Math.max(...pss).toFixed(1),
      ],
      ...[`${steady.flat().length} of ${Math.round(due)}`, percentile(late, 0.5).toFixed(2), percentile(late, 0.99).toFixed(2)],
      ...[Math.max(...late).toFixed(1), missed(before), missed(cut), [...before, ...cut].filter((n) => n > 1).length],
    ];
  });
}

const fault = installFault();
if (process.getuid?.() !== 0) throw new Error('this measurement runs Node-RED under another user and needs root');
if (fault !== undefined) throw new Error(fault);
printConditions(
  `${DEVICES} Modbus TCP devices of ${REGISTERS} registers at 1 Hz to Mosquitto, QoS 1; ${STEADY / 1000} s, then ${OUTAGE / 1000} s without the broker, then ${DRAIN / 1000} s; CPU and PSS (MB) of the first part; ms`,
);
const ways: [string, Start][] = [
  [`Node-RED 5.0.7, contrib-modbus ${CONTRIB}`, async (space, job) => [await startNodeRed(space, NODE_RED_FOLDER, job)]],
  ['Sluice', gateway(false)],
  ['Sluice and its Node-RED (empty flow)', gateway(true)],
];
const rows: (string | number)[][] = [];
for (const [label, start] of ways) rows.push(await measure(label, start));
printTable([
  [
    ...['who', 'CPU s', 'PSS mean', 'PSS most', 'polls of due', '|gap - 1 s| p50', 'p99', 'most'],
    ...['lost before', 'lost of the outage', 'came twice'],
  ],
  ...rows,
]);
