/** The end of a log: an item that comes while the log closes is not lost, and other users may not read the files of a repair. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { StateDirLock } from '../../../src/store/state-dir.ts';
import { scratch } from '../../harness/scratch.ts';
import { exportAll } from '../../harness/store-fixture.ts';

const tank: Shape = { device: 'tank', points: [{ name: 'level', type: 'uint16', storage: 'number' }] };

test('a reading that comes while the log closes is there after the next start', async (t) => {
  const dir = scratch(t, 'close', '/dev/shm');
  const open = () =>
    Log.open({
      ...{ stateDir: `${dir}/state`, runtimeDir: `${dir}/run`, clock: systemClock },
      ...{ maxSize: 8e6, maxAge: 1e13, commitEvery: 3_600_000 },
    });
  const put = (log: Log, value: number) =>
    log.append({ shape: tank, at: systemClock.monotonic(), values: [value], reasons: null });
  const first = await open();
  first.setClock(Math.round(Date.now() - performance.now()), false);
  first.setInventory('{}');
  put(first, 1);
  const committed = first.flush();
  const closing = first.close(5000);
  await committed;
  put(first, 2);
  await closing;
  const next = await open();
  t.after(() => next.abandon());
  next.setClock(Math.round(Date.now() - performance.now()), false);
  next.setInventory('{}');
  await next.flush();
  const values = (await exportAll(next)).split('\n').filter((line) => line.includes('level'));
  assert.equal(values.length, 2, values.join('\n'));
});

test('other users may not read any file of the log or of a repair', (t) => {
  const dir = path.join(scratch(t, 'close'), 'state');
  mkdirSync(dir);
  const names = ['log.db', 'log.db-wal', 'log.db.damaged', 'log.db.salvage', 'log.db.salvaging', 'log.db.salvaging-journal']
    .concat(['log.db.salvaged', 'log.db.ready', 'history.db', 'history.db-journal', 'history.db.making'])
    .map((name) => path.join(dir, name));
  for (const file of names) {
    writeFileSync(file, '');
    chmodSync(file, 0o644);
  }
  StateDirLock.take(dir).release();
  for (const file of names) assert.equal(statSync(file).mode & 0o777, 0o640, file);
});

test('a kill while log.db is made leaves no journal that counts as damage', async (t) => {
  const dir = scratch(t, 'close', '/dev/shm');
  mkdirSync(`${dir}/state`);
  // One page in the mode of a write-ahead log, with the journal of the change to that mode.
  const made = new Database(`${dir}/state/log.db`);
  made.pragma('page_size = 1024');
  made.pragma('journal_mode = WAL');
  made.close();
  assert.equal(statSync(`${dir}/state/log.db`).size, 1024);
  writeFileSync(`${dir}/state/log.db-journal`, Buffer.alloc(1544, 1));
  const log = await Log.open({
    ...{ stateDir: `${dir}/state`, runtimeDir: `${dir}/run`, clock: systemClock },
    ...{ maxSize: 8e6, maxAge: 1e13, commitEvery: 3_600_000 },
  });
  t.after(() => log.abandon());
  assert.deepEqual(log.opened.repairs, []);
  assert.deepEqual(
    readdirSync(`${dir}/state`).filter((name) => /damaged|journal/.test(name) && !name.startsWith('history')),
    [],
  );
});
