/** Files that a configuration names are read up to a bound, and nothing but files is. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { readSmallFile } from '../../../src/config/small-file.ts';
import { scratch } from '../../harness/scratch.ts';

test('a file is read up to its bound, and one byte more is too much', (t) => {
  const file = path.join(scratch(t), 'file');
  writeFileSync(file, '12345678', { mode: 0o640 });
  const read = readSmallFile(file, 8);
  assert.ok(read.kind === 'file');
  assert.equal(read.bytes.toString(), '12345678');
  assert.equal(read.mode & 0o777, 0o640);
  assert.deepEqual(readSmallFile(file, 7), { kind: 'large', size: 8 });
});

test('a file with more bytes than its size says is not read beyond the bound', () => {
  assert.deepEqual(readSmallFile('/proc/self/status', 16), { kind: 'large', size: 17 });
});

test('a link leads to its file, and folders, pipes and devices are named without a wait', (t) => {
  const folder = scratch(t);
  const at = (name: string) => path.join(folder, name);
  writeFileSync(at('file'), 'x');
  symlinkSync('file', at('link'));
  execFileSync('mkfifo', [at('pipe')]);
  const kinds = [at('link'), folder, at('pipe'), '/dev/zero'].map((file) => readSmallFile(file, 10).kind);
  assert.deepEqual(kinds, ['file', 'folder', 'other', 'other']);
  assert.throws(() => readSmallFile(at('none'), 10), { code: 'ENOENT' });
});
