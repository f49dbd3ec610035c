/**
 * Damage of every kind to files that a real log wrote. Whatever it is: the log opens, a consumer by key gets every record
 * that is whole, none that is wrong, no number with two contents, and what is told of the loss is exact.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import type { Lane } from '../../../src/store/files/lane-state.ts';
import { sealLayout } from '../../../src/store/files/layout-seal.ts';
import type { Repair } from '../../../src/store/files/repair-report.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { allNotices } from '../../harness/all-notices.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { salvageOver } from '../../harness/salvage-over.ts';
import { scratch } from '../../harness/scratch.ts';
import { Consumer } from '../../oracles/consumer.ts';

const PAGE = 1024;
const plant: Shape = {
  device: 'plant',
  points: Array.from({ length: 40 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
const pump: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number' }] };
/** Numbers that deflate can do nothing with, so that blocks have overflow pages. */
const wide = (i: number, at: number): Sample => ({
  shape: plant,
  at,
  values: plant.points.map((_, p) => Math.sin(i * 7919 + p * 104_729) * 1e6),
  reasons: null,
});
const narrow = (i: number, at: number): Sample => ({ shape: pump, at, values: [i % 60_000], reasons: null });

interface Site {
  readonly dir: string;
  readonly state: string;
  readonly run: string;
  readonly file: string;
  readonly consumer: Consumer;
  /** Everything appended, by `log/seq`. */
  readonly written: Map<string, { device: string; values: unknown }>;
  readonly clock: ManualClock;
  count: number;
}

function corruptionSite(t: TestContext): Site {
  const dir = scratch(t, 'corruption');
  return {
    dir,
    state: path.join(dir, 'state'),
    run: path.join(dir, 'run'),
    file: path.join(dir, 'state', 'log.db'),
    consumer: new Consumer(),
    written: new Map(),
    clock: new ManualClock(),
    count: 0,
  };
}

async function open(t: TestContext, s: Site, over: object = {}): Promise<{ log: Log; outlet: Outlet }> {
  const log = await Log.open({
    ...{ stateDir: s.state, runtimeDir: s.run, clock: s.clock, maxSize: 1e8, maxAge: 1e13, commitEvery: 10_000 },
    ...over,
  });
  t.after(() => log.abandon());
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(s.clock.wall() - s.clock.monotonic(), false);
  log.setInventory('{}');
  await outlet.ready();
  return { log, outlet };
}

function append(s: Site, log: Log, n: number, make: (i: number, at: number) => Sample = wide): void {
  for (let i = 0; i < n; i++) {
    const sample = make(s.count++, s.clock.monotonic());
    const record = log.append(sample);
    assert.ok(record !== undefined);
    s.written.set(`${log.id}/${record.seq}`, {
      device: sample.shape.device,
      values: Object.fromEntries(sample.shape.points.map((p, k) => [p.name, sample.values[k]])),
    });
  }
}
function tell(log: Log, text: string): void {
  log.notice('event', 'x', 0, { event: 'x', severity: 'info', message: text, time: 0, data: {} });
}

/** Delivers all that waits on a lane. */
async function drain(s: Site, outlet: Outlet, lanes: readonly Lane[] = ['data', 'history']): Promise<void> {
  for (const lane of lanes)
    for (;;) {
      const batch = await outlet.next(lane, 500);
      if (batch === undefined) break;
      outlet.handOver(batch);
      s.consumer.feed(`sluice/g1/${lane}`, payloadText(batch));
      outlet.done(batch);
    }
  for (;;) {
    const notices = await allNotices(outlet, 100);
    if (notices.length === 0) break;
    for (const notice of notices) {
      s.consumer.feed('sluice/g1/event', notice.json);
      outlet.noticesDone(notice);
    }
  }
}

/**
 * A log in the middle of its life: delivered data, an outage with a backlog on history, notices in between, a checkpoint
 * somewhere, commits of one record and of many, and three records that wait for their commit.
 */
