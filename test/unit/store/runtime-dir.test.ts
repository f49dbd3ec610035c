/** The folder of the tail, when somebody else was there first. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import { readTail } from '../../../src/store/recovery/recover.ts';
import { Mirror } from '../../../src/store/tail/mirror.ts';
import { chooseRuntimeDir, createOwn, folderFault, readOwn } from '../../../src/store/tail/runtime-dir.ts';
import { scratch } from '../../harness/scratch.ts';
import { asRoot } from '../../peers/peers.ts';

/** Any user but the one of the test. */
const NOBODY = 65_534;

test('a named folder is taken when it is its owner’s alone; a refusal says what to do', (t) => {
  if (!asRoot(t, 'give a file to another user')) return;
  const dir = scratch(t, 'runtime', '/dev/shm');
  const state = path.join(dir, 'state');
  const choose = (name: string) => chooseRuntimeDir(state, path.join(dir, name), {});
  assert.deepEqual(choose('new'), { chosen: { dir: path.join(dir, 'new'), memoryBacked: true }, refused: [] });
  assert.equal(statSync(path.join(dir, 'new')).mode & 0o777, 0o700);
  assert.equal(choose('new').chosen?.dir, path.join(dir, 'new'), 'again');

  mkdirSync(path.join(dir, 'foreign'));
  chownSync(path.join(dir, 'foreign'), NOBODY, NOBODY);
  mkdirSync(path.join(dir, 'open'));
  chmodSync(path.join(dir, 'open'), 0o777);
  mkdirSync(path.join(dir, 'group'));
  chmodSync(path.join(dir, 'group'), 0o770);
  symlinkSync(path.join(dir, 'new'), path.join(dir, 'link'));
  symlinkSync(path.join(dir, 'nothing'), path.join(dir, 'dangling'));
  writeFileSync(path.join(dir, 'file'), '');
  mkdirSync(path.join(dir, 'theirs', 'mine'), { recursive: true });
  chownSync(path.join(dir, 'theirs'), NOBODY, NOBODY);
  mkdirSync(path.join(dir, 'public', 'mine'), { recursive: true });
  chmodSync(path.join(dir, 'public'), 0o777);
  for (const [name, why] of [
    ['foreign', /belongs to user 65534 and the gateway runs as user 0; remove it/],
    ['open', /other users may write in it; .*chmod go-w/],
    ['group', /other users may write in it; .*chmod go-w/],
    ['link', /it is a link; remove the link/],
    ['dangling', /it is a link; remove the link/],
    ['file', /it is not a folder; remove it/],
    ['theirs/mine', /other users may replace it, as .*theirs belongs to user 65534/],
    ['public/mine', /other users may replace it, as .*public may be written by others/],
  ] as const) {
    const { chosen, refused } = choose(name);
    assert.equal(chosen, undefined, name);
    assert.equal(refused.length, 1, name);
    assert.match(refused[0] as string, why);
  }
  // A folder like /tmp: others may make what is missing, and not replace what is there.
  chmodSync(path.join(dir, 'public'), 0o1777);
  assert.equal(choose('public/mine').chosen?.dir, path.join(dir, 'public/mine'));
});

test('a file is made anew whatever has its name, and a link is neither written through nor read', (t) => {
  const dir = scratch(t, 'runtime', '/dev/shm');
  const precious = path.join(dir, 'precious');
  const file = path.join(dir, 'tail-1.bin');
  writeFileSync(precious, 'kept');
  for (const plant of [symlinkSync, linkSync, (_: string, name: string) => writeFileSync(name, 'old')]) {
    plant(precious, file);
    createOwn(file);
    assert.equal(readFileSync(precious, 'utf8'), 'kept');
    assert.equal(statSync(file).size, 0);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    spawnSync('rm', [file]);
  }
  symlinkSync(precious, file);
  assert.equal(readOwn(file), undefined, 'a link');
  const second = path.join(dir, 'tail-2.bin');
  linkSync(precious, second);
  assert.equal(readOwn(second), undefined, 'a file with two names');
  const pipe = path.join(dir, 'tail-3.bin');
  spawnSync('mkfifo', [pipe]);
  assert.equal(readOwn(pipe), undefined, 'a pipe, for which nothing waits');
  mkdirSync(path.join(dir, 'tail-4.bin'));
  writeFileSync(path.join(dir, 'tail-5.bin'), '');
  spawnSync('truncate', ['-s', '1T', path.join(dir, 'tail-5.bin')]);
  assert.equal(readOwn(path.join(dir, 'tail-5.bin')), undefined, 'more than a segment can have');
  assert.deepEqual(readTail(dir), []);
});

test('a folder that another user made anew takes no segment and loses no file', (t) => {
  if (!asRoot(t, 'give a file to another user')) return;
  const above = scratch(t, 'runtime', '/dev/shm');
  const dir = path.join(above, 'run');
  mkdirSync(dir, { mode: 0o700 });
  const mirror = new Mirror(dir);
  t.after(() => mirror.close());
  mirror.begin(new Uint8Array(8));
  assert.equal(mirror.up, true);
  spawnSync('rm', ['-r', dir]);
  mkdirSync(dir);
  chmodSync(dir, 0o777);
  chownSync(dir, NOBODY, NOBODY);
  writeFileSync(path.join(above, 'precious'), 'kept');
  symlinkSync(path.join(above, 'precious'), path.join(dir, 'tail-2.bin'));
  writeFileSync(path.join(dir, 'tail-1.bin'), 'theirs');
  const segment = mirror.begin(Buffer.from('secret'));
  mirror.drop(segment);
  assert.equal(mirror.up, false);
  assert.match(mirror.fault ?? '', /belongs to user 65534/);
  assert.equal(readFileSync(path.join(above, 'precious'), 'utf8'), 'kept');
  assert.equal(readFileSync(path.join(dir, 'tail-1.bin'), 'utf8'), 'theirs');
  spawnSync('rm', ['-r', dir]);
  mirror.begin(new Uint8Array(8));
  assert.equal(mirror.up, true, 'when it is gone');
  assert.equal(folderFault(dir), undefined);
});

test('the folder of another gateway is refused with its name', (t) => {
  const dir = path.join(scratch(t, 'runtime', '/dev/shm'), 'run');
  chooseRuntimeDir('/somewhere/a', dir, {});
  assert.equal(chooseRuntimeDir('/somewhere/a', dir, {}).chosen?.dir, dir);
  assert.throws(
    () => chooseRuntimeDir('/somewhere/b', dir, {}),
    (e: SluiceError) => e instanceof SluiceError && e.code === 'log-open' && e.message.includes('/somewhere/a'),
  );
});
