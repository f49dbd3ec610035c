/** The write-ahead file alone: what stands behind the last frame, how long it gets, and what a failed sync means. */
import assert from 'node:assert/strict';
import fs, {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { WalGone, WriteAhead, walLength } from '../../../src/store/hot/wal.ts';
import { scratch } from '../../harness/scratch.ts';

const TARGET = 128 * 1024;

function open(t: TestContext, file: string): { db: Database.Database; wal: WriteAhead; put: (n: number) => void } {
  const db = new Database(file);
  t.after(() => db.close());
  db.pragma('page_size = 1024');
  db.pragma('journal_mode = WAL');
  db.exec('create table if not exists t (n integer primary key, body blob)');
  const wal = new WriteAhead(file, db, TARGET);
  t.after(() => wal.close());
  const insert = db.prepare('insert into t (n, body) values (?, randomblob(2000))');
  const put = (n: number): void => {
    wal.ready();
    insert.run(n);
    wal.sync();
    wal.tend();
  };
  return { db, wal, put };
}
/** What a kill would leave. */
function left(t: TestContext, file: string): string {
  const copy = path.join(scratch(t, 'wal'), 'log.db');
  for (const end of ['', '-wal']) copyFileSync(file + end, copy + end);
  return copy;
}
function rows(file: string): number[] {
  const db = new Database(file);
  try {
    assert.equal(db.pragma('integrity_check', { simple: true }), 'ok');
    return db.prepare<[], number>('select n from t order by n').pluck().all();
  } finally {
    db.close();
  }
}
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const size = (file: string) => statSync(file).size;

test('its length follows the size of the log, within bounds', () => {
  assert.deepEqual([1e6, 16e6, 256e6].map(walLength), [131_072, 2_000_000, 16_777_216]);
});

test('zeros are written ahead, and what is committed before them is found after a kill', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const { put } = open(t, file);
  for (const n of upTo(3)) put(n);
  assert.equal(size(`${file}-wal`), TARGET);
  const bytes = readFileSync(`${file}-wal`);
  assert.ok(bytes.subarray(TARGET / 2).every((b) => b === 0));
  assert.deepEqual(rows(left(t, file)), upTo(3));
});

test('frames of an earlier generation behind the last one are not taken for its own', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const { put } = open(t, file);
  const salts = () => readFileSync(`${file}-wal`).subarray(16, 24).toString('hex');
  put(1);
  const first = salts();
  let n = 1;
  while (salts() === first) put(++n);
  assert.ok(n > 10, 'everything went into the database file only when the write-ahead file was long');
  // Behind the newest frames lie those of before.
  assert.ok(
    readFileSync(`${file}-wal`)
      .subarray(TARGET / 2)
      .some((b) => b !== 0),
  );
  assert.deepEqual(rows(left(t, file)), upTo(n));
  assert.equal(size(`${file}-wal`), TARGET, 'it kept its length');
});

test('a write-ahead file of zeros alone is an empty one', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const { db, put } = open(t, file);
  put(1);
  db.close();
  writeFileSync(`${file}-wal`, Buffer.alloc(TARGET));
  assert.deepEqual(rows(file), [1]);
  const again = open(t, file);
  again.put(2);
  assert.deepEqual(rows(left(t, file)), [1, 2]);
});

/** Another program is in the middle of a commit: it has the lock, and one of the two headers in the shared memory is half written. */
function writesMeanwhile(t: TestContext, file: string): { ends: () => void } {
  const other = new Database(file);
  other.exec('begin immediate');
  const fd = openSync(`${file}-shm`, 'r+');
  t.after(() => {
    closeSync(fd);
    other.close();
  });
  const header = Buffer.alloc(48);
  readSync(fd, header, 0, 48, 48);
  writeSync(
    fd,
    header.map((byte) => 255 - byte),
    0,
    48,
    48,
  );
  return {
    ends: () => {
      writeSync(fd, header, 0, 48, 48);
      other.exec('rollback');
    },
  };
}
/** What SQLite answers to the question how long the file is. */
function answers(db: Database.Database, answer: (real: () => unknown) => unknown): void {
  const pragma = db.pragma.bind(db);
  db.pragma = ((...args: Parameters<typeof pragma>) =>
    args[0] === 'wal_checkpoint(NOOP)' ? answer(() => pragma(...args)) : pragma(...args)) as typeof pragma;
}

test('a start wipes no commit while another program writes and does not end', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const { put } = open(t, file);
  for (const n of upTo(3)) put(n);
  const copy = left(t, file);
  const { db, wal } = open(t, copy);
  const before = readFileSync(`${copy}-wal`);
  db.pragma('busy_timeout = 20');
  const other = writesMeanwhile(t, copy);
  assert.throws(() => wal.begin(), /another program writes to .*log\.db and does not end; close it/);
  assert.ok(readFileSync(`${copy}-wal`).equals(before));
  other.ends();
  wal.begin();
  assert.deepEqual(rows(left(t, copy)), upTo(3));
});

test('a program that writes for a moment is waited for', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const { db, wal, put } = open(t, file);
  put(1);
  const other = writesMeanwhile(t, file);
  const found: unknown[] = [];
  answers(db, (real) => {
    if (found.length === 2) other.ends();
    const answer = real();
    found.push(answer);
    return answer;
  });
  wal.sync();
  const busy = [{ busy: 1, log: -1, checkpointed: -1 }];
  assert.deepEqual(found.slice(0, 2), [busy, busy]);
  assert.equal(found.length, 3);
});

