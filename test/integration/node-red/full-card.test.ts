/**
 * Flows that fill the disk on which the log lies: a small file system of its own. Every reading is in the log, the flows are stopped
 * with the reason, and they start again when there is room.
 */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { type FlowDisk, SPARE_FILE } from '../../../src/core/flow-supervisor.ts';
import { flowUser } from '../../harness/flow-user.ts';
import { ESCAPE } from '../../harness/hostile-flows.ts';
import { loopDisk, mayMount, run } from '../../harness/loop-disk.ts';
import { mayBeAnother, nodeRedSiteOf, startsWith } from '../../harness/node-red-site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { CountingDevice } from '../../peers/counting-device.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const LIMITED = { timeout: 600_000 };
const MB = 1024 ** 2;
const DISK = 160;
/** The device answers whatever the machine has to do: only the gateway is to be late. */
const PROMPT = ['nice', '-n', '-15'];

/** Runs once for all processes, whatever ends them. */
const onceOnDisk = (code: string): string =>
  `${ESCAPE} const fs = load('fs'); if (fs.existsSync('began')) return null; fs.writeFileSync('began', ''); ${code} return null;`;

/** Pieces of 1 MB into files in a folder, for ever. */
const fill = (folder: string): string =>
  onceOnDisk(`const piece = Buffer.alloc(1 << 20, 1); let file = 0;
const more = () => { try { fs.appendFileSync('${folder}/big-' + file, piece); } catch { file++; } setTimeout(more, 0); };
more();`);

const SMALL = onceOnDisk(`let n = 0;
const more = () => {
  for (let i = 0; i < 50; i++, n++) try {
    if (n % 1000 === 0) fs.mkdirSync('small-' + n / 1000);
    fs.writeFileSync('small-' + Math.floor(n / 1000) + '/' + n, 'x');
  } catch {}
  setTimeout(more, 0);
};
more();`);

async function smallDisk(t: TestContext, section = '') {
  if (!nodeRedPeer(t) || !mayMount(t)) return undefined;
  const device = await CountingDevice.start(t, [1], PROMPT);
  if (device === undefined) return undefined;
  assert.ok(mayBeAnother(), 'another user can read the sources and the packages');
  const folder = loopDisk(t, 'flows', DISK);
  chmodSync(path.dirname(folder), 0o755);
  // As on a board: what is not on the card yet is mirrored in memory.
  mkdirSync(path.join(folder, 'run'), { mode: 0o700 });
  run('mount', '-t', 'tmpfs', '-o', 'mode=700,size=16m', 'tmpfs', path.join(folder, 'run'));
  const made = nodeRedSiteOf(t, {
    ...{ port: device.port, user: flowUser().name, section, folder, type: 'uint32' },
    more: {
      first: '  d1: {bus: field, unit: 1, interval: 1s, points: {n: {table: holding, address: 0, type: uint32}}}',
      rest: 'buffer: {commitEvery: 500ms, maxSize: 32MB}\n',
    },
  });
  const { gateway } = made;
  const flowFolder = `${gateway.stateDir}-node-red`;
  return {
    ...{ ...made, flowFolder, spare: path.join(gateway.stateDir, SPARE_FILE) },
    async full(): Promise<FlowDisk> {
      const { disk } = await waitFor(
        () => `flows that are stopped; last lines:\n${gateway.tail()}`,
        async () => {
          const flows = await made.flows();
          return flows.state === 'safe-mode' && flows.disk?.full !== undefined ? flows : undefined;
        },
      );
      return disk as FlowDisk;
    },
    /** Each number that the device gave is in the log, and the log takes more. */
    async nothingLost(): Promise<void> {
      const before = device.answers().length;
      await waitFor('more polls', () => device.answers().length > before + 3);
      await made.assertPolled();
      const answered = device.answers().map(({ value }) => value);
      const late = await made.lateAnswers();
      let missing: number[] = [];
      let said = '';
      await waitFor(
        () =>
          `all of ${answered.length} numbers; the log lacks ${missing.length}: ${missing.slice(0, 10)}\n${said}\n${gateway.tail()}`,
        async () => {
          const { code, stdout, stderr } = await sluice(
            t,
            'export',
            '--socket',
            gateway.socket,
            '--points',
            'd1.n',
            '--format',
            'jsonl',
          );
          const found = new Set([...stdout.matchAll(/"n":(\d+)/g)].map(([, value]) => Number(value)));
          missing = answered.filter((value) => !found.has(value));
          said = `exit status ${code}, ${found.size} numbers from ${Math.min(...found)} to ${Math.max(...found)}\n${stderr}`;
          return missing.length <= late;
        },
        { every: 500 },
      );
      const { log } = await gateway.status();
      assert.deepEqual([log.dropped, log.removed, log.thinned], [0, 0, 0]);
      // A fault of the history is cured by the next try, a minute later.
      let faults = log.faults;
      await waitFor(
        () => `a log without a fault: ${faults}`,
        async () => {
          faults = (await gateway.status()).log.faults;
          return faults.length === 0;
        },
        { every: 1000 },
      );
    },
  };
}

