/** Bundles on sticks with FAT: names, modes, a stick without room, and one that is pulled out while a bundle is written. They need root. */
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { BundleSite } from '../../harness/bundle-site.ts';
import { startChild } from '../../harness/child.ts';
import { FAT_IN_KERNEL, fatDisk } from '../../harness/fat-disk.ts';
import { MAIN, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const LONG = { timeout: 600_000 };
/** An id as long as it may be. */
const ID = `con-${'x'.repeat(60)}`;
/** Readings that wait before a bundle is written. */
const READINGS = 100;

const filesOf = (folder: string, end: string): string[] => readdirSync(folder).filter((name) => name.endsWith(end));

test('a stick with FAT takes bundles of its platform, which imports them from it', LONG, async (t) => {
  const disk = await fatDisk(t, 'fat-stick', 8);
  if (disk === undefined) return;
  const site = await BundleSite.make(t);
  const stranger = await BundleSite.make(t);
  const gateway = await site.gateway(ID);
  await site.trust(gateway);
  await site.waits(gateway, READINGS);
  const write = (...more: string[]) => sluice(t, 'export', '--bundle', disk.folder, '--stick', '-c', gateway.config, ...more);

  assert.match((await write()).stderr, /belongs to no platform; nothing was written/);
  assert.equal((await sluice(t, 'platform', 'stick', disk.folder, '--keys', stranger.keys)).code, 0);
  assert.match((await write()).stderr, /belongs to another platform; nothing was written/);
  // The driver of FUSE replaces no file.
  rmSync(path.join(disk.folder, 'sluice-stick.json'));
  assert.equal((await sluice(t, 'platform', 'stick', disk.folder, '--keys', site.keys)).code, 0);
  assert.deepEqual(readdirSync(disk.folder), ['sluice-stick.json']);
  if (FAT_IN_KERNEL) assert.match((await write('--max', '5GB')).stderr, /is FAT32, which has no file of 4 GB or more/);

  for (let n = 1; n <= 2; n++) {
    const made = await write();
    assert.equal(made.code, 0, made.stderr);
    assert.ok(statSync(made.stdout.trim()).size > 0);
    assert.equal(filesOf(disk.folder, '.sluice').length, n);
  }
  await disk.unmount();
  disk.check();
  await disk.mount();
  // The stick is carried, and its receipts come back on it.
  const played = await site.import('readings.db', disk.folder);
  assert.equal(played.code, 0, played.stderr);
  const [[stored = 0] = []] = site.rows('readings.db', 'select count(*) from reading') as number[][];
  assert.ok(stored >= READINGS, `${stored} readings`);
  const receipts = filesOf(disk.folder, '.receipt').map((name) => path.join(disk.folder, name));
  assert.equal(receipts.length, 2);
  const taken = await sluice(t, 'receipt', ...receipts, '--socket', gateway.socket);
  assert.equal(taken.code, 0, taken.stderr);
  assert.deepEqual(
    readdirSync(disk.folder).filter((name) => name.startsWith('.')),
    [],
  );
  // Everybody can read a file on FAT, so the private key of a platform does not go there.
  const keys = await sluice(t, 'platform', 'init', path.join(disk.folder, 'keys'));
  assert.deepEqual([keys.code, existsSync(path.join(disk.folder, 'keys'))], [2, false], keys.stderr);
  assert.match(keys.stderr, /keeps no modes/);
  await disk.unmount();
  disk.check();
});

test('a full stick with FAT gets no bundle, and one when there is room again', LONG, async (t) => {
  const disk = await fatDisk(t, 'fat-full', 2);
  if (disk === undefined) return;
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, READINGS);
  const filler = path.join(disk.folder, 'filler');
  const fd = openSync(filler, 'w');
  try {
    assert.throws(() => {
      for (;;) writeFileSync(fd, Buffer.alloc(65_536));
    }, /ENOSPC|EIO/);
  } finally {
    closeSync(fd);
  }
  const full = await sluice(t, 'export', '--bundle', disk.folder, '-c', gateway.config);
  assert.equal(full.code, 2, full.stderr);
  assert.match(full.stderr, /there is no room/);
  assert.deepEqual(readdirSync(disk.folder), ['filler']);
  rmSync(filler);
  const made = await sluice(t, 'export', '--bundle', disk.folder, '-c', gateway.config);
  assert.equal(made.code, 0, made.stderr);
  assert.equal((await site.import('readings.db', made.stdout.trim())).code, 0);
  await disk.unmount();
  disk.check();
});

test('a stick that is pulled out has no bundle, and the next export works', LONG, async (t) => {
  const disk = await fatDisk(t, 'fat-pulled', 8);
  if (disk === undefined) return;
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, READINGS);
  const whole = readFileSync(await site.bundle(gateway, 'whole'));

  // A gateway that stops in the middle of its answer until the stick is out.
  let answer: ServerResponse | undefined;
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.write(whole.subarray(0, whole.length / 2));
    answer = response;
  });
  const socket = path.join(site.folder, 'slow');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  const words = [MAIN, 'export', '--bundle', disk.folder, '--socket', socket, '-c', gateway.config];
  const child = startChild(t, process.execPath, words);
  // Its size is that of the last sync.
  await waitFor('a part on the stick', () => filesOf(disk.folder, '.part').length === 1);
  await disk.pull();
  answer?.end(whole.subarray(whole.length / 2));
  assert.equal(await child.ended, 2, child.stderr.join('\n'));
  assert.match(child.stderr.join('\n'), /the file was not written to .*pulled out/);
  assert.deepEqual(child.stdout, []);
  await disk.forget();

  await disk.mount();
  assert.deepEqual(filesOf(disk.folder, '.sluice'), []);
  const made = await sluice(t, 'export', '--bundle', disk.folder, '-c', gateway.config);
  assert.equal(made.code, 0, made.stderr);
  assert.deepEqual(readdirSync(disk.folder), [path.basename(made.stdout.trim())]);
  assert.equal((await site.import('readings.db', made.stdout.trim())).code, 0);
});
