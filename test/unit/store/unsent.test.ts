/** How many readings a forwarder still has to deliver, counted without decoding them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const PUMP: Shape = {
  device: 'pump',
  points: ['a', 'b', 'c'].map((name) => ({ name, type: 'uint16', storage: 'number' })),
};

async function open(t: TestContext): Promise<{ log: Log; append: (records: number) => void }> {
  const dir = mkdtempSync(path.join(tmpdir(), 'sluice-unsent-'));
  const clock = new ManualClock();
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 1e9 },
  });
  log.setClock(1_000_000, false);
  log.setInventory('{}');
  t.after(async () => {
    await log.abandon();
    rmSync(dir, { recursive: true, force: true });
  });
  let at = 0;
  return {
    log,
    append: (records) => {
      for (let i = 0; i < records; i++) log.append({ shape: PUMP, at: ++at * 1000, values: [i, i, i], reasons: null });
    },
  };
}

async function deliver(outlet: Outlet, lane: 'data' | 'history', readings: number): Promise<number> {
  const batch = await outlet.next(lane, readings);
  assert.ok(batch && outlet.handOver(batch));
  outlet.done(batch);
  return batch.readings;
}

test('readings in memory that wait for their forwarder are counted', async (t) => {
  const { log, append } = await open(t);
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  assert.deepEqual(await log.unsent('cloud'), { readings: 0, exact: true });
  assert.equal(await log.unsent('nobody'), undefined);
  append(40);
  assert.deepEqual(await log.unsent('cloud'), { readings: 120, exact: true });
  await outlet.ready();
  assert.equal(await deliver(outlet, 'data', 30), 30);
  assert.deepEqual(await log.unsent('cloud'), { readings: 90, exact: true });
  // Committed, they are still in memory, and count once.
  await log.flush();
  assert.deepEqual(await log.unsent('cloud'), { readings: 90, exact: true });
});

test('readings in both files and in memory that wait are counted together', async (t) => {
  const { log, append } = await open(t);
  append(400);
  await log.flush();
  await log.compact();
  append(100);
  await log.flush();
  append(20);
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  await outlet.ready();
  // What no file has when a forwarder begins is history for it too.
  assert.deepEqual(await log.unsent('cloud'), { readings: 520 * 3, exact: true });
  outlet.leave();
  append(5);
  assert.deepEqual(await log.unsent('cloud'), { readings: 525 * 3, exact: true });
  await log.flush();
  assert.deepEqual(await log.unsent('cloud'), { readings: 525 * 3, exact: true });
});

test('a block that is delivered in part counts by its share, and the answer says so', async (t) => {
  const { log, append } = await open(t);
  append(400);
  await log.flush();
  append(100);
  await log.flush();
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  await outlet.ready();
  let left = 500 * 3;
  left -= await deliver(outlet, 'history', 90);
  assert.deepEqual(await log.unsent('cloud'), { readings: left, exact: false });
  left -= await deliver(outlet, 'history', 400 * 3 - 90);
  assert.deepEqual(await log.unsent('cloud'), { readings: 300, exact: true });
  while (left > 0) left -= await deliver(outlet, 'history', 300);
  assert.deepEqual(await log.unsent('cloud'), { readings: 0, exact: true });
});
