/**
 * Flows that the real Node-RED would never come to an end with, and that came past every deploy: placed by hand, or by a restore of
 * an old backup. It starts with its flows stopped and says why; it neither crashes nor hangs.
 */
// Takes minutes: it starts before the others.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { changeFlows, listFlows, revision, upWithFlows } from '../../harness/flow-revisions.ts';
import { type NodeRedSite, nodeRedSite, startsWith } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const present = async (site: NodeRedSite): Promise<{ id: string }[]> => JSON.parse((await site.ask('GET', '/flows')).body);

const subflow = (id: string) => ({ id, type: 'subflow', name: id, in: [], out: [], env: [] });
const use = (id: string, of: string, z: string) => ({ id, type: `subflow:${of}`, z, x: 1, y: 1, wires: [] });
const TAB = { id: 't', type: 'tab', label: 'By hand' };
const ITSELF = [TAB, subflow('s'), use('u', 's', 's'), use('v', 's', 't')];
/** So deep that Node-RED ends with it. */
const DEEP = [
  ...[TAB, use('top', 'd0', 't'), subflow('d5000')],
  ...Array.from({ length: 5000 }, (_, i) => [subflow(`d${i}`), use(`u${i}`, `d${i + 1}`, `d${i}`)]).flat(),
];

/** Starts the gateway again with these flows on the disk. */
async function startWith(site: NodeRedSite, flows: readonly object[] | string): Promise<void> {
  assert.equal(await site.gateway.stop(), 0);
  // Its owner stays.
  writeFileSync(path.join(folderOf(site), 'flows.json'), typeof flows === 'string' ? flows : JSON.stringify(flows));
  await site.gateway.up();
}
const folderOf = (site: NodeRedSite): string =>
  site.runsAs === 'user' ? `${site.gateway.stateDir}-node-red` : path.join(site.gateway.stateDir, 'node-red');

async function assertHeld(site: NodeRedSite, words: RegExp): Promise<void> {
  const { safeMode = '', crashes, restarts } = await site.until('safe-mode');
  assert.match(safeMode, words);
  assert.deepEqual([crashes, restarts], [0, 0]);
}

test('flows that would never start are held back at each start, until others take their place', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await upWithFlows(site);
  assert.equal(await site.deploy(startsWith("node.warn('well and good'); return null;")), 204);
  await revision(site, 2);

  await startWith(site, ITSELF);
  await assertHeld(site, /^the flows on the disk would never start: the subflow s is inside of itself/);
  await site.gateway.waitForLog(/^Node-RED starts with its flows stopped: .*sluice flows undo/);
  await revision(site, 3);
  // Neither the switch of the editor nor another tab starts them.
  const { code, body } = await site.ask('POST', '/flows/state', { state: 'start' });
  assert.deepEqual([code, /the subflow s is inside of itself/.test(body)], [400, true], body);
  assert.equal((await site.ask('POST', '/flow', { label: 'More', nodes: [] })).code, 400);
  await assert.rejects(changeFlows(site, 'import', { flows: [TAB] }), /Node-RED is in safe mode: the flows on the disk/);
  assert.equal((await site.flows()).state, 'safe-mode');
  assert.equal((await present(site)).length, ITSELF.length);

  // What hangs is as refused as before; what does not hang takes its place.
  await assert.rejects(changeFlows(site, 'import', { flows: ITSELF, mode: 'replace' }), /the subflow s is inside of itself/);
  assert.equal((await changeFlows(site, 'import', { flows: [TAB], mode: 'replace' })).flows, 'started');
  await site.until('running');
  await revision(site, 4);
  // The revision that was found is there, and nobody starts it by mistake.
  for (const [what, asked] of [
    ['undo', {}],
    ['restore', { revision: 3 }],
  ] as const)
    await assert.rejects(
      changeFlows(site, what, asked),
      /the flows of revision 3 would never start: the subflow s is inside of itself/,
    );
  assert.deepEqual(
    (await present(site)).map(({ id }) => id),
    ['t'],
  );
  assert.equal((await site.flows()).state, 'running');
  assert.equal((await listFlows(site)).revisions[0]?.number, 4, 'a refusal keeps nothing');
});

test('an undo brings back what ran before flows that were placed by hand', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await upWithFlows(site);
  assert.equal(await site.deploy(startsWith("node.warn('well and good'); return null;")), 204);
  await revision(site, 2);
  await startWith(site, DEEP);
  await assertHeld(site, /more than 100 subflows or groups are inside each other/);
  // And once more, as after a power cut.
  await site.gateway.kill();
  await site.gateway.up();
  await assertHeld(site, /more than 100 subflows or groups are inside each other/);
  await revision(site, 3);
  assert.equal((await changeFlows(site, 'undo', {})).flows, 'started');
  await site.until('running');
  await site.gateway.waitForLog(/^well and good$/);
  assert.equal((await site.flows()).safeMode, undefined);
});

test('a file of flows that is none is moved away, and the flows of before run again', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await upWithFlows(site);
  assert.equal(await site.deploy(startsWith("node.warn('well and good'); return null;")), 204);
  await revision(site, 2);
  await site.gateway.waitForLog(/^well and good$/);
  const deep = `[{"id":"n","type":"comment","k":${'['.repeat(10_000)}${']'.repeat(10_000)}}]`;
  const kinds = ['{"rev":"x"}', '7', '"text"', '[null]', '[{"id":"a",', deep, `[${' '.repeat(50_000_000)}]`];
  for (const [i, text] of kinds.entries()) {
    await startWith(site, text);
    await waitFor(
      () => `the flows of before, after ${text.slice(0, 20)}; ${site.gateway.tail()}`,
      () => site.gateway.logs().filter(({ msg }) => msg === 'well and good').length === i + 2,
    );
    const { crashes, restarts, safeMode } = await site.until('running');
    assert.deepEqual([crashes, restarts, safeMode], [0, 0, undefined]);
    await site.gateway.waitForLog(/^Node-RED starts with its flows stopped: the flows on the disk cannot be used: flows\.json /);
    await site.gateway.waitForLog(/^The flows of revision 2 took the place of those on the disk of Node-RED/);
    assert.ok(readFileSync(path.join(folderOf(site), 'flows.json.unusable'), 'utf8') === text);
    await waitFor('the revision of now', async () => (await listFlows(site)).current === 2);
    assert.equal((await listFlows(site)).revisions.length, 2, 'no revision is made of it');
  }
});

test('a deploy that is too deep is refused, since the next start would not read it', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await site.gateway.up();
  await site.until('running');
  const before = (await present(site)).length;
  const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
  const node = (levels: number) => [TAB, { id: 'n', type: 'comment', z: 't', x: 1, y: 1, wires: [], k: nested(levels) }];
  const { code, body } = await site.ask('POST', '/flows', node(2000));
  assert.deepEqual([code, /more than 1000 lists and objects inside each other/.test(body)], [400, true], body);
  assert.equal((await present(site)).length, before);
  assert.equal(await site.deploy(node(500)), 204);
  assert.equal(await site.gateway.stop(), 0);
  await site.gateway.up();
  assert.equal((await site.until('running')).safeMode, undefined);
  assert.deepEqual(
    (await present(site)).map(({ id }) => id),
    ['t', 'n'],
  );
});
