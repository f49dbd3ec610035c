/** A certificate in two files of the operator: replaced while the gateway runs, half replaced, too large, about to end. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { issue } from '../../../src/access/tls/issuing.ts';
import { OperatorFiles } from '../../../src/access/tls/operator-files.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { BUILT } from '../../../src/core/version.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const DAY = 86_400_000;
const LOOK = 600_000;
const names = { dns: ['localhost'], addresses: [] };

async function pair(days: number) {
  const { server } = await issue({
    ...{ subject: 'g1', names, permits: names, caFrom: BUILT, caUntil: BUILT + 4000 * DAY },
    ...{ from: BUILT, until: BUILT + days * DAY },
  });
  return server;
}

function fileBench(t: TestContext) {
  const dir = scratch(t, 'files');
  const clock = new ManualClock(BUILT);
  const logged: string[] = [];
  const log = (data: unknown, words = '') => logged.push(`${JSON.stringify(data)} ${words}`);
  const [cert, key] = [path.join(dir, 'board.crt'), path.join(dir, 'board.key')];
  const one = { now: BUILT as number | undefined };
  const files = new OperatorFiles({ cert, key, clock, logger: { ...silentLogger, warn: log, error: log }, now: () => one.now });
  let changes = 0;
  files.onChange(() => changes++);
  t.after(() => files.stop());
  const put = (made: { key: string; certificate: string }) => {
    writeFileSync(cert, made.certificate);
    writeFileSync(key, made.key);
  };
  return { cert, key, clock, logged, files, put, one, changes: () => changes };
}

test('files that are replaced are taken at the next look, a half replaced pair is not', async (t) => {
  const s = fileBench(t);
  const [first, second] = await Promise.all([pair(500), pair(600)]);
  s.put(first);
  s.files.start();
  assert.equal(s.files.current?.until, BUILT + 500 * DAY);
  writeFileSync(s.cert, second.certificate);
  await s.clock.advance(2 * LOOK);
  assert.equal(s.files.current?.until, BUILT + 500 * DAY);
  assert.match(s.files.fault ?? '', /does not belong to the certificate/);
  assert.equal(s.logged.length, 1);
  writeFileSync(s.key, second.key);
  await s.clock.advance(LOOK);
  assert.deepEqual([s.files.current?.until, s.files.fault, s.changes()], [BUILT + 600 * DAY, undefined, 2]);
  await s.clock.advance(10 * LOOK);
  assert.equal(s.changes(), 2);
});

test('files that come later, vanish, or are no certificate leave a fault in words', async (t) => {
  const s = fileBench(t);
  s.files.start();
  assert.match(s.files.fault ?? '', /board.key: ENOENT/);
  s.put(await pair(500));
  await s.clock.advance(LOOK);
  assert.equal(s.files.fault, undefined);
  rmSync(s.key);
  await s.clock.advance(LOOK);
  assert.match(s.files.fault ?? '', /ENOENT/);
  writeFileSync(s.key, Buffer.alloc(1_000_000, 65));
  await s.clock.advance(LOOK);
  assert.match(s.files.fault ?? '', /1000000 bytes/);
  assert.ok(s.files.current !== undefined);
});

test('a pair that the TLS library refuses is a fault in words, and the one before stays', async (t) => {
  const s = fileBench(t);
  const good = await pair(500);
  s.put(good);
  s.files.start();
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  s.put({ ...good, certificate: good.certificate + broken });
  await s.clock.advance(LOOK);
  assert.match(s.files.fault ?? '', /no listener can use the certificate/);
  assert.equal(s.files.current?.cert, good.certificate);
  assert.equal(s.changes(), 1);
});

test('a certificate that ends soon is reported once, and only when the clock is known', async (t) => {
  const s = fileBench(t);
  s.one.now = undefined;
  s.put(await pair(20));
  s.files.start();
  await s.clock.advance(LOOK);
  s.one.now = BUILT + 5 * DAY;
  await s.clock.advance(LOOK);
  assert.equal(s.logged.length, 0);
  s.one.now = BUILT + 7 * DAY;
  await s.clock.advance(3 * LOOK);
  assert.equal(s.logged.filter((line) => line.includes('ends soon')).length, 1);
});

test('files that were away and are there again leave no fault', async (t) => {
  const s = fileBench(t);
  s.put(await pair(500));
  s.files.start();
  // A stick that was pulled and put in again: the same file, of the same time.
  renameSync(s.key, `${s.key}.away`);
  await s.clock.advance(LOOK);
  assert.match(s.files.fault ?? '', /ENOENT/);
  renameSync(`${s.key}.away`, s.key);
  await s.clock.advance(LOOK);
  assert.deepEqual([s.files.fault, s.changes()], [undefined, 1]);
});

test('a pipe in the place of a file is refused, and nobody waits for it', (t) => {
  const s = fileBench(t);
  writeFileSync(s.key, 'a key');
  assert.equal(spawnSync('mkfifo', [s.cert]).status, 0);
  // A gateway that opens the pipe would hang; this one gets the end of it.
  const writer = spawn('sh', ['-c', ': > "$0"', s.cert]);
  t.after(() => writer.kill('SIGKILL'));
  s.files.start();
  assert.match(s.files.fault ?? '', /board.crt is not a file/);
});
