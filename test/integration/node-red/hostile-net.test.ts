/**
 * Flows that do harm to the gateway over the network, by signals, files and disks: every due poll is made, every reading is in the
 * log and upstream, and Node-RED works again afterwards. The network of each test has no outside.
 */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { ESCAPE, FLOOD, offeredIn, once, publish, STUBBORN, sockets } from '../../harness/hostile-flows.ts';
import { hostileSite } from '../../harness/hostile-site.ts';
import { startsWith } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const LIMITED = { timeout: 600_000 };

test('a flow that offers the broker 100,000 messages a second delays no poll', LIMITED, async (t) => {
  const site = await hostileSite(t, '', {
    buses: '  radio: {protocol: mqtt}',
    devices: '  mad: {bus: radio, topic: flood/one, points: {value: {}}}',
    rest: 'broker: {listen: {port: 0}}\n',
  });
  if (site === undefined) return;
  const { gateway } = site;
  await gateway.up();
  const port = await gateway.brokerPort();
  const add = (body: object) => request(gateway.socket, 'POST', '/api/v1/users/add', body) as Promise<{ password: string }>;
  await add({ name: 'anna', role: 'administrator', password: 'a long enough password' });
  const { password } = await add({ name: 'flood', device: true, publish: ['flood/#'], subscribe: [] });
  await site.until('running');
  assert.equal(await site.deploy(startsWith(publish(port, 'flood', password))), 204);
  await gateway.waitForLog(/^logged in$/);
  // By its own count, not by what the gateway says. How many it offers in a second is a figure of bench/node-red-hostile.ts.
  const offered = () => gateway.logs().flatMap(({ msg }) => offeredIn(msg) ?? []);
  await waitFor(
    () => `ten seconds of the flood: ${JSON.stringify(offered().at(-1))}`,
    () => offered().some(({ messages }) => messages >= 10 * FLOOD),
  );
  const counters = async () =>
    (await gateway.status()).buses.flatMap((bus) => bus.devices).find(({ name }) => name === 'mad')?.counters;
  await waitFor('messages left out', async () => ((await counters())?.leftOut ?? 0) > 5000);
  // What its account may ask for is over again and again, also for connections that it makes anew.
  await waitFor(
    'connections that were ended for it',
    async () => ((await gateway.status()).broker?.refused['account-requests'] ?? 0) > 100,
  );
  await site.nothingLost();
  assert.equal((await site.flows()).restarts, 0);
  assert.equal(await site.deploy([]), 204);
});

test('a flow that tries 10,000 sockets to the broker and to HTTP keeps nobody out for good', LIMITED, async (t) => {
  const site = await hostileSite(t, '', {
    rest: 'broker: {listen: {port: 0}}\ndashboard: {listen: [{port: 0}, {port: 0, tls: true}]}\n',
  });
  if (site === undefined) return;
  const { gateway } = site;
  await gateway.up();
  const ports = await waitFor('all listeners', async () => {
    const { broker, http } = await gateway.status();
    const web = http?.listeners.filter(({ port, fault }) => port > 0 && fault === undefined) ?? [];
    return broker?.address !== undefined && web.length === 2 ? [broker.address.port, ...web.map(({ port }) => port)] : undefined;
  });
  const { pid } = await site.until('running');
  const files = (): number => readdirSync(`/proc/${gateway.pid}/fd`).length;
  const before = files();
  assert.equal(await site.deploy(startsWith(sockets(ports))), 204);
  await gateway.waitForLog(/^opened \d+$/);
  // The socket of the gateway is no network: people on the board are never kept out.
  assert.equal((await gateway.status()).gateway.id, 'g1');
  await site.nothingLost();
  // It hears the editor late, because it is busy with its sockets.
  await waitFor('its end', async () => (await site.deploy([])) === 204);
  assert.equal((await site.flows()).pid, pid);
  // A deploy does not close what a function opened past its nodes.
  assert.deepEqual(await gateway.reload(site.yaml('  memory: 170MB')), ['nodeRed']);
  await waitFor('its files', () => files() <= before + 20);
  const [, plain = 0] = ports;
  await waitFor('an answer over HTTP', () => site.run('curl', '-sS', `http://127.0.0.1:${plain}/healthz`).length > 0);
});

