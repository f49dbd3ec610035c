/** broker.db whatever becomes of it: the broker starts and serves, a damaged file is set aside, nothing wrong is delivered. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
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
import type { BrokerChange } from '../../../src/core/broker-store.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { APPLICATION, BROKER_TAIL, PAGE_SIZE, sumOf, tailLine, VERSION } from '../../../src/store/broker/layout.ts';
import { BrokerFile, MAX_WAITING_ROWS, MOST_WAITING } from '../../../src/store/broker-store.ts';
import { Folders, KeptBench } from '../../fakes/kept-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { mayMount, mountPoint, run } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const MESSAGES = Array.from({ length: 200 }, (_, i) => `message ${i} ${'x'.repeat(i * 3)}`);

async function open(t: TestContext, folders: Folders): Promise<KeptBench> {
  const bench = await KeptBench.open({ folders });
  t.after(() => bench.kept.close());
  return bench;
}

/** A file with a session, its queue, and retained messages. */
async function filled(t: TestContext): Promise<Folders> {
  const folders = new Folders(scratch(t, 'broker-file'));
  const bench = await open(t, folders);
  await bench.client('a', 'plant/#');
  bench.sessions.away('a');
  await Promise.all(MESSAGES.map((content) => bench.publish('plant/t', content)));
  await bench.publish('state/1', 'on', 1, true);
  await bench.kept.close();
  return folders;
}

/** It works: what is published now is there after the next start. */
async function works(t: TestContext, folders: Folders): Promise<void> {
  let bench = await open(t, folders);
  assert.deepEqual(bench.repairs, [], 'it is reported once');
  await bench.client('new', 'new/#');
  bench.sessions.away('new');
  await bench.publish('new/t', 'new');
  await bench.kept.close();
  bench = await open(t, folders);
  assert.deepEqual(bench.waiting('new'), ['new']);
  assert.deepEqual([bench.repairs, bench.faults], [[], []]);
  await bench.kept.close();
}

const damages: Record<string, (file: string) => void> = {
  'random bytes': (file) => writeFileSync(file, Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7919) % 251))),
  'a text': (file) => writeFileSync(file, 'dear diary'),
  'a database of another program': (file) => {
    rmSync(file);
    const db = new Database(file);
    db.exec("create table session (key, id); insert into session values (1, 'theirs')");
    db.close();
  },
  'a newer version': (file) => {
    const db = new Database(file);
    db.pragma(`user_version = ${VERSION + 1}`);
    db.close();
  },
  'half of it': (file) => truncateSync(file, Math.floor(statSync(file).size / 2 / PAGE_SIZE) * PAGE_SIZE),
  'its first page': (file) => truncateSync(file, PAGE_SIZE),
  'a hundred bytes': (file) => truncateSync(file, 100),
  'a table without its columns': (file) => {
    const db = new Database(file);
    db.exec('drop table place; create table place (what text)');
    db.close();
  },
};
for (const [what, damage] of Object.entries(damages))
  test(`${what} in place of broker.db: set aside, reported; it works`, async (t) => {
    const folders = await filled(t);
    damage(folders.file);
    const bytes = readFileSync(folders.file);
    const bench = await open(t, folders);
    assert.deepEqual(bench.faults, []);
    const [repair, ...more] = bench.repairs;
    assert.ok(repair !== undefined && repair.why !== '' && more.length === 0, 'it is reported once');
    assert.deepEqual(bench.kept.status().repairs, 1);
    assert.equal(repair.aside, `${folders.file}.damaged`);
    assert.deepEqual(readFileSync(repair.aside).length, bytes.length);
    const waiting = bench.waiting('a');
    assert.deepEqual(
      waiting,
      MESSAGES.filter((content) => waiting.includes(content)),
      'nothing else, in order',
    );
    await bench.kept.close();
    await works(t, folders);
  });

