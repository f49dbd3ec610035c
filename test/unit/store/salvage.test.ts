/** Pages read without SQLite: what is whole comes back exactly, and nothing comes back wrong. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { seal } from '../../../src/codecs/sealed.ts';
import { keyOf, TABLES } from '../../../src/store/files/layout.ts';
import { rowSum, SEALED } from '../../../src/store/files/sealed-rows.ts';
import { DamagedFile } from '../../../src/store/recovery/salvage.ts';
import { identify } from '../../../src/store/recovery/salvage-rows.ts';
import { readWal } from '../../../src/store/recovery/salvage-wal.ts';
import { rowPages } from '../../harness/row-pages.ts';
import { scratch } from '../../harness/scratch.ts';
import { walFile } from '../../harness/wal-file.ts';
import { random } from '../../oracles/store-samples.ts';
import { peer } from '../../peers/peers.ts';

interface Written {
  /** `table/key` to the row as JSON. */
  readonly rows: Map<string, string>;
  /** Pages on which a row lies, by the same key. */
  readonly pages: Map<string, number[]>;
}
const show = (row: object): string =>
  JSON.stringify(row, (_, v: unknown) =>
    v instanceof Uint8Array || (typeof v === 'object' && v !== null && 'type' in v && v.type === 'Buffer')
      ? Buffer.from(v as Uint8Array).toString('base64')
      : v,
  );

