/** Flows that do harm to the process that they run in. It ends and comes back; polls go on, and nothing is left out. */
// Takes minutes: it starts before the others.
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { watchHealth } from '../../harness/health-watch.ts';
import { LOOP, STALL, STALL_HTML } from '../../harness/hostile-flows.ts';
import { hostileSite } from '../../harness/hostile-site.ts';
import { type NodeRedSite, nodeRedSite, startsWith } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const LIMITED = { timeout: 600_000 };

/** All due polls were made, while and after the flow did its harm. */
async function allPolled(site: NodeRedSite): Promise<void> {
  const { replies } = await site.polls();
  await waitFor('more polls', async () => (await site.polls()).replies > replies + 2);
  await site.assertPolled();
}

test('a flow that crashes five times is stopped, and runs again after a deploy', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await site.gateway.up();
  await site.until('running');
  const health = watchHealth(t, site);
  assert.equal(await site.deploy(startsWith("Promise.reject(new Error('boom of a test')); return null;")), 204);
  const report = await site.until('safe-mode');
  const { replies } = await site.polls();
  await waitFor('polls in safe mode', async () => (await site.polls()).replies > replies + 1);
  await health.sameIn('running', 'starting', 'safe-mode');
  assert.match(report.safeMode ?? '', /5 times within an hour.*boom of a test/);
  assert.deepEqual([report.crashes, report.restarts], [5, 5]);
  const flows = await site.ask('GET', '/flows');
  assert.ok(flows.body.includes('boom of a test'), 'the editor shows the flow that crashed');

  // A restart of the gateway does not start the flows behind the back of everybody.
  assert.equal(await site.gateway.stop(), 0);
  await site.gateway.up();
  await site.until('safe-mode');
  const crashes = () => site.gateway.logs().filter(({ msg }) => msg === 'Error: boom of a test').length;
  const before = crashes();
  assert.equal(await site.deploy(startsWith("node.warn('mended'); return null;")), 204);
  await site.gateway.waitForLog(/^mended$/);
  assert.equal(crashes(), before, 'the flow of before does not start once more');
  const running = await site.until('running');
  assert.equal(running.safeMode, undefined);
  await allPolled(site);
});

test('a flow that allocates objects or buffers until it dies takes only its process', LIMITED, async (t) => {
  const site = await hostileSite(t);
  if (site === undefined) return;
  await site.gateway.up();
  await site.until('running');
  const hungry = {
    heap: "const all = []; setInterval(() => { for (let i = 0; i < 20; i++) all.push(new Array(1e4).fill({}).map((_, n) => 'x' + n)); }, 1);",
    buffers: 'const all = []; setInterval(() => { try { all.push(Buffer.alloc(4e6, 1)); } catch {} }, 5);',
  };
  let restarts = 0;
  for (const [what, func] of Object.entries(hungry)) {
    const before = (await site.flows()).pid;
    assert.equal(
      await site.deploy(
        startsWith(`if (context.get('once', 'file')) return null; context.set('once', 1, 'file'); ${func} return null;`),
      ),
      204,
    );
    await waitFor(`a restart after ${what}`, async () => (await site.flows()).restarts > restarts);
    restarts = (await site.flows()).restarts;
    // Without its flow: it would do the same again.
    await waitFor(`another process after ${what}`, async () => {
      const now = await site.flows();
      if (now.state !== 'running' || now.pid === before) return false;
      return (await site.deploy([])) === 204;
    });
  }
  const words = site.gateway.logs().filter(({ msg }) => /^Node-RED ended because/.test(msg));
  assert.ok(
    words.some(({ msg }) => /heap out of memory|of memory, and nodeRed.memory is/.test(msg)),
    JSON.stringify(words),
  );
  await site.nothingLost();
});

