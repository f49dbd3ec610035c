import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { MIRROR_MOST, Mirror } from '../../../src/store/tail/mirror.ts';
import { scratch } from '../../harness/scratch.ts';

const files = (dir: string) => readdirSync(dir).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

test('segments go with their commit; while none ends, the oldest go and the newest stay', (t) => {
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

test('a large segment asks for another one, so the bound holds although no commit ends', (t) => {
  const dir = scratch(t, 'mirror');
  const mirror = new Mirror(dir);
  mirror.begin(new Uint8Array(8));
  const entry = new Uint8Array(100_000);
  let begun = 0;
  for (let i = 0; i < 1000; i++) {
    if (mirror.full) {
      mirror.begin(new Uint8Array(8));
      begun++;
    }
    mirror.write(entry);
    assert.ok(mirror.bytes <= MIRROR_MOST);
  }
  assert.ok(begun > 10);
  const bytes = files(dir).reduce((sum, name) => sum + statSync(path.join(dir, name)).size, 0);
  assert.equal(mirror.bytes, bytes, 'what lies there is what it says');
  assert.ok(bytes > MIRROR_MOST / 2);
  mirror.close();
});
