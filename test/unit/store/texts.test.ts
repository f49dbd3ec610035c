/** An hour of long texts: readings alone do not bound what a unit takes in the memory of the keeper, whose heap is small. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { MAX_STRING } from '../../../src/codecs/serial/text.ts';
import type { Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const POINTS = 20;
const RECORDS = 24_000;
const PART = 1000;
const shape: Shape = {
  device: 'talker',
  points: Array.from({ length: POINTS }, (_, p) => ({ name: `t${p}`, type: 'string', storage: 'string' })),
};

test('an hour of long texts is compacted, delivered and exported', { timeout: 900_000 }, async (t) => {
  const dir = scratch(t, 'texts', '/dev/shm');
  const clock = new ManualClock();
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 3_600_000 },
  });
  t.after(() => log.abandon());
  const faults: (string | undefined)[] = [];
  log.on('tidyFault', (fault) => faults.push(fault));
  log.on('damaged', (block) => faults.push(`${block.readings} readings cannot be read`));
  log.setClock(clock.wall() - clock.monotonic(), false);
  log.setInventory('{}');
  for (let i = 0; i < RECORDS; i++) {
    const values = shape.points.map((_, p) => `${i}/${p} `.padEnd(MAX_STRING, '.'));
    log.append({ shape, at: i * 100, values, reasons: null });
    if (i % PART === PART - 1) await log.flush();
  }
  let compacted = 0;
  const blocks = () => new Promise<number>((resolve) => log.once('committed', ({ hot }) => resolve(hot.records)));
  for (let left = RECORDS; left > 0; compacted++) {
    await log.compact();
    assert.deepEqual(faults, []);
    const hot = blocks();
    await log.flush();
    const now = await hot;
    assert.ok(now < left, 'every unit takes blocks away');
    left = now;
    assert.equal(log.status().held, RECORDS);
  }
  assert.ok(compacted > 1, 'one unit of all of it would not fit');
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  await outlet.ready();
  let readings = 0;
  for (let batch = await outlet.next('history', 5000); batch !== undefined; batch = await outlet.next('history', 5000)) {
    readings += batch.readings;
    outlet.handOver(batch);
    outlet.done(batch);
  }
  assert.equal(readings, RECORDS * POINTS);
  assert.deepEqual(faults, []);
  let lines = 0;
  for (let after: number | undefined = 0; after !== undefined; ) {
    const slice = await log.keeper.export({ after, from: 0, to: Number.MAX_SAFE_INTEGER, format: 'jsonl' });
    lines += slice.text.split('\n').length - 1;
    after = slice.next;
  }
  assert.equal(lines, RECORDS);
});
