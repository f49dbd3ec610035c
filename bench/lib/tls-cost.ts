/**
 * What TLS costs a gateway, in CPU time of its process: handshakes by kind of certificate, live traffic, and the drain of a backlog. What
 * is compared is measured in one run, in turns, so that the load of a machine meets all of it. The kernel of another host (a network
 * namespace) counts the bytes of handshakes. It needs root. `npm run bench:drain -- tls`; `-- tls handshakes`, `live` and `drain` are
 * parts. SLUICE_TLS_ROUNDS: 9.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { Authority, type KeyKind } from '../../test/harness/certificates.ts';
import type { Child } from '../../test/harness/child.ts';
import { FarHost } from '../../test/harness/far-host.ts';
import { run } from '../../test/harness/loop-disk.ts';
import { waitFor } from '../../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './conditions.ts';
import { DrainRun, GATEWAY_FLAGS } from './drain-run.ts';
import type { TlsAnswer, TlsJob, TlsWay } from './tls-child.ts';
import type { Workspace } from './workspace.ts';

const ROUNDS = Number(process.env.SLUICE_TLS_ROUNDS ?? 9);
/** Connections of a way in a round, and those whose bytes are counted. */
const CONNECTIONS = 40;
const COUNTED = 20;
/** Messages of a turn, and turns of a round: the shorter a turn is, the more both ways meet the same load. */
const MESSAGES = 400;
const TURNS = 5;
/** A record each minute. */
const DAY = 1440;
const KINDS: readonly KeyKind[] = ['P-256', 'RSA-2048'];
const DRAINS = [
  ['json, 1,000', { format: 'json' }],
  ['columns, 10,000', { format: 'columns', batch: { maxReadings: 10_000 } }],
] as const;

export interface TlsCostPlan {
  readonly data: string;
  readonly readings: number;
  /** Empty: all. */
  readonly parts: readonly string[];
}
type NamedWay = TlsWay & { readonly name: string };

export async function tlsCost(space: Workspace, { data, readings, parts }: TlsCostPlan): Promise<void> {
  const wanted = (part: string) => parts.length === 0 || parts.includes(part);
  const [broker, openssl] = [firstLine('mosquitto', '-h'), firstLine('openssl', 'version')];
  run('ip', 'link', 'set', 'lo', 'up');
  printConditions(
    `TLS in CPU time of the gateway: ${ROUNDS} rounds in turns, median (first and third quarter). ${broker}, ${openssl}; OpenSSL ${process.versions.openssl} in Node`,
  );
  if (wanted('handshakes') || wanted('live')) {
    const far = await FarHost.make(space.asTest, 1);
    if (far === undefined) throw new Error('this measurement needs root');
    const ways = await waysTo(space, far);
    const gateway = new Gateway(space, ways);
    if (wanted('handshakes')) await handshakes(ways, gateway, far);
    if (wanted('live')) await live(ways, gateway);
  }
  if (wanted('drain')) await drain(await DrainRun.open(space, data, readings));
}

/** Mosquitto says its version and fails. */
function firstLine(...[command, word]: readonly [string, string]): string {
  return spawnSync(command, [word], { encoding: 'utf8' }).stdout.split('\n')[0] ?? '';
}

