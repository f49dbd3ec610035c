/**
 * The parts that make a power cut harmless: one commit at most that the disk does not have, no remains of a torn one,
 * no write-ahead file that is missing, nothing in history.db that log.db may lose. The cuts themselves: integration.
 */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import { Tidier } from '../../../src/store/archive/tidy.ts';
import { HISTORY_FILE } from '../../../src/store/files/history-layout.ts';
import { LOG_FILE, PAGE_SIZE } from '../../../src/store/files/layout.ts';
import { Agreement } from '../../../src/store/hot/agreement.ts';
import { WriteAhead } from '../../../src/store/hot/wal.ts';
import { Log } from '../../../src/store/log.ts';
import { LogReader } from '../../../src/store/read/reading.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const HEADER = 32;
const FRAME = 24 + PAGE_SIZE;
const pump: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number' }] };

/** Offsets of the frames that end a commit and bear the salts of the header, wherever they stand. */
function commitFrames(wal: Buffer): number[] {
  const out: number[] = [];
  for (let at = HEADER; at + FRAME <= wal.length; at += FRAME)
    if (wal.compare(wal, 16, 24, at + 8, at + 16) === 0 && wal.readUInt32BE(at + 4) !== 0) out.push(at);
  return out;
}

interface Site {
  readonly folder: string;
  readonly file: string;
  readonly history: string;
  readonly runtimeDir: string;
}
function powerSite(t: TestContext): Site {
  const folder = scratch(t, 'power');
  const [file, history] = [path.join(folder, LOG_FILE), path.join(folder, HISTORY_FILE)];
  return { folder, file, history, runtimeDir: path.join(folder, 'run') };
}
async function open(t: TestContext, { folder, runtimeDir }: Site): Promise<Log> {
  const clock = new ManualClock();
  const log = await Log.open({ stateDir: folder, runtimeDir, clock, maxSize: 1e7, maxAge: 1e13, commitEvery: 10_000 });
  t.after(() => log.abandon());
  log.setClock(clock.wall() - clock.monotonic(), false);
  log.setInventory('{}');
  for (let i = 0; i < 5; i++) log.append({ shape: pump, at: clock.monotonic(), values: [i], reasons: null });
  await log.flush();
  return log;
}

test('a run that is closed ends with one commit', async (t) => {
  const s = powerSite(t);
  const log = await open(t, s);
  // With a reader SQLite leaves the write-ahead file where it is.
  const reader = new Database(s.file, { readonly: true });
  t.after(() => reader.close());
  reader.prepare('select * from meta').all();
  const before = commitFrames(readFileSync(`${s.file}-wal`)).length;
  await log.close(5000);
  assert.equal(commitFrames(readFileSync(`${s.file}-wal`)).length, before + 1);
});

test('a run that is left, and a power cut before the next: that is no loss', async (t) => {
  const s = powerSite(t);
  const log = await open(t, s);
  await log.abandon();
  assert.ok(!existsSync(`${s.file}-wal`), 'SQLite took it away');
  // The board was off: what lay in memory is gone.
  rmSync(s.runtimeDir, { recursive: true });
  const again = await open(t, s);
  assert.deepEqual(again.opened.repairs, []);
  assert.equal(again.id, log.id);
});

test('the remains of a torn commit are gone before the next one', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const make = (of: string) => {
    const db = new Database(of);
    t.after(() => db.close());
    db.pragma(`page_size = ${PAGE_SIZE}`);
    db.pragma('journal_mode = WAL');
    const wal = new WriteAhead(of, db, 128 * 1024);
    t.after(() => wal.close());
    return { db, wal };
  };
  const { db, wal } = make(file);
  db.exec('create table t (n integer primary key, body blob)');
  wal.begin();
  const put = db.prepare('insert into t (body) values (randomblob(?))');
  put.run(100);
  const whole = commitFrames(readFileSync(`${file}-wal`)).length;
  put.run(20_000);
  // A power cut kept all of the long commit but its first frame.
  const cut = path.join(scratch(t, 'wal'), 'log.db');
  const bytes = readFileSync(`${file}-wal`);
  const last = commitFrames(bytes)[whole - 1] as number;
  bytes.fill(0, last + FRAME, last + 2 * FRAME);
  copyFileSync(file, cut);
  writeFileSync(`${cut}-wal`, bytes);
  assert.equal(commitFrames(bytes).length, whole + 1);

  const again = make(cut);
  assert.deepEqual(again.db.prepare('select n from t').pluck().all(), [1]);
  again.wal.begin();
  assert.equal(commitFrames(readFileSync(`${cut}-wal`)).length, whole);
  again.db.prepare('insert into t (body) values (randomblob(?))').run(100);
  again.wal.sync();
  assert.equal(commitFrames(readFileSync(`${cut}-wal`)).length, whole + 1, 'nothing stands behind it');
  assert.deepEqual(again.db.prepare('select n from t').pluck().all(), [1, 2]);
});

test('the remains of the first commit of a write-ahead file are wiped as well', (t) => {
  const folder = scratch(t, 'wal');
  const file = path.join(folder, 'log.db');
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec('create table t (n integer primary key, body blob); insert into t (body) values (randomblob(5000))');
  const bytes = readFileSync(`${file}-wal`);
  db.close();
  // Only the last frame of all commits is left, and the header.
  const frame = 24 + 4096;
  const end = HEADER + Math.floor((bytes.length - HEADER) / frame) * frame;
  bytes.fill(0, HEADER, end - frame);
  writeFileSync(`${file}-wal`, bytes);
  const again = new Database(file);
  t.after(() => again.close());
  again.prepare('select n from t').all();
  const wal = new WriteAhead(file, again, 128 * 1024);
  t.after(() => wal.close());
  wal.begin();
  assert.ok(
    readFileSync(`${file}-wal`)
      .subarray(HEADER)
      .every((b) => b === 0),
  );
});

test('the keeper writes no unit and no witness of a commit that the disk does not have', async (t) => {
  const s = powerSite(t);
  const log = await open(t, s);
  const reader = new LogReader(s.file);
  t.after(() => reader.close());
  const agreement = new Agreement();
  const tidier = new Tidier(s.history, reader, agreement, () => {});
  const tidy = () => {
    const steps = tidier.run({
      ...{ id: 1, boot: log.opened.boot, at: 1e12, force: true, budget: 1e6, limit: 1e7, needs: 0 },
      ...{ wall: undefined, maxAge: 1e13, active: [] },
    });
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  };
  agreement.commitBegins();
  const witnesses = () => reader.history?.db.prepare("select count(*) from meta where name = 'witness'").pluck().get();
  assert.deepEqual(tidy().compacted, []);
  assert.equal(witnesses(), 0);
  agreement.commitsOnDisk();
  assert.deepEqual(
    tidy().compacted.map(([ordinal]) => ordinal),
    [log.ordinal],
  );
  assert.equal(witnesses(), 1);
});