/** Makes it a file as version 1 had them: messages and retained messages without an owner. */
function asVersion1(file: string): void {
  const db = new Database(file);
  for (const [table, columns] of [
    ['message', 'message integer, topic text, payload blob, qos integer, sum integer, primary key (message)'],
    ['retained', 'topic text, payload blob, qos integer, sum integer, primary key (topic)'],
  ] as const) {
    const rows = db.prepare<[], (string | number | Buffer)[]>(`select * from ${table}`).raw().all();
    db.exec(`drop table ${table}; create table ${table} (${columns})`);
    const put = db.prepare<unknown[]>(`insert into ${table} values (${table === 'message' ? '?, ?, ?, ?, ?' : '?, ?, ?, ?'})`);
    for (const row of rows) {
      const values = row.slice(0, -2);
      put.run(...values, sumOf(table, values));
    }
  }
  db.pragma('user_version = 1');
  db.pragma('wal_checkpoint(truncate)');
  db.close();
}

test('a file of version 1 is taken over with all that it has, and is one of this version then', async (t) => {
  const folders = await filled(t);
  asVersion1(folders.file);
  let bench = await open(t, folders);
  assert.deepEqual([bench.repairs, bench.faults], [[], []]);
  assert.deepEqual(bench.waiting('a'), MESSAGES);
  assert.deepEqual([bench.retained.of('state/1')?.payload.toString(), bench.retained.of('state/1')?.from], ['on', '']);
  await bench.publish('state/1', 'off', 1, true, 'user:anna');
  await bench.kept.close();
  const db = new Database(folders.file, { readonly: true });
  assert.equal(db.pragma('user_version', { simple: true }), VERSION);
  db.close();
  bench = await open(t, folders);
  assert.deepEqual(bench.waiting('a'), MESSAGES);
  assert.deepEqual([bench.retained.of('state/1')?.payload.toString(), bench.retained.of('state/1')?.from], ['off', 'user:anna']);
  await bench.kept.close();
  await works(t, folders);
});

test('a damaged file of version 1 is set aside, and its good rows are kept', async (t) => {
  const folders = await filled(t);
  asVersion1(folders.file);
  const db = new Database(folders.file);
  db.exec("update message set topic = 'other' where message = 3");
  db.close();
  const bench = await open(t, folders);
  assert.deepEqual([bench.repairs.length, bench.repairs[0]?.damaged, bench.faults], [1, 1, []]);
  assert.deepEqual(
    bench.waiting('a'),
    MESSAGES.filter((_, i) => i !== 2),
  );
  await bench.kept.close();
  await works(t, folders);
});

test('an empty file and a missing one are new ones', async (t) => {
  for (const make of [(file: string) => writeFileSync(file, ''), (file: string) => rmSync(file)]) {
    const folders = await filled(t);
    make(folders.file);
    const bench = await open(t, folders);
    assert.deepEqual([bench.repairs, bench.faults, bench.sessions.count], [[], [], 0]);
    await bench.kept.close();
    await works(t, folders);
  }
});

