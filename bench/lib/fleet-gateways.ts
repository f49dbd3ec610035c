/**
 * Many gateways in one process, each with its own log, forwarder, drain loop and connection: node fleet-gateways.ts PLAN
 * It is told on stdin what to do, and answers each with a line of JSON.
 *
 *   live MS    each gateway takes a record every MS milliseconds, spread evenly; 0: none
 *   hour N     N records each at once, of the hour that ends now, and an alarm
 *   offline    no gateway has a network: connections break, and tries find none; online: they have one again
 *   report     counters of all
 *   expect F   writes the numbers that were given to the file F
 *   fates F    what became of the records in file F
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { Connection } from '../../src/forwarders/mqtt/connection.ts';
import { jsonDialect } from '../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { LogForwarder } from '../../src/forwarders/mqtt/log-forwarder.ts';
import { networkMark } from '../../src/forwarders/mqtt/network-watch.ts';
import { ConnectError } from '../../src/forwarders/mqtt/retry-plan.ts';
import { mqttForwarderSchema } from '../../src/forwarders/mqtt/schema.ts';
import type { TlsSessions } from '../../src/forwarders/mqtt/wire/tls-sessions.ts';
import { addBytes, NO_BYTES, type WireBytes, type WireMeter } from '../../src/forwarders/mqtt/wire/wire-meter.ts';
import { forwarderContext } from '../../test/fakes/forwarder-context.ts';
import { fateOf, spanOf } from './fleet-fate.ts';
import { type GatewayLog, memoryLog, realLog } from './fleet-log.ts';
import type { Expected, FleetReport, Missing, Sending } from './fleet-words.ts';

interface Plan {
  readonly gateways: number;
  /** So many of them have a real log, in this folder. */
  readonly real: number;
  readonly folder: string;
  readonly points: number;
  readonly urls: readonly string[];
  /** Keys of the forwarder beside the address. */
  readonly settings: object;
  /** The file of the authority of the nodes, for addresses with TLS. */
  readonly ca?: string | undefined;
  /** A connection over TLS may resume the session of an earlier one, as the gateway does it. */
  readonly resume: boolean;
  /** Milliseconds of the window in which the bytes of history of a gateway are counted. */
  readonly window: number;
}

const plan = JSON.parse(process.argv[2] ?? '{}') as Plan;
const HOUR = 3_600_000;

/** Bytes of history that one gateway gave to its connection, by time. */
class Rate {
  readonly #sent: { readonly at: number; readonly bytes: number }[] = [];
  #within = 0;
  /** Within one window. */
  most = 0;

