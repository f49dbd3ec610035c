/**
 * An update is on trial and is taken back. Until then it wrote the files of the log in its newer layout. The release before goes on
 * with them where the newer layout allows that: under the same log, with every record, and it leaves the tables of the newer one alone.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import { stampOf, VERSION } from '../../../src/store/broker/layout.ts';
import { copyLog } from '../../../src/store/copy/copy-log.ts';
import { HISTORY_TABLES, HISTORY_VERSION } from '../../../src/store/files/history-layout.ts';
import { SCHEMA_VERSION, TABLES } from '../../../src/store/files/layout.ts';
import { type Layout, type SealedFile, sealedLayout, sealLayout, tablesOf } from '../../../src/store/files/layout-seal.ts';
import { LAYOUTS } from '../../../src/store/layouts.ts';
import { Log } from '../../../src/store/log.ts';
import { Folders, KeptBench } from '../../fakes/kept-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { exportAll } from '../../harness/store-fixture.ts';

const pump: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number' }] };
const NEXT: Record<SealedFile, Layout> = {
  log: { version: SCHEMA_VERSION + 1, readers: SCHEMA_VERSION },
  history: { version: HISTORY_VERSION + 1, readers: HISTORY_VERSION },
};

async function open(t: TestContext, dir: string): Promise<Log> {
  const clock = new ManualClock(Date.UTC(2026, 11, 1));
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 10_000 },
  });
  t.after(() => log.abandon());
  log.setClock(clock.wall() - clock.monotonic(), false);
  log.setInventory('{}');
  return log;
}

/** Numbers of what was appended. */
async function fill(log: Log, from: number): Promise<number[]> {
  const seqs = Array.from({ length: 40 }, (_, i) => log.append({ shape: pump, at: from + i, values: [i], reasons: null })?.seq);
  await log.flush();
  await log.compact();
  return seqs.map((seq) => seq ?? -1);
}

/** The file as the newer release leaves it: one table more, its number, and its seal. @param cut the change is in the write-ahead file alone */
function raise(state: string, of: SealedFile, cut = false): void {
  const file = path.join(state, `${of}.db`);
  const db = new Database(file);
  db.transaction(() => {
    db.exec("create table later (what text); insert into later values ('kept')");
    db.pragma(`user_version = ${NEXT[of].version}`);
    sealLayout(db, of, NEXT[of]);
  })();
  const ends = cut ? ['', '-wal'] : [];
  for (const end of ends) copyFileSync(file + end, `${file}${end}.cut`);
  db.close();
  for (const end of ends) copyFileSync(`${file}${end}.cut`, file + end);
}

function look(state: string, of: SealedFile): { layout: Layout; number: unknown; later: unknown } {
  const db = new Database(path.join(state, `${of}.db`), { readonly: true });
  try {
    const later = db.prepare("select count(*) from sqlite_schema where name = 'later'").pluck().get();
    return {
      ...{ layout: sealedLayout(db, of), number: db.pragma('user_version', { simple: true }) },
      later: later === 1 ? db.prepare('select what from later').pluck().get() : undefined,
    };
  } finally {
    db.close();
  }
}

for (const cut of [false, true])
  test(`a log of the next layout goes on${cut ? ' where a power cut left it in the write-ahead file' : ''}`, async (t) => {
    const dir = scratch(t, 'newer-layout');
    const state = path.join(dir, 'state');
    const before = await open(t, dir);
    const seqs = await fill(before, 1000);
    await before.close(10_000);
    raise(state, 'log', cut);
    raise(state, 'history');

    const after = await open(t, dir);
    assert.equal(after.id, before.id, 'the same log');
    assert.deepEqual(after.opened.repairs, []);
    seqs.push(...(await fill(after, 2000)));
    assert.deepEqual(
      seqs,
      seqs.map((_, i) => (seqs[0] as number) + i),
      'no number is given twice, and none is left out',
    );
    const exported = (await exportAll(after)).trimEnd().split('\n');
    assert.deepEqual(
      exported.map((line) => (JSON.parse(line) as { seq: number }).seq),
      seqs,
    );
    await after.close(10_000);
    for (const file of ['log', 'history'] as const)
      assert.deepEqual(look(state, file), { layout: NEXT[file], number: NEXT[file].version, later: 'kept' }, file);

    const into = path.join(dir, 'into');
    mkdirSync(into);
    await copyLog(state, into, 'small');
    const { layout, later } = look(into, 'log');
    assert.deepEqual([layout, later], [LAYOUTS.log, undefined], 'a backup has the layout of the release that made it');
  });

test('sessions of MQTT clients of the next layout go on', async (t) => {
  const folders = new Folders(scratch(t, 'newer-layout'));
  const open = async () => {
    const bench = await KeptBench.open({ folders });
    t.after(() => bench.kept.close());
    return bench;
  };
  const stamp = stampOf({ version: VERSION + 1, readers: VERSION });
  let bench = await open();
  await bench.client('a', 'plant/#');
  bench.sessions.away('a');
  await bench.publish('plant/t', 'before');
  await bench.kept.close();
  const newer = new Database(folders.file);
  newer.exec("create table later (what text); insert into later values ('kept')");
  newer.pragma(`user_version = ${stamp}`);
  newer.close();
  bench = await open();
  assert.deepEqual(bench.repairs, []);
  await bench.publish('plant/t', 'after');
  await bench.kept.close();
  bench = await open();
  assert.deepEqual([bench.repairs, bench.waiting('a')], [[], ['before', 'after']]);
  await bench.kept.close();
  const db = new Database(folders.file, { readonly: true });
  t.after(() => db.close());
  assert.deepEqual(
    [db.pragma('user_version', { simple: true }), db.prepare('select what from later').pluck().get()],
    [stamp, 'kept'],
  );
});

test('a layout names only readers whose tables it still has, word for word', () => {
  const cases = path.join(import.meta.dirname, '../../cases/store');
  const now = { log: tablesOf(TABLES), history: tablesOf(HISTORY_TABLES) };
  let compared = 0;
  for (const version of ['0.1.0', '0.1.1', '0.1.2']) {
    const folder = path.join(cases, version);
    const known = JSON.parse(readFileSync(path.join(folder, 'versions.json'), 'utf8')) as Record<SealedFile, number>;
    for (const file of ['log', 'history'] as const) {
      if (known[file] < LAYOUTS[file].readers) continue;
      const db = new Database(path.join(folder, `${file}.db`), { readonly: true });
      const tables = db.prepare<[], [string, string]>("select name, sql from sqlite_schema where type = 'table'").raw().all();
      db.close();
      compared += tables.length;
      for (const [name, words] of tables) assert.equal(now[file].get(name), words, `${name} of layout ${known[file]}`);
    }
  }
  assert.ok(compared >= now.log.size + now.history.size, 'this layout is among them');
  for (const [name, { version, readers }] of Object.entries(LAYOUTS)) assert.ok(readers >= 1 && readers <= version, name);
});
