/** `sluice init` where the disk does not take the file. */
import assert from 'node:assert/strict';
import fs, { readdirSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import test from 'node:test';
import { init } from '../../../src/cli/init.ts';
import { scratch } from '../../harness/scratch.ts';

test('a disk that is full leaves no half file, so the next try writes the whole one', async (t) => {
  const dir = scratch(t, 'init');
  const write = t.mock.method(fs, 'writeSync', (fd: number) => {
    write.mock.restore();
    fs.writeSync(fd, 'gateway:');
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
  });
  syncBuiltinESMExports();
  t.after(syncBuiltinESMExports);
  await assert.rejects(init(dir), { message: `${path.join(dir, 'gateway.yaml')} cannot be written: the disk is full` });
  assert.deepEqual(readdirSync(dir), []);
  syncBuiltinESMExports();
  const out = t.mock.method(process.stdout, 'write', () => true);
  await init(dir);
  out.mock.restore();
  assert.deepEqual(readdirSync(dir), ['gateway.yaml']);
  await assert.rejects(init(dir), /exists already and was left as it is/);
});