test('nothing wrong is delivered when bytes of the file are others', { timeout: 300_000 }, async (t) => {
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  const random = seeded(SEED);
  const folders = await filled(t);
  const whole = readFileSync(folders.file);
  let repaired = 0;
  let kept = 0;
  for (let round = 0; round < 40; round++) {
    const bytes = Buffer.from(whole);
    for (let n = 0; n < 1 + random() * 8; n++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    const here = new Folders(scratch(t, 'flipped'));
    writeFileSync(here.file, bytes);
    const bench = await open(t, here);
    repaired += bench.repairs.length;
    assert.deepEqual(bench.faults, [], `round ${round}`);
    const waiting = bench.waiting('a');
    assert.deepEqual(
      waiting,
      MESSAGES.filter((content) => waiting.includes(content)),
      `round ${round}`,
    );
    for (const { payload } of [...bench.retained.matching(['#'])].filter((p) => p !== undefined))
      assert.equal(payload.toString(), 'on');
    kept += waiting.length;
    await bench.kept.close();
    const next = await open(t, here);
    assert.deepEqual([next.repairs, next.waiting('a')], [[], waiting], `round ${round}, the next start`);
    await next.kept.close();
  }
  assert.ok(repaired > 0 && kept > 0, `${repaired} repaired, ${kept} messages kept`);
});

test('a file that others may not read', async (t) => {
  const folders = await filled(t);
  assert.equal(statSync(folders.file).mode & 0o777, 0o600);
  const bench = await open(t, folders);
  await bench.client('b', 'x');
  for (const end of ['', '-wal', '-shm']) assert.equal(statSync(folders.file + end).mode & 0o777, 0o600, end);
  assert.equal(statSync(path.join(folders.runtimeDir, 'broker-tail')).mode & 0o777, 0o600);
});

/** Time is passed in, so that nobody waits for the next try. */
async function withClock(t: TestContext, folders: Folders): Promise<{ bench: KeptBench; clock: ManualClock }> {
  const clock = new ManualClock();
  const opening = KeptBench.open({ folders, clock });
  const bench = await opening;
  t.after(() => bench.kept.close());
  return { bench, clock };
}
/** Gives the clock its turn until something is so. */
async function until(clock: ManualClock, what: string, is: () => boolean): Promise<void> {
  await waitFor(what, async () => {
    await clock.advance(100);
    return is() || undefined;
  });
}
async function publish(clock: ManualClock, bench: KeptBench, topic: string, content: string): Promise<void> {
  let done = false;
  const published = bench.publish(topic, content).then(() => {
    done = true;
  });
  await until(clock, `the acknowledgement of ${content}`, () => done);
  await published;
}

/** Published without a wait. @returns those that were acknowledged, in their order */
function publishing(bench: KeptBench, topic: string, ...contents: string[]): string[] {
  const acknowledged: string[] = [];
  for (const content of contents)
    bench.publish(topic, content).then(
      () => acknowledged.push(content),
      () => {},
    );
  return acknowledged;
}

test('with a full disk messages wait in memory, and are acknowledged when there is room', async (t) => {
  if (!mayMount(t)) return;
  const folders = await filled(t);
  const disk = mountPoint(t, 'full');
  run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk);
  const small = new Folders(disk);
  run('cp', folders.file, small.file);
  const { bench, clock } = await withClock(t, small);
  const ballast = path.join(disk, 'ballast');
  const file = openSync(ballast, 'w');
  try {
    for (const piece = Buffer.alloc(4096, 1); ; ) writeSync(file, piece);
  } catch {
    // It is full.
  }
  closeSync(file);
  const all = Array.from({ length: 9 }, (_, n) => `${n}${'y'.repeat(100_000)}`);
  const acknowledged = publishing(bench, 'plant/t', ...all);
  await until(clock, 'them to be handed on', () => bench.waiting('a').length === MESSAGES.length + 9);
  assert.deepEqual([acknowledged, bench.kept.withheld.count], [[], 9]);
  const [fault, ...more] = bench.faults;
  assert.match(String(fault), /full/);
  assert.deepEqual(more, [], 'it is reported once');
  assert.equal(bench.kept.status().state, 'faulty');
  run('mount', '-o', 'remount,size=8m', disk);
  rmSync(ballast);
  await until(clock, 'the file to take it', () => bench.kept.status().state === 'file');
  await until(clock, 'the acknowledgements', () => acknowledged.length === all.length);
  assert.deepEqual([acknowledged, bench.kept.withheld.count], [all, 0]);
  assert.deepEqual(bench.faults.slice(1), [undefined]);
  const waiting = bench.waiting('a');
  await publish(clock, bench, 'plant/t', 'last');
  await bench.kept.close();
  const next = await open(t, small);
  assert.deepEqual(next.waiting('a'), [...waiting, 'last']);
  assert.deepEqual(next.repairs, []);
  await next.kept.close();
});

