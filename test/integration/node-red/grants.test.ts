/** The rights of `nodeRed.allow`, each off and on, in the real Node-RED. With all of them the user of Node-RED still holds. */
// Takes minutes: it starts before the others.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { npmRegistry, type Registry } from '../../fakes/npm-registry.ts';
import { flowUser } from '../../harness/flow-user.ts';
import { ESCAPE } from '../../harness/hostile-flows.ts';
import { type NodeRedSite, nodeRedSite, startsWith } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { asRoot, nodeRedPeer } from '../../peers/peers.ts';

const LIMITED = { timeout: 600_000 };
const NODE = `module.exports = (RED) => {
  RED.nodes.registerType('tiny', function (config) {
    RED.nodes.createNode(this, config);
    this.on('input', (msg, send, done) => { this.warn('tiny says ' + msg.payload); send(msg); done(); });
  });
};`;
const PAGE = `<script type="text/javascript">RED.nodes.registerType('tiny', {category: 'function', defaults: {}, inputs: 1, outputs: 1});</script>`;
const PACKAGES = [
  {
    name: 'node-red-contrib-tiny',
    manifest: { keywords: ['node-red'], 'node-red': { version: '>=3', nodes: { tiny: 'tiny.js' } } },
    files: { 'tiny.js': NODE, 'tiny.html': PAGE },
  },
  { name: 'tiny-module', manifest: { main: 'index.js' }, files: { 'index.js': "module.exports = (n) => 'twice ' + 2 * n;" } },
];

interface Granted {
  readonly site: NodeRedSite;
  readonly registry: Registry;
  readonly folder: string;
}

/** A gateway whose Node-RED finds the registry of the test. undefined after a skip. */
async function granted(t: TestContext, allow: string): Promise<Granted | undefined> {
  if (!asRoot(t, 'run Node-RED under another user') || !nodeRedPeer(t)) return undefined;
  const registry = await npmRegistry(t, PACKAGES);
  const site = await nodeRedSite(t, `  allow: {${allow}}`);
  assert.equal(site.runsAs, 'user');
  const folder = `${site.gateway.stateDir}-node-red`;
  const { uid, gid } = flowUser();
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(path.join(folder, '.npmrc'), `registry=${registry.url}\naudit=false\nfund=false\nupdate-notifier=false\n`);
  for (const one of [folder, path.join(folder, '.npmrc')]) chownSync(one, uid, gid);
  await site.gateway.up();
  await site.until('running');
  return { site, registry, folder };
}

const withModule = (code: string): object[] => startsWith(code, [], { libs: [{ var: 'tiny', module: 'tiny-module' }] });

/** What the gateway keeps for itself stays closed, whatever the flow is: its user may not. */
async function secretsHold({ site, folder }: Granted): Promise<void> {
  const { gateway } = site;
  const secret = readFileSync(path.join(gateway.stateDir, 'node-red.secret'), 'utf8').trim();
  const code = `${ESCAPE}
const all = [];
for (const file of ['${gateway.stateDir}/node-red.secret', '${gateway.stateDir}/log.db', '/proc/${gateway.pid}/environ', '${gateway.stateDir}'])
  try { load('fs').readFileSync(file); all.push('read ' + file); } catch (e) { all.push(e.code); }
node.warn('secrets ' + JSON.stringify({ all, env: Object.keys(proc.env).filter((n) => /SECRET|TOKEN|PASSWORD|SLUICE_(?!FLOWS_OF)/.test(n)), uid: proc.getuid(), groups: proc.getgroups() }));
return null;`;
  assert.equal(await site.deploy(startsWith(code)), 204);
  const line = await gateway.waitForLog(/^secrets /);
  const said = JSON.parse(line.msg.slice(8)) as { all: string[]; env: string[]; uid: number; groups: number[] };
  for (const one of said.all) assert.match(one, /^(EACCES|EPERM|ENOENT|ERR_ACCESS_DENIED)$/);
  const { uid, gid } = flowUser();
  assert.deepEqual([said.env, said.uid, said.groups], [[], uid, [gid]]);
  assert.ok(!gateway.tail(500).includes(secret));
  assert.equal(statSync(folder).mode & 0o077, 0);
  await site.assertPolled();
}

test('without rights no palette, no module, no program and no file outside is to be had', LIMITED, async (t) => {
  const all = await granted(t, 'exec: false');
  if (all === undefined) return;
  const { site, registry } = all;
  const installed = await site.ask('POST', '/nodes', { module: 'node-red-contrib-tiny', version: '1.0.0' });
  assert.notEqual(installed.code, 200);
  await site.deploy(withModule('node.warn(tiny(21)); return msg;'));
  await waitFor('words about the module', async () => {
    const { fault } = await site.flows();
    return (
      /modules are missing: tiny-module/.test(fault ?? '') ||
      site.gateway.logs().some(({ msg }) => /not allowed|tiny-module/.test(msg))
    );
  });
  assert.deepEqual(registry.asked, []);
  const program = `${ESCAPE} try { load('child_process').execFileSync('id'); node.warn('started'); } catch (e) { node.warn('refused ' + e.code); } return null;`;
  assert.equal(await site.deploy(startsWith(program)), 204);
  await site.gateway.waitForLog(/^refused ERR_ACCESS_DENIED$/);
  await secretsHold(all);
});

