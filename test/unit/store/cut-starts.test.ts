/**
 * A start that is cut between two of its steps, and an end that the disk does not take: what the files then say is neither
 * damage nor a loss, and a repair that was made is not made again. Kills of real processes: test/integration/store/crash-loop.
 */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import { LEASE } from '../../../src/store/delivery/lease.ts';
import { Agreement } from '../../../src/store/hot/agreement.ts';
import { LogDatabase } from '../../../src/store/hot/database.ts';
import { closeUnused, openLogFile } from '../../../src/store/hot/log-file.ts';
import { Log } from '../../../src/store/log.ts';
import { checkLog } from '../../../src/store/recovery/check-log.ts';
import { findLeft, Merger, makeAnew, openLog } from '../../../src/store/recovery/open-log.ts';
import { readTail } from '../../../src/store/recovery/recover.ts';
import { scratch } from '../../harness/scratch.ts';

const pump: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number' }] };

interface Site {
  readonly state: string;
  readonly run: string;
  readonly file: string;
}
function cutSite(t: TestContext): Site {
  const folder = scratch(t, 'cut');
  const s = { state: path.join(folder, 'state'), run: path.join(folder, 'run'), file: path.join(folder, 'state', 'log.db') };
  mkdirSync(s.state);
  return s;
}
async function open(t: TestContext, { state, run }: Site): Promise<Log> {
  const options = { stateDir: state, runtimeDir: run, clock: systemClock, maxSize: 1e7, maxAge: 1e13, commitEvery: 3_600_000 };
  const log = await Log.open(options);
  t.after(() => log.abandon());
  log.setClock(1e6, false);
  log.setInventory('{}');
  await log.outlet('cloud', 'oldest', 'g1', 'json').ready();
  return log;
}
async function filled(t: TestContext, s: Site, records: number): Promise<Log> {
  const log = await open(t, s);
  for (let i = 0; i < records; i++) {
    log.append({ shape: pump, at: i, values: [i], reasons: null });
    await log.flush();
  }
  return log;
}
/** The files as a kill leaves them. */
function kill(t: TestContext, { file, run }: Site): Site {
  const left = cutSite(t);
  mkdirSync(left.run, { mode: 0o700 });
  for (const end of ['', '-wal']) copyFileSync(file + end, left.file + end);
  // A copy of a file was made at another time.
  const db = new Database(left.file);
  const reader = new Database(left.file, { readonly: true });
  reader.prepare('select 1 from meta').get();
  db.exec("delete from meta where name = 'birth'");
  db.close();
  reader.close();
  for (const name of readdirSync(run).filter((n) => n.startsWith('tail-')))
    copyFileSync(path.join(run, name), path.join(left.run, name));
  return left;
}
const request = ({ file, run }: Site) => ({
  ...{ file, runtimeDir: run, maxSize: 1e7, maxAge: 1e13, lease: LEASE, tries: 0, last: true },
});
const sources = {
  ...{ logs: [], boots: [], shapes: [], clock: [], lanes: [], alarms: [], inventory: undefined, tails: [] },
  ...{ alive: false, compacted: [] },
};
const verdict = (s: Site) => {
  const { damage, loss } = checkLog(s.file, undefined, readTail(s.run));
  return { damage, loss };
};
const FINE = { damage: undefined, loss: undefined };

test('an opening that fails before the first run begins leaves a file that is no loss', (t) => {
  const s = cutSite(t);
  closeUnused(openLogFile(s.file).db);
  assert.ok(!existsSync(`${s.file}-wal`));
  assert.deepEqual(verdict(s), FINE);
});

test('a start killed before it clears the tail that showed a loss: no second loss', async (t) => {
  const before = cutSite(t);
  await (await filled(t, before, 2)).abandon();
  const s = cutSite(t);
  copyFileSync(before.file, s.file);
  // An old copy comes back, under a runtime directory that knows of more.
  await (await filled(t, before, 3)).abandon();
  mkdirSync(s.run, { mode: 0o700 });
  for (const name of readdirSync(before.run).filter((n) => n.startsWith('tail-')))
    copyFileSync(path.join(before.run, name), path.join(s.run, name));
  const first = openLog(request(s));
  first.database.wal.sync();
  assert.equal(first.opened.repairs.length, 1);
  first.database.wal.close();
  const second = openLog(request(s));
  t.after(() => second.database.db.close());
  assert.deepEqual(second.opened.repairs, []);
  assert.equal(second.opened.logs.at(-1)?.name, first.opened.logs.at(-1)?.name);
  first.database.db.close();
});

test('a start killed behind a repair: it is reported, not made again, the log gets a new id', async (t) => {
  const log = await filled(t, cutSite(t), 0);
  const s = cutSite(t);
  const of = await filled(t, s, 3);
  await of.abandon();
  await log.abandon();
  rmSync(s.run, { recursive: true });
  makeAnew(s.file, 'a page is damaged', sources);
  assert.ok(existsSync(`${s.file}.damaged`));
  const aside = readFileSync(`${s.file}.damaged`);
  assert.deepEqual(verdict(s), FINE);
  const { database, opened } = openLog(request(s));
  t.after(() => database.db.close());
  assert.deepEqual(
    opened.repairs.map(({ file, why, quarantine, salvaged, ended }) => [file, why, quarantine, salvaged?.records, ended]),
    [['log.db', 'a page is damaged', `${s.file}.damaged`, 3, [of.id]]],
  );
  assert.notEqual(opened.logs.at(-1)?.name, of.id);
  assert.deepEqual(readFileSync(`${s.file}.damaged`), aside);
  // The next one knows nothing of it any more.
  database.wal.sync();
  const again = openLog(request(s));
  t.after(() => again.database.db.close());
  assert.deepEqual(again.opened.repairs, []);
});