async function life(t: TestContext, s: Site, end: 'killed' | 'power' | 'closed'): Promise<Log> {
  const first = await open(t, s);
  append(s, first.log, 20);
  tell(first.log, 'in the first run');
  await first.log.flush();
  await drain(s, first.outlet);
  append(s, first.log, 5, narrow);
  await first.log.close(5000);

  const { log, outlet } = await open(t, s);
  // history.db has the first run, and with it the shapes: they are not written into the second run's write-ahead file.
  const tidied = new Promise((resolve) => log.once('tidied', resolve));
  for (let i = 0; i < 12; i++) {
    append(s, log, i % 3 === 0 ? 30 : 1);
    append(s, log, 3, narrow);
    if (i % 4 === 0) tell(log, `event ${i}`);
    await log.flush();
    if (i === 3) await drain(s, outlet);
  }
  // The outage begins: what is not settled goes to history.
  for (let i = 0; i < 13; i++) {
    await s.clock.advance(1000);
    append(s, log, 2, narrow);
    outlet.tend(false, s.clock.monotonic());
  }
  assert.equal(outlet.live, false);
  for (let i = 0; i < 12; i++) {
    append(s, log, i % 4 === 0 ? 25 : 2);
    await log.flush();
  }
  await tidied;
  tell(log, 'before the end');
  await log.flush();
  if (end === 'closed') await log.close(5000);
  else {
    keep(s);
    append(s, log, 3, narrow);
    await log.abandon();
    restore(s);
    if (end === 'power') {
      rmSync(s.run, { recursive: true, force: true });
      for (const [key] of s.written)
        if (Number(key.split('/')[1]) >= log.next - 3 && key.startsWith(log.id)) s.written.delete(key);
    }
  }
  return log;
}

/** A kill leaves the files as they are: `abandon` lets SQLite close, which takes the write-ahead file over and away. */
function keep(s: Site): void {
  for (const end of ['', '-wal']) copyFileSync(s.file + end, `${path.join(s.dir, 'kept')}${end}`);
}
function restore(s: Site): void {
  // In place: the file is the one that was written, not a copy that was put back.
  for (const end of ['', '-wal']) writeFileSync(s.file + end, readFileSync(`${path.join(s.dir, 'kept')}${end}`));
  rmSync(`${s.file}-shm`, { force: true });
}

/** The start after the damage, everything that comes of it delivered, a few records more, and another start. */
async function after(t: TestContext, s: Site): Promise<{ log: Log; repairs: readonly Repair[] }> {
  const { log, outlet } = await open(t, s);
  append(s, log, 10, narrow);
  await log.flush();
  await drain(s, outlet);
  await salvageOver(log);
  await drain(s, outlet);
  await log.flush();
  const { repairs } = log.opened;
  await log.close(5000);
  const again = await open(t, s);
  assert.deepEqual(again.log.opened.repairs, [], 'what was repaired is whole');
  assert.equal(again.log.id, log.id);
  append(s, again.log, 5, narrow);
  await again.log.flush();
  await drain(s, again.outlet);
  await again.log.close(5000);
  return { log, repairs };
}

/** By (log, seq) of when it was written; what went out again under a new log is found by its content. */
function missing(s: Site): string[] {
  const had = new Set(s.consumer.records().map((r) => JSON.stringify([r.device, r.values])));
  return [...s.written].filter(([, w]) => !had.has(JSON.stringify([w.device, w.values]))).map(([key]) => key);
}
function judge(s: Site): void {
  assert.deepEqual(s.consumer.judge(), []);
  for (const r of s.consumer.records()) {
    const w = s.written.get(`${r.log}/${r.seq}`);
    if (w !== undefined) assert.deepEqual({ device: r.device, values: r.values }, w, `${r.log}/${r.seq} is another record`);
    else assert.match(r.log, /^s/, `${r.log}/${r.seq} was never written`);
  }
}
function only(repairs: readonly Repair[]): Repair {
  assert.equal(repairs.length, 1, JSON.stringify(repairs));
  return repairs[0] as Repair;
}