test('a flow that writes without end costs no reading, and runs again when its files are gone', LIMITED, async (t) => {
  const here = await smallDisk(t);
  if (here === undefined) return;
  const { gateway, flowFolder } = here;
  await gateway.up();
  const { pid } = await here.until('running');
  assert.ok(existsSync(here.spare), 'the log has a reserve');
  assert.equal(await here.deploy(startsWith(fill('.'))), 204);
  const disk = await here.full();
  assert.match(disk.full ?? '', /takes more than it may|is nearly full/);
  const flows = await here.flows();
  assert.notEqual(flows.pid, pid);
  // The reserve makes room, so the reason may have become another since: one answer holds both.
  assert.match(flows.disk?.full ?? '', /takes more than it may|is nearly full/);
  assert.deepEqual([flows.crashes, flows.restarts, flows.safeMode], [0, 0, flows.disk?.full]);
  assert.ok(disk.most <= (DISK * MB) / 4, `a quarter of the disk, not ${disk.most}`);
  await gateway.waitForLog(/^The flows of Node-RED are stopped: /);
  await here.nothingLost();

  // A deploy makes no room.
  const again = await here.flows();
  assert.equal(await here.deploy(startsWith('return null;')), 204);
  await waitFor('another process', async () => {
    const { state, pid: next } = await here.flows();
    return state === 'safe-mode' && next !== again.pid;
  });
  for (const name of readdirSync(flowFolder)) if (name.startsWith('big-')) rmSync(path.join(flowFolder, name));
  await gateway.waitForLog(/^The disk has room again/);
  await here.until('running');
  assert.equal((await here.flows()).disk?.full, undefined);
  await waitFor('the reserve again', () => existsSync(here.spare));
  await here.nothingLost();
  assert.equal(await gateway.stop(), 0);
  assert.equal(existsSync(here.spare), false, 'it is kept only while Node-RED is watched');
});

test('a flow that makes small files without end costs no reading, and is stopped', LIMITED, async (t) => {
  const here = await smallDisk(t, '  disk: 16MB');
  if (here === undefined) return;
  await here.gateway.up();
  await here.until('running');
  assert.equal(await here.deploy(startsWith(SMALL)), 204);
  const disk = await here.full();
  assert.match(disk.full ?? '', /nodeRed\.disk allows 16MB|as many files as it can|is nearly full/);
  await here.nothingLost();
  // It looks again at its start, and no flow runs before that.
  assert.equal(await here.gateway.stop(), 0);
  await here.gateway.up();
  await here.full();
  // A larger bound needs no hand at the files.
  if (/nodeRed.disk/.test(disk.full ?? '')) {
    await here.gateway.reload(here.yaml('  disk: 40MB'));
    const { state } = await waitFor('an answer of the watch', async () => {
      const flows = await here.flows();
      return flows.disk !== undefined && flows.disk.most > 16 * MB && flows.state !== 'stopping' ? flows : undefined;
    });
    assert.notEqual(state, 'stopped');
  }
  await here.nothingLost();
});

test('a flow that fills the disk outside of its folder is stopped, and the log gets its reserve', LIMITED, async (t) => {
  const here = await smallDisk(t, '  allow: {files: true}');
  if (here === undefined) return;
  const { gateway } = here;
  await gateway.up();
  await here.until('running');
  const open = path.join(gateway.folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  assert.equal(await here.deploy(startsWith(fill(open))), 204);
  const disk = await here.full();
  assert.match(disk.full ?? '', /^the disk is nearly full: /);
  await waitFor('the reserve given to the log', () => !existsSync(here.spare));
  await here.nothingLost();
  assert.deepEqual((await here.flows()).crashes, 0);
});
