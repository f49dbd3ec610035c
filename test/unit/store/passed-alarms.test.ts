/** A log that is full of alarms while the far side takes those of one rule later. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import { LOG_FILE } from '../../../src/store/files/layout.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const ALARMS = 6000;
const KEPT_EACH = 50;

test('a full log counts as lost what the kept rule had, and no alarm that left meanwhile', { timeout: 400_000 }, async (t) => {
  const dir = scratch(t, 'passed', '/dev/shm');
  const clock = new ManualClock();
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock },
    ...{ maxSize: 1024 * 1024, maxAge: 1e13, commitEvery: 1e9 },
  });
  t.after(() => log.abandon());
  let lost = 0;
  log.on('committed', ({ lostNotices }) => {
    lost += lostNotices;
  });
  log.setClock(clock.wall() - clock.monotonic(), false);
  log.setInventory('{}');
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  await outlet.ready();
  const ask = { limit: 64, channel: ({ key }: { readonly key: string }) => key, held: (key: string) => key === 'kept' };
  let kept = 0;
  let left = 0;
  for (let i = 0; i < ALARMS; i++) {
    const rule = i % KEPT_EACH === 0 ? 'kept' : `rule${i % 20}`;
    if (rule === 'kept') kept++;
    log.notice('alarm', rule, clock.monotonic(), { rule, message: 'x'.repeat(500) });
    if (i % 100 !== 99) continue;
    for (let more = await outlet.offers('alarm', ask); more.length > 0; more = await outlet.offers('alarm', ask))
      for (const notice of more) {
        outlet.noticeTaken(notice);
        left++;
      }
    await log.flush();
  }
  await log.close(60_000);
  const db = new Database(path.join(dir, 'state', LOG_FILE), { readonly: true });
  const rows = db.prepare<[], { key: string; count: number }>('select key, count(*) as count from notice group by key').all();
  db.close();
  assert.equal(left, ALARMS - kept, 'all others left, each once');
  assert.ok(rows.reduce((sum, { count }) => sum + count, 0) < ALARMS / 2, 'the log was full');
  assert.equal(lost, kept - (rows.find(({ key }) => key === 'kept')?.count ?? 0));
  assert.ok(lost > 0);
});
