/** Bytes on the wire: what a forwarder counts against what tshark sees of the same connections, and over a restart. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { WireMeter } from '../../../src/forwarders/mqtt/wire/wire-meter.ts';
import { Authority } from '../../harness/certificates.ts';
import { Child } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { openUpstream } from '../../harness/open-upstream.ts';
import { scratch } from '../../harness/scratch.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { peer } from '../../peers/peers.ts';

/** Sizes of the messages of each connection. */
const CONNECTIONS = [[], [10], [300, 300, 300], [1000, 5000, 100], Array.from({ length: 20 }, () => 120)];

interface Seen {
  readonly sent: number;
  readonly received: number;
  readonly headers: number;
}

const LIVE = ['tcp.srcport', 'tcp.dstport', 'tcp.flags.fin', 'tcp.flags.reset'];
const fieldArgs = (fields: readonly string[]): string[] => ['-T', 'fields', ...fields.flatMap((field) => ['-e', field])];

/** Connections of a port that both sides ended, or one of them broke. @param lines with the fields LIVE */
function endsOf(lines: readonly string[], port: number): number {
  const sides = new Map<number, Set<number>>();
  for (const line of lines) {
    const [from = 0, to = 0, ...flags] = line.split('\t');
    const [fin, reset] = flags.map((flag) => flag === '1' || flag === 'True');
    const [here, there] = [Number(from), Number(to)];
    if (here !== port && there !== port) continue;
    const client = here === port ? there : here;
    const ended = sides.get(client) ?? new Set();
    sides.set(client, ended);
    if (fin || reset) ended.add(here);
    if (reset) ended.add(there);
  }
  return [...sides.values()].filter(({ size }) => size === 2).length;
}

/** Captures what passes at a port of this machine. undefined after a skip. */
async function capture(t: TestContext, port: number): Promise<(() => Promise<Seen>) | undefined> {
  const tshark = peer(t, 'tshark', 'apt-get install -y tshark');
  if (tshark === undefined) return undefined;
  const file = path.join(scratch(t, 'capture'), 'lo.pcap');
  // Closed ports: the first shows that the capture runs, the second that it has everything before.
  const [probe, mark] = [await freePort(), await freePort()];
  const filter = `tcp port ${port} or tcp port ${probe} or tcp port ${mark}`;
  // With 16 MB of the kernel's memory: a capture that gets no time for a while loses nothing.
  const child = new Child(tshark, [
    '-i',
    'lo',
    '-B',
    '16',
    '-n',
    '-f',
    filter,
    '-w',
    file,
    '-F',
    'pcap',
    '-l',
    '-P',
    ...fieldArgs(LIVE),
  ]);
  // A kill would leave the process that captures behind.
  t.after(() => child.stop('SIGTERM'));
  await waitFor(
    () => `tshark to capture: ${child.stderr.join('\n')}`,
    () => {
      connect(probe, '127.0.0.1').on('error', () => {});
      return child.over !== undefined || child.stdout.length > 0;
    },
  );
  if (child.over !== undefined) throw new Error(`tshark has no right to capture on lo: ${child.stderr.join(' ')}`);
  return async () => {
    await waitFor(
      () => `the ends of all connections:\n${child.stdout.join('\n')}`,
      () => endsOf(child.stdout, port) >= CONNECTIONS.length,
    );
    connect(mark, '127.0.0.1').on('error', () => {});
    await waitFor('the mark', () => child.stdout.some((line) => line.includes(`\t${mark}\t`)));
    await child.stop('SIGINT');
    const args = ['-r', file, '-Y', `tcp.port == ${port}`, ...fieldArgs(['ip.len', 'tcp.len', 'tcp.dstport'])];
    const { stdout } = spawnSync(tshark, args, { encoding: 'utf8' });
    const seen = { sent: 0, received: 0, headers: 0 };
    for (const line of stdout.split('\n').filter((text) => text !== '')) {
      const [all = 0, data = 0, to] = line.split('\t').map(Number);
      if (to === port) seen.sent += data;
      else seen.received += data;
      seen.headers += all - data;
    }
    return seen;
  };
}

