/** The disk of the record is full or read-only in the life of a configuration from upstream: the board ends with the one before. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { configureSite } from '../../harness/configure-site.ts';
import { run } from '../../harness/loop-disk.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { asRoot } from '../../peers/peers.ts';

const RULES = '\nrules: {high: {point: d1.n, above: 60000}}\n';

test('a full or read-only disk refuses a configuration or rolls it back, and a start agrees', async (t) => {
  if (!asRoot(t, 'mount a small file system')) return;
  let mounted: string | undefined;
  // Before the folder of the gateway is removed.
  t.after(() => {
    if (mounted !== undefined) run('umount', '-l', mounted);
  });
  const s = await configureSite(t);
  if (s === undefined) return;
  const { gateway } = s;
  const folder = path.join(gateway.stateDir, 'config');
  mkdirSync(folder, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', 'size=128k,mode=750', 'small', folder);
  mounted = folder;
  await gateway.up();
  await gateway.waitForLog(/Connected to the upstream broker/);
  const origin = async () => {
    const { origin, version, trial } = (await gateway.status()).inForce;
    return [origin, version, trial?.version];
  };

  const filler = path.join(folder, 'others');
  let size = 128 * 1024;
  for (; size > 0 && existsSync(folder); size -= 4096)
    try {
      writeFileSync(filler, Buffer.alloc(size));
      break;
    } catch {
      rmSync(filler, { force: true });
    }
  assert.ok(size > 0, 'something fills the disk');
  const full = await s.ask('full', 1, s.file(RULES));
  assert.deepEqual([full.ok, full.code], [false, 'configure-refused']);
  assert.match(full.message ?? '', /could not be kept: the disk is full.*nothing was changed/);
  assert.deepEqual(await origin(), ['file', undefined, undefined]);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('upstream')),
    [],
    'nothing is left of it',
  );

  rmSync(filler);
  assert.equal((await s.ask('late', 1, s.file(RULES))).result?.state, 'trial');
  await waitFor('the trial', async () => (await origin())[2] === 1);
  run('mount', '-o', 'remount,ro', folder);
  const back = await s.answer('late', 2);
  assert.deepEqual([back.ok, back.code], [false, 'rolled-back']);
  assert.match(back.message ?? '', /could not be kept:.*read-only/);
  assert.deepEqual(await origin(), ['file', undefined, undefined]);
  assert.equal((await s.ask('again', 2, s.file(RULES))).code, 'configure-refused');

  // The record on the disk still says that it is on trial: a start ends it, also where it cannot write that.
  await gateway.kill();
  await gateway.up();
  assert.deepEqual(await origin(), ['file', undefined, undefined]);
  assert.equal((await gateway.status()).inForce.last?.outcome, 'rolled-back');
  run('mount', '-o', 'remount,rw', folder);
  await waitFor('the upstream', async () => (await gateway.status()).forwarders[0]?.state === 'connected');
  assert.match((await s.ask('played', 1, s.file(RULES))).message ?? '', /version 1 is not newer than 1/);
  assert.equal((await s.ask('next', 2, s.file(RULES))).result?.state, 'trial');
  assert.equal((await s.answer('next', 2)).result?.state, 'confirmed');
  assert.deepEqual(await origin(), ['upstream', 2, undefined]);
  assert.equal(await gateway.stop(), 0);
});
