/** The last lines of the log of a process whose threads are busy. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { startChild } from '../../harness/child.ts';

const LOGGER = path.join(import.meta.dirname, '..', '..', '..', 'src', 'gateway', 'logger.ts');

/** Hashes take all threads that write; the process becomes another program, as at an end with names that hang. */
const PROGRAM = `
import { scrypt } from 'node:crypto';
const { createLogger } = await import(process.argv[1]);
const { logger, written } = await createLogger({ level: process.argv[2], terminal: false });
for (let i = 0; i < 5; i++) scrypt('x', 'y', 64, { N: 16384, maxmem: 2 ** 26 }, () => {});
for (let i = 0; i < 100; i++) logger.info({ i }, 'line');
await written();
process.execve('/bin/sh', ['sh', '-c', 'exit 0']);
`;

test('the last lines are written in order before the process ends', async (t) => {
  const child = startChild(t, process.execPath, ['--input-type=module', '-e', PROGRAM, LOGGER, 'info']);
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  assert.deepEqual(
    child.stdout.map((line) => (JSON.parse(line) as { i: number }).i),
    Array.from({ length: 100 }, (_, i) => i),
  );
});

test('an end without lines waits for none', async (t) => {
  const child = startChild(t, process.execPath, ['--input-type=module', '-e', PROGRAM, LOGGER, 'error']);
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  assert.deepEqual(child.stdout, []);
});