/** Listeners for each kind of certificate, which ask for one of the gateway or not. */
async function waysTo(space: Workspace, far: FarHost): Promise<NamedWay[]> {
  const ways: NamedWay[] = [];
  const lines: string[] = [];
  let port = 9000;
  for (const kind of KINDS) {
    const authority = Authority.make(space.asTest, 'Bench authority', kind);
    if (authority === undefined) throw new Error('this measurement needs openssl');
    const server = authority.sign('broker', { names: `IP:${far.host}` });
    const own = authority.sign('gateway', { names: '' });
    for (const mutual of [false, true]) {
      lines.push(`listener ${++port} ${far.host}`, `certfile ${server.cert}`, `keyfile ${server.key}`);
      if (mutual) lines.push(`cafile ${authority.ca}`, 'require_certificate true');
      const tls = { ca: authority.ca, ...(mutual && own) };
      const url = `mqtts://${far.host}:${port}`;
      const name = `${kind}${mutual ? ', client certificate' : ''}`;
      ways.push({ name: `${name}: full`, url, tls }, { name: `${name}: resumed`, url, tls, resume: true });
      if (kind !== 'P-256' || mutual) continue;
      const budget = { url, tls, thrifty: true } as const;
      ways.push({ name: `${name}, budget: full`, ...budget }, { name: `${name}, budget: resumed`, ...budget, resume: true });
    }
  }
  const pair = Authority.make(space.asTest)?.sign('other');
  const broker = pair && (await far.broker(space.asTest, pair, ['set_tcp_nodelay true', ...lines]));
  if (broker === undefined) throw new Error('this measurement needs Mosquitto and openssl');
  return [{ name: 'no TLS', url: broker.plain }, ...ways];
}

class Gateway {
  readonly #child: Child;

  constructor(space: Workspace, ways: readonly TlsWay[]) {
    const words = [path.join(import.meta.dirname, 'tls-child.ts'), JSON.stringify(ways), space.folder];
    this.#child = space.spawn(process.execPath, [...GATEWAY_FLAGS, ...words], { stdin: true, env: { MALLOC_ARENA_MAX: '2' } });
  }

  async do(job: TlsJob): Promise<TlsAnswer> {
    const { stdout, stderr } = this.#child;
    const before = stdout.length;
    this.#child.write(JSON.stringify(job));
    await waitFor(
      () => `${JSON.stringify(job)}: ${stderr.slice(-20).join('\n')}`,
      () => stdout.length > before || this.#child.over !== undefined,
      { every: 20, timeout: 10 * 60_000 },
    );
    const answer = stdout[before];
    if (answer === undefined)
      throw new Error(`${JSON.stringify(job)} ended (${this.#child.over}): ${stderr.slice(-20).join('\n')}`);
    return JSON.parse(answer) as TlsAnswer;
  }
}

/** Each way in each round, every round beginning at another one. @param warm rounds before that do not count @returns by way */
async function inTurns<T>(count: number, one: (way: number) => Promise<T>, { warm = 1, rounds = ROUNDS } = {}): Promise<T[][]> {
  const found: T[][] = Array.from({ length: count }, () => []);
  for (let round = 1 - warm; round <= rounds; round++) {
    for (let i = 0; i < count; i++) {
      const way = (i + round) % count;
      const answer = await one(way);
      if (round > 0) found[way]?.push(answer);
    }
    console.error(`round ${round} of ${rounds}`);
  }
  return found;
}

/** The median, and in brackets the quarters around it. */
function spread(values: readonly number[], digits: number): string {
  const at = (share: number) => percentile(values, share).toFixed(digits);
  return `${at(0.5)} (${at(0.25)} to ${at(0.75)})`;
}
/** By round, minus the first way. */
function beyond(values: readonly number[], first: readonly number[]): number[] {
  return values.map((value, round) => value - (first[round] ?? 0));
}