/** One connection with some messages of different sizes, and a goodbye. */
async function talk(url: string, ca: string | undefined, meter: WireMeter, sizes: readonly number[]): Promise<void> {
  const connection = await openUpstream(url, { meter, ...(ca !== undefined && { tls: { ca } }) });
  for (const size of sizes) await connection.publish({ topic: 'a/b', payload: 'x'.repeat(size), qos: 1, retain: false });
  await connection.end(5000);
}

for (const secure of [false, true])
  test(`what is counted is what tshark sees, ${secure ? 'with' : 'without'} TLS`, async (t) => {
    const authority = secure ? Authority.make(t) : undefined;
    const { cert, key } = authority?.sign('broker') ?? {};
    const mosquitto = await Mosquitto.start(t, secure ? { extra: [`certfile ${cert}`, `keyfile ${key}`] } : {});
    if (mosquitto === undefined || (secure && authority === undefined)) return;
    const captured = await capture(t, mosquitto.port);
    if (captured === undefined) return;
    const meter = new WireMeter(() => performance.now());
    const url = `${secure ? 'mqtts' : 'mqtt'}://127.0.0.1:${mosquitto.port}`;
    for (const sizes of CONNECTIONS) await talk(url, authority?.ca, meter, sizes);
    const seen = await captured();
    const { sent, received, headers } = meter.total;
    t.diagnostic(JSON.stringify({ counted: meter.total, seen }));
    assert.equal(sent, seen.sent);
    assert.ok(
      Math.abs(received - seen.received) <= 24 * 5,
      `${received} for ${seen.received}: a last alert of TLS may not be read`,
    );
    assert.ok(headers >= seen.headers, `${headers} for ${seen.headers}`);
    assert.ok(headers <= 1.6 * seen.headers, `${headers} for ${seen.headers}`);
  });

test('a refused port costs a SYN and its refusal, and a broker that is away is counted as well', async () => {
  const meter = new WireMeter(() => performance.now());
  await assert.rejects(openUpstream(`mqtt://127.0.0.1:${await freePort()}`, { meter }));
  await waitFor('the end', () => meter.total.headers > 60);
  assert.deepEqual(meter.total, { sent: 0, received: 0, headers: 100 });
});

test('a try without an answer costs the packets of the time that it took', async () => {
  let now = 0;
  const meter = new WireMeter(() => now);
  for (const [ms, packets] of [
    [500, 1],
    [1900, 2],
    [5000, 6],
    [10_000, 7],
  ] as const) {
    const before = meter.total.headers;
    const socket = new Socket();
    meter.watch(socket);
    now += ms;
    socket.destroy();
    await once(socket, 'close');
    assert.equal(meter.total.headers - before, 60 * packets, `${ms} ms`);
  }
});

test('the bytes of the month go on after a restart of the forwarder', async (t) => {
  const mosquitto = await Mosquitto.start(t);
  if (mosquitto === undefined) return;
  let kept: unknown;
  const memory = (name: string) => ({
    load: () => (name === 'cloud@wire' ? kept : undefined),
    save: (state: unknown) => {
      if (name === 'cloud@wire') kept = JSON.parse(JSON.stringify(state));
    },
  });
  const first = await UpstreamSite.open(t, { url: mosquitto.url }, { memory });
  first.forwarder.start();
  first.add(50);
  await waitFor('the readings', () => first.forwarder.status().counters.readings === 50);
  await first.forwarder.stop(5000);
  const before = first.forwarder.status().wire;
  assert.ok(before !== undefined);
  assert.ok(before.sent > 1000 && before.received > 10 && before.headers > 300, JSON.stringify(before));
  assert.match(before.month ?? '', /^\d{4}-\d\d$/);
  const second = await UpstreamSite.open(t, { url: mosquitto.url }, { memory });
  second.forwarder.start();
  await waitFor('a connection', () => second.forwarder.connected);
  const after = second.forwarder.status().wire;
  assert.ok(after !== undefined);
  assert.ok(after.sent > before.sent && after.month === before.month, JSON.stringify({ before, after }));
});
