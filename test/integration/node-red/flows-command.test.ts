/** `sluice flows` as people type it, and what hostile callers of its calls get. */
// Takes minutes: it starts before the others.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { FlowsList } from '../../../src/core/flow-revisions.ts';
import { listFlows, revision, upWithFlows } from '../../harness/flow-revisions.ts';
import { frontSite } from '../../harness/front-site.ts';
import { nodeRedSite } from '../../harness/node-red-site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const tab = (id: string, label: string) => ({ id, type: 'tab', label, disabled: false, info: '' });

test('sluice flows lists, shows, exports, imports, undoes and loads', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  const { gateway } = site;
  const flows = async (...args: string[]) => sluice(t, 'flows', ...args, '-c', gateway.config);
  const off = await flows('undo');
  assert.equal(off.code, 1);
  assert.match(off.stderr, /^sluice: no gateway is running here/);
  await upWithFlows(site);
  assert.equal(await site.deploy([tab('a', 'Pump')]), 204);
  await waitFor('a revision', async () => (await flows('list')).stdout.includes('Pump'));
  const list = await flows('list');
  assert.match(list.stdout, /^Node-RED: running\n\* 2 .* unknown +deploy +1 node +\+ Pump\n {2}1 .* found /);
  assert.match((await flows('show', '2')).stdout, /^tab {6}Pump {2}0 nodes$/m);
  const file = path.join(gateway.folder, 'flows.json');
  const written = await flows('export', '-o', file);
  assert.equal(written.code, 0, written.stderr);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), [tab('a', 'Pump')]);
  assert.match((await flows('export', '-o', file)).stderr, /there is such a file already/);
  const imported = await flows('import', file);
  assert.match(imported.stdout, /^The flows were added\.\nNew tabs: Pump \(2\)\nThey are revision 3\.$/m);
  assert.match((await flows('undo')).stdout, /^The last deploy was undone\.\nThey are revision 4\.$/m);
  assert.match((await flows('restore', '3')).stdout, /^The flows of revision 3 are back\.$/m);
  assert.match((await flows('restore', '77')).stderr, /^sluice: there is no revision 77; sluice flows list shows all/);
  const examples = await flows('examples');
  for (const name of ['sms-gateway', 'hourly-averages', 'shift-report', 'siren', 'upstream-command', 'http-sensor'])
    assert.match(examples.stdout, new RegExp(`^${name} +[A-Z]`, 'm'));
  assert.match((await flows('load', 'siren')).stdout, /New tabs: Siren\n/);
  const loaded = JSON.parse((await flows('list', '--json')).stdout) as FlowsList;
  assert.deepEqual([loaded.revisions[0]?.origin, loaded.revisions[0]?.of, loaded.current], ['example', 'siren', 6]);

  writeFileSync(file, 'no flows');
  const wrong = await flows('import', file);
  assert.deepEqual([wrong.code, /is not JSON; in the editor choose Export/.test(wrong.stderr)], [2, true]);
  writeFileSync(file, JSON.stringify([{ id: 'x', type: 'ui_chart' }]));
  assert.match((await flows('import', file)).stderr, /nothing was changed: Node-RED here has no nodes of these types: ui_chart/);
});