async function handshakes(ways: readonly NamedWay[], gateway: Gateway, far: FarHost): Promise<void> {
  const job = (way: number) => gateway.do({ way, do: 'connect', count: CONNECTIONS });
  const answers = await inTurns(ways.length, job);
  const rows: (string | number)[][] = [
    ['handshake', 'CPU-ms of a connection', 'beyond no TLS', 'resumed', 'bytes sent', 'received', 'packets', 'agreed'],
  ];
  const plain = (answers[0] ?? []).map(({ cpu }) => cpu / CONNECTIONS);
  for (const [way, { name }] of ways.entries()) {
    await far.quiet();
    const before = far.crossed();
    await gateway.do({ way, do: 'connect', count: COUNTED });
    await far.quiet();
    const now = far.crossed();
    const each = (of: 'sent' | 'received' | 'packets', digits = 0) => ((now[of] - before[of]) / COUNTED).toFixed(digits);
    const found = answers[way] ?? [];
    const cpu = found.map((answer) => answer.cpu / CONNECTIONS);
    const resumed = found.reduce((sum, answer) => sum + answer.resumed, 0);
    const { words } = await gateway.do({ way, do: 'words', count: 1 });
    rows.push([
      ...[name, spread(cpu, 2), way === 0 ? '' : spread(beyond(cpu, plain), 2), `${resumed} of ${CONNECTIONS * found.length}`],
      ...[each('sent'), each('received'), each('packets', 1), words],
    ]);
  }
  printTable(rows);
}

/** Over one connection, without a handshake. */
async function live(ways: readonly NamedWay[], gateway: Gateway): Promise<void> {
  const two = [0, ways.findIndex(({ tls }) => tls !== undefined)];
  const rows: (string | number)[][] = [['live traffic', 'no TLS', 'TLS', 'beyond no TLS']];
  const micro = { count: MESSAGES, scale: 1000 / MESSAGES, rounds: ROUNDS * TURNS };
  for (const { what, scale, rounds, ...job } of [
    { what: 'a message of 400 bytes and its PUBACK, CPU-µs', do: 'say', bytes: 400, ...micro },
    { what: 'a message of 12,000 bytes and its PUBACK, CPU-µs', do: 'say', bytes: 12_000, ...micro },
    { what: 'a PINGREQ and its answer, CPU-µs', do: 'ask', ...micro },
    { what: `${DAY} records of 20 points, each a batch of json, CPU-ms`, do: 'day', count: DAY, scale: 1, rounds: ROUNDS },
  ] as const) {
    const answers = await inTurns(two.length, (i) => gateway.do({ way: two[i] ?? 0, ...job }), { rounds });
    for (const [words, of] of [
      ['', 'cpu'],
      [', main thread', 'main'],
    ] as const) {
      const [plain = [], tls = []] = answers.map((found) => found.map((answer) => answer[of] * scale));
      rows.push([`${what}${words}`, spread(plain, 0), spread(tls, 0), spread(beyond(tls, plain), 0)]);
    }
  }
  printTable(rows);
}

async function drain(drains: DrainRun): Promise<void> {
  const rows: (string | number)[][] = [
    [
      ...[`drain of ${drains.readings.toLocaleString('en')} readings`, 'readings/CPU-s, no TLS', 'TLS', 'TLS, part of no TLS'],
      ...['main thread, CPU-s, no TLS', 'TLS', 'MB sent', 'main thread beyond no TLS, CPU-ms per MB'],
    ],
  ];
  const one = (i: number) => {
    const [name, keys] = DRAINS[Math.floor(i / 2)] ?? DRAINS[0];
    return drains.drain(name, { keys, tls: i % 2 === 1, alone: 0 });
  };
  // Each is a process of its own.
  const results = await inTurns(2 * DRAINS.length, one, { warm: 0 });
  for (const [k, [name]] of DRAINS.entries()) {
    const [plain = [], tls = []] = [results[2 * k], results[2 * k + 1]];
    const rate = (found: typeof plain) => found.map((one) => one.readings / one.cpu);
    const main = (found: typeof plain) => found.map((one) => one.main);
    const share = rate(tls).map((value, round) => value / (rate(plain)[round] ?? Number.NaN));
    const sent = (plain[0]?.bytes ?? 0) / 1e6;
    const perByte = beyond(main(tls), main(plain)).map((more) => (1000 * more) / sent);
    rows.push([
      ...[name, spread(rate(plain), 0), spread(rate(tls), 0), spread(share, 2)],
      ...[spread(main(plain), 2), spread(main(tls), 2), sent.toFixed(1), spread(perByte, 1)],
    ]);
  }
  printTable(rows);
}
