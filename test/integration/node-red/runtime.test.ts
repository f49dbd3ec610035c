/** The real Node-RED beside a gateway: what a flow may do, what the log and the status show, and what is left after a stop. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { existsSync, lstatSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { nodeRedSite, startsWith } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

test('flows run behind the fence, and their lines are in the log of the gateway', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  const { gateway } = site;
  await gateway.up();
  const ready = await site.until('running');
  assert.equal(ready.runsAs, site.runsAs);
  assert.equal(ready.version, '5.0.7');

  // Only the gateway enters the folder of the socket, and nobody else the folder of the flows.
  assert.equal(statSync(gateway.stateDir).mode & 0o007, 0);
  assert.equal(lstatSync(path.join(gateway.stateDir, 'node-red.sock')).mode & 0o077, 0);
  const folder = site.runsAs === 'user' ? `${gateway.stateDir}-node-red` : path.join(gateway.stateDir, 'node-red');
  assert.equal(statSync(folder).mode & 0o077, 0);
  assert.equal(statSync(path.join(gateway.stateDir, 'node-red.secret')).mode & 0o077, 0);

  const nodes = await site.ask('GET', '/nodes');
  assert.equal(nodes.code, 200);
  assert.ok(nodes.body.includes('"function"') && !nodes.body.includes('"exec"'), 'there is no exec node');
  assert.notEqual((await site.ask('POST', '/nodes', { module: 'node-red-node-random' })).code, 200);

  const outside = path.join(gateway.folder, 'outside');
  const files = [
    { id: 'inside', type: 'file', z: 'tab', filename: 'kept.txt', filenameType: 'str', overwriteFile: 'true', wires: [[]] },
    { id: 'outside', type: 'file', z: 'tab', filename: outside, filenameType: 'str', overwriteFile: 'true', wires: [[]] },
    { id: 'passwd', type: 'file in', z: 'tab', filename: '/etc/passwd', filenameType: 'str', format: 'utf8', wires: [[]] },
  ];
  const code = "node.warn('hello http://ann:secret@example.org/'); console.log('printed'); return msg;";
  assert.equal(await site.deploy(startsWith(code, files)), 204);
  const line = await gateway.waitForLog(/^hello/);
  const { level, part, node, nodeType, nodeName, msg } = line;
  assert.deepEqual(
    { level, part, node, nodeType, nodeName, msg },
    { level: 40, part: 'flows', node: 'run', nodeType: 'function', nodeName: 'mine', msg: 'hello http://[secret]@example.org/' },
  );
  await gateway.waitForLog(/^printed$/);
  const refused = await waitFor('two refusals', () => {
    const found = gateway.logs().filter((one) => one.level === 50 && one.part === 'flows');
    return found.length >= 2 ? found : undefined;
  });
  assert.deepEqual(refused.map((one) => one.node).sort(), ['outside', 'passwd']);
  assert.equal(existsSync(outside), false);
  await waitFor('the file inside', () => existsSync(path.join(folder, 'kept.txt')));

  const secrets = gateway.logs().filter((one) => JSON.stringify(one).includes('secret@example'));
  assert.deepEqual(secrets, []);

  assert.equal(site.processes().length, 1);
  assert.deepEqual(await gateway.reload(site.yaml('  memory: 170MB')), ['nodeRed']);
  await waitFor(
    'another process',
    async () => (await site.flows()).state === 'running' && (await site.flows()).pid !== ready.pid,
  );
  assert.equal(site.processes().length, 1);
  assert.deepEqual(await gateway.reload(site.yaml('  memory: 170MB\n  enabled: false').replace('  enabled: true\n', '')), [
    'nodeRed',
  ]);
  await waitFor('its end', () => site.processes().length === 0);
  assert.equal((await gateway.status()).flows, undefined);
  const before = await site.polls();
  await waitFor('polls after it', async () => (await site.polls()).replies > before.replies + 2);
  await site.assertPolled();
  assert.equal(await gateway.stop(), 0);
});

test('flows that need a type that is not there do not run, and the status says which', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await site.gateway.up();
  await site.until('running');
  const nodes = ['exec', 'modbus-read'].map((type) => ({ id: `a-${type}`, type, z: 'tab', wires: [] }));
  assert.equal(await site.deploy(startsWith("node.warn('it runs'); return msg;", nodes)), 204);
  const { state, fault } = await waitFor('the fault', async () => {
    const flows = await site.flows();
    return flows.fault === undefined ? undefined : flows;
  });
  assert.equal(state, 'running');
  assert.match(fault ?? '', /^these types of nodes are missing: exec, modbus-read; /);
  assert.equal(await site.deploy(startsWith("node.warn('it runs'); return msg;")), 204);
  await site.gateway.waitForLog(/^it runs$/);
  assert.equal((await site.flows()).fault, undefined);
  assert.equal(await site.gateway.stop(), 0);
});

test('a stop of the gateway ends a node that never closes, with all that it started', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t, '  allow: {exec: true}');
  await site.gateway.up();
  await site.until('running');
  const exec = {
    id: 'sleeper',
    type: 'exec',
    z: 'tab',
    x: 0,
    y: 0,
    command: 'sleep 1000',
    useSpawn: 'true',
    wires: [[], [], []],
  };
  const flow = startsWith("node.warn('runs'); return msg;", [exec], { finalize: 'for (;;);' });
  assert.equal(await site.deploy(flow), 204);
  await site.gateway.waitForLog(/^runs$/);
  await waitFor(
    () => `the program of the exec node; last lines:\n${site.gateway.tail()}`,
    () => site.processes().length >= 2,
  );
  assert.equal(await site.gateway.stop(), 0);
  assert.deepEqual(site.processes(), []);
});

test('a killed gateway starts again with one Node-RED, though the old one hangs', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await site.gateway.up();
  await site.until('running');
  assert.equal(await site.deploy(startsWith("node.warn('loops'); setTimeout(() => { for (;;); }, 200); return null;")), 204);
  await site.gateway.waitForLog(/^loops$/);
  const [old] = site.processes();
  await waitFor(
    'a process that does not answer',
    async () => (await site.ask('GET', '/settings', undefined, 3_000).catch(() => undefined)) === undefined,
  );
  await site.gateway.kill();
  assert.deepEqual(site.processes(), [old]);
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, site.runtimes().length);
  }, 10);
  t.after(() => clearInterval(watch));
  await site.gateway.up();
  const report = await waitFor('the next process', async () => {
    const flows = await site.flows();
    return flows.pid !== undefined && flows.pid !== old ? flows : undefined;
  });
  assert.deepEqual(site.processes(), [report.pid]);
  assert.equal(most, 1);
  // It left nothing behind that keeps a stop from ending.
  assert.equal(await site.gateway.stop(), 0);
  assert.deepEqual(site.processes(), []);
});
