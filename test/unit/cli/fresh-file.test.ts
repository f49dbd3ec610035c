/** A file that a command says it wrote: on the disk with its name before the command says so. */
import assert from 'node:assert/strict';
import fs, { existsSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { writeFresh } from '../../../src/cli/bundle/bundle-file.ts';
import { configureKeyFile } from '../../../src/cli/configure.ts';
import { fleet } from '../../../src/cli/fleet.ts';
import { init } from '../../../src/cli/init.ts';
import { scratch } from '../../harness/scratch.ts';

/** What was synced, in order. Nothing is printed. */
function synced(t: TestContext): string[] {
  const files: string[] = [];
  const { fsyncSync } = fs;
  t.mock.method(fs, 'fsyncSync', (fd: number) => {
    files.push(readlinkSync(`/proc/self/fd/${fd}`));
    fsyncSync(fd);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return files;
}
const quiet = (t: TestContext): void => {
  for (const stream of [process.stdout, process.stderr]) t.mock.method(stream, 'write', () => true);
};

test('sluice configure key: nobody gets a public key whose private one a cut would take', async (t) => {
  const dir = scratch(t, 'fresh');
  const files = synced(t);
  quiet(t);
  await configureKeyFile(path.join(dir, 'signer.pem'), {});
  t.mock.restoreAll();
  assert.deepEqual(files, [path.join(dir, 'signer.pem'), dir]);
  assert.equal(statSync(path.join(dir, 'signer.pem')).mode & 0o777, 0o600);
});

test('sluice init: the configuration is on the disk', async (t) => {
  const dir = scratch(t, 'fresh');
  const files = synced(t);
  quiet(t);
  await init(dir);
  t.mock.restoreAll();
  assert.deepEqual(files, [path.join(dir, 'gateway.yaml'), dir]);
});

test('sluice fleet: the codes of printed labels are on the disk, with all folders', async (t) => {
  const dir = scratch(t, 'fresh');
  const [table, making, out] = ['sites.csv', 'cards.making', 'cards'].map((name) => path.join(dir, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(table, 'id,site\nghat-1,Ghat 1\nghat-2,Ghat 2\n');
  const files = synced(t);
  quiet(t);
  await fleet(table, { output: out });
  t.mock.restoreAll();
  assert.deepEqual(files, [
    ...['ghat-1', 'ghat-2'].flatMap((id) => [path.join(making, id, 'sluice.yaml'), path.join(making, id)]),
    ...[path.join(making, 'labels.html'), path.join(making, 'claim-codes.csv'), making, dir],
  ]);
  assert.ok(existsSync(path.join(out, 'ghat-2', 'sluice.yaml')));
});

test('a file of another one stays, and a disk that fails leaves none', (t) => {
  const dir = scratch(t, 'fresh');
  const file = path.join(dir, 'a');
  writeFresh(file, 'one', 0o600);
  assert.throws(() => writeFresh(file, 'two', 0o600), { code: 'EEXIST' });
  assert.equal(readFileSync(file, 'utf8'), 'one');
  t.mock.method(fs, 'fsyncSync', () => {
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  assert.throws(() => writeFresh(path.join(dir, 'b'), 'half', 0o600), { code: 'ENOSPC' });
  assert.equal(existsSync(path.join(dir, 'b')), false);
});
