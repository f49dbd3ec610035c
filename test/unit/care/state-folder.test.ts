/** `sluice restore` and `sluice factory-reset` empty the state of a gateway, and no folder of anybody else. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { factoryReset } from '../../../src/care/factory-reset.ts';
import { assertStateFolder, isOurs } from '../../../src/care/state-folder.ts';
import { IDENTITY_FILE } from '../../../src/provisioning/identity.ts';
import { scratch } from '../../harness/scratch.ts';

const HOME = ['.bash_logout', '.bashrc', '.profile', 'letters'];
const RAN = ['sluice.lock', 'log.db', 'log.db-wal', 'log.db-shm', 'history.db', 'tls', 'access.json', 'gateway.key', 'config'];

/** @param names with a slash at the end: folders */
function folderOf(t: TestContext, names: readonly string[]): { state: string; config: string } {
  const folder = scratch(t, 'state-folder');
  const state = path.join(folder, 'state');
  mkdirSync(state);
  for (const name of names) {
    if (name.endsWith('/')) mkdirSync(path.join(state, name));
    else writeFileSync(path.join(state, name), name);
  }
  mkdirSync(path.join(folder, 'etc'));
  return { state, config: path.join(folder, 'etc', 'gateway.yaml') };
}

test('the state of a gateway is known at each moment of its life', (t) => {
  for (const names of [
    [],
    ['lost+found/'],
    [IDENTITY_FILE, 'gateway.key'],
    [IDENTITY_FILE, 'gateway.key', 'provision/', 'secrets/', 'claim', 'notices.json', 'lost+found/'],
    ['sluice.lock'],
    ['sluice.lock', '.factory-reset', 'a note', 'b'],
    ['sluice.lock', '.restore/', 'lost+found/'],
    RAN,
    [...RAN, 'a note', 'b'],
  ]) {
    const { state, config } = folderOf(t, names);
    assert.doesNotThrow(() => assertStateFolder(state, config), names.join(' '));
    assert.doesNotThrow(() => assertStateFolder(path.join(state, 'missing'), config));
  }
});

test('a folder of somebody else is refused by its names, and a reset changes nothing in it', (t) => {
  for (const names of [
    ['history.db'],
    ['log.db', 'log.db-wal'],
    ['access.json'],
    ['gateway.key'],
    ['identity.json'],
    ['sluice.lock/'],
    ['sluice.lock', 'letters/', 'b'],
    ['sluice.lock', ...HOME],
    [...RAN, ...HOME],
    [IDENTITY_FILE, 'gateway.key', ...HOME],
  ]) {
    const { state, config } = folderOf(t, names);
    const before = readdirSync(state).sort();
    assert.throws(
      () => factoryReset(state, { configFile: config, paths: [] }),
      /is not the state of a gateway: it holds "/,
      names.join(' '),
    );
    assert.deepEqual(readdirSync(state).sort(), before);
  }
  const { state, config } = folderOf(t, [...RAN, ...HOME]);
  assert.throws(() => assertStateFolder(state, config), /it holds "\.bash_logout", "\.bashrc", "\.profile" and 1 more\. Nothing/);
});

test('a configuration in the state folder is seen through links', (t) => {
  const { state, config } = folderOf(t, ['sluice.lock']);
  const folder = path.dirname(state);
  symlinkSync(state, path.join(folder, 'link'));
  symlinkSync(config, path.join(state, 'gateway.yaml'));
  writeFileSync(config, '');
  for (const [stateDir, configFile] of [
    [path.join(folder, 'link'), path.join(state, 'new.yaml')],
    [state, path.join(folder, 'link', 'new.yaml')],
    [path.join(folder, 'link', 'deep'), path.join(state, 'deep', 'new.yaml')],
    [state, path.join(state, 'gateway.yaml')],
    [path.dirname(config), path.join(state, 'gateway.yaml')],
  ] as const)
    assert.throws(() => assertStateFolder(stateDir, configFile), /the configuration .* lies in it/, `${stateDir} ${configFile}`);
});

test('a reset leaves the folder that a disk began with', (t) => {
  const { state, config } = folderOf(t, ['sluice.lock', 'log.db', 'lost+found/']);
  writeFileSync(path.join(state, 'lost+found', '#12'), 'of fsck');
  factoryReset(state, { configFile: config, paths: [] });
  assert.deepEqual(readdirSync(state).sort(), ['lost+found', 'sluice.lock']);
  assert.equal(existsSync(path.join(state, 'lost+found', '#12')), true);
});

test('each name of the reference page is known', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/reference/files.md'), 'utf8');
  const [, table = ''] = /## The state directory\n([\s\S]*?)\n- /.exec(page) ?? [];
  const names = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => (name.split('/')[0] ?? '').replace(/N$/, '12')),
  );
  assert.ok(names.length > 40, String(names));
  assert.deepEqual(
    names.filter((name) => !isOurs(name)),
    [],
  );
  for (const name of ['letters', 'log.txt', 'sluice', 'config.txt', '.bashrc', 'history.dbx/..'])
    assert.equal(isOurs(name), false, name);
});
