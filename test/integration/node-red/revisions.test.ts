/** Revisions of the flows of the real Node-RED in its fence: kept, undone with passwords, imported, and named after who deployed. */
// Takes minutes: it starts before the others.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { changeFlows, listFlows, revision, upWithFlows } from '../../harness/flow-revisions.ts';
import { ESCAPE } from '../../harness/hostile-flows.ts';
import { type NodeRedSite, nodeRedSite, startsWith } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const present = async (site: NodeRedSite): Promise<{ id: string; type: string; label?: string }[]> =>
  JSON.parse((await site.ask('GET', '/flows')).body);

const tab = (id: string, label: string) => ({ id, type: 'tab', label, disabled: false, info: '' });
/** Tells its password: the nodes of a flow and their credentials are one. */
const secretFlow = (label: string, password?: string) => [
  tab('a1', label),
  {
    ...{
      id: 'b1',
      type: 'http request',
      z: 'a1',
      name: label,
      method: 'GET',
      url: 'http://127.0.0.1:1',
      x: 100,
      y: 100,
      wires: [[]],
    },
    ...{ authType: 'basic', ...(password === undefined ? {} : { credentials: { user: 'anna', password } }) },
  },
];
/** As Node-RED holds it, in the file or in memory: only a deploy that uses it shows. */
const passwordsFile = (site: NodeRedSite): string => {
  const folder = site.runsAs === 'user' ? `${site.gateway.stateDir}-node-red` : path.join(site.gateway.stateDir, 'node-red');
  return readFileSync(path.join(folder, 'flows_cred.json'), 'utf8');
};

