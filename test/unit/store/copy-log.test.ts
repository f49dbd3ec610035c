/** The copy of a log for a backup, beside a gateway that writes: it ends, it is of one moment, and it has the hours of history. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import { copyHistory } from '../../../src/store/copy/copy-history.ts';
import { copyLog } from '../../../src/store/copy/copy-log.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const shape: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number' }] };

/** A step of the copy is followed by a commit: a copy that begins anew each time meets all of them. */
const MOST = 5000;

async function openLog(dir: string): Promise<Log> {
  const clock = new ManualClock();
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 3_600_000 },
  });
  log.setClock(clock.wall() - clock.monotonic(), false);
  log.setInventory('{}');
  return log;
}

function folders(t: TestContext): { dir: string; into: string } {
  const dir = scratch(t, 'copy', '/dev/shm');
  const into = path.join(dir, 'into');
  mkdirSync(into);
  return { dir, into };
}

test('a copy of the log ends while another connection commits all the time', { timeout: 400_000 }, async (t) => {
  const { dir, into } = folders(t);
  await (await openLog(dir)).close(10_000);
  const writer = new Database(path.join(dir, 'state', 'log.db'));
  t.after(() => writer.close());
  writer.exec('create table ballast (body)');
  const insert = writer.prepare('insert into ballast values (randomblob(?))');
  // Three steps of the copy.
  for (let i = 0; i < 24; i++) insert.run(1024 * 1024);
  // Its copy waits for its own reasons.
  rmSync(path.join(dir, 'state', 'history.db'), { force: true });
  let done = false;
  let commits = 0;
  const writing = (async () => {
    while (!done && commits < MOST) {
      insert.run(10);
      commits++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  const { files } = await copyLog(path.join(dir, 'state'), into, 'all').finally(() => {
    done = true;
  });
  await writing;
  assert.deepEqual(files, ['log.db']);
  assert.ok(commits > 1 && commits < MOST, `the copy ended after ${commits} commits`);
  const copy = new Database(path.join(into, 'log.db'));
  t.after(() => copy.close());
  assert.deepEqual(copy.pragma('integrity_check', { simple: true }), 'ok');
});

test('a copy has the hours that a running gateway packed', async (t) => {
  const { dir, into } = folders(t);
  const log = await openLog(dir);
  t.after(() => log.abandon());
  for (let i = 0; i < 20; i++) log.append({ shape, at: i, values: [i], reasons: null });
  await log.flush();
  await log.compact();
  await log.flush();
  const { files } = await copyLog(path.join(dir, 'state'), into, 'all');
  assert.deepEqual(files, ['log.db', 'history.db']);
  const copy = new Database(path.join(into, 'history.db'));
  t.after(() => copy.close());
  assert.equal(copy.prepare('select sum(records) from unit').pluck().get(), 20);
});

test('a copy of history is of one commit, and waits for the end of a change', async (t) => {
  const { dir, into } = folders(t);
  const file = path.join(dir, 'history.db');
  const writer = new Database(file);
  t.after(() => writer.close());
  writer.pragma('locking_mode = EXCLUSIVE');
  writer.pragma('journal_mode = PERSIST');
  writer.exec('create table pair (n integer, body)');
  const insert = writer.prepare('insert into pair values (0, randomblob(3000))');
  writer.transaction(() => {
    for (let i = 0; i < 1000; i++) insert.run();
  })();
  const change = writer.prepare('update pair set n = n + 1');
  let commits = 0;
  const writing = (async () => {
    for (; commits < 20; commits++) {
      change.run();
      await new Promise((resolve) => setTimeout(resolve, commits % 4 === 3 ? 120 : 1));
    }
  })();
  const target = path.join(into, 'history.db');
  await copyHistory(file, target, 60);
  await writing;
  const copy = new Database(target);
  t.after(() => copy.close());
  assert.equal(copy.pragma('integrity_check', { simple: true }), 'ok');
  assert.equal(copy.prepare('select count(distinct n) from pair').pluck().get(), 1, 'all rows are of one commit');

  // A change that was cut: the copy would need the journal.
  const cut = path.join(dir, 'cut.db');
  writeFileSync(cut, 'pages');
  writeFileSync(`${cut}-journal`, Buffer.from('d9d505f920a163d7', 'hex'));
  await assert.rejects(copyHistory(cut, path.join(into, 'cut.db'), 1), /its last change is not complete/);
});
