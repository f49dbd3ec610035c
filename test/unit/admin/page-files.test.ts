/** Files of the pages: what stays in memory, and what is read once for all who ask. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { pageFiles } from '../../../src/admin/page-files.ts';
import { scratch } from '../../harness/scratch.ts';

test('the first page stays in memory, and a large file is read once for all who ask', async (t) => {
  const folder = scratch(t, 'pages');
  const [small, large] = [Buffer.from('<!doctype html>'), Buffer.alloc(100_000, 0x61)];
  writeFileSync(path.join(folder, 'index.html'), small);
  writeFileSync(path.join(folder, 'index.html.gz'), small.subarray(1));
  writeFileSync(path.join(folder, 'index-1.js'), large);
  const files = pageFiles(folder);
  const [first, script] = [files.get('/'), files.get('/index-1.js')];
  const asked = Array.from({ length: 50 }, () => script?.body());
  assert.equal(new Set(asked).size, 1);
  assert.ok((await asked[0])?.equals(large));
  const again = script?.body();
  assert.notEqual(again, asked[0], 'it does not stay in memory');
  assert.ok((await again)?.equals(large));
  for (const name of ['index.html', 'index.html.gz', 'index-1.js']) rmSync(path.join(folder, name));
  assert.ok((await first?.body())?.equals(small));
  assert.ok((await first?.packed?.())?.equals(small.subarray(1)));
  await assert.rejects(script?.body() ?? Promise.resolve(), /ENOENT/);
  await assert.rejects(script?.body() ?? Promise.resolve(), /ENOENT/);
});