  count(bytes: number): void {
    const at = performance.now();
    this.#sent.push({ at, bytes });
    this.#within += bytes;
    for (let first = this.#sent[0]; first !== undefined && first.at <= at - plan.window; first = this.#sent[0]) {
      this.#within -= first.bytes;
      this.#sent.shift();
    }
    this.most = Math.max(this.most, this.#within);
  }
}

interface Gateway {
  readonly own: GatewayLog;
  readonly forwarder: LogForwarder;
  readonly rate: Rate;
  /** In the order in which they left. */
  readonly sendings: readonly Sending[];
}

/** One look at the network a second for all of them: in one process it is the same for each. */
let network = networkMark();
setInterval(() => {
  network = networkMark();
}, 1000);

let bytes = 0;
let messages = 0;
let [resumed, tickets] = [0, 0];
let online = true;
const connections = new Map<Connection, string>();
const meters = new Set<WireMeter>();
const observed = new WeakSet<TlsSessions>();

/** Counts what the sessions of one forwarder hear of its handshakes. */
function observe(sessions: TlsSessions): void {
  if (observed.has(sessions)) return;
  observed.add(sessions);
  const [succeeded, keep] = [sessions.succeeded.bind(sessions), sessions.keep.bind(sessions)];
  sessions.succeeded = (key) => {
    resumed++;
    succeeded(key);
  };
  sessions.keep = (key, session) => {
    tickets++;
    keep(key, session);
  };
}
const attempts: number[] = [];

async function gateway(i: number): Promise<Gateway> {
  const id = `g${i}`;
  const folder = `${plan.folder}/${id}`;
  if (i < plan.real) mkdirSync(folder, { recursive: true });
  const own = i < plan.real ? await realLog(plan.points, folder) : memoryLog(plan.points);
  // Each node has a third of the gateways, and each gateway the others behind its own.
  const urls = plan.urls.map((_, k) => plan.urls[(i + k) % plan.urls.length] as string);
  const rate = new Rate();
  const sendings: Sending[] = [];
  const forwarder = new LogForwarder({
    ...forwarderContext(own.log, { gateway: id, logger: silentLogger, random: Math.random }),
    ...{ name: 'fleet', dialect: jsonDialect, network: () => network },
    settings: {
      ...mqttForwarderSchema([jsonDialect]).parse({ url: urls, ...plan.settings }),
      ...(plan.ca !== undefined && { tls: { ca: plan.ca } }),
    } as never,
    connect: async (options) => {
      if (!online) throw new ConnectError('unreachable', 'there is no network', undefined);
      attempts.push(performance.now());
      if (options.meter !== undefined) meters.add(options.meter);
      if (options.sessions !== undefined) observe(options.sessions);
      const connection = await Connection.open(plan.resume ? options : { ...options, sessions: undefined });
      connections.set(connection, `${options.host}:${options.port}`);
      void connection.closed.then(() => connections.delete(connection));
      const publish = connection.publish.bind(connection);
      connection.publish = (message) => {
        messages++;
        const size = Buffer.byteLength(message.payload);
        bytes += size;
        const lane = message.topic.slice(message.topic.lastIndexOf('/') + 1);
        if (lane === 'history') rate.count(size);
        const span = lane === 'history' || lane === 'data' ? spanOf(String(message.payload)) : undefined;
        const leaves = publish(message);
        if (span === undefined) return leaves;
        const sending: Sending = { lane, first: span.first, last: span.last, node: `${options.host}:${options.port}` };
        sendings.push(sending);
        return leaves.then((answer) => {
          sending.acked = Date.now();
          return answer;
        });
      };
      return connection;
    },
  });
  return { own, forwarder, rate, sendings };
}

const gateways: Gateway[] = [];
for (let i = 0; i < plan.gateways; i++) gateways.push(await gateway(i));
for (const { forwarder } of gateways) forwarder.start();

let live: NodeJS.Timeout | undefined;
let turn = 0;

function setLive(every: number): void {
  clearInterval(live);
  if (every === 0) return;
  const tick = 50;
  const each = (gateways.length * tick) / every;
  let due = 0;
  live = setInterval(() => {
    for (due += each; due >= 1; due--) gateways[turn++ % gateways.length]?.own.append(systemClock.monotonic());
  }, tick);
}

function hour(records: number): void {
  const now = systemClock.monotonic();
  for (const { own } of gateways) {
    for (let k = 1; k <= records; k++) own.append(now - HOUR + (k * HOUR) / records);
    own.alarm();
  }
}

function cut(): void {
  online = false;
  for (const connection of connections.keys()) connection.destroy();
}

function report(): FleetReport {
  const all = gateways.map(({ forwarder }) => forwarder.status());
  const sum = (of: (one: (typeof all)[number]) => number) => all.reduce((total, one) => total + of(one), 0);
  const rates = gateways.map(({ rate }) => rate.most);
  const starts = attempts.toSorted((a, b) => a - b);
  let busiest = 0;
  for (let first = 0, i = 0; i < starts.length; i++) {
    while ((starts[first] as number) <= (starts[i] as number) - 1000) first++;
    busiest = Math.max(busiest, i - first + 1);
  }
  return {
    connected: all.filter(({ state }) => state === 'connected').length,
    history: all.filter(({ mode }) => mode === 'history').length,
    waiting: all.filter(({ waiting }) => waiting.data !== undefined || waiting.history !== undefined).length,
    connects: sum(({ counters }) => counters.connects ?? 0),
    refused: sum(({ counters }) => counters.refused ?? 0),
    retries: sum(({ counters }) => counters.retries ?? 0),
    acked: sum(({ counters }) => counters.readings ?? 0),
    ...{ attempts: attempts.length, busiest, messages, bytes, resumed, tickets },
    wire: [...meters].reduce<WireBytes>((total, { total: one }) => addBytes(total, one), NO_BYTES),
    at: plan.urls.map((url) => [...connections.values()].filter((node) => url.endsWith(`/${node}`)).length),
    mostInWindow: Math.max(...rates),
    mostInWindowMedian: rates.toSorted((a, b) => a - b)[rates.length >> 1] ?? 0,
    faults: [
      ...new Set(all.flatMap(({ fault }) => (fault === undefined ? [] : [fault.replace(/\d+\.\d+\.\d+\.\d+:\d+/g, 'NODE')]))),
    ],
  };
}

function fates(file: string): object {
  const missing = JSON.parse(readFileSync(file, 'utf8')) as readonly Missing[];
  return { fates: missing.map((one) => fateOf(one, gateways[Number(one.gateway.slice(1))]?.sendings ?? [])) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [word = '', argument = ''] = line.split(' ');
  if (word === 'live') setLive(Number(argument));
  else if (word === 'hour') hour(Number(argument));
  else if (word === 'offline') cut();
  else if (word === 'online') online = true;
  else if (word === 'expect') {
    const expected: Expected = gateways.map(({ own: { records, taken, alarms } }) => ({ records, taken, alarms }));
    writeFileSync(argument, JSON.stringify(expected));
  }
  console.log(JSON.stringify({ did: line, ...(word === 'report' ? report() : word === 'fates' ? fates(argument) : {}) }));
}
clearInterval(live);
await Promise.all(gateways.map(({ forwarder }) => forwarder.stop(10_000)));
await Promise.all(gateways.map(({ own }) => own.close()));
process.exit(0);
