import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Mirror } from '../../src/store/mirror.ts';
import { scratch } from '../fakes/scratch.ts';

const files = (dir: string) => readdirSync(dir).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

test('segments go with their commit; while none ends, the oldest are given up and the newest stay', (t) => {
  const dir = scratch(t, 'mirror');
  const mirror = new Mirror(dir);
  const megabyte = new Uint8Array(1024 * 1024);
  for (let i = 0; i < 100; i++) {
    mirror.begin(new Uint8Array(8));
    mirror.write(megabyte);
  }
  const left = files(dir);
  assert.ok(left.reduce((sum, name) => sum + statSync(path.join(dir, name)).size, 0) <= 34 * 1024 * 1024);
  assert.equal(left.at(-1), 'tail-100.bin');
  assert.ok(left.length >= 32, 'no more was given up than had to be');
  const last = mirror.begin(new Uint8Array(8));
  mirror.drop(last);
  assert.deepEqual(files(dir), [`tail-${last}.bin`]);
  assert.equal(mirror.fault, undefined);
  mirror.close();
});
