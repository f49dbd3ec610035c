/** history.db is there, but cannot be opened for a while: what is owed out of it must not be passed over. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { scratch } from '../../harness/scratch.ts';

const shape: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number' }] };

test('history.db held by another program is not passed over, and is delivered afterwards', async (t) => {
  const dir = scratch(t, 'away');
  const clock = new ManualClock();
  const open = () =>
    Log.open({
      ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock },
      ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 3_600_000 },
    });
  const first = await open();
  first.outlet('cloud', 'oldest', 'g1', 'json');
  first.setClock(clock.wall() - clock.monotonic(), false);
  first.setInventory('{}');
  const put = async (log: Log, n: number) => {
    for (let i = 0; i < n; i++) log.append({ shape, at: i, values: [i], reasons: null });
    await log.flush();
  };
  await put(first, 20);
  await first.compact();
  await first.flush();
  await put(first, 5);
  await first.close(10_000);

  const other = new Database(path.join(dir, 'state', 'history.db'));
  t.after(() => other.close());
  other.exec('begin exclusive');
  const log = await open();
  t.after(() => log.abandon());
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(clock.wall() - clock.monotonic(), false);
  log.setInventory('{}');
  await outlet.ready();
  await assert.rejects(outlet.next('data', 1000), /history\.db/);
  await assert.rejects(log.keeper.query({ device: 'pump', point: 'speed', from: 0, to: 1e13, buckets: 100 }), /history\.db/);
  other.exec('rollback');
  other.close();
  const values: number[] = [];
  for (let batch = await outlet.next('data', 1000); batch !== undefined; batch = await outlet.next('data', 1000)) {
    const { records } = JSON.parse(payloadText(batch)) as { records: { values: { speed: number } }[] };
    values.push(...records.map((r) => r.values.speed));
    outlet.handOver(batch);
    outlet.done(batch);
  }
  assert.deepEqual(values, [...Array.from({ length: 20 }, (_, i) => i), ...Array.from({ length: 5 }, (_, i) => i)]);
});
