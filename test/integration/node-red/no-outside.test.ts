/** The suites of Node-RED and of the status page run in a network without an outside: nothing that they show can rest on the internet. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { OUTSIDE, ownNet } from '../../harness/no-outside.ts';
import { asRoot, peer } from '../../peers/peers.ts';

/** RFC 5737 and RFC 3849: addresses for documentation. */
const NOWHERE = ['192.0.2.1', '198.51.100.7', '2001:db8::1'];

async function connect(host: string, port: number): Promise<string> {
  const socket = net.connect({ host, port });
  try {
    await once(socket, 'connect');
    return 'connected';
  } catch (thrown) {
    return String((thrown as { code?: unknown }).code);
  } finally {
    socket.destroy();
  }
}

test('inside there is a loopback and no way out', async (t) => {
  if (!asRoot(t, 'make a network namespace')) return;
  for (const [tool, install] of [
    ['unshare', 'util-linux'],
    ['setpriv', 'util-linux'],
    ['ip', 'iproute2'],
  ] as const)
    if (peer(t, tool, `apt-get install -y ${install}`) === undefined) return;
  assert.match(process.env[OUTSIDE] ?? '', /^net:\[\d+\]$/);
  assert.notEqual(ownNet(), process.env[OUTSIDE]);
  assert.deepEqual(Object.keys(networkInterfaces()), ['lo']);
  for (const host of NOWHERE) assert.equal(await connect(host, 80), 'ENETUNREACH', host);
  const server = net.createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  assert.equal(await connect('127.0.0.1', (server.address() as net.AddressInfo).port), 'connected');
  server.close();
});

test('every suite of Node-RED and of the status page enters that network first', () => {
  const suites = (folder: string, name: RegExp): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => name.test(file))
      .map((file) => path.join(folder, file));
  const own = suites(import.meta.dirname, /\.test\.ts$/);
  const pages = suites(path.join(import.meta.dirname, '../admin'), /^status-page.*\.test\.ts$/);
  assert.ok(own.length > 25, String(own.length));
  assert.ok(pages.length >= 3, String(pages.length));
  for (const file of [...own, ...pages]) {
    const [first] = readFileSync(file, 'utf8').match(/^import .*$/m) ?? [];
    assert.match(first ?? '', /^import '(\.\.\/)+harness\/no-outside\.ts';$/, file);
  }
});
