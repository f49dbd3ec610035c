/** What a folder takes, whatever a flow put into it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { DEEPEST, folderSize } from '../../../src/node-red/folder-size.ts';
import { scratch } from '../../harness/scratch.ts';

const MB = 1024 ** 2;
const walk = (most = 1e9) => ({ most, now: () => 0, rest: async () => {} });

test('blocks count and not lengths, an entry counts 4 kB at least, and no link is followed', async (t) => {
  const folder = scratch(t, 'size');
  const other = scratch(t, 'other');
  writeFileSync(path.join(other, 'large'), Buffer.alloc(8 * MB, 1));
  const { bytes: empty } = await folderSize(folder, walk());
  writeFileSync(path.join(folder, 'sparse'), '');
  truncateSync(path.join(folder, 'sparse'), 1024 ** 4);
  symlinkSync(other, path.join(folder, 'link'));
  symlinkSync('nowhere', path.join(folder, 'nowhere'));
  execFileSync('mkfifo', [path.join(folder, 'pipe')]);
  for (let i = 0; i < 100; i++) writeFileSync(path.join(folder, `empty-${i}`), '');
  const small = await folderSize(folder, walk());
  assert.equal(small.ended, undefined);
  assert.equal(small.entries, 104);
  assert.ok(small.bytes - empty >= 104 * 4096 && small.bytes - empty < 2 * 104 * 4096, `${small.bytes - empty} bytes`);
  mkdirSync(path.join(folder, 'a', 'b'), { recursive: true });
  writeFileSync(path.join(folder, 'a', 'b', 'full'), Buffer.alloc(2 * MB, 1));
  linkSync(path.join(folder, 'a', 'b', 'full'), path.join(folder, 'second'));
  const { bytes } = await folderSize(folder, walk());
  // A second name of a file counts again: a bound that is met early is no harm.
  assert.ok(bytes - small.bytes >= 4 * MB && bytes - small.bytes < 5 * MB, `${bytes - small.bytes} bytes`);
});

test('a walk ends beyond its bytes, in a folder that is too deep, and after its time', async (t) => {
  const folder = scratch(t, 'size');
  for (let i = 0; i < 300; i++) writeFileSync(path.join(folder, `file-${i}`), 'x');
  const stopped = await folderSize(folder, walk(40 * 4096));
  assert.equal(stopped.ended, 'bytes');
  assert.ok(stopped.entries < 60, `${stopped.entries} entries`);

  let [now, rests] = [0, 0];
  const slow = await folderSize(folder, {
    ...{ most: 1e9, now: () => now },
    rest: async () => {
      rests++;
      now += 40_000;
    },
  });
  assert.equal(slow.ended, 'time');
  assert.equal(rests, 2);

  const deep = scratch(t, 'deep');
  mkdirSync(path.join(deep, ...Array.from({ length: DEEPEST - 1 }, () => 'd')), { recursive: true });
  assert.equal((await folderSize(deep, walk())).ended, undefined);
  mkdirSync(path.join(deep, ...Array.from({ length: 3 * DEEPEST }, () => 'd')), { recursive: true });
  assert.equal((await folderSize(deep, walk())).ended, 'depth');
  await assert.rejects(folderSize(path.join(deep, 'none'), walk()), { code: 'ENOENT' });
});