/** Whether a number is told as lost. */
function isTold(repair: Repair, log: string, seq: number): boolean {
  const { gaps = [], lost } = repair.salvaged ?? {};
  return [...gaps, ...(lost?.ranges ?? [])].some((g) => g.log === log && g.first <= seq && seq <= g.last);
}
function pages(file: string): Buffer[] {
  const bytes = readFileSync(file);
  return Array.from({ length: Math.floor(bytes.length / PAGE) }, (_, i) => bytes.subarray(i * PAGE, (i + 1) * PAGE));
}
function overwrite(file: string, at: number, bytes: Buffer): void {
  const all = readFileSync(file);
  bytes.copy(all, at);
  writeFileSync(file, all);
}
function flip(file: string, at: number): void {
  const all = readFileSync(file);
  all[at] = (all[at] as number) ^ 0x20;
  writeFileSync(file, all);
}
/** The last number that was compacted; what is up to there lies in history.db, and in log.db perhaps. */
function inHistory(s: Site): number {
  const file = path.join(s.state, 'history.db');
  if (!existsSync(file)) return 0;
  const db = new Database(file, { readonly: true });
  const last = db.prepare<[], number | null>('select max(last) from unit').pluck().get() ?? 0;
  db.close();
  return last;
}
/** Pages of the table `block` by their kind, as SQLite tells them. */
function blockPages(s: Site, kind: 'leaf' | 'internal' | 'overflow', table = 'block'): number[] {
  const copy = path.join(s.dir, 'look.db');
  copyFileSync(s.file, copy);
  const db = new Database(copy);
  const found = db
    .prepare<[string, string], number>('select pageno from dbstat where name = ? and pagetype = ? order by path')
    .pluck()
    .all(table, kind);
  db.close();
  for (const end of ['', '-wal', '-shm']) rmSync(copy + end, { force: true });
  return found;
}

/** Kinds of damage after which everything is still there, in one copy or another. */
const HARMLESS: [string, (s: Site) => void][] = [
  [
    'garbage behind the end of the file',
    (s) => writeFileSync(s.file, Buffer.concat([readFileSync(s.file), Buffer.alloc(5000, 0x5a)])),
  ],
  ['garbage in the shared memory file', (s) => writeFileSync(`${s.file}-shm`, Buffer.alloc(32_768, 0x5a))],
  [
    'garbage behind the end of the write-ahead file',
    (s) => writeFileSync(`${s.file}-wal`, Buffer.concat([readFileSync(`${s.file}-wal`), Buffer.alloc(5000, 0x5a)])),
  ],
];
for (const [name, damage] of HARMLESS)
  test(`${name}: nothing is lost, and nothing is told`, async (t) => {
    const s = corruptionSite(t);
    await life(t, s, 'killed');
    damage(s);
    const { repairs } = await after(t, s);
    assert.deepEqual(repairs, []);
    assert.deepEqual(missing(s), []);
    judge(s);
  });