/** A log with blocks and notices of many sizes, some of them deleted again. */
function fill(db: Database.Database, seed: number, count: number): void {
  const next = random(seed);
  const bytes = (n: number) => Buffer.from(Array.from({ length: n }, () => next(256)));
  const block = db.prepare(
    'insert into block (id, last, boot, inventory, records, readings, at_last, sum, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const notice = db.prepare('insert into notice (id, boot, at, kind, key, body, sum) values (?, ?, ?, ?, ?, ?, ?)');
  db.transaction(() => {
    for (let i = 1; i <= count; i++) {
      const size = next.pick([10, 100, 900, 1000, 1100, 3000, 9000]) + next(60);
      const head = [
        keyOf(1 + next(3), i * 10),
        i * 10 + next(9),
        1 + next(20),
        1,
        1 + next(50),
        1 + next(500),
        next(1e9),
      ] as const;
      block.run(...head, rowSum('block', ...head), seal(bytes(size), bytes(20), 1));
      const told = [
        keyOf(1, i * 10 + 9),
        1,
        i,
        'event',
        'x',
        JSON.stringify({ v: 1, text: bytes(next(700)).toString('base64') }),
      ] as const;
      notice.run(...told, rowSum('notice', ...told));
    }
    db.prepare('delete from block where id % 7 = 0').run();
  })();
}

/** Row and pages of it. */
function written(db: Database.Database): Written {
  const rows = new Map<string, string>();
  const pages = new Map<string, number[]>();
  for (const table of ['block', 'notice']) {
    const at = rowPages(db, table);
    for (const row of db.prepare<[], { id: number }>(`select * from ${table}`).all()) {
      rows.set(`${table}/${row.id}`, show(row));
      pages.set(`${table}/${row.id}`, at.get(row.id) as number[]);
    }
  }
  return { rows, pages };
}

function read(file: string): Map<string, string> {
  const pages = new DamagedFile(file, 1024, (row) => identify(row) !== undefined);
  const found = new Map<string, string>();
  for (const row of pages.rows()) {
    const known = identify(row);
    if (known === undefined) continue;
    const { table } = known;
    const key = `${table}/${known.row.id}`;
    if (found.has(key)) continue;
    found.set(key, show(known.row));
  }
  pages.close();
  return found;
}
/** A block whose body is not whole comes back with its head alone: callers check its CRC. */
function withoutBody(row: string): string {
  const { body: _, ...head } = JSON.parse(row) as Record<string, unknown>;
  return JSON.stringify(head);
}

function make(dir: string, name: string, seed: number, count: number, pageSize: number): { file: string; truth: Written } {
  const file = path.join(dir, name);
  const db = new Database(file);
  db.pragma(`page_size = ${pageSize}`);
  db.exec(TABLES);
  fill(db, seed, count);
  const truth = written(db);
  db.close();
  return { file, truth };
}

test('every row of a whole file comes back exactly, on every size of page', (t) => {
  const dir = scratch(t, 'salvage');
  for (const pageSize of [512, 1024, 4096, 65_536]) {
    const { file, truth } = make(dir, `${pageSize}.db`, pageSize, 60, pageSize);
    assert.deepEqual(read(file), truth.rows);
  }
});

test('whatever is damaged, rows on whole pages come back exactly and no row comes back wrong', (t) => {
  const dir = scratch(t, 'salvage');
  const damage = fc.record({ kind: fc.constantFrom('zero', 'flip', 'noise'), at: fc.nat(), bit: fc.nat(7) });
  const made = [512, 1024, 4096].map((pageSize) => make(dir, `${pageSize}.db`, pageSize + 7, 80, pageSize));
  fc.assert(
    fc.property(
      fc.nat(2),
      fc.array(damage, { minLength: 1, maxLength: 25 }),
      fc.boolean(),
      fc.option(fc.double({ min: 0.1, max: 1, noNaN: true }), { freq: 4 }),
      (which, damages, headGone, cut) => {
        const { file, truth } = made[which] as (typeof made)[0];
        const bytes = readFileSync(file);
        const pageSize = bytes.readUInt16BE(16);
        const hurt = new Set<number>();
        for (const { kind, at, bit } of damages) {
          const offset = at % bytes.length;
          const page = Math.floor(offset / pageSize);
          hurt.add(page + 1);
          if (kind === 'flip') bytes[offset] = (bytes[offset] as number) ^ (1 << bit);
          else for (let i = 0; i < pageSize; i++) bytes[page * pageSize + i] = kind === 'zero' ? 0 : (i * 7919 + at) & 255;
        }
        if (headGone) bytes.fill(0, 0, 100);
        const length = cut === null ? bytes.length : Math.max(pageSize, Math.floor(bytes.length * cut));
        for (let page = Math.floor(length / pageSize); page * pageSize < bytes.length; page++) hurt.add(page + 1);
        const copy = path.join(dir, 'copy.db');
        writeFileSync(copy, bytes.subarray(0, length));
        const found = read(copy);
        for (const [key, row] of truth.rows) {
          if (truth.pages.get(key)?.some((page) => hurt.has(page))) continue;
          assert.equal(found.get(key), row, `${key} lies on whole pages`);
        }
        for (const [key, row] of found) {
          const told = truth.rows.get(key);
          // A row that was deleted may come back where the list of free pages is gone: whole, by its seal.
          if (told === undefined) assert.match(key, /^block\//);
          else if (row !== told) assert.equal(withoutBody(row), withoutBody(told), key);
        }
      },
    ),
    { numRuns: 150 },
  );
});

/** A log whose write-ahead file is not taken over, with `commits` commits in it. */
function withWal(t: TestContext, commits: number): { file: string; db: Database.Database; copy: (name: string) => string } {
  const dir = scratch(t, 'salvage');
  const file = path.join(dir, 'log.db');
  const db = new Database(file);
  t.after(() => db.close());
  db.pragma('page_size = 1024');
  db.pragma('journal_mode = WAL');
  db.pragma('wal_autocheckpoint = 0');
  db.exec(TABLES);
  fill(db, 1, 20);
  db.pragma('wal_checkpoint(TRUNCATE)');
  const put = db.prepare('insert into notice (id, boot, at, kind, key, body, sum) values (?, ?, ?, ?, ?, ?, ?)');
  for (let i = 0; i < commits; i++) {
    const row = [keyOf(2, 1000 + i), 1, i, 'event', 'x', JSON.stringify({ text: 'x'.repeat(300), i })] as const;
    put.run(...row, rowSum('notice', ...row));
  }
  const copy = (name: string): string => {
    for (const end of ['', '-wal']) copyFileSync(file + end, path.join(dir, name) + end);
    return path.join(dir, name);
  };
  return { file, db, copy };
}

test('the write-ahead file is read as SQLite reads it, and its rows are the newer ones', (t) => {
  const { db, copy } = withWal(t, 30);
  const file = copy('copy.db');
  const wal = readWal(`${file}-wal`, 1024);
  assert.equal(wal.header, 'good');
  assert.equal(wal.behind, 0);
  assert.equal(wal.chain, wal.frames.length);
  assert.equal(wal.frames.length, (readFileSync(`${file}-wal`).length - 32) / 1048);
  assert.deepEqual(read(file), written(db).rows);
});

test('a damaged frame hides nothing that was committed behind it', (t) => {
  const { db, copy } = withWal(t, 30);
  const truth = written(db).rows;
  const file = copy('copy.db');
  const bytes = readFileSync(`${file}-wal`);
  // The middle of the content of the tenth frame.
  const at = 32 + 9 * 1048 + 24 + 700;
  bytes[at] = (bytes[at] as number) ^ 0x10;
  writeFileSync(`${file}-wal`, bytes);
  const wal = readWal(`${file}-wal`, 1024);
  assert.equal(wal.frames.filter((f) => !f.sound).length, 1);
  assert.ok(wal.chain <= 9 && wal.behind > 15, `${wal.chain} read, ${wal.behind} commits behind`);
  const found = read(file);
  for (const [key, row] of truth) assert.equal(found.get(key), row);
});

test('without its header the write-ahead file is read from its frames', (t) => {
  const { db, copy } = withWal(t, 30);
  const file = copy('copy.db');
  const bytes = readFileSync(`${file}-wal`);
  bytes.fill(0xee, 0, 32);
  writeFileSync(`${file}-wal`, bytes);
  const wal = readWal(`${file}-wal`, 1024);
  assert.equal(wal.header, 'bad');
  assert.equal(wal.chain, 0);
  assert.ok(wal.behind >= 29);
  assert.deepEqual(read(file), written(db).rows);
});

test('a torn last commit is no damage, and zeros ahead of use are none', (t) => {
  const { copy } = withWal(t, 10);
  const file = copy('copy.db');
  const bytes = readFileSync(`${file}-wal`);
  writeFileSync(`${file}-wal`, bytes.subarray(0, bytes.length - 500));
  const torn = readWal(`${file}-wal`, 1024);
  assert.equal(torn.behind, 0);
  assert.ok(torn.chain > 0 && torn.chain === torn.frames.length);
  writeFileSync(`${file}-wal`, Buffer.concat([bytes, Buffer.alloc(50_000)]));
  assert.equal(readWal(`${file}-wal`, 1024).chain, bytes.length / 1048 - 32 / 1048);
  writeFileSync(`${file}-wal`, Buffer.alloc(50_000));
  assert.equal(readWal(`${file}-wal`, 1024).header, 'zero');
});

test('frames of an earlier round of the file are not taken for this one', (t) => {
  const { db, copy } = withWal(t, 30);
  db.pragma('wal_checkpoint(RESTART)');
  db.prepare("insert into alarm (rule, state, sum) values ('r', '1', 0)").run();
  const wal = readWal(`${copy('copy.db')}-wal`, 1024);
  assert.ok(wal.chain >= 1 && wal.chain < 5);
  assert.equal(wal.frames.length, wal.chain);
  assert.equal(wal.behind, 0);
});

test('a torn commit over an earlier round is one commit, whichever sectors are lost', (t) => {
  const file = path.join(scratch(t, 'torn'), 'log.db');
  const db = new Database(file);
  t.after(() => db.close());
  db.pragma('page_size = 1024');
  db.pragma('journal_mode = WAL');
  db.pragma('wal_autocheckpoint = 0');
  db.exec(
    'create table small (n); insert into small values (0); create table large (body); insert into large values (zeroblob(60000))',
  );
  db.pragma('wal_checkpoint(RESTART)');
  // Each frame of the earlier round ends a commit.
  for (let i = 0; i < 80; i++) db.prepare('update small set n = ?').run(i);
  db.pragma('wal_checkpoint(RESTART)');
  for (let i = 0; i < 9; i++) db.prepare('update small set n = ?').run(i);
  const before = readFileSync(`${file}-wal`);
  const chain = readWal(`${file}-wal`, 1024).chain;
  db.prepare('update large set body = randomblob(60000)').run();
  const after = readFileSync(`${file}-wal`);
  const whole = readWal(`${file}-wal`, 1024).chain;
  const sectors = Array.from({ length: Math.ceil(after.length / 512) }, (_, i) => i).filter(
    (i) => !before.subarray(i * 512, (i + 1) * 512).equals(after.subarray(i * 512, (i + 1) * 512)),
  );
  assert.ok(chain < 41 && whole > 64, 'the head of frame 41, which two sectors share, is in the commit');
  const cut = path.join(scratch(t, 'torn'), 'log.db-wal');
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(sectors.length - 1), { minLength: 1 }), (lost) => {
      const bytes = Buffer.from(after);
      for (const at of lost.map((i) => (sectors[i] as number) * 512)) before.copy(bytes, at, at, at + 512);
      writeFileSync(cut, bytes);
      const found = readWal(cut, 1024);
      assert.ok(found.behind <= 1, `${found.behind} commits behind, without the sectors ${lost.map((i) => sectors[i])}`);
      assert.ok(found.chain === chain || (found.chain === whole && bytes.equals(after)));
    }),
    { numRuns: 300 },
  );
});

