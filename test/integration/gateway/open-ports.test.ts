/** What a fresh installation listens on, in a network of its own, compared with the page of the security scorecard. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { startChild } from '../../harness/child.ts';
import { closedNet } from '../../harness/closed-net.ts';
import { documentedPorts } from '../../harness/documented-ports.ts';
import { makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const LISTENS = '0A';

/** `127.0.0.1:1883 TCP`, sorted: listening sockets of TCP, and every socket of UDP. */
function portsOf(tables: Readonly<Record<string, string>>): string[] {
  const ports = Object.entries(tables).flatMap(([name, table]) =>
    table
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([number = '', , , state]) => /^\d+:$/.test(number) && (name.startsWith('udp') || state === LISTENS))
      .map(([, local = '']) => {
        const [address = '', port = ''] = local.split(':');
        const bytes = [...Buffer.from(address, 'hex')].reverse();
        const host = address.length === 8 ? bytes.join('.') : `[${address}]`;
        return `${host}:${Number.parseInt(port, 16)} ${name.slice(0, 3).toUpperCase()}`;
      }),
  );
  return ports.toSorted();
}

test('the open ports of a fresh installation are those of the page', { timeout: 400_000 }, async (t) => {
  const net = await closedNet(t);
  if (net === undefined) return;
  const gateway = makeGateway(t, () => '');
  const { code, stderr } = await sluice(t, 'init', path.join(gateway.folder, 'fresh'));
  assert.equal(code, 0, stderr);
  const fresh = readFileSync(path.join(gateway.folder, 'fresh', 'gateway.yaml'), 'utf8');
  // Nothing but the places of this test is changed.
  const yaml = fresh.replace(/^gateway:$/m, `gateway:\n  stateDir: ${gateway.stateDir}\n  runtimeDir: ${gateway.runtimeDir}`);
  assert.notEqual(yaml, fresh);
  gateway.write(yaml);
  gateway.before = net.before;
  await gateway.up();
  await waitFor('both listeners', async () => {
    const { broker, http } = await gateway.status();
    return broker?.state === 'listening' && http?.state === 'listening';
  });
  const [program = '', ...words] = net.before;
  const tables: Record<string, string> = {};
  for (const name of ['tcp', 'tcp6', 'udp', 'udp6']) {
    const child = startChild(t, program, [...words, 'cat', `/proc/net/${name}`]);
    assert.equal(await child.ended, 0);
    tables[name] = child.stdout.join('\n');
  }
  const documented = documentedPorts();
  assert.deepEqual(portsOf(tables), documented);
  assert.ok(documented.length > 0);
});