/** Kinds of damage to a closed file; what lies on other pages comes back under its old log. */
const DAMAGES: [string, (s: Site) => void][] = [
  ['the header flipped', (s) => flip(s.file, 3)],
  ['the first page zeroed', (s) => overwrite(s.file, 0, Buffer.alloc(PAGE))],
  [
    'an interior page zeroed',
    (s) => overwrite(s.file, ((blockPages(s, 'internal')[0] as number) - 1) * PAGE, Buffer.alloc(PAGE)),
  ],
  ['a leaf of blocks zeroed', (s) => overwrite(s.file, ((blockPages(s, 'leaf')[1] as number) - 1) * PAGE, Buffer.alloc(PAGE))],
  [
    'a leaf of blocks turned to noise',
    (s) => overwrite(s.file, ((blockPages(s, 'leaf')[2] as number) - 1) * PAGE, Buffer.alloc(PAGE, 0xa5)),
  ],
  [
    'a chain of overflow pages cut',
    (s) => overwrite(s.file, ((blockPages(s, 'overflow')[3] as number) - 1) * PAGE, Buffer.alloc(PAGE, 0xff)),
  ],
  ['cut to half', (s) => truncateSync(s.file, Math.floor(statSync(s.file).size / 2 / PAGE) * PAGE)],
  [
    'lanes and cursors zeroed',
    (s) => overwrite(s.file, ((blockPages(s, 'leaf', 'lanes')[0] as number) - 1) * PAGE, Buffer.alloc(PAGE)),
  ],
  ...[1, 2, 3].map((first): [string, (s: Site) => void] => [
    `every third page from ${first} on zeroed`,
    (s) => {
      for (let i = first; i < pages(s.file).length; i += 3) overwrite(s.file, i * PAGE, Buffer.alloc(PAGE));
    },
  ]),
  [
    'a digit of the lanes changed',
    (s) => {
      const at = readFileSync(s.file).indexOf('"cloud"');
      assert.ok(at > 0);
      flip(s.file, at + 3);
    },
  ],
  [
    'a letter of a shape changed',
    (s) => {
      const at = readFileSync(s.file).indexOf('"device":"plant"');
      assert.ok(at > 0);
      overwrite(s.file, at + 11, Buffer.from('giant'));
    },
  ],
  [
    'a letter of an event changed',
    (s) => {
      const at = readFileSync(s.file).indexOf('before the end');
      assert.ok(at > 0);
      overwrite(s.file, at, Buffer.from('Before'));
    },
  ],
];
for (const [name, damage] of DAMAGES)
  test(`${name}, clean end: what is whole comes, the rest is reported`, async (t) => {
    const s = corruptionSite(t);
    const old = await life(t, s, 'closed');
    assert.ok(blockPages(s, 'internal').length > 0 && blockPages(s, 'overflow').length > 10, 'the file has pages of every kind');
    const before = new Set(s.consumer.accepted.keys());
    const compacted = inHistory(s);
    damage(s);
    const { log, repairs } = await after(t, s);
    const repair = only(repairs);
    assert.ok(existsSync(repair.quarantine ?? ''));
    assert.notEqual(log.id, old.id);
    judge(s);
    assert.ok(before.size > 0);
    const gone = missing(s);
    const { lost = { records: 0 }, records = 0 } = repair.salvaged ?? {};
    const held = [...s.written.keys()].filter((key) => key.startsWith(old.id) && Number(key.split('/')[1]) > compacted).length;
    t.diagnostic(`${records} records came back, ${lost.records} lost by number, ${gone.length} not delivered, ${repair.why}`);
    // Every record that did not come is reported: its number lies in a gap, or a block without its records is counted.
    assert.ok(gone.length <= held - records);
    const unexplained = gone.filter((key) => {
      const [id, seq] = key.split('/') as [string, string];
      return !isTold(repair, id, Number(seq));
    });
    const told = [...(repair.salvaged?.gaps ?? []), ...(repair.salvaged?.lost.ranges ?? [])].filter((g) => g.log === old.id);
    const kept = keptOf(s, log.id);
    const first = Math.min(kept.first, ...told.map((g) => g.first));
    const last = Math.max(kept.last, ...told.map((g) => g.last));
    // With this much gone a copy of the lanes may be left that is not the newest: then the end is not known. Where the row of the
    // boot is gone, its first number is not either. What is gone without a word lies outside.
    const isUnknown = (key: string) => {
      const seq = Number(key.split('/')[1]);
      return (
        name.startsWith('every third page') &&
        (seq > last || (seq < first && !kept.boots.some((b) => b > compacted && b < first)))
      );
    };
    assert.deepEqual(
      unexplained.filter((key) => !isUnknown(key)),
      [],
      'gone without a word',
    );
    const unknown = [...s.written.keys()].filter(
      (key) => key.startsWith(old.id) && Number(key.split('/')[1]) > compacted && isUnknown(key),
    );
    assert.equal(
      records + countLost(s, repair, old.id, compacted) + unknown.length,
      held,
      'came back, told as lost, or outside of what is known: these are all there was',
    );
  });