test('a start killed behind the first pass of a salvage: the next one goes on with it', async (t) => {
  const s = cutSite(t);
  const log = await filled(t, s, 3);
  const left = kill(t, s);
  await log.abandon();
  const bytes = readFileSync(left.file);
  bytes.write('garbage');
  writeFileSync(left.file, bytes);
  // All but the beginning of the run.
  const begun = LogDatabase.prototype.addBoot;
  t.mock.method(LogDatabase.prototype, 'addBoot', () => {
    throw new Error('killed');
  });
  assert.throws(() => openLog(request(left)), /killed/);
  LogDatabase.prototype.addBoot = begun;
  assert.ok(existsSync(`${left.file}.salvage`));
  const { database, opened } = openLog(request(left));
  t.after(() => database.db.close());
  assert.deepEqual(
    opened.repairs.map(({ file, unfinished, ended }) => [file, unfinished, ended]),
    [['log.db', true, [log.id]]],
  );
  assert.notEqual(opened.logs.at(-1)?.name, log.id);
  const task = opened.salvage?.task;
  assert.ok(task !== undefined);
  // What comes back is seen by the keeper before it is on the disk: history.db must not know of it so soon.
  database.wal.sync();
  findLeft(left.file, task, {}, () => false);
  const agreed = new Agreement();
  const merger = new Merger(database, task, agreed);
  merger.step();
  merger.close();
  assert.equal(agreed.onDisk(), false);
  agreed.commitsOnDisk();
  assert.equal(agreed.onDisk(), true);
});

test('a file made anew has a write-ahead file, and a journal beside it ends no start', async (t) => {
  const s = cutSite(t);
  await (await filled(t, s, 3)).close(10_000);
  const bytes = readFileSync(s.file);
  writeFileSync(s.file, bytes.fill(0, 0, 16));
  makeAnew(s.file, 'test', sources);
  // No start has to switch it, which takes a journal.
  assert.deepEqual([...readFileSync(s.file).subarray(18, 20)], [2, 2]);
  const db = new Database(s.file);
  db.pragma('journal_mode = DELETE');
  db.close();
  writeFileSync(`${s.file}-journal`, journalOfFirstPage(readFileSync(s.file)));
  assert.throws(() => new Database(s.file, { readonly: true }).pragma('user_version'), /readonly/, 'the journal is a hot one');
  const { database, opened } = openLog(request(s));
  assert.deepEqual(
    opened.repairs.map(({ why }) => why),
    ['test'],
  );
  database.leave();
  assert.ok(!existsSync(`${s.file}-journal`));
});
/** As SQLite writes it before it changes the first page (sqlite.org/fileformat2.html, "The Rollback Journal"). */
function journalOfFirstPage(file: Buffer): Buffer {
  const [sector, page] = [512, 1024];
  const journal = Buffer.alloc(sector + page + 8);
  journal.write('d9d505f920a163d7', 'hex');
  for (const [k, value] of [1, 0, file.length / page, sector, page].entries()) journal.writeUInt32BE(value, 8 + 4 * k);
  journal.writeUInt32BE(1, sector);
  file.copy(journal, sector + 4, 0, page);
  let sum = 0;
  for (let at = page - 200; at > 0; at -= 200) sum += file[at] as number;
  journal.writeUInt32BE(sum, sector + 4 + page);
  return journal;
}

test('a running log is repaired, and the power goes before its next commit: that is no loss', async (t) => {
  const s = cutSite(t);
  const log = await filled(t, s, 3);
  const left = kill(t, s);
  await log.abandon();
  rmSync(left.run, { recursive: true });
  mkdirSync(left.run);
  const { database } = openLog(request(left));
  const known = database.remembered();
  database.wal.sync();
  makeAnew(left.file, 'a page is damaged', known);
  assert.deepEqual(verdict(left), FINE);
  database.wal.close();
  database.db.close();
  const { opened, database: again } = openLog(request(left));
  t.after(() => again.db.close());
  assert.deepEqual([opened.repairs, opened.logs.at(-1)?.name], [[], log.id]);
});

test('an end that the disk does not take leaves the write-ahead file where it is', async (t) => {
  const s = cutSite(t);
  const log = await filled(t, s, 3);
  const left = kill(t, s);
  await log.abandon();
  rmSync(left.run, { recursive: true });
  mkdirSync(left.run);
  const { database } = openLog(request(left));
  database.wal.sync();
  t.mock.method(database.wal, 'ready', () => {
    throw new Error('the disk takes nothing');
  });
  database.leave();
  assert.ok(existsSync(`${left.file}-wal`));
  assert.deepEqual(verdict(left), FINE);
});
