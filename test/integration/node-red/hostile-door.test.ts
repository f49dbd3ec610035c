/** A flow that floods the socket for flows with readings, and one that takes nothing of what it asked for: others go on. */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { doorSite } from '../../harness/door-site.ts';
import { ESCAPE } from '../../harness/hostile-flows.ts';
import { memoryFalls } from '../../harness/memory-falls.ts';
import { startsWith } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const DERIVED = {
  buses: '  derived: {protocol: flows}',
  devices: '  rooms: {bus: derived, silentAfter: 1h, accept: {prefix: room-, points: 5}}',
};
/** Megabytes that it may cost the gateway. */
const MORE_MEMORY = 90;

test('a flood of puts and a reader that takes nothing are throttled, and harm no other', { timeout: 600_000 }, async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await doorSite(t, '', DERIVED);
  const { gateway } = site;
  await gateway.up();
  await site.until('running');
  const { socket, token } = await site.door();
  const resident = (): number =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'latin1'))?.[1]) / 1024;
  const before = resident();
  // Names without end, as fast as the socket takes them; and subscriptions with all credit, of which nothing is read.
  const code = `${ESCAPE}
const net = load('net');
const dial = (then) => { const s = net.connect(${JSON.stringify(socket)}); s.on('error', () => {}); s.write(JSON.stringify({ type: 'hello', v: 1, token: ${JSON.stringify(token)}, client: 'hostile' }) + '\\n'); s.on('close', () => setTimeout(dial, 500, then)); then(s); return s; };
let n = 0;
dial((s) => {
  s.on('data', () => {});
  const pump = () => {
    if (s.destroyed) return;
    for (let i = 0; i < 50 && s.writableLength < 1e6; i++)
      s.write(JSON.stringify({ type: 'call', id: 'p' + n, do: 'put', readings: Array.from({ length: 100 }, () => ({ point: 'rooms.room-' + (n++ % 5000), value: n })) }) + '\\n');
    setTimeout(pump, 1);
  };
  pump();
});
for (let k = 0; k < 3; k++)
  dial((s) => {
    s.pause();
    for (let i = 0; i < 64; i++) s.write(JSON.stringify({ type: 'subscribe', id: 's' + i, points: ['*.*'], mode: 'every', credit: 1024 }) + '\\n');
    const ask = () => { if (s.destroyed) return; if (s.writableLength < 1e5) s.write(JSON.stringify({ type: 'call', id: 'h', do: 'history', point: 'd1.n', from: 0, to: Date.now() }) + '\\n'); setTimeout(ask, 1); };
    ask();
  });
node.warn('floods');
return null;`;
  assert.equal(await site.deploy(startsWith(code)), 204);
  await gateway.waitForLog(/^floods$/);
  const client = await site.client();
  client.say({ type: 'subscribe', id: 'good', points: ['d1.n'], mode: 'every', credit: 1000 });
  const good = (): number => client.lines.filter(({ type, id }) => type === 'readings' && id === 'good').length;
  await waitFor('readings of a client that behaves', () => good() >= 15);
  // Flows give way to everything else, so on a busy machine they flood later.
  const report = await waitFor('a flood of puts', async () => {
    const flows = await site.flows();
    return (flows.door?.refusedPuts ?? 0) + (flows.door?.leftOutPuts ?? 0) > 1000 ? flows : undefined;
  });
  t.diagnostic(`${JSON.stringify(report.door)}; memory ${before.toFixed(0)} MB before, ${resident().toFixed(0)} MB now`);
  const { puts = 0, refusedPuts = 0, leftOutPuts = 0, connections = 0 } = report.door ?? {};
  assert.ok(puts < refusedPuts + leftOutPuts);
  assert.ok(connections <= 24);
  await memoryFalls(resident, before + MORE_MEMORY, () => site.flows());
  const { replies } = await site.polls();
  await waitFor('more polls', async () => (await site.polls()).replies > replies + 2);
  await site.assertPolled();
  // Five names are accepted; the others are no points.
  const named = client.lines.filter(({ type }) => type === 'inventory').at(-1)?.devices as Record<string, { points: object }>;
  assert.ok(Object.keys(named.rooms?.points ?? {}).length <= 5);
  await waitFor('a deploy without it', async () => (await site.deploy([])) === 204);
  assert.equal(await gateway.stop(), 0);
});