test('each deploy is a revision, and an undo brings back flows with the passwords of nodes', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await upWithFlows(site);
  const first = await revision(site, 1);
  assert.deepEqual([first.origin, first.who], ['found', 'unknown']);
  assert.equal(await site.deploy(secretFlow('Fridge', 'first secret')), 204);
  const second = await revision(site, 2);
  assert.deepEqual(second.changes?.added, ['Fridge']);
  assert.deepEqual([second.who, second.origin, second.nodes, second.changes?.passwords], ['unknown', 'deploy', 2, true]);
  const withFirst = passwordsFile(site);
  assert.match(withFirst, /^\{"\$":"/);

  // Another password and another name, then neither.
  assert.equal(await site.deploy(secretFlow('Fridge', 'second secret')), 204);
  const third = await revision(site, 3);
  assert.deepEqual([third.changes?.changed, third.changes?.passwords], [[], true], 'only a password changed');
  assert.equal(await site.deploy([tab('z9', 'Other')]), 204);
  await revision(site, 4);
  assert.ok(!passwordsFile(site).includes(JSON.parse(withFirst).$), 'Node-RED forgot the first password');

  const undone = await changeFlows(site, 'undo', { newest: 4 });
  assert.deepEqual([undone.revision, undone.flows, undone.passwords], [5, 'started', 'restored']);
  const again = await changeFlows(site, 'undo', {});
  assert.equal(again.revision, 6);
  const six = await revision(site, 6);
  assert.deepEqual([six.origin, six.of], ['undo', '2']);
  assert.equal(passwordsFile(site), withFirst, 'the first password is on the disk as it was, encrypted');
  assert.deepEqual(
    (await present(site)).map(({ id }) => id),
    ['a1', 'b1'],
  );
  const credentials = await site.ask('GET', '/credentials/http-request/b1');
  assert.deepEqual(JSON.parse(credentials.body), { user: 'anna', has_password: true });

  // A restart of Node-RED has the password too, and finds the flows that it left.
  assert.equal(await site.gateway.stop(), 0);
  await site.gateway.up();
  await site.until('running');
  const kept = await waitFor('the flows of before', async () => {
    const now = await listFlows(site);
    return now.current === null ? undefined : now;
  });
  assert.equal(kept.current, 6);
  const later = await site.ask('GET', '/credentials/http-request/b1');
  assert.deepEqual(JSON.parse(later.body), { user: 'anna', has_password: true });

  // The revisions have no password in clear, and nobody else can read them.
  const folder = path.join(site.gateway.stateDir, 'flow-revisions');
  for (const name of readdirSync(folder)) assert.ok(!readFileSync(path.join(folder, name)).includes('secret'));
  const exported = (await request(site.gateway.socket, 'GET', '/api/v1/flows/export?revision=2')) as object[];
  assert.equal(exported.length, 2);
  assert.ok(!JSON.stringify(exported).includes('credentials'));
});

test('an import adds flows beside those that are there, or refuses before anything changes', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await upWithFlows(site);
  assert.equal(await site.deploy(secretFlow('Mine')), 204);
  await revision(site, 2);
  const before = await present(site);

  const flows = [tab('a1', 'Mine'), { id: 'c1', type: 'debug', z: 'a1', name: 'shown', x: 1, y: 1, wires: [] }];
  const added = await changeFlows(site, 'import', { flows });
  assert.deepEqual(added.added, ['Mine (2)']);
  const now = await present(site);
  assert.deepEqual(now.slice(0, 2), before, 'what was there is there, letter by letter');
  assert.equal(now.length, 4);
  assert.equal(new Set(now.map(({ id }) => id)).size, 4);
  assert.deepEqual((await changeFlows(site, 'import', { flows: { flows, rev: 'x' } })).added, ['Mine (3)']);

  const refuses = async (body: object, words: RegExp): Promise<void> => {
    await assert.rejects(changeFlows(site, 'import', body), words);
    assert.equal((await present(site)).length, 6);
  };
  const strange = [
    tab('t', 'T'),
    { id: 'n', type: 'ui_gauge', z: 't', x: 1, y: 1 },
    { id: 'm', type: 'exec', z: 't', x: 1, y: 1 },
  ];
  await refuses({ flows: strange }, /no nodes of these types: ui_gauge, exec; allow the exec node with nodeRed.allow.exec/);
  await refuses({ flows, newest: 1 }, /newest revision is 4 .*, not 1/);
  await refuses({ flows: [...flows, tab('a1', 'Twice')] }, /two of its nodes have the id a1/);
  assert.equal((await listFlows(site)).revisions[0]?.number, 4, 'a refusal keeps nothing');

  const subflow = (id: string) => ({ id, type: 'subflow', name: id, in: [], out: [], env: [] });
  const use = (id: string, of: string, z: string) => ({ id, type: `subflow:${of}`, z, x: 1, y: 1, wires: [] });
  const group = (id: string, g: string) => ({ id, type: 'group', z: 't', g, nodes: [], x: 1, y: 1, w: 9, h: 9 });
  const deep = Array.from({ length: 150 }, (_, i) => [subflow(`d${i}`), use(`u${i}`, `d${i + 1}`, `d${i}`)]).flat();
  const hanging: [object[], RegExp][] = [
    [[subflow('s'), use('u', 's', 's'), use('v', 's', 't')], /the subflow s is inside of itself/],
    [
      [subflow('s'), subflow('r'), use('u', 's', 'r'), use('v', 'r', 's'), use('w', 'r', 't')],
      /the subflow [rs] is inside of itself/,
    ],
    [[group('g', 'h'), group('h', 'g'), { id: 'n', type: 'inject', z: 't', g: 'g', x: 1, y: 1 }], /the group [gh] is inside/],
    [[...deep, subflow('d150'), use('v', 'd0', 't')], /more than 100 subflows or groups are inside each other/],
  ];
  for (const [nodes, words] of hanging) {
    const { code, body } = await site.ask('POST', '/flows', [tab('t', 'T'), ...nodes]);
    assert.equal(code, 400, body);
    assert.match(body, words);
    assert.equal((await present(site)).length, 6);
  }
  const own = { ...subflow('s'), nodes: [use('u', 's', 's')], configs: [] };
  const one = await site.ask('PUT', '/flow/global', { id: 'global', configs: [], subflows: [own] });
  assert.deepEqual([one.code, /the subflow s is inside of itself/.test(one.body)], [400, true], one.body);
  assert.equal((await present(site)).length, 6);
  assert.equal((await site.flows()).state, 'running');

  const replaced = await changeFlows(site, 'import', { flows, mode: 'replace' });
  assert.deepEqual(
    (await present(site)).map(({ id }) => id),
    ['a1', 'c1'],
  );
  assert.equal(replaced.flows, 'started');
  await site.gateway.waitForLog(/^an import of flows \(replace\) was done on this board/);
});

