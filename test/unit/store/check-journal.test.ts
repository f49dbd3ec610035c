/** A rollback journal that a cut left is SQLite's to play back, however it is laid out; only another one is refused. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { HISTORY_PAGE_SIZE } from '../../../src/store/files/history-layout.ts';
import { readHead } from '../../../src/store/recovery/check-head.ts';
import { journalFault } from '../../../src/store/recovery/check-journal.ts';
import { scratch } from '../../harness/scratch.ts';

/** Rows of one page each. */
const ROWS = 100;
/** Bytes of a journal's header that the end of a transaction makes zeros. */
const HEAD = 28;
const MAGIC = Buffer.from('d9d505f920a163d7', 'hex');

interface Site {
  readonly folder: string;
  readonly file: string;
  readonly db: Database.Database;
  /** Writes rows `from` to `to`, in place. */
  change(from: number, to: number, value: number): void;
  /** The file grows, so that its first page changes. */
  grow(): void;
}
/** A file that is kept as history.db is. */
function journalSite(t: TestContext): Site {
  const folder = scratch(t, 'journal');
  const file = path.join(folder, 'history.db');
  const db = new Database(file);
  t.after(() => db.close());
  for (const pragma of [`page_size = ${HISTORY_PAGE_SIZE}`, 'auto_vacuum = INCREMENTAL']) db.pragma(pragma);
  for (const pragma of ['locking_mode = EXCLUSIVE', 'journal_mode = PERSIST', 'synchronous = FULL']) db.pragma(pragma);
  db.exec('create table row (id integer primary key, value integer not null, fill blob not null)');
  const add = db.prepare('insert into row (value, fill) values (0, zeroblob(3000))');
  db.transaction(() => {
    for (let i = 0; i < ROWS; i++) add.run();
  })();
  return {
    ...{ folder, file, db },
    change: (from, to, value) => {
      db.prepare('update row set value = ? where id >= ? and id < ?').run(value, from, to);
    },
    grow: () => {
      for (let i = 0; i < 5; i++) add.run();
    },
  };
}
/** Pages reach the file before the transaction ends, and the journal is synced for them in the middle. */
function spill(db: Database.Database): void {
  db.pragma('cache_size = 10');
  db.pragma('cache_spill = 10');
}

/** What a cut leaves of the two files. */
function copy({ folder, file }: Site): string {
  const left = path.join(folder, 'left.db');
  copyFileSync(file, left);
  copyFileSync(`${file}-journal`, `${left}-journal`);
  return left;
}
const faultOf = (file: string) => journalFault(file, readHead(file), HISTORY_PAGE_SIZE);
const headers = (file: string): number =>
  readFileSync(`${file}-journal`).toString('latin1').split(MAGIC.toString('latin1')).length - 1;

/** SQLite plays the journal back: rows and values that are there then. */
function playedBack(file: string): { check: unknown; rows: unknown; values: unknown[] } {
  const db = new Database(file);
  try {
    return {
      check: db.pragma('integrity_check', { simple: true }),
      rows: db.prepare('select count(*) from row').pluck().get(),
      values: db.prepare('select distinct value from row').pluck().all(),
    };
  } finally {
    db.close();
  }
}

test('records of an earlier transaction behind those that the header counts are not looked at', (t) => {
  const s = journalSite(t);
  // Its record of the first page is one of the last, and says how many pages there were before.
  s.db.transaction(() => {
    s.change(1, 60, 1);
    s.grow();
  })();
  spill(s.db);
  s.db.exec('begin');
  s.change(1, 25, 2);
  const left = copy(s);
  s.db.exec('rollback');
  assert.ok(headers(left) > 0, 'the journal was synced in the middle of the transaction');
  assert.equal(faultOf(left), undefined);
  assert.deepEqual(playedBack(left), { check: 'ok', rows: ROWS + 5, values: [1, 0] });
});

test('the first page may lie behind a later header of the journal', (t) => {
  const s = journalSite(t);
  spill(s.db);
  s.db.exec('begin');
  s.change(1, 60, 1);
  const head = readFileSync(`${s.file}-journal`).subarray(0, HEAD);
  assert.deepEqual(head.subarray(0, MAGIC.length), MAGIC, 'synced already');
  s.grow();
  s.db.exec('commit');
  // The cut comes when every page is in the file, right before the journal's first header becomes zeros.
  const left = copy(s);
  const journal = readFileSync(`${left}-journal`);
  assert.deepEqual(journal.subarray(0, HEAD), Buffer.alloc(HEAD));
  head.copy(journal);
  writeFileSync(`${left}-journal`, journal);
  assert.ok(headers(left) > 1);
  assert.notEqual(readHead(left).readUInt32BE(28), head.readUInt32BE(16), 'the file has grown');
  assert.equal(faultOf(left), undefined);
  assert.deepEqual(playedBack(left), { check: 'ok', rows: ROWS, values: [0] });
});

test('a journal whose later header counts pages of another file is refused', (t) => {
  const s = journalSite(t);
  spill(s.db);
  s.db.exec('begin');
  s.change(1, 60, 1);
  const head = readFileSync(`${s.file}-journal`).subarray(0, HEAD);
  s.grow();
  s.db.exec('commit');
  const left = copy(s);
  const journal = readFileSync(`${left}-journal`);
  head.copy(journal);
  journal.writeUInt32BE(head.readUInt32BE(16) - 1, 16);
  writeFileSync(`${left}-journal`, journal);
  assert.match(faultOf(left) ?? '', /damaged, or not that of this file/);
});