for (const header of ['sound', 'random'] as const)
  test(`pages near 2^32 behind a ${header} header cost no more than the files hold`, (t) => {
    const { file, truth } = make(scratch(t, 'salvage'), 'log.db', 5, 60, 1024);
    const bytes = readFileSync(file);
    const held = bytes.length / 1024;
    const [leaf] = [...truth.pages].find(([key, pages]) => key.startsWith('notice/') && pages.length === 1)?.[1] ?? [];
    assert.ok(leaf !== undefined);
    const content = bytes.subarray((leaf - 1) * 1024, leaf * 1024);
    // Its rows prove themselves, so that the write-ahead file counts as ours.
    const wal = walFile(
      1024,
      [2 ** 32 - 1, 2 ** 32 - 2].map((page) => ({ page, content })),
    );
    if (header === 'random') for (let i = 0; i < 32; i++) wal[i] = (i * 167 + 13) & 255;
    writeFileSync(`${file}-wal`, wal);
    const { frames } = readWal(`${file}-wal`, 1024);
    assert.deepEqual(
      frames.map(({ page }) => page),
      [2 ** 32 - 1, 2 ** 32 - 2],
      'the frames count',
    );
    const told: number[] = [];
    const pages = new DamagedFile(file, 1024, (row) => identify(row) !== undefined, {
      progress: (done, of) => told.push(done, of),
      // Without the bound this ends the test and not the machine.
      until: () => told.length > 1000,
    });
    const rows = [...pages.rows()].map((row) => identify(row)).filter((known) => known !== undefined);
    const { unread } = pages;
    pages.close();
    assert.equal(unread, undefined);
    assert.equal(Math.max(...told), held + frames.length);
    const keys = new Set(rows.map(({ table, row }) => `${table}/${row.id}`));
    assert.deepEqual(
      [...truth.rows.keys()].filter((key) => !keys.has(key)),
      [],
      'every row of the file itself',
    );
  });