/** What log.db holds of all logs but one: its first and last number, and the first numbers of boots that are known. */
function keptOf(s: Site, but: string): { first: number; last: number; boots: number[] } {
  const db = new Database(s.file, { readonly: true });
  try {
    const { ordinal } = db.prepare<[string], { ordinal: number }>('select ordinal from log where name = ?').get(but) ?? {
      ordinal: 0,
    };
    const ends = db
      .prepare<[number], { first: number | null; last: number | null }>(
        'select min(id % 17592186044416) as first, max(last) as last from block where id / 17592186044416 <> ?',
      )
      .get(ordinal);
    const boots = db.prepare<[number], number>('select first from boot where first > 0 and log <> ?').pluck().all(ordinal);
    return { first: ends?.first ?? Number.POSITIVE_INFINITY, last: ends?.last ?? 0, boots };
  } finally {
    db.close();
  }
}

/** Written records whose numbers the repair tells as lost. */
function countLost(s: Site, repair: Repair, id: string, compacted: number): number {
  return [...s.written.keys()].filter((key) => {
    const [log, seq] = key.split('/') as [string, string];
    return log === id && Number(seq) > compacted && isTold(repair, log, Number(seq));
  }).length;
}

test('an old copy of lanes and cursors proves what it settles and no more', async (t) => {
  const s = corruptionSite(t);
  const first = await open(t, s);
  append(s, first.log, 10, narrow);
  await first.log.flush();
  await drain(s, first.outlet);
  await first.log.close(5000);
  const old = pages(s.file)[(blockPages(s, 'leaf', 'lanes')[0] as number) - 1] as Buffer;
  const second = await open(t, s);
  append(s, second.log, 10, narrow);
  await second.log.flush();
  await drain(s, second.outlet);
  await second.log.flush();
  await second.log.close(5000);
  // The row is whole, and a run behind; the file is made to be noticed.
  overwrite(s.file, ((blockPages(s, 'leaf', 'lanes')[0] as number) - 1) * PAGE, old);
  flip(s.file, 3);
  const { repairs } = await after(t, s);
  const repair = only(repairs);
  const again = repair.salvaged?.again[0];
  assert.deepEqual({ ...again, newLog: '' }, { oldLog: first.log.id, newLog: '', first: 11, last: 20, records: 10, notices: 0 });
  judge(s);
  const twice = s.consumer.records().filter((r) => r.log === again?.newLog);
  assert.deepEqual(
    twice.map((r) => [r.seq, r.topic]),
    Array.from({ length: 10 }, (_, i) => [11 + i, 'sluice/g1/history']),
  );
});

/** What becomes of the write-ahead file of a process that was killed. */
const WAL: [string, (s: Site) => void, 'all' | 'checkpointed'][] = [
  ['a middle frame of the write-ahead file flipped', (s) => flip(`${s.file}-wal`, 32 + 20 * (24 + PAGE) + 300), 'all'],
  ['the header of the write-ahead file flipped', (s) => flip(`${s.file}-wal`, 17), 'all'],
  ['the header of the write-ahead file zeroed', (s) => overwrite(`${s.file}-wal`, 0, Buffer.alloc(32)), 'all'],
  ['the write-ahead file removed', (s) => rmSync(`${s.file}-wal`), 'checkpointed'],
  [
    'the write-ahead file zeroed',
    (s) => writeFileSync(`${s.file}-wal`, Buffer.alloc(statSync(`${s.file}-wal`).size)),
    'checkpointed',
  ],
  ['the write-ahead file cut to nothing', (s) => truncateSync(`${s.file}-wal`), 'checkpointed'],
  ['the database emptied beside its write-ahead file', (s) => truncateSync(s.file), 'all'],
  ['the database removed beside its write-ahead file', (s) => rmSync(s.file), 'all'],
];
for (const end of ['killed', 'power'] as const)
  for (const [name, damage, left] of WAL)
    test(`${name}, ${end === 'killed' ? 'kill' : 'power cut'}: found, no number used twice`, async (t) => {
      const s = corruptionSite(t);
      const old = await life(t, s, end);
      damage(s);
      const { log, repairs } = await after(t, s);
      const repair = only(repairs);
      t.diagnostic(`${repair.why}; ${JSON.stringify(repair.salvaged)}`);
      assert.notEqual(log.id, old.id);
      judge(s);
      const gone = missing(s);
      if (left === 'all' && !name.startsWith('the database')) assert.deepEqual(gone, []);
      if (left === 'all')
        assert.equal(gone.filter((key) => Number(key.split('/')[1]) > 100).length, 0, 'what the file held was all there');
      if (end === 'killed') {
        const tail = [...s.written.keys()].filter((key) => key.startsWith(old.id)).slice(-3);
        assert.deepEqual(
          gone.filter((key) => tail.includes(key)),
          [],
          'what the runtime directory held comes',
        );
      }
    });