test('sluice flows restart gives another process with the same flows, to those who may', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await frontSite(t);
  const { gateway } = site;
  const restart = (...args: string[]) => sluice(t, 'flows', 'restart', ...args, '-c', gateway.config);
  assert.equal(await site.deploy([tab('a', 'Pump')]), 204);
  const first = (await site.flows()).pid;
  assert.ok(first !== undefined);
  const again = await restart();
  assert.deepEqual([again.code, again.stdout], [0, 'Node-RED was restarted and passes messages.'], again.stderr);
  const second = await site.flows();
  assert.notEqual(second.pid, first);
  assert.deepEqual([second.state, second.crashes, second.restarts], ['running', 0, 0]);
  assert.match((await site.ask('GET', '/flows')).body, /"Pump"/, 'the same flows');
  const line = await gateway.waitForLog(/^a restart of Node-RED was done on this board \(.+\)\.$/);
  assert.deepEqual([line.do, line.result, line.via], ['restart-flows', 'done', 'socket']);

  // Over HTTPS: the page of a flow editor may, a viewer and a page of another origin may not; two at once are one.
  const pages: Record<string, { cookie: string; csrf: string }> = {};
  for (const name of ['vera', 'finn']) {
    const cookie = await site.logIn('dashboard', name);
    const { text } = await site.ask1('dashboard', 'GET', '/api/v1/session', { cookie });
    pages[name] = { cookie, csrf: (JSON.parse(text) as { csrf: string }).csrf };
  }
  const post = async (name: string, headers: Record<string, string> = {}): Promise<string> => {
    const { cookie, csrf } = pages[name] ?? assert.fail(name);
    const { status, text } = await site.ask1('dashboard', 'POST', '/api/v1/flows/restart', {
      ...{ cookie, own: true, body: '{}' },
      headers: { 'content-type': 'application/json', 'x-sluice-csrf': csrf, ...headers },
    });
    const { state, error } = JSON.parse(text) as { state?: string; error?: { code: string } };
    return `${status} ${state ?? error?.code}`;
  };
  assert.equal(await post('vera'), '403 forbidden');
  assert.equal(await post('finn', { origin: 'https://evil.example' }), '403 foreign-origin');
  assert.equal(await post('finn', { 'x-sluice-csrf': 'x' }), '403 csrf');
  assert.equal((await site.flows()).pid, second.pid, 'nothing was done');
  let [both, ran]: [string[], number] = [[], 0];
  // Where a pause lies between them, the second one comes behind the first, and both are done. Five restarts in a minute are the bound.
  for (let n = 0; n < 2 && both[1] !== '503 busy'; n++) {
    both = (await Promise.all([post('finn'), post('finn')])).sort();
    ran += both.filter((one) => one === '200 running').length;
  }
  assert.deepEqual(both, ['200 running', '503 busy']);
  const third = await site.flows();
  assert.notEqual(third.pid, second.pid);
  const told = () => gateway.logs().flatMap((one) => (one.do === 'restart-flows' ? [`${one.who} ${one.result} ${one.via}`] : []));
  // The log comes through a pipe of its own, so its last line may follow the answer.
  const words = await waitFor('each restart in the log', () => (told().length >= 3 + ran ? told() : undefined));
  const done = new Array<string>(ran).fill('finn done https');
  assert.deepEqual(words.slice(1).sort(), [...done, 'finn refused https', 'vera refused https']);
  assert.equal(site.runtimes().length, 1);
  await site.assertPolled();

  // Switched off, it is not started.
  await gateway.reload(site.yaml(`  enabled: false\n${site.keys}`).replace('  enabled: true\n', ''));
  await waitFor('its end', () => site.processes().length === 0);
  const off = await restart();
  assert.deepEqual([off.code, /this gateway has no Node-RED/.test(off.stderr)], [1, true], off.stderr);
  assert.deepEqual(site.processes(), []);
  assert.equal(await gateway.stop(), 0);
});

