/**
 * Deliveries of the embedded broker per CPU second of its process, with and without the check of client packets and accounts, beside
 * aedes alone and Mosquitto, in turns within one run. "From outside": a client publishes with QoS 1. Subscribers are a process of their own; at QoS 1 they acknowledge each message. The
 * gateway's messages and those of aedes come from inside, four in a turn of the event loop, or one; Mosquitto receives them with QoS 1. "Left out" is what the embedded
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
  accounts: 'embedded broker with accounts and rules',
  aedes: 'aedes alone',
  single: 'embedded broker with accounts and rules, one message in a turn',
  bareSingle: 'aedes alone, one message in a turn',
  outside: 'embedded broker with accounts and rules, from outside',
  bare: 'aedes alone, from outside',
  mosquitto: 'Mosquitto, from outside',
} as const;
type Kind = keyof typeof BROKERS;
/** What the broker process is asked to be, whether a client publishes, and how many messages the broker publishes in a turn. */
const WAYS: Readonly<Record<Exclude<Kind, 'mosquitto'>, readonly [kind: string, outside: boolean, atOnce?: number]>> = {
  ...{ guard: ['guard', false], unchecked: ['unchecked', false], accounts: ['accounts', false], aedes: ['aedes', false] },
  ...{ single: ['accounts', false, 1], bareSingle: ['aedes', false, 1] },
  ...{ outside: ['accounts', true], bare: ['aedes', true] },
};
/** With which row of aedes a row is compared. */
const BESIDE: Readonly<Record<Kind, Kind>> = {
  ...{ guard: 'aedes', unchecked: 'aedes', accounts: 'aedes', aedes: 'aedes' },
  ...{ single: 'bareSingle', bareSingle: 'bareSingle' },
  ...{ outside: 'bare', bare: 'bare', mosquitto: 'bare' },
};

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
  /** The lost ones that the counters of the embedded broker name. */
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
      broker = started(space, 'deliveries-broker.ts', WAYS[kind][0]);
      port = await said<number>(broker, 'port');
      pid = broker.pid ?? 0;
    }
    const outside = kind === 'mosquitto' || WAYS[kind][1];
    const named = kind === 'accounts' || kind === 'single' || kind === 'outside' ? 'named' : '';
    const atOnce = kind === 'mosquitto' ? undefined : WAYS[kind][2];
    const topic = outside ? 'plant/bench' : 'sluice/bench/event';
    const clients = started(space, 'deliveries-clients.ts', `${port}`, `${SUBSCRIBERS}`, `${qos}`, topic, named);
    await said(clients, 'ready');
    /** @returns CPU seconds, and deliveries that arrived */
    const deliver = async (messages: number) => {
      const before = cpuSeconds(pid);
      const done = said<number>(clients, 'done');
      const counting = said(clients, 'counting');
      clients.send({ expect: messages * SUBSCRIBERS, bytes: BYTES, ...(outside ? { publish: messages } : {}) });
      await counting;
      if (!outside) broker?.send({ messages, bytes: BYTES, ...(atOnce === undefined ? {} : { atOnce }) });
      const arrived = await done;
      return { cpu: cpuSeconds(pid) - before, arrived };
    };
    // Compiled by then.
    await deliver(MESSAGES / 5);
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
        (median(kind) / median(BESIDE[kind])).toFixed(2),
        Math.round(
          percentile(
            all.map((r) => r.rss),
            0.5,
          ),
        ),
      ],
      all.reduce((sum, r) => sum + r.lost, 0),
      kind === 'aedes' || kind === 'bare' || kind === 'mosquitto' ? '' : all.reduce((sum, r) => sum + r.leftOut, 0),
    ]);
  }
}
printTable(rows);
process.exit(0);