test('a whole state directory put back from an earlier day begins a new log', async (t) => {
  const s = corruptionSite(t);
  const first = await open(t, s);
  append(s, first.log, 20, narrow);
  await first.log.close(5000);
  cpSync(s.state, path.join(s.dir, 'backup'), { recursive: true });
  const second = await open(t, s);
  append(s, second.log, 20, narrow);
  await second.log.flush();
  await drain(s, second.outlet);
  await second.log.close(5000);
  assert.equal(second.log.id, first.log.id);
  rmSync(s.state, { recursive: true });
  rmSync(s.run, { recursive: true });
  cpSync(path.join(s.dir, 'backup'), s.state, { recursive: true });

  const { log, repairs } = await after(t, s);
  assert.match(only(repairs).why, /copy/);
  assert.notEqual(log.id, first.log.id);
  judge(s);
});

test('a foreign database in the place of the log, and of the history, is moved aside', async (t) => {
  const s = corruptionSite(t);
  const before = await open(t, s);
  append(s, before.log, 20, narrow);
  await before.log.flush();
  await before.log.compact();
  await before.log.close(5000);
  for (const name of ['log.db', 'history.db']) {
    const file = path.join(s.state, name);
    rmSync(file);
    const db = new Database(file);
    db.exec('create table recipes (name text, eggs integer); insert into recipes values (1, 2)');
    db.close();
  }
  const { log, outlet } = await open(t, s);
  append(s, log, 5, narrow);
  await log.flush();
  await salvageOver(log);
  const told: Repair[] = [...log.opened.repairs];
  log.on('repaired', (repair) => told.push(repair));
  await drain(s, outlet);
  await log.compact();
  assert.deepEqual(
    told.map((r) => [r.file, r.quarantine, /another program|no log|no history/.test(r.why)]),
    [
      ['log.db', `${s.file}.damaged`, true],
      ['history.db', path.join(s.state, 'history.db.damaged'), true],
    ],
  );
  for (const repair of told) {
    const db = new Database(repair.quarantine ?? '', { readonly: true });
    assert.equal(db.prepare('select eggs from recipes').pluck().get(), 2);
    db.close();
  }
  assert.equal(s.consumer.records().filter((r) => r.log === log.id).length, 5);
  await log.close(5000);
});

