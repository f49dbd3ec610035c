/**
 * Deliveries of the embedded broker per CPU second of its process, with and without the check of client packets, beside aedes alone
 * and Mosquitto, in turns within one run. Subscribers are a process of their own; at QoS 1 they acknowledge each message. The
 * gateway's messages and those of aedes come from inside; Mosquitto receives them with QoS 1. "Left out" is what the embedded
 * broker counted itself. `npm run bench:deliveries`
 */
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { freePort } from '../test/harness/free-port.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { writeBrokerConfig } from '../test/peers/mosquitto.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { pidOf } from './lib/site.ts';
import { Workspace } from './lib/workspace.ts';

const ROUNDS = Number(process.env.SLUICE_BENCH_ROUNDS ?? 5);
const SUBSCRIBERS = 10;
const MESSAGES = 15_000;
const BYTES = 200;

const BROKERS = {
  guard: 'embedded broker',
  unchecked: 'embedded broker without the check',
  aedes: 'aedes alone',
  mosquitto: 'Mosquitto',
} as const;
type Kind = keyof typeof BROKERS;

function started(space: Workspace, file: string, ...args: string[]): ChildProcess {
  const child = fork(path.join(import.meta.dirname, 'lib', file), args, { execArgv: ['--disable-warning=ExperimentalWarning'] });
  space.after(() => child.kill('SIGKILL'));
  return child;
}

function said<T>(child: ChildProcess, key: string): Promise<T> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: Record<string, T>) => {
      if (key in message) resolve(message[key] as T);
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code}`)));
  });
}

interface Run {
  readonly perCpuSecond: number;
  readonly rss: number;
  readonly lost: number;
  /** Of them, by the counters of the embedded broker. */
  readonly leftOut: number;
}

const run = (kind: Kind, qos: number): Promise<Run> =>
  Workspace.use(async (space) => {
    let port: number;
    let pid: number;
    let broker: ChildProcess | undefined;
    if (kind === 'mosquitto') {
      port = await freePort();
      const child = space.spawn('mosquitto', ['-c', writeBrokerConfig(space.folder, port, {})]);
      pid = pidOf(child);
      await waitFor('mosquitto', () => child.stderr.some((line) => line.includes('running')));
    } else {
      broker = started(space, 'deliveries-broker.ts', kind);
      port = await said<number>(broker, 'port');
      pid = broker.pid ?? 0;
    }
    const clients = started(space, 'deliveries-clients.ts', `${port}`, `${SUBSCRIBERS}`, `${qos}`);
    await said(clients, 'ready');
    /** @returns CPU seconds, and deliveries that arrived */
    const deliver = async (messages: number) => {
      const before = cpuSeconds(pid);
      const done = said<number>(clients, 'done');
      const counting = said(clients, 'counting');
      clients.send({ expect: messages * SUBSCRIBERS, bytes: BYTES, ...(broker === undefined ? { publish: messages } : {}) });
      await counting;
      broker?.send({ messages, bytes: BYTES });
      const arrived = await done;
      return { cpu: cpuSeconds(pid) - before, arrived };
    };
    // Compiled by then.
    if (broker !== undefined) await deliver(MESSAGES / 5);
    const { cpu, arrived } = await deliver(MESSAGES);
    const { rss } = memory(pid);
    const leftOut = broker === undefined ? Promise.resolve(0) : said<number>(broker, 'leftOut');
    broker?.send('leftOut');
    return { perCpuSecond: arrived / cpu, rss, lost: MESSAGES * SUBSCRIBERS - arrived, leftOut: await leftOut };
  });

printConditions(
  `Deliveries of ${BYTES} bytes to ${SUBSCRIBERS} subscribers, ${MESSAGES} messages a run, ${ROUNDS} runs in turns`,
);
const runs = new Map<string, Run[]>();
for (let round = 0; round < ROUNDS; round++)
  for (const qos of [0, 1])
    for (const kind of Object.keys(BROKERS) as Kind[]) {
      const key = `${kind} ${qos}`;
      runs.set(key, [...(runs.get(key) ?? []), await run(kind, qos)]);
    }
const whole = (n: number) => Math.round(n).toLocaleString('en');
const rows: (string | number)[][] = [
  ['broker', 'QoS', 'deliveries/CPU-s, median', 'lowest', 'highest', 'of aedes', 'RSS MB', 'lost', 'left out'],
];
for (const qos of [0, 1]) {
  const median = (kind: Kind) =>
    percentile(
      (runs.get(`${kind} ${qos}`) ?? []).map((r) => r.perCpuSecond),
      0.5,
    );
  for (const kind of Object.keys(BROKERS) as Kind[]) {
    const all = runs.get(`${kind} ${qos}`) ?? [];
    const rates = all.map((r) => r.perCpuSecond);
    rows.push([
      ...[BROKERS[kind], qos, whole(median(kind)), whole(Math.min(...rates)), whole(Math.max(...rates))],
      ...[
        (median(kind) / median('aedes')).toFixed(2),
        Math.round(
          percentile(
            all.map((r) => r.rss),
            0.5,
          ),
        ),
      ],
      all.reduce((sum, r) => sum + r.lost, 0),
      kind === 'aedes' || kind === 'mosquitto' ? '' : all.reduce((sum, r) => sum + r.leftOut, 0),
    ]);
  }
}
printTable(rows);
process.exit(0);