test('a file system that is read-only: what it has is served, and nothing is lost of it later', async (t) => {
  if (!mayMount(t)) return;
  const folders = await filled(t);
  const disk = mountPoint(t, 'read-only');
  run('mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk);
  run('cp', folders.file, path.join(disk, 'broker.db'));
  run('mount', '-o', 'remount,ro', disk);
  const here = { stateDir: disk, runtimeDir: folders.runtimeDir, file: path.join(disk, 'broker.db') } as Folders;
  const { bench, clock } = await withClock(t, here);
  assert.equal(bench.faults.length, 1);
  assert.deepEqual(bench.waiting('a'), MESSAGES);
  assert.deepEqual(bench.retainedTopics(), ['state/1']);
  const acknowledged = publishing(bench, 'plant/t', 'more');
  await until(clock, 'it to be handed on', () => bench.waiting('a').length === MESSAGES.length + 1);
  assert.deepEqual(acknowledged, []);
  run('mount', '-o', 'remount,rw', disk);
  await until(clock, 'the acknowledgement', () => acknowledged.length === 1);
  assert.equal(bench.kept.status().state, 'file');
  await bench.kept.close();
  const next = await open(t, here);
  assert.deepEqual(next.waiting('a'), [...MESSAGES, 'more']);
  await next.kept.close();
});

test('a file that is deleted while it is open is made anew with everything', async (t) => {
  const folders = await filled(t);
  const { bench, clock } = await withClock(t, folders);
  for (const end of ['', '-wal', '-shm']) rmSync(folders.file + end, { force: true });
  await publish(clock, bench, 'plant/t', 'more');
  assert.match(String(bench.faults[0]), /removed or replaced/);
  await until(clock, 'the file', () => bench.kept.status().state === 'file' && existsSync(folders.file));
  await bench.kept.close();
  const next = await open(t, folders);
  assert.deepEqual(next.waiting('a'), [...MESSAGES, 'more']);
  assert.deepEqual(next.repairs, []);
  await next.kept.close();
});

test('a folder in the place of the file is a fault that ends with it', async (t) => {
  const folders = new Folders(scratch(t, 'broker-file'));
  mkdirSync(folders.file);
  const { bench, clock } = await withClock(t, folders);
  await until(clock, 'the fault', () => bench.kept.status().state === 'faulty');
  bench.sessions.resume('a');
  const subscribed = bench.persistence.addSubscriptions({ id: 'a' }, [{ topic: 'plant/#', qos: 1 }]);
  await subscribed;
  bench.sessions.away('a');
  const acknowledged = publishing(bench, 'plant/t', 'kept');
  await until(clock, 'it to be handed on', () => bench.waiting('a').length === 1);
  rmSync(folders.file, { recursive: true });
  await until(clock, 'the acknowledgement', () => acknowledged.length === 1);
  await bench.kept.close();
  const next = await open(t, folders);
  assert.deepEqual(next.waiting('a'), ['kept']);
  await next.kept.close();
});

test('rows of a killed run stay in the tail while the file cannot be opened', async (t) => {
  const folders = new Folders(scratch(t, 'broker-file'));
  const rows = [
    { table: 'session', values: [1, 'a', 'user:a', 5, null, null] },
    { table: 'filter', values: [1, 'plant/#', 1, '{}', null, null] },
    { table: 'message', values: [1, 'plant/t', new Uint8Array(Buffer.from('kept')), 1, 'user:b'] },
    { table: 'place', values: [1, 1, 0, 1, 0] },
  ] as const;
  writeFileSync(path.join(folders.runtimeDir, BROKER_TAIL), rows.map((row) => tailLine({ ...row, gone: false })).join(''));
  mkdirSync(folders.file);
  // The second start without the file has them from the tail as well.
  for (let i = 0; i < 2; i++) {
    const bench = await open(t, folders);
    assert.equal(bench.kept.status().state, 'faulty');
    assert.deepEqual(bench.waiting('a'), ['kept']);
    await bench.kept.close();
  }
  rmSync(folders.file, { recursive: true });
  const bench = await open(t, folders);
  assert.deepEqual([bench.faults, bench.waiting('a')], [[], ['kept']]);
  await bench.kept.close();
});

test('a folder in the place of the write-ahead file costs nothing of what the file has', async (t) => {
  const folders = await filled(t);
  const place = `${folders.file}-wal`;
  rmSync(place, { force: true });
  mkdirSync(place);
  const { bench, clock } = await withClock(t, folders);
  assert.equal(bench.faults.length, 1);
  assert.deepEqual([bench.waiting('a'), bench.retainedTopics()], [MESSAGES, ['state/1']]);
  const acknowledged = publishing(bench, 'plant/t', 'more');
  await until(clock, 'it to be handed on', () => bench.waiting('a').length === MESSAGES.length + 1);
  assert.deepEqual(acknowledged, []);
  rmSync(place, { recursive: true });
  await until(clock, 'the acknowledgement', () => acknowledged.length === 1);
  await bench.kept.close();
  const next = await open(t, folders);
  assert.deepEqual(next.waiting('a'), [...MESSAGES, 'more']);
});

test('nobody waits for a pipe in the place of the file', { timeout: 400_000 }, async (t) => {
  const folders = new Folders(scratch(t, 'broker-file'));
  run('mkfifo', folders.file);
  const { bench, clock } = await withClock(t, folders);
  await until(clock, 'the fault', () => bench.kept.status().state === 'faulty');
  rmSync(folders.file);
  await until(clock, 'the file', () => bench.kept.status().state === 'file');
});

for (const [what, place] of [
  ['the tail', ({ runtimeDir }: Folders) => path.join(runtimeDir, 'broker-tail')],
  ['a journal', ({ file }: Folders) => `${file}-journal`],
] as const)
  test(`nobody waits for a pipe in the place of ${what}`, { timeout: 400_000 }, async (t) => {
    const folders = await filled(t);
    rmSync(place(folders), { force: true });
    run('mkfifo', place(folders));
    const bench = await open(t, folders);
    assert.deepEqual([bench.waiting('a'), bench.faults], [MESSAGES, []]);
    await bench.kept.close();
    await works(t, folders);
  });

test('what was given up before its turn is not written; a group is one commit', async (t) => {
  const folders = new Folders(scratch(t, 'broker-file'));
  const store = new BrokerFile({
    ...folders,
    stateDir: folders.stateDir,
    runtimeDir: folders.runtimeDir,
    clock: new ManualClock(),
    onFault: () => {},
    onRepair: () => {},
  });
  t.after(() => store.close());
  await store.open(() => []);
  for (let n = 0; n < 500; n++) {
    store.change({ table: 'message', values: [n, 't', Buffer.from('x'), 1], gone: false }, 'soon');
    store.change({ table: 'message', values: [n], gone: true }, 'later');
  }
  assert.deepEqual([store.status().state, existsSync(folders.file)], ['idle', false], 'nothing is made for it yet');
});

/** Changes of rows that are there no more, more than may wait. */
const TOO_MANY: Readonly<Record<string, () => Iterable<BrokerChange>>> = {
  rows: () => Array.from({ length: MAX_WAITING_ROWS + 1 }, (_, n) => ({ table: 'message', values: [1_000_000 + n], gone: true })),
  bytes: () =>
    Array.from({ length: MOST_WAITING / 1000 + 1 }, (_, n) => ({
      ...{ table: 'retained', gone: true },
      values: [`${n}`.padEnd(1000, '/')],
    })),
};
for (const [what, changes] of Object.entries(TOO_MANY))
  test(`more ${what} of changes than may wait give way to everything as it is`, async (t) => {
    const folders = new Folders(scratch(t, 'broker-file'));
    let bench = await open(t, folders);
    await bench.client('a', 'plant/#');
    bench.sessions.away('a');
    for (const content of ['one', 'two']) await bench.publish('plant/t', content);
    const { store } = bench;
    assert.ok(store !== undefined);
    // As many as come and go while the disk hangs: none goes to the thread in this turn.
    for (const change of changes()) store.change(change, 'later');
    assert.equal(store.full, true);
    // What waits now may be among those that were dropped.
    assert.equal(await store.settled(), false);
    assert.equal(await store.settled(), true);
    assert.equal(store.full, false);
    await bench.publish('plant/t', 'three');
    await bench.kept.close();
    bench = await open(t, folders);
    assert.deepEqual(bench.waiting('a'), ['one', 'two', 'three']);
  });

test('the file says whose it is', async (t) => {
  const { file } = await filled(t);
  const db = new Database(file, { readonly: true });
  t.after(() => db.close());
  assert.deepEqual(
    [db.pragma('application_id', { simple: true }), db.pragma('user_version', { simple: true })],
    [APPLICATION, VERSION],
  );
  chmodSync(file, 0o600);
});