for (const name of ['log.db', 'history.db'])
  test(`${name} of a newer version is refused, and no byte of the folder changes`, async (t) => {
    const s = corruptionSite(t);
    const old = await life(t, s, 'power');
    const file = path.join(s.state, name);
    // A first page in the write-ahead file counts before the one in the database.
    const db = new Database(file);
    db.pragma('user_version = 99');
    sealLayout(db, name === 'log.db' ? 'log' : 'history', { version: 99, readers: 99 });
    const ends = name === 'log.db' ? ['', '-wal'] : [''];
    for (const end of ends) copyFileSync(file + end, path.join(s.dir, `newer${end}`));
    db.close();
    for (const end of ends) copyFileSync(path.join(s.dir, `newer${end}`), file + end);
    const bytes = () => readdirSync(s.state).map((f) => [f, readFileSync(path.join(s.state, f)).toString('base64')]);
    const before = bytes();
    await assert.rejects(open(t, s), (thrown) => {
      assert.ok(thrown instanceof SluiceError);
      assert.equal(thrown.code, 'log-newer');
      assert.match(thrown.message, new RegExp(`${name} was written by a newer version`));
      return true;
    });
    assert.deepEqual(bytes(), before);
    assert.ok(old.id !== '');
  });

for (const [name, at] of [
  ['log.db', 60],
  ['log.db', 63],
  ['history.db', 61],
  ['history.db', 63],
] as const)
  test(`byte ${at} of ${name} flipped (layout): it proves nothing without a seal`, async (t) => {
    const s = corruptionSite(t);
    const old = await life(t, s, 'closed');
    for (const bit of [0x20, 0x20 ^ 0x01]) {
      const file = path.join(s.state, name);
      const all = readFileSync(file);
      all[at] = (all[at] as number) ^ bit;
      writeFileSync(file, all);
      const { log, repairs } = await after(t, s);
      assert.deepEqual(repairs, []);
      assert.equal(log.id, old.id);
    }
    assert.deepEqual(missing(s), []);
    judge(s);
  });

/** Damage to a running log: the page cache is small, so that what lies on the card is read again. */
for (const [name, page] of [
  ['a leaf of blocks', (s: Site) => blockPages(s, 'leaf')[2] as number],
  ['the newest leaf of blocks', (s: Site) => blockPages(s, 'leaf').at(-1) as number],
  ['lanes and cursors', (s: Site) => blockPages(s, 'leaf', 'lanes')[0] as number],
] as const)
  test(`${name} overwritten in use: the log is mended under its id`, async (t) => {
    const s = corruptionSite(t);
    const made = await life(t, s, 'closed');
    const { log, outlet } = await open(t, s);
    assert.equal(log.id, made.id);
    const told: Repair[] = [];
    log.on('repaired', (repair) => told.push(repair));
    // Everything is in the file, and nobody has it in memory.
    append(s, log, 5, narrow);
    await log.flush();
    const fd = openSync(s.file, 'r+');
    writeSync(fd, Buffer.alloc(PAGE, 0xa5), 0, PAGE, (page(s) - 1) * PAGE);
    // Many commits, so that some come to every page; the reader comes to all.
    for (let i = 0; i < 10; i++) {
      append(s, log, 3, narrow);
      outlet.tend(true, s.clock.monotonic());
      await log.flush();
    }
    for (let tries = 0; tries < 5; tries++) {
      try {
        await drain(s, outlet);
        break;
      } catch (thrown) {
        assert.ok(thrown instanceof SluiceError && thrown.retry === 'later', String(thrown));
        await log.flush();
      }
    }
    await log.flush();
    await log.close(5000);
    judge(s);
    const gone = missing(s);
    if (told.length === 0) {
      // SQLite wrote the page anew before it read it.
      assert.deepEqual(gone, []);
      return;
    }
    const repair = only(told);
    assert.equal(repair.ended.length, 0);
    assert.deepEqual(repair.salvaged?.again, []);
    for (const key of gone) {
      const [id, seq] = key.split('/') as [string, string];
      assert.ok(isTold(repair, id, Number(seq)), `${key} is gone without a word`);
    }
    const last = await open(t, s);
    assert.deepEqual(last.log.opened.repairs, []);
    assert.equal(last.log.id, made.id, 'the log goes on');
  });