test('a flow that loops for ever is found by a message that does not return; Node-RED restarts', LIMITED, async (t) => {
  const site = await hostileSite(t);
  if (site === undefined) return;
  await site.gateway.up();
  const { pid } = await site.until('running');
  // Somebody presses its button once: the flow is harmless after the restart.
  const flow = startsWith(LOOP).map((node) => ({ ...node, once: false }));
  assert.equal(await site.deploy(flow), 204);
  const health = watchHealth(t, site);
  await waitFor('its button', async () => (await site.ask('POST', '/inject/begin')).code === 200);
  await site.until('unhealthy');
  await waitFor('its end', () => !site.processes().includes(pid ?? 0));
  await site.gateway.waitForLog(/Node-RED hangs and is ended/);
  const again = await site.until('running');
  await health.sameIn('unhealthy');
  assert.notEqual(again.pid, pid);
  assert.deepEqual([again.crashes, again.restarts], [1, 1]);
  assert.equal(await site.deploy([]), 204);
  await site.nothingLost();
});

test('a Node-RED that answers HTTP and delivers no message any more is found and restarts', LIMITED, async (t) => {
  const site = await hostileSite(t);
  if (site === undefined) return;
  const { gateway, net } = site;
  await gateway.up();
  const before = (await site.until('running')).pid;
  const folder = path.join(site.folder, 'nodes');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'stall.js'), STALL);
  writeFileSync(path.join(folder, 'stall.html'), STALL_HTML);
  for (const one of [folder, `${folder}/stall.js`, `${folder}/stall.html`]) chownSync(one, net.uid, net.uid);
  // Another process, which loads the node.
  assert.deepEqual(await gateway.reload(site.yaml('  memory: 170MB')), ['nodeRed']);
  const { pid } = await waitFor('another process', async () => {
    const flows = await site.flows();
    return flows.state === 'running' && flows.pid !== before ? flows : undefined;
  });
  const flow = startsWith("node.warn('delivered'); return null;").map((node) => ({ ...node, once: false }));
  assert.equal(await site.deploy(flow), 204);
  const delivered = (): number => gateway.logs().filter(({ msg }) => msg === 'delivered').length;
  const press = async (): Promise<number> => (await site.ask('POST', '/inject/begin')).code;
  await waitFor('its button', async () => (await press()) === 200);
  await waitFor('a delivery', () => delivered() === 1);

  const health = watchHealth(t, site);
  assert.equal((await site.ask('POST', '/stall')).code, 200);
  assert.equal(await press(), 200, 'its button still answers');
  const { reason } = await site.until('unhealthy');
  assert.match(reason ?? '', /no message passes through it/);
  for (const at of ['/settings', '/flows', '/nodes'])
    assert.equal((await site.ask('GET', at)).code, 200, `${at} of one that hangs`);
  const still = await site.flows();
  assert.deepEqual([still.state, still.pid], ['unhealthy', pid], 'HTTP answered while it hung');
  await gateway.waitForLog(/Node-RED hangs and is ended: 3 of its checks had no answer/);
  const again = await site.until('running');
  await health.sameIn('running', 'unhealthy');
  assert.notEqual(again.pid, pid);
  assert.deepEqual([again.crashes, again.restarts], [1, 1]);
  assert.equal(delivered(), 1, 'nothing was delivered meanwhile');
  await waitFor('its button', async () => (await press()) === 200);
  await waitFor('a delivery of the next process', () => delivered() === 2);
  await site.nothingLost();
});

test('a flow that writes lines without end fills neither the log nor the memory of the gateway', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t);
  await site.gateway.up();
  await site.until('running');
  const flood =
    "setInterval(() => { for (let i = 0; i < 2000; i++) { node.warn('flood ' + i); console.log('flood'); } }, 5); return null;";
  assert.equal(await site.deploy(startsWith(flood)), 204);
  const { lines } = await waitFor('suppressed lines', async () => {
    const report = await site.flows();
    return report.lines.suppressed > 100_000 ? report : undefined;
  });
  assert.ok(lines.passed < 2000, `${lines.passed} lines passed`);
  assert.ok(
    site.gateway.logs().some((line) => Number(line.suppressed) > 0),
    'the log says how many it left out',
  );
  await allPolled(site);
});
