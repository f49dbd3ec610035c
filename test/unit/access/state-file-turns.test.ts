/** Files of the state directory take turns: while the disk hangs in one of them, the others wait without a thread of the pool. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import test from 'node:test';
import { inTurn, readOwn, removeOwn, writeOwn } from '../../../src/access/state-file.ts';
import { scratch } from '../../harness/scratch.ts';

test('a file waits while the one before hangs, the pool is free, and a fault holds up nobody', async (t) => {
  const folder = scratch(t, 'turns');
  const file = path.join(folder, 'one');
  const hung = Promise.withResolvers<void>();
  const first = inTurn(() => hung.promise);
  const all = [writeOwn(file, 'text'), readOwn(file, 100), removeOwn(path.join(folder, 'none'))];
  // More looks than the pool has threads: each has its answer, and nothing was written meanwhile.
  for (let i = 0; i < 20; i++) await stat(folder);
  assert.equal(existsSync(file), false);
  hung.reject(new Error('gone'));
  await assert.rejects(first, /gone/);
  const [, found] = await Promise.all(all);
  assert.deepEqual(found, { kind: 'text', text: 'text', readableByOthers: false });
  assert.equal(readFileSync(file, 'utf8'), 'text');
});