test('when the time is over, what was read comes back and the rest is counted', (t) => {
  const { file, truth } = make(scratch(t, 'salvage'), 'log.db', 11, 600, 1024);
  const pages = readFileSync(file).length / 1024;
  const looks = 2;
  let asked = 0;
  const damaged = new DamagedFile(file, 1024, (row) => identify(row) !== undefined, { until: () => ++asked > looks });
  const found = new Map<string, string>();
  for (const row of damaged.rows()) {
    const known = identify(row);
    if (known !== undefined) found.set(`${known.table}/${known.row.id}`, show(known.row));
  }
  const { unread } = damaged;
  damaged.close();
  const read = pages - (unread?.pages ?? 0);
  assert.ok(read > 0 && read < pages && read % looks === 0, `${read} of ${pages} pages were read`);
  assert.equal(unread?.rows, 0);
  for (const [key, row] of truth.rows)
    assert.equal(found.get(key), (truth.pages.get(key)?.[0] as number) <= read ? row : undefined, key);
});

test('at least as many blocks come back as sqlite3 .recover finds', (t) => {
  const sqlite = peer(t, 'sqlite3', 'apt-get install -y sqlite3');
  if (sqlite === undefined) return;
  const dir = scratch(t, 'salvage');
  const { file, truth } = make(dir, 'log.db', 3, 300, 1024);
  const next = random(99);
  for (let round = 0; round < 4; round++) {
    const bytes = readFileSync(file);
    for (let i = 0; i < 20; i++) {
      const page = 1 + next(bytes.length / 1024 - 1);
      bytes.fill(round % 2 === 0 ? 0 : 0xa5, page * 1024, (page + 1) * 1024);
    }
    const damaged = path.join(dir, `damaged-${round}.db`);
    writeFileSync(damaged, bytes);
    const script = execFileSync(sqlite, [damaged, '.recover'], { maxBuffer: 1e9, stdio: ['ignore', 'pipe', 'ignore'] });
    const theirs = path.join(dir, `theirs-${round}.db`);
    execFileSync(sqlite, [theirs], { input: script, stdio: ['pipe', 'ignore', 'ignore'] });
    const db = new Database(theirs);
    const whole = (row: string | undefined, key: string) => row !== undefined && row === truth.rows.get(key);
    const has = new Set(db.prepare<[], string>("select name from sqlite_schema where type = 'table'").pluck().all());
    let them = 0;
    for (const table of ['block', 'notice'].filter((name) => has.has(name)))
      for (const row of db.prepare<[], { id: number }>(`select * from ${table}`).all())
        if (whole(show(row), `${table}/${row.id}`)) them++;
    // What it cannot give a table to.
    if (has.has('lost_and_found'))
      for (const row of db.prepare<[], Record<string, unknown>>('select * from lost_and_found').all()) {
        const table = row.nfield === 9 ? 'block' : 'notice';
        const names = [...SEALED[table], 'sum', ...(table === 'block' ? ['body'] : [])];
        const told = Object.fromEntries(names.map((name, i) => [name, i === 0 ? row.id : row[`c${i}`]]));
        if (whole(show(told), `${table}/${row.id}`)) them++;
      }
    db.close();
    const us = [...read(damaged)].filter(([key, row]) => whole(row, key)).length;
    t.diagnostic(`${us} rows of ${truth.rows.size} with ours, ${them} with sqlite3 .recover`);
    assert.ok(us >= them && us > 100, `${us} with ours, ${them} with sqlite3 .recover`);
  }
});
