/** The two small files about Node-RED: what stays over a restart, and what a damaged or open one leads to. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Logger, silentLogger } from '../../../src/core/logger.ts';
import { FlowFiles, SAFE_MODE_FILE, SECRET_FILE } from '../../../src/node-red/flow-files.ts';
import { scratch } from '../../harness/scratch.ts';

function flowBench(t: TestContext) {
  const dir = scratch(t, 'flows');
  const warned: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, message) => void warned.push(message) };
  return { dir, warned, at: (name: string) => path.join(dir, name), again: () => new FlowFiles(dir, logger) };
}

test('the secret is made once, is for the gateway alone, and stays', async (t) => {
  const { at, again, warned } = flowBench(t);
  const secret = await again().secret();
  assert.match(secret, /^[0-9a-f]{64}$/);
  assert.equal(statSync(at(SECRET_FILE)).mode & 0o777, 0o600);
  assert.equal(await again().secret(), secret);
  assert.deepEqual(warned, []);
  const other = flowBench(t);
  assert.notEqual(await other.again().secret(), secret);
});

test('a secret that is damaged, too long or open to others is set aside and made anew', async (t) => {
  for (const [content, mode, why] of [
    ['not a secret\n', 0o600, /is damaged/],
    ['', 0o600, /is damaged/],
    ['a'.repeat(100_000), 0o600, /./],
    [`${'a'.repeat(64)}\n`, 0o644, /could be read by other users/],
  ] as const) {
    const { dir, at, again, warned } = flowBench(t);
    writeFileSync(at(SECRET_FILE), content);
    chmodSync(at(SECRET_FILE), mode);
    const secret = await again().secret();
    assert.match(secret, /^[0-9a-f]{64}$/);
    assert.notEqual(secret, 'a'.repeat(64));
    assert.equal(warned.length, 1);
    assert.match(warned[0] ?? '', why);
    assert.equal(readdirSync(dir).length, 2, 'the old one is beside it');
    assert.equal(await again().secret(), secret);
  }
});

test('why flows do not run stays until it is taken back', async (t) => {
  const { again } = flowBench(t);
  assert.equal(await again().safeMode(), undefined);
  await again().saveSafeMode('it ended five times');
  assert.equal(await again().safeMode(), 'it ended five times');
  await again().saveSafeMode(undefined);
  assert.equal(await again().safeMode(), undefined);
  await again().saveSafeMode('x'.repeat(1e6));
  assert.equal((await again().safeMode())?.length, 1000);
});

test('a file of safe mode that is no such file lets the flows start, and is set aside', async (t) => {
  for (const content of ['', '{', '[]', 'null', '{"v":2,"safeMode":"x"}', '{"v":1,"safeMode":7}', '\u0000\u0001']) {
    const { at, again, warned } = flowBench(t);
    writeFileSync(at(SAFE_MODE_FILE), content, { mode: 0o600 });
    assert.equal(await again().safeMode(), undefined, content);
    assert.equal(existsSync(at(SAFE_MODE_FILE)), false);
    assert.equal(warned.length, 1, content);
    await again().saveSafeMode('new');
    assert.equal(JSON.parse(readFileSync(at(SAFE_MODE_FILE), 'utf8')).safeMode, 'new');
  }
});
