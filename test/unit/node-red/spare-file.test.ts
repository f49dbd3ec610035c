/** Room that is kept from flows: bytes, and entries of the file system. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { SPARE_FILE, SPARE_FOLDER } from '../../../src/core/flow-supervisor.ts';
import { SpareFile } from '../../../src/node-red/spare-file.ts';
import { scratch } from '../../harness/scratch.ts';

const MB = 1024 ** 2;

test('a spare file holds bytes and 64 entries, is made once, and goes as a whole', async (t) => {
  const folder = scratch(t, 'spare');
  const spare = new SpareFile(folder);
  const held = await spare.make(MB);
  assert.ok(held >= MB, `${held} bytes are allocated`);
  assert.equal(readdirSync(path.join(folder, SPARE_FOLDER)).length, 64);
  const before = statSync(path.join(folder, SPARE_FILE)).mtimeMs;
  assert.equal(await new SpareFile(folder).make(MB), held);
  assert.equal(statSync(path.join(folder, SPARE_FILE)).mtimeMs, before);
  await spare.release();
  assert.deepEqual(readdirSync(folder), []);
  await spare.release();
});

test('what cannot be made holds nothing and leaves nothing behind', async (t) => {
  const folder = scratch(t, 'spare');
  writeFileSync(path.join(folder, SPARE_FOLDER), 'a file in the way');
  assert.equal(await new SpareFile(folder).make(MB), 0);
  assert.equal(existsSync(path.join(folder, SPARE_FILE)), false);
});