test('hostile imports and revisions change nothing, and a kill in a restore loses no flows', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  const { gateway } = site;
  await upWithFlows(site);
  const many = Array.from({ length: 3000 }, (_, i) => ({
    id: `n${i}`,
    type: 'comment',
    z: 'a',
    name: `${i}`,
    x: 1,
    y: 1,
    wires: [],
  }));
  for (const [i, label] of ['one', 'two', 'three'].entries()) {
    assert.equal(await site.deploy([tab('a', label), ...many]), 204);
    // Two deploys between two looks are one revision.
    await revision(site, i + 2);
  }
  assert.equal((await listFlows(site)).current, 4);
  const present = (await site.ask('GET', '/flows')).body;

  const post = (text: string): Promise<number> =>
    new Promise((resolve) => {
      const req = http.request({ socketPath: gateway.socket, method: 'POST', path: '/api/v1/flows/import' }, (res) => {
        res.resume();
        resolve(res.statusCode ?? 0);
      });
      // The gateway does not read the rest of a body that it refuses, and ends the connection.
      req.on('error', () => resolve(0));
      req.end(text);
    });
  const body = (flows: string): string => `{"mode":"replace","flows":${flows}}`;
  assert.equal(await post(body(`[{"id":"a","type":"tab","__proto__":{"x":1}}]`)), 400);
  assert.equal(await post(body(`[{"id":"hasOwnProperty","type":"tab"}]`)), 400);
  assert.equal(await post(body(`[{"id":"a","type":"tab","d":${'['.repeat(200_000)}${']'.repeat(200_000)}}]`)), 400);
  assert.equal(await post(body(JSON.stringify(Array.from({ length: 100_000 }, (_, i) => ({ id: `n${i}`, type: 'tab' }))))), 400);
  assert.ok([413, 0].includes(await post(body(JSON.stringify([tab('a', 'x'.repeat(6_000_000))])))));
  const storm = await Promise.all(
    Array.from({ length: 12 }, () => post(body(JSON.stringify([tab('a', 'x'), tab('a', 'y'.repeat(900_000))])))),
  );
  assert.ok(
    storm.every((status) => [400, 503, 0].includes(status)),
    storm.join(' '),
  );
  assert.equal((await site.ask('GET', '/flows')).body, present);

  // A revision that is a link to somewhere else is damaged, and nothing of its target is shown.
  const second = path.join(gateway.stateDir, 'flow-revisions', '000002.flows');
  rmSync(second);
  symlinkSync('/etc/passwd', second);
  await assert.rejects(request(gateway.socket, 'POST', '/api/v1/flows/restore', { revision: 2 }), (thrown: Error) => {
    assert.match(thrown.message, /the revision 2 is damaged \(its file is a link\)/);
    assert.ok(!thrown.message.includes('root:'));
    return true;
  });

  for (let round = 0; round < 3; round++) {
    const restore = request(gateway.socket, 'POST', '/api/v1/flows/restore', { revision: 3 + (round % 2) }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, round * 30));
    await gateway.kill();
    await restore;
    await gateway.up();
    await site.until('running');
    const now = await waitFor('the flows of now', async () => {
      const all = await listFlows(site);
      return all.current === null ? undefined : all;
    });
    assert.equal(now.damaged, 0);
    const nodes = JSON.parse((await site.ask('GET', '/flows')).body) as { label?: string }[];
    assert.equal(nodes.length, 3001, 'the flows are whole');
    assert.ok(['two', 'three'].includes(nodes[0]?.label ?? ''));
  }
});

test('a deploy in the editor is a revision with the name of who deployed', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await frontSite(t);
  // A deploy beside the first look may pass for flows that were found.
  await revision(site, 1);
  const cookie = await site.logIn('editor', 'finn');
  const body = JSON.stringify([tab('a', 'Of finn')]);
  const headers = { 'content-type': 'application/json' };
  const deployed = await site.ask1('editor', 'POST', '/flows', { body, cookie, own: true, headers });
  assert.equal(deployed.status, 204);
  const of = (label: string) =>
    waitFor(`the revision ${label}`, async () => (await listFlows(site)).revisions.find(({ tabs }) => tabs[0]?.label === label));
  const first = await of('Of finn');
  assert.deepEqual([first.who, first.door, first.origin], ['finn', 'https', 'deploy']);
  // Node-RED refuses a deploy over flows that are others by now. What a flow deploys next is not of that person.
  const late = JSON.stringify({ flows: [tab('a', 'Too late')], rev: 'of yesterday' });
  const v2 = { ...headers, 'node-red-api-version': 'v2' };
  assert.equal((await site.ask1('editor', 'POST', '/flows', { body: late, cookie, own: true, headers: v2 })).status, 409);
  assert.equal(await site.deploy([tab('a', 'Of a flow')]), 204);
  assert.equal((await of('Of a flow')).who, 'unknown');
  // The key of the gateway is no part of the editor, and the editor of it.
  const hatch = await site.ask1('editor', 'GET', '/-/flows', { cookie, own: true, headers: { 'x-sluice-flow-key': 'guess' } });
  assert.equal(hatch.status, 404);
});
