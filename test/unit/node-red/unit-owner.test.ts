/** Which gateway has the service of Node-RED: the one that lives, and nobody where the file says nothing true. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { ownUnit } from '../../../src/node-red/unit-owner.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';

const MODULE = path.join(import.meta.dirname, '..', '..', '..', 'src', 'node-red', 'unit-owner.ts');

test('the service belongs to the process that took it until that one ends', async (t) => {
  const dir = scratch(t, 'owner');
  const file = path.join(dir, 'owner');
  const code = `import { ownUnit } from ${JSON.stringify(MODULE)}; console.log('owner ' + ownUnit(${JSON.stringify(file)})); setInterval(() => {}, 1000);`;
  const take = () => startChild(t, process.execPath, ['--input-type=module', '-e', code]);
  const other = take();
  assert.equal(await other.line(/^owner/), 'owner undefined');
  assert.equal(ownUnit(file), other.pid);
  assert.equal(await take().line(/^owner/), `owner ${other.pid}`);
  await other.stop('SIGKILL');
  assert.equal(ownUnit(file), undefined);
  // Again and again, as at each start of Node-RED.
  assert.equal(ownUnit(file), undefined);
  assert.equal(await take().line(/^owner/), `owner ${process.pid}`);
  assert.deepEqual(readdirSync(dir), ['owner']);
});

test('a foreign number, garbage or no room for the file hold nobody back', (t) => {
  const dir = scratch(t, 'owner');
  const file = path.join(dir, 'owner');
  // The first process of the machine lives, and started at another time.
  for (const text of ['1 99999999999999', '0 0', '-1 5', '\0\xff'.repeat(1e5), '', `${process.pid} 1`]) {
    writeFileSync(file, text, 'latin1');
    assert.equal(ownUnit(file), undefined);
    assert.match(readFileSync(file, 'latin1'), new RegExp(`^${process.pid} \\d+$`));
  }
  mkdirSync(path.join(dir, 'folder'));
  assert.equal(ownUnit(path.join(dir, 'folder')), undefined);
  assert.equal(ownUnit(path.join(dir, 'none', 'owner')), undefined);
  assert.ok(!existsSync(path.join(dir, 'none')));
});