test('an undo ends the safe mode that a bad deploy led to', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await upWithFlows(site);
  assert.equal(await site.deploy(startsWith("node.warn('well and good'); return null;")), 204);
  await revision(site, 2);
  assert.equal(await site.deploy(startsWith("Promise.reject(new Error('boom of a test')); return null;")), 204);
  await revision(site, 3);
  await site.until('safe-mode');
  await waitFor('the flows of now', async () => (await listFlows(site)).current === 3);
  await assert.rejects(changeFlows(site, 'import', { flows: [tab('t', 'T')] }), /Node-RED is in safe mode: .*sluice flows undo/);
  const undone = await changeFlows(site, 'undo', {});
  assert.equal(undone.flows, 'started');
  await site.until('running');
  await site.gateway.waitForLog(/^well and good$/);
});

test('flows that end Node-RED while it gets them are there once, and the answer says so', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await upWithFlows(site);
  const { pid } = await site.flows();
  assert.equal(await site.deploy(secretFlow('Mine')), 204);
  await revision(site, 2);
  // It ends the process when its flows start for the first time, before anybody has an answer.
  const initialize = `${ESCAPE} const fs = load('fs'); if (!fs.existsSync('once')) { fs.writeFileSync('once', ''); proc.reallyExit(9); }`;
  const run = {
    id: 'f',
    type: 'function',
    z: 'a1',
    name: 'ends',
    func: '',
    initialize,
    outputs: 0,
    libs: [],
    x: 1,
    y: 1,
    wires: [],
  };
  const added = await changeFlows(site, 'import', { flows: [tab('a1', 'Ends'), run] });
  assert.deepEqual([added.added, added.flows, added.passwords], [['Ends'], 'started', 'kept']);
  const now = await site.flows();
  assert.notEqual(now.pid, pid);
  assert.equal(now.crashes, 1);
  const tabs = async () => (await present(site)).filter(({ type }) => type === 'tab').map(({ label }) => label);
  assert.deepEqual(await tabs(), ['Mine', 'Ends']);
  const kept = await revision(site, added.revision ?? 0);
  assert.deepEqual([kept.origin, kept.door, kept.changes?.added], ['import', 'socket', ['Ends']]);

  // One that ends it before it is saved: nothing has changed, and the answer says that.
  const { pid: second = 0 } = now;
  const killed = changeFlows(site, 'import', { flows: [tab('b', 'Killed'), { ...run, z: 'b', initialize: '' }] });
  process.kill(second, 'SIGSTOP');
  const outcome = killed.then(
    ({ added: labels }) => labels.join(),
    (thrown: unknown) => String(thrown),
  );
  process.kill(second, 'SIGKILL');
  const words = await outcome;
  await site.until('running');
  const after = await waitFor('the flows of now', async () => ((await listFlows(site)).current === null ? undefined : tabs()));
  assert.deepEqual(after, ['Mine', 'Ends', ...(words === 'Killed' ? ['Killed'] : [])], words);
  if (words !== 'Killed') assert.match(words, /nothing was changed|did not answer about its flows|does not run now/);
});

test('clients that undo at once undo one deploy, also beside a start of Node-RED', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await upWithFlows(site);
  for (let i = 1; i <= 4; i++) {
    assert.equal(await site.deploy([tab('a', `Tab ${i}`)]), 204);
    await revision(site, i + 1);
  }
  const storm = await Promise.allSettled(Array.from({ length: 12 }, () => changeFlows(site, 'undo', { newest: 5 })));
  const done = storm.filter(({ status }) => status === 'fulfilled');
  assert.equal(done.length, 1);
  for (const one of storm)
    if (one.status === 'rejected')
      assert.match(String(one.reason), /newest revision is 6|other changes of the flows are under way/);
  assert.equal((await present(site))[0]?.label, 'Tab 3');

  const { pid = 0 } = await site.flows();
  process.kill(pid, 'SIGKILL');
  await waitFor('its end', async () => (await site.flows()).pid !== pid);
  const early = await changeFlows(site, 'undo', {}).then(
    () => 'done',
    (thrown: unknown) => String(thrown),
  );
  assert.match(early, /^done$|Node-RED does not run now|Node-RED did not answer/);
  await site.until('running');
  await waitFor(
    () => `the flows of now; ${site.gateway.tail()}`,
    async () => (await listFlows(site)).current !== null,
  );
  const label = (await present(site))[0]?.label;
  assert.equal(label, early === 'done' ? 'Tab 2' : 'Tab 3');
  assert.ok(existsSync(path.join(site.gateway.stateDir, 'flow-revisions')));
});
