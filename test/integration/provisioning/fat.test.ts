/** `sluice provision` on true FAT file systems: made by mkfs.vfat, filled by mcopy as another computer would, and mounted. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { CARD, FakeBoard, SECRETS } from '../../harness/fake-board.ts';
import { mayMount, mountPoint, run } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

/** A FAT image with files on it; undefined after a skip. @param kB as small as a floppy disk */
function image(
  t: TestContext,
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  kB = 1440,
): string | undefined {
  if (
    peer(t, 'mkfs.vfat', 'apt-get install -y dosfstools') === undefined ||
    peer(t, 'mcopy', 'apt-get install -y mtools') === undefined
  )
    return undefined;
  const disk = path.join(folder, 'boot.img');
  const fd = openSync(disk, 'w');
  ftruncateSync(fd, kB * 1024);
  closeSync(fd);
  run('mkfs.vfat', '-n', 'bootfs', disk);
  if (!inKernel && peer(t, 'fusefat', 'apt-get install -y fusefat') === undefined) return undefined;
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(path.join(folder, 'part'), content);
    run('mcopy', '-i', disk, path.join(folder, 'part'), `::${name}`);
  }
  return disk;
}

/** By the driver of the kernel, or, where it has none, by that of FUSE, which is another implementation of FAT. */
const inKernel = readFileSync('/proc/filesystems', 'utf8').includes('vfat');
function mount(disk: string, point: string, way: 'ro' | 'rw' = 'rw'): void {
  if (inKernel) run('mount', '-o', `loop,${way}`, disk, point);
  else run('fusefat', ...(way === 'rw' ? ['-o', 'rw+'] : []), disk, point);
}
/** FUSE writes the last of it after the unmount has returned. */
async function unmount(disk: string, point: string): Promise<void> {
  run('umount', point);
  await waitFor('the end of the driver', () => {
    const { status, error } = spawnSync('fuser', ['-s', disk]);
    if (error !== undefined) throw new Error('fuser is missing; it comes with the package psmisc');
    return status !== 0;
  });
}
const read = (disk: string, name: string): string => spawnSync('mtype', ['-i', disk, `::${name}`], { encoding: 'utf8' }).stdout;

test('a card that Windows wrote is put in force, answered and freed of its secrets', async (t) => {
  if (!mayMount(t)) return;
  const folder = scratch(t);
  const disk = image(t, folder, {
    'SLUICE.YML': Buffer.from(`\ufeff${CARD.replaceAll('\n', '\r\n')}`, 'utf16le'),
    'config.txt': 'dtparam=audio=on\n',
  });
  if (disk === undefined) return;
  const point = mountPoint(t, 'fat');
  mount(disk, point);
  const board = new FakeBoard(folder, undefined, point);
  assert.deepEqual([board.start().outcome, board.start().outcome], ['applied', 'unchanged']);
  await unmount(disk, point);
  run('fsck.vfat', '-n', disk);
  const status = read(disk, 'sluice-status.txt');
  assert.match(status, /^Result: {6}sluice\.yaml is in force/m);
  const bytes = readFileSync(disk);
  for (const secret of SECRETS)
    for (const encoding of ['utf8', 'utf16le'] as const)
      assert.equal(
        bytes.indexOf(Buffer.from(secret, encoding)),
        -1,
        `${secret} is nowhere on the file system, in no free cluster`,
      );
  assert.ok(bytes.includes(Buffer.from('Ghat 1 water point', 'utf16le')));
});

test('a read-only and a full card are put in force, and say so', async (t) => {
  if (!mayMount(t)) return;
  const folder = scratch(t);
  const disk = image(t, folder, { 'sluice.yaml': CARD });
  if (disk === undefined) return;
  const point = mountPoint(t, 'fat');
  mount(disk, point, 'ro');
  const board = new FakeBoard(path.join(folder, 'a'), undefined, point);
  const done = board.start();
  assert.equal(done.outcome, 'applied');
  assert.match(done.remarks.join('\n'), /secrets are still on the card/);
  await unmount(disk, point);

  // Filled from outside: the driver of FUSE writes slowly.
  mount(disk, point);
  const { bavail, bsize } = statfsSync(point);
  await unmount(disk, point);
  writeFileSync(path.join(folder, 'ballast'), Buffer.alloc(bavail * bsize));
  run('mcopy', '-i', disk, path.join(folder, 'ballast'), '::ballast');
  mount(disk, point);
  const full = new FakeBoard(path.join(folder, 'b'), { serial: '1234567', cid: 'cc' }, point);
  const filled = full.start();
  assert.equal(filled.outcome, 'applied');
  assert.match(filled.remarks.join('\n'), /sluice-status\.txt cannot be written/);
  for (const secret of SECRETS) assert.ok(!full.card().includes(secret), secret);
  assert.equal(full.start().outcome, 'unchanged');
});

test('a folder in place of the file, and a file system of random bytes, are survived', async (t) => {
  if (!mayMount(t)) return;
  const folder = scratch(t);
  const disk = image(t, folder, {});
  if (disk === undefined) return;
  run('mmd', '-i', disk, '::sluice.yaml');
  const point = mountPoint(t, 'fat');
  mount(disk, point);
  const board = new FakeBoard(path.join(folder, 'a'), undefined, point);
  assert.match(board.start().faults.join(), /is a folder/);
  await unmount(disk, point);
  // The clusters of a file that a bad card destroyed.
  writeFileSync(path.join(folder, 'noise'), Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7919 + (i >> 3)) & 255)));
  run('mdeltree', '-i', disk, '::sluice.yaml');
  run('mcopy', '-i', disk, path.join(folder, 'noise'), '::sluice.yaml');
  mount(disk, point);
  assert.match(board.start().faults.join(), /^sluice\.yaml:\d+:1: /);
  mkdirSync(path.join(point, 'empty'));
});
