/** Room of many delivered alarms and events: taken in bounded pieces, so that no commit takes long or writes much. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { LogDatabase } from '../../../src/store/hot/database.ts';
import { openLogFile } from '../../../src/store/hot/log-file.ts';
import { scratch } from '../../harness/scratch.ts';

const NOTICES = 6000;
const BLOCKS = 200;
const ROUNDS = 12;
const MAX_SIZE = 4_000_000;
const MOST = 1000;
const texts: Shape = { device: 'plant', points: [{ name: 't', type: 'string', storage: 'string' }] };
const shape: Shape = { device: 'plant', points: [{ name: 'n', type: 'float64', storage: 'number' }] };

test('a commit takes a bounded number of delivered alarms away, and one after the other they make room', (t) => {
  const dir = path.join(scratch(t, 'notices', '/dev/shm'), 'state');
  mkdirSync(dir);
  const file = path.join(dir, 'log.db');
  let database = new LogDatabase(openLogFile(file), MAX_SIZE);
  t.after(() => database.db.close());
  const log = database.addLog('0123456789');
  database.addBoot(1, log, 1);
  database.use(log, 1);
  database.db.transaction(() => {
    for (let seq = 1; seq <= NOTICES; seq++)
      database.addNotices(log, 1, [{ seq, at: seq, kind: 'event', key: 'e', json: JSON.stringify({ text: 'x'.repeat(380) }) }]);
    for (let seq = NOTICES + 1; seq <= NOTICES + BLOCKS; seq++)
      database.addRecords(log, 1, 1, [{ seq, sample: { shape, at: seq, values: [seq], reasons: null } }]);
  })();
  // With an empty write-ahead file, which counts as well.
  database.wal.close();
  database.db.close();
  database = new LogDatabase(openLogFile(file), MAX_SIZE);
  database.use(log, 1);
  const notices = () => database.db.prepare('select count(*) from notice').pluck().get() as number;
  let before = notices();
  for (let round = 1; round <= ROUNDS; round++) {
    // What the last round made free is used again.
    const seq = NOTICES + BLOCKS + round;
    const values = [seededText(round, 150_000)];
    database.db.transaction(() =>
      database.addRecords(log, 1, 1, [{ seq, sample: { shape: texts, at: seq, values, reasons: null } }]),
    )();
    database.commit(
      {
        ...{ id: round, chunks: [], upTo: 0, forwarders: [], active: [], alarms: [], clock: [], newInventory: undefined },
        ...{ leaseEnd: 0, wall: undefined, maxSize: MAX_SIZE, total: MAX_SIZE, maxAge: 1e13, compacted: [] },
      },
      new Map(),
    );
    database.wal.tend();
    const now = notices();
    assert.ok(before - now <= MOST, `${before - now} went in one commit`);
    before = now;
  }
  assert.ok(before < NOTICES - MOST, 'several commits took some');
  assert.ok(before >= Math.floor(MAX_SIZE / 16 / 400), `${before} stay`);
});

/** Nothing makes it smaller. */
function seededText(seed: number, length: number): string {
  const next = seeded(seed);
  return Array.from({ length }, () => String.fromCharCode(33 + Math.floor(next() * 90))).join('');
}
