/**
 * Reloads without end between two configurations that share nothing but the log: nothing of what was exchanged stays behind. A reload
 * during a reload, and a stop in the middle of one.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { fakeTcp } from '../../fakes/modbus-device.ts';
import { freePort } from '../../harness/free-port.ts';
import { memoryFalls } from '../../harness/memory-falls.ts';
import { nodeRedSite } from '../../harness/node-red-site.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const RELOADS = 200;
/** The first ones fill caches and pools. */
const WARM = 40;
/** MB: V8 and malloc take about 20 more for a while. */
const MOST_GROWTH = 60;

/** Descriptors, ports on which the process listens, and MB in memory. */
function held(pid: number) {
  const links = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  const inodes = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n').slice(1);
  const ports = rows.flatMap((row) => {
    const cells = row.trim().split(/\s+/);
    const isOurs = cells[3] === '0A' && inodes.has(cells[9] ?? '');
    return isOurs ? [Number.parseInt(cells[1]?.split(':')[1] ?? '', 16)] : [];
  });
  const resident = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  return { files: links.length, ports: ports.sort((a, b) => a - b), resident };
}

async function ports(n: number): Promise<number[]> {
  const all = new Set<number>();
  while (all.size < n) all.add(await freePort());
  return [...all].sort((a, b) => a - b);
}

test('200 reloads leave no descriptor, listener or memory behind, and Node-RED goes on', async (t) => {
  const site = await nodeRedSite(t);
  const { gateway } = site;
  const sets = [await ports(4), await ports(4)];
  const yaml = (which: 0 | 1): string => {
    const [dashboard, editor, http, broker] = sets[which] ?? [];
    const text = site.yaml(`  editor: {listen: {port: ${editor}}}
  http: {listen: {port: ${http}}}
dashboard: {listen: [{port: ${dashboard}}, {port: 0, tls: true}]}
broker: {listen: {host: 127.0.0.1, port: ${broker}}}
forwarders: {up-${which}: {type: mqtt, url: 'mqtt://127.0.0.1:1'}}
rules: {rule-${which}: {point: d1.n, above: 5}}`);
    return which === 0 ? text : text.replace('interval: 1s', 'interval: 500ms');
  };
  gateway.write(yaml(0));
  await gateway.up();
  const { pid } = await site.until('running');
  const settled = async (which: 0 | 1) => {
    const wanted = sets[which] ?? [];
    return await waitFor('exactly the ports of this configuration', () => {
      const now = held(gateway.pid);
      const given = now.ports.filter((port) => !wanted.includes(port));
      return wanted.every((port) => now.ports.includes(port)) && given.length === 1 ? now : undefined;
    });
  };
  let begin: Awaited<ReturnType<typeof settled>> | undefined;
  for (let n = 1; n <= RELOADS + WARM; n++) {
    const changed = await gateway.reload(yaml((n % 2) as 0 | 1));
    assert.ok(
      ['buses.field', 'rules', 'broker', 'dashboard', 'nodeRed'].every((part) => changed.includes(part)),
      `${n}: ${changed}`,
    );
    if (n === WARM) begin = await settled(0);
  }
  await settled(0);
  assert.ok(begin !== undefined);
  await waitFor(
    () => `the descriptors of before, ${begin.files}: ${held(gateway.pid).files}`,
    () => held(gateway.pid).files <= begin.files + 2,
  );
  t.diagnostic(`${RELOADS} reloads: ${begin.files} then ${held(gateway.pid).files} descriptors`);
  const grown = () => held(gateway.pid).resident - begin.resident;
  t.diagnostic(`${grown().toFixed(1)} MB more`);
  await memoryFalls(grown, MOST_GROWTH, () => gateway.status());
  assert.equal((await site.flows()).pid, pid);
  await site.assertPolled(500);
  // While one is under way: signals, requests, and another file.
  const many = Array.from({ length: 12 }, (_, n) => {
    gateway.write(yaml((n % 2) as 0 | 1));
    gateway.signal('SIGHUP');
    return request(gateway.socket, 'POST', '/api/v1/reload');
  });
  await Promise.allSettled(many);
  gateway.write(yaml(1));
  await request(gateway.socket, 'POST', '/api/v1/reload');
  await settled(1);
  const { forwarders } = await gateway.status();
  assert.deepEqual(
    forwarders.map(({ name }) => name),
    ['up-1'],
  );
  assert.equal(await gateway.stop(), 0);
});

test('a stop in the middle of a reload ends in order, and the next start finds its log whole', async (t) => {
  const device = await fakeTcp(t);
  const sets = [await ports(2), await ports(2)];
  const yaml = (g: Gateway, which: 0 | 1) => `
${g.section}
buses: {field: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {d1: {bus: field, unit: 1, interval: ${which === 0 ? 50 : 70}ms, points: {n: {table: holding, address: 0, type: uint16}}}}
dashboard: {listen: [{port: ${sets[which]?.[0]}}, {port: 0, tls: true}]}
broker: {listen: {host: 127.0.0.1, port: ${sets[which]?.[1]}}}
forwarders: {up-${which}: {type: mqtt, url: 'mqtt://127.0.0.1:1'}}
`;
  const gateway = makeGateway(t, (g) => yaml(g, 0));
  let records = 0;
  for (let n = 0; n < 12; n++) {
    await gateway.up();
    const { log } = await waitFor('readings', async () => {
      const status = await gateway.status();
      return status.log.records > records ? status : undefined;
    });
    records = log.records;
    assert.deepEqual([log.salvages, log.lostRecords, log.faults], [0, 0, []]);
    gateway.write(yaml(gateway, ((n + 1) % 2) as 0 | 1));
    const reload = request(gateway.socket, 'POST', '/api/v1/reload').catch(() => undefined);
    // Where the stop meets the reload is up to the machine: from before its first step to after its last.
    await new Promise((resolve) => setTimeout(resolve, 4 * n));
    assert.equal(await gateway.stop(), 0, `stop ${n}`);
    await reload;
  }
});