/** Damage to the second file: lanes lie in the first one, so that only what is on damaged pages is missing. */
const HISTORY: [string, (file: string) => void][] = [
  ['zeroed', (file) => writeFileSync(file, Buffer.alloc(statSync(file).size))],
  ['emptied', (file) => truncateSync(file)],
  ['the header flipped', (file) => flip(file, 5)],
  ['the first page zeroed', (file) => overwrite(file, 0, Buffer.alloc(4096))],
  ['cut to half', (file) => truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096)],
  ['a leaf of parts zeroed', (file) => overwrite(file, (partPages(file, 'leaf')[0] as number) * 4096 - 4096, Buffer.alloc(4096))],
  ['a byte of a part flipped', (file) => flip(file, (partPages(file, 'overflow')[0] as number) * 4096 - 2000)],
  [
    'a leaf of units noise',
    (file) => overwrite(file, (partPages(file, 'leaf', 'unit')[0] as number) * 4096 - 4096, Buffer.alloc(4096, 0xa5)),
  ],
];
function partPages(file: string, kind: 'leaf' | 'overflow', table = 'part'): number[] {
  const db = new Database(file, { readonly: true });
  const found = db
    .prepare<[string, string], number>('select pageno from dbstat where name = ? and pagetype = ? order by path')
    .pluck()
    .all(table, kind);
  db.close();
  return found;
}
for (const [name, damage] of HISTORY)
  test(`history.db, ${name}: what is whole comes, nothing twice, the log goes on`, async (t) => {
    const s = corruptionSite(t);
    const first = await open(t, s);
    append(s, first.log, 30);
    await first.log.flush();
    await drain(s, first.outlet);
    // A backlog: from here on everything goes to history.
    for (let i = 0; i < 13; i++) {
      await s.clock.advance(1000);
      append(s, first.log, 1, narrow);
      first.outlet.tend(false, s.clock.monotonic());
    }
    for (let i = 0; i < 6; i++) {
      append(s, first.log, 40);
      append(s, first.log, 40, narrow);
      await first.log.flush();
      await first.log.compact();
    }
    await first.log.flush();
    await first.log.close(5000);
    const had = s.consumer.records().length;
    const file = path.join(s.state, 'history.db');
    damage(file);

    const { log, outlet } = await open(t, s);
    const told: Repair[] = [];
    log.on('repaired', (repair) => told.push(repair));
    const damaged: number[] = [];
    log.on('damaged', (block) => damaged.push(block.readings));
    append(s, log, 5, narrow);
    await log.flush();
    for (let tries = 0; tries < 5; tries++) {
      try {
        await drain(s, outlet);
        break;
      } catch (thrown) {
        assert.ok(thrown instanceof SluiceError && thrown.retry === 'later', String(thrown));
      }
    }
    await log.compact();
    await log.flush();
    await log.close(5000);
    assert.equal(log.id, first.log.id);
    assert.deepEqual(log.opened.repairs, []);
    judge(s);
    assert.equal(s.consumer.duplicates, 0);
    const gone = missing(s);
    t.diagnostic(
      `${had} before, ${gone.length} of ${s.written.size} gone; ${JSON.stringify(told[0]?.salvaged)}; ${damaged.length} damaged parts`,
    );
    if (name === 'a byte of a part flipped') {
      assert.equal(told.length, 0, 'one part is no reason to make the file anew');
      assert.equal(damaged.length, 1);
      assert.equal(gone.length > 0 && gone.length <= 40, true);
    } else {
      const repair = only(told);
      assert.equal(repair.file, 'history.db');
      assert.equal(existsSync(repair.quarantine ?? ''), name !== 'emptied');
    }
    if (['the header flipped', 'the first page zeroed', 'a leaf of units noise'].includes(name)) assert.deepEqual(gone, []);
    const repair = told[0];
    if (repair !== undefined) {
      const all = [...s.written.keys()].filter((key) => isTold(repair, log.id, Number(key.split('/')[1])));
      assert.deepEqual(
        gone.filter((key) => !all.includes(key)),
        [],
        'whatever did not come is told',
      );
      if (name === 'a leaf of parts zeroed') assert.equal(repair.salvaged?.lost.records, all.length);
    }
  });