test('a flow cannot signal, read or enter the gateway, nor any other process of the machine', LIMITED, async (t) => {
  const site = await hostileSite(t, '  allow: {files: true, exec: true}');
  if (site === undefined) return;
  const { gateway, folder } = site;
  await gateway.up();
  await site.until('running');
  const state = gateway.stateDir;
  const secrets = [
    `/proc/${gateway.pid}/environ`,
    `/proc/${gateway.pid}/mem`,
    `/proc/${gateway.pid}/maps`,
    `/proc/${gateway.pid}/fd`,
  ];
  const files = [`${state}/node-red.secret`, `${state}/log.db`, `${gateway.folder}/run`, '/etc/shadow', state];
  // Each word of the answer says what went wrong for the flow; `done` says that something did not.
  const code = `${ESCAPE}
const fs = load('fs');
const all = {};
const attempt = (name, run) => { try { run(); all[name] = 'done'; } catch (e) { all[name] = e.code ?? String(e); } };
for (const file of ${JSON.stringify([...secrets, ...files])})
  attempt('read ' + file, () => { if (fs.statSync(file).isDirectory()) fs.readdirSync(file); else { const fd = fs.openSync(file, 'r'); fs.readSync(fd, Buffer.alloc(10)); } });
attempt('kill parent', () => proc.kill(${gateway.pid}, 'SIGKILL'));
attempt('stop parent', () => proc.kill(${gateway.pid}, 'SIGSTOP'));
attempt('write', () => fs.writeFileSync('${state}/log.db', 'x'));
attempt('link', () => fs.linkSync('${state}/log.db', '${folder}/log.db'));
attempt('hard link', () => fs.linkSync('/etc/hostname', '${folder}/hostname'));
attempt('rename', () => fs.renameSync('${folder}', '${folder}-2'));
// What it may do: links in its own folder, to places that it may not enter.
fs.symlinkSync('${state}', '${folder}/state');
fs.symlinkSync('${state}/sluice.sock', '${folder}/other.sock');
attempt('through a link', () => fs.readdirSync('${folder}/state/'));
attempt('its socket', () => { fs.rmSync('${folder}/editor.sock'); fs.symlinkSync('${state}/sluice.sock', '${folder}/editor.sock'); });
load('child_process').execFile('sh', ['-c', 'cat ${state}/node-red.secret /proc/${gateway.pid}/environ; kill -9 ${gateway.pid}; echo over'], (e, out, err) => {
  all.program = out.trim();
  node.warn('tried ' + JSON.stringify(all));
});
return null;`;
  assert.equal(await site.deploy(startsWith(code)), 204);
  const line = await gateway.waitForLog(/^tried /);
  const tried = JSON.parse(line.msg.slice(6)) as Record<string, string>;
  const { program, 'its socket': socket, ...refused } = tried;
  assert.deepEqual([program, socket], ['over', 'done']);
  for (const [what, how] of Object.entries(refused)) assert.match(how, /^(EACCES|EPERM|ENOENT|EBUSY|ESRCH|EXDEV)$/, what);
  assert.ok(Object.keys(refused).length >= 14);
  await site.nothingLost();

  // A restart with what it left in its folder: the gateway writes nowhere through these links, and takes no socket of another user.
  const log = path.join(state, 'log.db');
  const before = lstatSync(log).ino;
  assert.deepEqual(await gateway.reload(site.yaml('  memory: 170MB\n  allow: {files: true, exec: true}')), ['nodeRed']);
  await waitFor('another process', async () => (await site.flows()).state === 'running' && site.nodeReds().length === 1);
  assert.equal(lstatSync(log).ino, before);
  assert.ok(lstatSync(gateway.socket).isSocket());
  await site.nothingLost();
  assert.equal(site.most(), 1);
});

test('a flow that does not end, with programs in other sessions, leaves no program', LIMITED, async (t) => {
  const site = await hostileSite(t, '  allow: {exec: true}');
  if (site === undefined) return;
  const { gateway, net } = site;
  await gateway.up();
  const first = await site.until('running');
  // One keeps the environment, one has none, and the parent of both is gone.
  const code = `${STUBBORN.replace('return null;', '')}
load('child_process').spawn('sh', ['-c', 'setsid sleep 4321 & env -i setsid sleep 4322 & exit 0'], { stdio: 'ignore' }).on('exit', () => node.warn('left two'));
return null;`;
  assert.equal(await site.deploy(startsWith(code)), 204);
  await gateway.waitForLog(/^left two$/);
  const programs = (): number[] => ofUser(net.uid, /^sleep 432[12]$/);
  // It runs again with each process. The programs of the one before are gone by then.
  let before = await waitFor('both programs', () => (programs().length === 2 ? programs() : undefined));
  for (const how of ['reload', 'kill of the process', 'kill of the gateway'] as const) {
    const [pid = 0] = site.nodeReds();
    if (how === 'reload') {
      assert.deepEqual(await gateway.reload(site.yaml('  memory: 170MB\n  allow: {exec: true}')), ['nodeRed']);
    } else if (how === 'kill of the process') process.kill(pid, 'SIGKILL');
    else {
      await gateway.kill();
      await gateway.up();
    }
    await waitFor(
      () => `the next process after a ${how}; ${gateway.tail()}`,
      async () => (await site.flows()).state === 'running' && site.nodeReds().length === 1 && !site.nodeReds().includes(pid),
    );
    const old = before;
    assert.deepEqual(
      programs().filter((one) => old.includes(one)),
      [],
      how,
    );
    before = await waitFor('both programs again', () => (programs().length === 2 ? programs() : undefined));
  }
  await site.nothingLost();
  assert.notEqual(first.pid, site.nodeReds()[0]);
  assert.equal(await gateway.stop(), 0);
  assert.deepEqual([site.processes(), ofUser(net.uid)], [[], []]);
  assert.equal(site.most(), 1);
});

test('a flow that forks without end has 64 tasks, and all of them end with it', LIMITED, async (t) => {
  const site = await hostileSite(t, '  allow: {exec: true}');
  if (site === undefined) return;
  const { gateway, net } = site;
  await gateway.up();
  await site.until('running');
  const bomb = `${ESCAPE} load('child_process').execFile('sh', ['-c', 'while :; do sleep 4321 & done']).on('error', () => {}); return null;`;
  assert.equal(await site.deploy(startsWith(once(bomb))), 204);
  await waitFor('all tasks that it may have', () => tasksOf(net.uid) >= 60);
  assert.ok(tasksOf(net.uid) <= 64, `${tasksOf(net.uid)} tasks`);
  await site.nothingLost();
  assert.equal(await gateway.stop(), 0);
  assert.deepEqual(ofUser(net.uid), []);
});

/** Numbers of the processes of a user whose command line is such a one. */
function ofUser(uid: number, words = /^/): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'latin1');
        if (Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) !== uid || /^State:\s+Z/m.test(status)) return false;
        return words.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim());
      } catch {
        return false;
      }
    });
}

function tasksOf(uid: number): number {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'latin1');
        return Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) === uid ? Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]) : 0;
      } catch {
        return 0;
      }
    })
    .reduce((sum, n) => sum + n, 0);
}
