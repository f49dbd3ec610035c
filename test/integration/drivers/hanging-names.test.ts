/**
 * Names that nobody answers for, while a serial instrument talks. Serial bytes are read by the thread pool of Node, which
 * asks for names as well. libuv gives look-ups half of its threads at most, so they cannot fill it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { request, stream } from '../../../src/admin/client.ts';
import type { GatewayStatus } from '../../../src/admin/target.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { asRoot, cannot, peer } from '../../peers/peers.ts';

const PEERS = path.join(import.meta.dirname, '..', '..', 'peers');
/** A name server of this test alone: whoever asks there waits. */
const NAME_SERVER = '127.0.0.77';
const NAMES = 6;
const LINES = 40;

/** The name in a DNS query. */
function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; query[at] !== undefined && query[at] !== 0; at += 1 + (query[at] as number))
    labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] as number)));
  return labels.join('.');
}

test('six names that hang take no serial frame from a talker, and the gateway stops at once', async (t) => {
  if (!asRoot(t, 'give a program another name server')) return;
  const unshare = peer(t, 'unshare', 'apt-get install -y util-linux');
  if (unshare === undefined) return;
  if (spawnSync(unshare, ['-m', 'true']).status !== 0) return cannot(t, 'give a program mounts of its own');
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  if (python === undefined) return;
  const asked = new Set<string>();
  const server = createSocket('udp4', (query) => asked.add(nameIn(query)));
  server.bind(53, NAME_SERVER);
  await once(server, 'listening');
  t.after(() => server.close());
  const pty = startChild(t, python, [path.join(PEERS, 'paced-pty.py'), '9600'], { stdin: true });
  const [near = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  const talker = startChild(t, python, [path.join(PEERS, 'serial-talker.py'), far], { stdin: true });

  const dir = scratch(t, 'names');
  const names = Array.from({ length: NAMES }, (_, i) => `n${i}.sluice.test`);
  writeFileSync(path.join(dir, 'resolv.conf'), `nameserver ${NAME_SERVER}\noptions timeout:30 attempts:3\n`);
  writeFileSync(
    path.join(dir, 'gateway.yaml'),
    `
gateway: {id: g1, stateDir: ${dir}/state, runtimeDir: ${dir}/run}
buses:
  line: {protocol: serial, port: ${near}, baudRate: 9600}
devices:
  scale: {bus: line, frame: {type: line}, decode: {type: key-value}, points: {weight: {unit: kg}}}
forwarders:
${names.map((name, i) => `  f${i}: {type: mqtt, url: 'mqtt://${name}:1883'}`).join('\n')}
`,
  );
  const inside = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
  const run = [process.execPath, MAIN, 'run', '-c', path.join(dir, 'gateway.yaml')];
  const gateway = startChild(t, 'unshare', ['-m', 'sh', '-c', inside, 'sh', path.join(dir, 'resolv.conf'), ...run]);
  await gateway.line(/The gateway is running/);
  const socket = path.join(dir, 'state', 'sluice.sock');
  const status = () => request(socket, 'GET', '/api/v1/status') as Promise<GatewayStatus>;
  await waitFor('the port', async () => (await status()).buses[0]?.state === 'open');
  await waitFor('two look-ups that hang', () => asked.size >= 2);

  const values: unknown[] = [];
  const tailing = (async () => {
    for await (const item of stream(socket, '/api/v1/tail')) {
      values.push((item as { value?: unknown }).value);
      if (values.at(-1) === LINES) return;
    }
  })();
  // The first line after the opening may be the end of one; the tail may not listen yet.
  await waitFor(
    'the talker to be heard',
    () => {
      if (!values.includes(0)) talker.write('text weight=0');
      return values.includes(0);
    },
    { every: 200 },
  );
  for (let i = 1; i <= LINES; i++) {
    talker.write(`text weight=${i}`);
    await waitFor(`line ${i}`, () => values.includes(i));
  }
  await tailing;
  assert.deepEqual(
    values.filter((value) => value !== 0),
    Array.from({ length: LINES }, (_, i) => i + 1),
  );
  assert.equal(asked.size, 2, `half of the four threads: ${[...asked].join()}`);
  assert.ok((await status()).forwarders.every((f) => f.state !== 'connected'));
  assert.equal(await gateway.stop('SIGTERM'), 0, [...gateway.stdout, ...gateway.stderr].slice(-5).join('\n'));
  assert.match(gateway.stdout.at(-1) ?? '', /"Stopped\."/);
  assert.deepEqual(gateway.stderr, []);
});