test('no commit follows one whose length SQLite did not tell', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const { db, wal, put } = open(t, file);
  for (const n of upTo(3)) put(n);
  wal.ready();
  db.prepare('insert into t (n, body) values (4, randomblob(2000))').run();
  db.pragma('busy_timeout = 20');
  const other = writesMeanwhile(t, file);
  const { fdatasyncSync } = fs;
  t.after(() => {
    fs.fdatasyncSync = fdatasyncSync;
    syncBuiltinESMExports();
  });
  let synced = 0;
  fs.fdatasyncSync = (fd) => {
    synced++;
    fdatasyncSync(fd);
  };
  syncBuiltinESMExports();
  assert.throws(() => wal.sync(), /another program writes/);
  assert.throws(() => put(5), /another program writes/);
  assert.equal(wal.tend(), undefined);
  assert.equal(synced, 0);
  other.ends();
  wal.ready();
  assert.equal(synced, 1, 'the fourth is on the disk before a fifth is written');
  put(5);
  assert.deepEqual(rows(left(t, file)), upTo(5));
});

test('a file that SQLite uses no more is an error, not an empty one', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const { db, wal, put } = open(t, file);
  put(1);
  for (const odd of [[{ busy: 0, log: -1, checkpointed: -1 }], []]) {
    const before = readFileSync(`${file}-wal`);
    answers(db, () => odd);
    assert.throws(() => wal.begin(), /has no write-ahead file in use any more; restart the gateway/);
    assert.ok(readFileSync(`${file}-wal`).equals(before));
  }
});

for (const takes of ['what the file has', 'nothing'] as const)
  test(`a start wipes a frame that a full disk cut, where the disk takes ${takes}`, (t) => {
    const file = path.join(scratch(t, 'wal'), 'log.db');
    const { db, put } = open(t, file);
    for (const n of upTo(3)) put(n);
    const [{ log = 0 } = {}] = db.pragma('wal_checkpoint(NOOP)') as { log?: number }[];
    const copy = left(t, file);
    const from = 32 + log * (1024 + 24);
    const bytes = readFileSync(`${copy}-wal`).subarray(0, from + 300);
    // The head of a frame of this generation, and a part of its page.
    bytes.copy(bytes, from, 32, 32 + 300);
    writeFileSync(`${copy}-wal`, bytes);
    const write = fs.writeSync;
    t.after(() => {
      fs.writeSync = write;
      syncBuiltinESMExports();
    });
    const full = ((fd: number, some: Uint8Array, offset: number, length: number, at: number): number => {
      if (takes === 'nothing' ? at >= from : at + length > bytes.length)
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      return write(fd, some, offset, length, at);
    }) as typeof write;
    fs.writeSync = full;
    syncBuiltinESMExports();
    const again = new Database(copy);
    t.after(() => again.close());
    const wal = new WriteAhead(copy, again, TARGET);
    t.after(() => wal.close());
    assert.deepEqual(again.prepare('select n from t order by n').pluck().all(), upTo(3));
    wal.begin();
    assert.ok(
      readFileSync(`${copy}-wal`)
        .subarray(from)
        .every((byte) => byte === 0),
    );
    fs.writeSync = write;
    syncBuiltinESMExports();
    again.prepare('insert into t (n, body) values (4, randomblob(2000))').run();
    wal.sync();
    assert.deepEqual(rows(left(t, copy)), upTo(4));
  });

test('an endless reader: the file grows, then commits are refused; afterwards it shrinks back', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const { put } = open(t, file);
  put(1);
  const reader = new Database(file, { readonly: true });
  t.after(() => reader.close());
  const begun = reader.prepare<[], number>('select n from t').pluck().iterate();
  begun.next();
  let n = 1;
  assert.throws(() => {
    for (;;) put(++n);
  }, /another program reads the log and does not end/);
  assert.ok(size(`${file}-wal`) <= TARGET * 9);
  assert.ok(size(`${file}-wal`) > TARGET * 7);
  begun.return?.();
  // The last one was refused.
  put(n);
  put(n + 1);
  assert.equal(size(`${file}-wal`), TARGET);
  assert.deepEqual(rows(left(t, file)), upTo(n + 1));
});

test('after a failed sync the pages that the kernel dropped are written again first', (t) => {
  const file = path.join(scratch(t, 'wal'), 'log.db');
  const { put } = open(t, file);
  put(1);
  put(2);
  const { fdatasyncSync } = fs;
  t.after(() => {
    fs.fdatasyncSync = fdatasyncSync;
    syncBuiltinESMExports();
  });
  const onDisk = readFileSync(`${file}-wal`);
  let failures = 0;
  fs.fdatasyncSync = () => {
    failures++;
    // The error is told once; what was to be written is in memory no longer.
    writeFileSync(`${file}-wal`, onDisk, { flag: 'r+' });
    throw new Error('EIO: i/o error, fdatasync');
  };
  syncBuiltinESMExports();
  assert.throws(() => put(3), /EIO/);
  assert.throws(() => put(4), /EIO/, 'not before the third is on the disk');
  assert.deepEqual(rows(left(t, file)), [1, 2]);
  fs.fdatasyncSync = fdatasyncSync;
  syncBuiltinESMExports();
  put(4);
  assert.equal(failures, 2);
  assert.deepEqual(rows(left(t, file)), [1, 2, 3, 4]);
});

for (const end of ['', '-wal'])
  test(`a removed log.db${end} is noticed at the next commit`, (t) => {
    const file = path.join(scratch(t, 'wal'), 'log.db');
    const { put } = open(t, file);
    put(1);
    rmSync(file + end);
    assert.throws(() => put(2), WalGone);
  });
