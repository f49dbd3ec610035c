/** As much as may wait for the disk, of the values that take the most memory beside their bytes: the writer's heap is small. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const MB = 1024 * 1024;
const POINTS = 40;
const shape: Shape = {
  device: 'plc',
  points: Array.from({ length: POINTS }, (_, p) =>
    p % 2 === 0 ? { name: `p${p}`, type: 'uint64', storage: 'integer64' } : { name: `p${p}`, type: 'string', storage: 'string' },
  ),
};

async function open(dir: string): Promise<Log> {
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock: new ManualClock() },
    ...{ maxSize: 256 * MB, maxAge: 1e13, commitEvery: 3_600_000 },
  });
  log.setClock(0, false);
  log.setInventory('{}');
  await log.flush();
  return log;
}

/** Nobody else has a turn meanwhile, so the disk takes what was begun, and nothing more. @returns records */
function fill(log: Log): number {
  for (let i = 0; ; i++) {
    if (log.status().memory.pending.bytes >= 23 * MB) return i;
    log.append({
      shape,
      at: i,
      values: shape.points.map((_, p) => (p % 2 === 0 ? BigInt(i) * 2n ** 40n : `${i}`)),
      reasons: null,
    });
  }
}

async function filled(t: TestContext): Promise<{ dir: string; log: Log; records: number }> {
  const dir = scratch(t, 'tail', '/dev/shm');
  const log = await open(dir);
  log.on('overflow', (readings) => assert.fail(`${readings} readings were given up`));
  return { dir, log, records: fill(log) };
}

test('what waited for the disk for long is committed when it takes it', { timeout: 400_000 }, async (t) => {
  const { log, records } = await filled(t);
  t.after(() => log.abandon());
  const dead = new Promise((_, reject) => log.once('dead', reject));
  await Promise.race([log.flush(), dead]);
  assert.equal(log.status().held, records);
});

test('what waited for the disk for long is there after a kill', { timeout: 400_000 }, async (t) => {
  const { dir, log, records } = await filled(t);
  await log.abandon();
  const again = await open(dir);
  t.after(() => again.abandon());
  assert.equal(again.status().held, records);
});
