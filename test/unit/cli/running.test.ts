/** Where a command looks for the gateway of a configuration, while somebody changes the file. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { socketOf, stateDirOf } from '../../../src/cli/running.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { scratch } from '../../harness/scratch.ts';

const refused = (thrown: unknown) => thrown instanceof SluiceError && thrown.code === 'config-invalid';

test('a file with faults leads to the gateway that runs with its state folder, and to no other', (t) => {
  const dir = scratch(t, 'running');
  const config = path.join(dir, 'gateway.yaml');
  const state = path.join(dir, 'state');
  const find = () => socketOf({ config });
  writeFileSync(config, 'gateway: {id: g, stateDir: state}\nbuss: 1\n');
  assert.throws(find, refused, 'no gateway has used the folder');
  mkdirSync(state);
  writeFileSync(path.join(state, 'log.db'), '');
  assert.throws(find, refused, 'none runs there');
  assert.equal(stateDirOf(config, ['sluice.sock', 'log.db']), state, 'its readings can be exported');
  writeFileSync(path.join(state, 'sluice.sock'), '');
  for (const text of ['gateway: {id: g, stateDir: state}\nbuss: 1\n', 'gateway:\n  stateDir: state\n\tid: g\n']) {
    writeFileSync(config, text);
    assert.equal(find(), path.join(state, 'sluice.sock'));
  }
  for (const text of ['gateway: {id: g}\nbuss: 1\n', 'a: {stateDir: state}\nb: {stateDir: other}\n']) {
    writeFileSync(config, text);
    assert.throws(find, refused, `${text}: nobody knows which one`);
  }
});
