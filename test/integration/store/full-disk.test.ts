/**
 * A start on a disk without room says what is wrong and what helps, in one sentence, whatever it was that did not fit; nothing
 * is lost or taken for damaged, and with room again it goes on.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import { MeasuredFile, readMeasured } from '../../../src/drivers/modbus/measured-file.ts';
import { Log } from '../../../src/store/log.ts';
import { BALLAST, fillDisk, memoryDisk, run } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { makeGateway, sluice } from '../../harness/start-gateway.ts';
import { exportAll } from '../../harness/store-fixture.ts';
import { waitFor } from '../../harness/wait-for.ts';

const pump: Shape = { device: 'pump', points: [{ name: 'n', type: 'float64', storage: 'number' }] };

async function open(t: TestContext, stateDir: string, runtimeDir: string, minFree?: number): Promise<Log> {
  const maxSize = minFree === undefined ? 4e6 : 32e6;
  const options = { stateDir, runtimeDir, clock: systemClock, maxSize, maxAge: 1e13, minFree, commitEvery: 3_600_000 };
  const log = await Log.open(options);
  t.after(() => log.abandon());
  log.setClock(1e6, false);
  log.setInventory('{}');
  return log;
}
async function append(log: Log, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) log.append({ shape: pump, at: systemClock.monotonic(), values: [i], reasons: null });
  await log.flush();
}
const values = async (log: Log): Promise<number[]> =>
  (await exportAll(log))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { values: { n: number } }).values.n);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

for (const kilobytes of [0, 4, 12, 24, 40])
  test(`a first start with ${kilobytes} kB of room says that the disk is full and what helps`, async (t) => {
    const disk = memoryDisk(t, 'size=64k');
    if (disk === undefined) return;
    fillDisk(disk, kilobytes * 1024);
    const gateway = makeGateway(t, (g) => `gateway: {id: g1, stateDir: ${disk}/state, runtimeDir: ${g.runtimeDir}}`);
    const { code, stderr } = await sluice(t, 'run', '-c', gateway.config);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /cannot be opened: .*\. The disk is full: \d+ kB of 64 kB are free where .*\. Make room there, or name/);
    assert.equal(stderr.split('\n').length, 1, 'one sentence, no stack');
    rmSync(path.join(disk, BALLAST));
    run('mount', '-o', 'remount,size=2m', disk);
    const log = await open(t, path.join(disk, 'state'), gateway.runtimeDir);
    assert.deepEqual(log.opened.repairs, []);
  });

test('a disk that takes no further file: the start says so for the lock', async (t) => {
  const disk = memoryDisk(t, 'size=1m,nr_inodes=2');
  if (disk === undefined) return;
  const gateway = makeGateway(t, (g) => `gateway: {id: g1, stateDir: ${disk}/state, runtimeDir: ${g.runtimeDir}}`);
  for (const words of [/sluice\.lock cannot be locked: /, /state cannot be used: /]) {
    const { code, stderr } = await sluice(t, 'run', '-c', gateway.config);
    assert.equal(code, 1, stderr);
    assert.match(stderr, words);
    assert.match(stderr, /The disk cannot hold another file: all 2 .* Remove some, or name a folder on another disk/);
    rmSync(path.join(disk, 'state'), { recursive: true, force: true });
    if (!existsSync(path.join(disk, 'in-the-way'))) mkdirSync(path.join(disk, 'in-the-way'));
  }
});

for (const end of ['stopped', 'left'] as const)
  test(`a log that was ${end}, then a full disk: a clear message, and all is there with room`, async (t) => {
    const disk = memoryDisk(t, 'size=600k');
    if (disk === undefined) return;
    const stateDir = path.join(disk, 'state');
    const gateway = makeGateway(t, (g) => `gateway: {id: g1, stateDir: ${stateDir}, runtimeDir: ${g.runtimeDir}}`);
    const log = await open(t, stateDir, gateway.runtimeDir);
    await append(log, 0, 20);
    if (end === 'stopped') await log.close(5000);
    else {
      // The rest lies in the runtime directory alone.
      for (const n of [20, 21]) log.append({ shape: pump, at: systemClock.monotonic(), values: [n], reasons: null });
      await log.abandon();
    }
    fillDisk(disk);
    const { code, stdout, stderr } = await sluice(t, 'run', '-c', gateway.config);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /The disk is full: 0 kB of 600 kB are free/);
    for (const line of stdout.split('\n').filter((l) => l.includes('tried again'))) assert.match(line, /the disk is full/i);
    rmSync(path.join(disk, BALLAST));
    const again = await open(t, stateDir, gateway.runtimeDir);
    assert.deepEqual([again.opened.repairs, again.id], [[], log.id]);
    await again.flush();
    assert.deepEqual(await values(again), upTo(end === 'stopped' ? 20 : 22));
    assert.deepEqual(
      readdirSync(stateDir).filter((name) => name.includes('damaged')),
      [],
    );
  });

test('a start with little room goes on, and says so before its first commit', async (t) => {
  const disk = memoryDisk(t, 'size=128k');
  if (disk === undefined) return;
  const gateway = makeGateway(t, (g) => `gateway: {id: g1, stateDir: ${disk}/state, runtimeDir: ${g.runtimeDir}}`);
  gateway.start();
  await gateway.waitForLog(/The disk is full: \d+ kB of 128 kB are free .* Make room there, or name .*kept in memory/);
  await gateway.waitForLog(/The gateway is running/);
  assert.equal(await gateway.stop(), 0);
});

test('a small log on a disk with less than minFree drops nothing while there is room', async (t) => {
  const disk = memoryDisk(t, 'size=32m');
  if (disk === undefined) return;
  fillDisk(disk, 3 * 1024 ** 2);
  const log = await open(t, path.join(disk, 'state'), scratch(t, 'run', '/dev/shm'), 64 * 1024 ** 2);
  // The write-ahead file becomes longer meanwhile.
  const [first, commits] = [log.status().bytes, 400];
  for (let i = 0; i < commits; i++) await append(log, i, i + 1);
  assert.ok(log.status().bytes > first + 256 * 1024, `${first} bytes became ${log.status().bytes}`);
  assert.deepEqual(await values(log), upTo(commits));
});

test('times of devices that a full disk does not take: the file stays, no room is taken', async (t) => {
  const disk = memoryDisk(t, 'size=64k');
  if (disk === undefined) return;
  const warned: string[] = [];
  const logger = { warn: (_: object, text: string) => void warned.push(text) };
  const file = new MeasuredFile(disk, systemClock, logger as never);
  file.set('a', 1);
  await file.stop();
  const before = readFileSync(path.join(disk, 'modbus-times.json'));
  fillDisk(disk);
  file.set('b', 2);
  await file.stop();
  assert.equal(warned.length, 1);
  assert.match(warned[0] ?? '', /modbus-times\.json cannot be written/);
  assert.deepEqual(readFileSync(path.join(disk, 'modbus-times.json')), before);
  assert.deepEqual(readdirSync(disk).sort(), [BALLAST, 'modbus-times.json']);
  assert.deepEqual([...readMeasured(disk)], [['a', 1]]);
  rmSync(path.join(disk, BALLAST));
  file.set('c', 3);
  await waitFor('what is written when there is room', async () => {
    await file.stop();
    return readMeasured(disk).size === 3;
  });
});