test('allow.palette installs a palette, whose node runs and survives a restart', LIMITED, async (t) => {
  const all = await granted(t, 'palette: true');
  if (all === undefined) return;
  const { site, registry, folder } = all;
  const installed = await waitFor('an answer', () =>
    site.ask('POST', '/nodes', { module: 'node-red-contrib-tiny', version: '1.0.0' }),
  );
  // On a loaded machine the answer may come too late, and the question is asked again.
  const done = installed.code === 200 || installed.body.includes('module_already_loaded');
  assert.ok(done, `${installed.body}\n${site.gateway.tail()}`);
  assert.ok(registry.asked.some((one) => one.endsWith('.tgz')));
  assert.ok(existsSync(path.join(folder, 'node_modules', 'node-red-contrib-tiny')));
  const flow = startsWith('return msg;', [{ id: 'tiny', type: 'tiny', z: 'tab', x: 0, y: 0, wires: [[]] }]);
  assert.equal(await site.deploy(flow), 204);
  await site.gateway.waitForLog(/^tiny says 1$/);
  const { pid } = await site.flows();
  assert.deepEqual(await site.gateway.reload(site.yaml('  memory: 170MB\n  allow: {palette: true}')), ['nodeRed']);
  await waitFor('another process', async () => (await site.flows()).state === 'running' && (await site.flows()).pid !== pid);
  await waitFor('its node again', () => site.gateway.logs().filter(({ msg }) => msg === 'tiny says 1').length >= 2);
  // The exec node is another right.
  assert.ok(!(await site.ask('GET', '/nodes')).body.includes('"exec"'));
  await secretsHold(all);
});

test('allow.modules fetches the module that a function names', LIMITED, async (t) => {
  const all = await granted(t, 'modules: true');
  if (all === undefined) return;
  const { site, registry } = all;
  const code = await waitFor('a deploy', () => site.deploy(withModule('node.warn(tiny(21)); return msg;')));
  assert.equal(code, 204, site.gateway.tail());
  await site.gateway.waitForLog(/^twice 42$/);
  assert.ok(registry.asked.some((one) => one.endsWith('.tgz')));
  assert.notEqual((await site.ask('POST', '/nodes', { module: 'node-red-contrib-tiny', version: '1.0.0' })).code, 200);
  await secretsHold(all);
});

test('allow.files opens what the user of Node-RED may open, and nothing of the gateway', LIMITED, async (t) => {
  const all = await granted(t, 'files: true');
  if (all === undefined) return;
  const { site } = all;
  const outside = path.join(site.gateway.folder, 'outside');
  mkdirSync(outside);
  chownSync(outside, flowUser().uid, flowUser().gid);
  const file = path.join(outside, 'kept.txt');
  // The function sends to all three; the last one gets the file as well.
  const flow = startsWith("msg.payload = 'kept'; return msg;", [
    { id: 'write', type: 'file', z: 'tab', filename: file, filenameType: 'str', overwriteFile: 'true', wires: [[]] },
    { id: 'read', type: 'file in', z: 'tab', filename: '/etc/passwd', filenameType: 'str', format: 'utf8', wires: [['say']] },
    { id: 'say', type: 'function', z: 'tab', outputs: 1, libs: [], func: "node.warn(msg.payload.split(':')[0]);", wires: [[]] },
  ]);
  assert.equal(await site.deploy(flow), 204);
  await site.gateway.waitForLog(/^root$/);
  await waitFor('the file outside', () => existsSync(file) && /^kept/.test(readFileSync(file, 'utf8')));
  const program = `${ESCAPE} try { load('child_process').execFileSync('id'); node.warn('started'); } catch (e) { node.warn('refused ' + e.code); } return null;`;
  assert.equal(await site.deploy(startsWith(program)), 204);
  await site.gateway.waitForLog(/^refused ERR_ACCESS_DENIED$/);
  await secretsHold(all);
});

test('with every right at once, memory and tasks end where they ended before', LIMITED, async (t) => {
  const all = await granted(t, 'exec: true, files: true, palette: true, modules: true');
  if (all === undefined) return;
  const { site } = all;
  await secretsHold(all);
  const { pid } = await site.flows();
  const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
  assert.match(limits, /^Max processes +64 /m);
  assert.match(limits, /^Max open files +1024 /m);
  const hungry = `if (context.get('once', 'file')) return null; context.set('once', 1, 'file'); const all = []; setInterval(() => { try { all.push(Buffer.alloc(4e6, 1)); } catch {} }, 5); return null;`;
  assert.equal(await site.deploy(startsWith(hungry)), 204);
  await waitFor('its end', async () => (await site.flows()).restarts > 0);
  await waitFor('a deploy without it', async () => (await site.flows()).state === 'running' && (await site.deploy([])) === 204);
  await site.assertPolled();
});
