/** What happens to the log when the disk, the runtime directory or the files are not as they should be. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import { ABSENT } from '../../../src/core/reasons.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import type { Lane } from '../../../src/store/files/lane-state.ts';
import { sealLayout } from '../../../src/store/files/layout-seal.ts';
import type { CommitResult } from '../../../src/store/hot/commit-request.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { allNotices } from '../../harness/all-notices.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { salvageOver } from '../../harness/salvage-over.ts';
import { scratch } from '../../harness/scratch.ts';
import { exportAll } from '../../harness/store-fixture.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { asRoot } from '../../peers/peers.ts';

const wide: Shape = {
  device: 'plant',
  points: Array.from({ length: 100 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
const narrow: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number' }] };
/** Numbers that deflate can do nothing with. */
const noise = (i: number, at: number): Sample => ({
  shape: wide,
  at,
  values: wide.points.map((_, p) => Math.sin(i * 7919 + p * 104_729) * 1e6),
  reasons: null,
});
const plain = (at: number): Sample => ({ shape: narrow, at, values: [at % 1000], reasons: null });

interface Place {
  readonly state: string;
  readonly run: string;
}
function place(t: TestContext): Place {
  const dir = scratch(t, 'faults');
  return { state: path.join(dir, 'state'), run: path.join(dir, 'run') };
}
async function open(t: TestContext, where: Place, over: object = {}, wall?: number) {
  const clock = new ManualClock(wall);
  const log = await Log.open({
    ...{ stateDir: where.state, runtimeDir: where.run, clock, maxSize: 1e9, maxAge: 1e13, commitEvery: 10_000 },
    ...over,
  });
  t.after(() => log.abandon());
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(clock.wall(), false);
  log.setInventory('{}');
  return { log, outlet, clock };
}
async function take(outlet: Outlet, lane: Lane): Promise<{ log: string; seqs: number[] }[]> {
  const out: { log: string; seqs: number[] }[] = [];
  for (;;) {
    const batch = await outlet.next(lane, 1000);
    if (batch === undefined) return out;
    outlet.handOver(batch);
    outlet.done(batch);
    const body = JSON.parse(payloadText(batch)) as { log: string; records: { seq: number }[] };
    out.push({ log: body.log, seqs: body.records.map((r) => r.seq) });
  }
}
const allSeqs = (batches: { seqs: number[] }[]) => batches.flatMap((b) => b.seqs);
const sizeOf = (dir: string) =>
  readdirSync(dir).reduce((sum, f) => sum + (f.endsWith('-shm') ? 0 : statSync(path.join(dir, f)).size), 0);

test('maxSize bounds the files; what goes before it was delivered is counted by point', async (t) => {
  const where = place(t);
  const maxSize = 2_000_000;
  const { log, outlet, clock } = await open(t, where, { maxSize });
  const lost = new Map<string, number>();
  const count = (result: Pick<CommitResult, 'lost'>) => {
    for (const [point, n] of result.lost) lost.set(point, (lost.get(point) ?? 0) + n);
  };
  // From commit blocks, or from units: where it lies depends on how fast the keeper is.
  log.on('committed', count);
  log.on('tidied', count);
  await outlet.ready();
  const rounds = 60;
  for (let i = 0; i < rounds; i++) {
    for (let k = 0; k < 100; k++) log.append(noise(i * 100 + k, clock.monotonic()));
    await log.flush();
    assert.ok(sizeOf(where.state) <= maxSize, `round ${i}: ${sizeOf(where.state)} bytes`);
  }
  const had = allSeqs(await take(outlet, 'data')).length + allSeqs(await take(outlet, 'history')).length;
  assert.ok(had > 100, 'the newest are there');
  assert.equal(lost.size, 100, 'every point is told');
  // Live readings still lie in memory; they were delivered although the file had let go of them.
  for (const n of lost.values())
    assert.ok(n >= rounds * 100 - had && n < rounds * 100, `${n} counted, ${had} of ${rounds * 100} had`);
});

test('what everybody had is dropped, and is not told as lost', async (t) => {
  const { log, outlet, clock } = await open(t, place(t), { maxSize: 2_000_000 });
  let lost = 0;
  let dropped = 0;
  log.on('committed', (result: CommitResult) => {
    lost += result.lost.length;
    dropped += result.dropped.reduce((sum, [, n]) => sum + n, 0);
  });
  await outlet.ready();
  for (let i = 0; i < 60; i++) {
    for (let k = 0; k < 100; k++) log.append(noise(i * 100 + k, clock.monotonic()));
    await take(outlet, 'data');
    await log.flush();
  }
  assert.equal(lost, 0);
  assert.ok(dropped > 1000);
});

test('what went of log.db is counted by point for ever, delivered or not, with its times', async (t) => {
  const where = place(t);
  const limits = { maxSize: 1_000_000, maxAge: 3_600_000 };
  const wall = Date.UTC(2026, 5, 1);
  const { log, outlet, clock } = await open(t, where, limits, wall);
  const times: number[] = [];
  const told = { dropped: 0, aged: 0, lost: 0 };
  log.on('committed', (result: CommitResult) => {
    for (const why of ['dropped', 'aged', 'lost'] as const) for (const [, n] of result[why]) told[why] += n;
  });
  // The keeper would take it into history.db: here all of it goes from commit blocks.
  mkdirSync(path.join(where.state, 'history.db'));
  await outlet.ready();
  const append = async (rounds: number): Promise<void> => {
    for (let i = 0; i < rounds; i++) {
      for (let k = 0; k < 50; k++) {
        times.push(Math.round(clock.monotonic()) + wall);
        // Every fourth record says nothing of its first point.
        const reasons = times.length % 4 === 0 ? Uint8Array.from(wide.points, (_, p) => (p === 0 ? ABSENT : 0)) : null;
        log.append({ ...noise(times.length, clock.monotonic()), reasons });
      }
      await clock.advance(1000);
      await log.flush();
    }
  };
  await append(40);
  assert.ok(told.dropped > 0 && told.lost === told.dropped, 'for room, and nobody had it');
  const { dropped } = told;
  await take(outlet, 'data');
  await take(outlet, 'history');
  await append(10);
  assert.ok(told.dropped > dropped && told.lost < told.dropped, 'some of it was delivered');
  await clock.advance(2 * 3_600_000);
  await append(40);
  assert.ok(told.aged > 0, 'for its age');
  await log.close(60_000);

  rmdirSync(path.join(where.state, 'history.db'));
  const check = async (again: Log): Promise<void> => {
    let held = 0;
    for (const line of (await exportAll(again)).trimEnd().split('\n'))
      if ((JSON.parse(line) as { device: string }).device === wide.device) held++;
    const { points, more } = await again.keeper.removed({ after: '', limit: 1000 });
    assert.deepEqual([points.length, more], [wide.points.length, false]);
    const sums = { dropped: 0, aged: 0, lost: 0 };
    for (const [name, point] of points) {
      sums.dropped += point.dropped.readings;
      sums.aged += point.aged.readings;
      sums.lost += point.lost;
      const gone = times.length - held;
      const wanted = name === 'plant.p0' ? gone - Math.floor(gone / 4) : gone;
      assert.equal(point.thinned.readings + point.dropped.readings + point.aged.readings, wanted, name);
      assert.equal(point.dropped.span?.[0], times[0]);
      const newest = Math.max(point.dropped.span?.[1] ?? 0, point.aged.span?.[1] ?? 0);
      assert.equal(newest, times[gone - 1], 'up to the last one that went');
      assert.ok((point.aged.span?.[0] ?? 0) > (times[0] ?? 0));
    }
    assert.deepEqual(sums, told, 'as much as was told');
    const some = await again.keeper.removed({ after: 'plant.p1', points: ['plant.p10', 'plant.p2'], limit: 1 });
    assert.deepEqual([some.points.map(([name]) => name), some.more], [['plant.p10'], true]);
    assert.deepEqual((await again.keeper.removed({ after: '', points: ['pump'], limit: 1 })).points, []);
  };
  const wide64 = { maxSize: 1e9, maxAge: 1e13 };
  const second = await open(t, where, wide64, clock.wall());
  await check(second.log);
  await second.log.close(60_000);
  // The readable part of a damaged file brings its counts along.
  const file = path.join(where.state, 'log.db');
  const db = new Database(file);
  db.prepare('update inventory set sum = 0').run();
  db.close();
  const third = await open(t, where, wide64, clock.wall());
  assert.match(third.log.opened.repairs[0]?.why ?? '', /inventory/);
  await salvageOver(third.log);
  await check(third.log);
});

test('memory between wire and disk stays within its bounds, and says how much it is', async (t) => {
  const where = place(t);
  const { log, outlet, clock } = await open(t, where);
  await outlet.ready();
  await log.flush();
  let givenUp = 0;
  log.on('overflow', (n) => {
    givenUp += n;
  });
  const within = (when: string): void => {
    const { pending, tail, live } = log.status().memory;
    for (const [part, { bytes, limit }] of Object.entries({ pending, tail, live }))
      assert.ok(bytes <= limit, `${when}: ${part} has ${bytes} of ${limit}`);
    assert.equal(tail.bytes, sizeOf(where.run) - statSync(path.join(where.run, 'owner')).size, when);
  };
  // A commit begins and does not end as long as this goes on without a pause: the disk is that slow.
  for (let i = 0; i < 90_000; i++) {
    log.append(noise(i, clock.monotonic()));
    if (i % 1000 === 0) within(`record ${i}`);
  }
  within('after the burst');
  assert.ok(givenUp > 0, 'more than memory takes');
  const { pending, live } = log.status().memory;
  assert.ok(pending.bytes > pending.limit / 3 && live.bytes > live.limit / 2, 'they are used');
  await log.flush();
  within('when all is committed');
  const { memory } = log.status();
  assert.equal(memory.pending.bytes, 0);
  assert.ok(memory.tail.bytes < 10_000, `${memory.tail.bytes} bytes in the runtime directory`);
  const batch = await outlet.next('data', 100);
  assert.ok(batch !== undefined && outlet.handOver(batch));
  assert.equal(log.status().memory.unanswered, payloadText(batch).length);
  outlet.done(batch);
  assert.equal(log.status().memory.unanswered, 0);
  // The keeper may be tidying at the same time.
  const { asked } = log.status().memory.questions;
  const answer = log.keeper.removed({ after: '', limit: 1 });
  assert.equal(log.status().memory.questions.asked, asked + 1);
  await answer;
  await waitFor('no question to be left', () => log.status().memory.questions.asked === 0);
});

test('maxAge drops what is older, and only what is known to be', async (t) => {
  const where = place(t);
  const wall = Date.UTC(2026, 5, 1);
  const first = await open(t, where, {}, wall);
  await first.outlet.ready();
  // A board that starts in 1970 and never learns better.
  first.log.setClock(0, true);
  first.log.append(plain(1));
  await first.log.close(1000);

  const second = await open(t, where, { maxAge: 3_600_000 }, wall);
  const results: CommitResult[] = [];
  second.log.on('committed', (result: CommitResult) => results.push(result));
  const { next } = second.log;
  second.log.append(plain(second.clock.monotonic()));
  await second.log.flush();
  assert.deepEqual(
    results.flatMap((r) => r.lost),
    [],
    'a time that was only estimated ages nothing',
  );
  await second.clock.advance(2 * 3_600_000);
  second.log.append(plain(second.clock.monotonic()));
  await second.log.flush();
  await second.log.flush();
  assert.deepEqual(
    results.flatMap((r) => r.lost),
    [['pump.speed', 2]],
    'both are older than the hour',
  );
  assert.equal(results.at(-1)?.held, 1);
  assert.ok(next > 1);
});

test('a file that is no log is moved aside, and a new log begins', async (t) => {
  const where = place(t);
  mkdirSync(where.state);
  writeFileSync(path.join(where.state, 'log.db'), 'this was a log once '.repeat(500));
  const { log, outlet } = await open(t, where);
  assert.equal(log.opened.quarantined, path.join(where.state, 'log.db.damaged'));
  assert.equal(readFileSync(log.opened.quarantined ?? '', 'utf8').slice(0, 15), 'this was a log ');
  await outlet.ready();
  log.append(plain(1));
  assert.deepEqual(allSeqs(await take(outlet, 'data')), [1]);
});

test('a log damaged inside is moved aside; the runtime directory drains under its old id', async (t) => {
  const where = place(t);
  const before = await open(t, where);
  await before.outlet.ready();
  for (let i = 0; i < 2000; i++) before.log.append(noise(i, 1));
  await before.log.flush();
  before.log.append(plain(2));
  const seq = before.log.next - 1;
  await before.log.abandon();
  const file = path.join(where.state, 'log.db');
  const bytes = readFileSync(file);
  // Every page but the first, which says that it is a database.
  bytes.fill(0xa5, 1024);
  writeFileSync(file, bytes);
  rmSync(`${file}-wal`, { force: true });

  const after = await open(t, where);
  assert.ok(existsSync(after.log.opened.quarantined ?? ''));
  assert.notEqual(after.log.id, before.log.id);
  assert.equal(after.log.opened.recovered.records, 1);
  await after.outlet.ready();
  await salvageOver(after.log);
  assert.deepEqual(await take(after.outlet, 'data'), [{ log: before.log.id, seqs: [seq] }]);
});

test('an old copy of the state directory put back begins a new log', async (t) => {
  const where = place(t);
  const first = await open(t, where);
  first.log.append(plain(1));
  await first.log.close(1000);
  const file = path.join(where.state, 'log.db');
  copyFileSync(file, `${file}.copy`);
  const second = await open(t, where);
  await second.outlet.ready();
  second.log.append(plain(2));
  const taken = await take(second.outlet, 'data');
  await second.log.abandon();
  for (const end of ['-wal', '-shm']) rmSync(file + end, { force: true });
  copyFileSync(`${file}.copy`, file);

  const third = await open(t, where);
  assert.notEqual(third.log.id, second.log.id);
  await third.outlet.ready();
  third.log.append(plain(3));
  const used = new Set(taken.flatMap((b) => b.seqs.map((s) => `${b.log}/${s}`)));
  for (const { log, seqs } of await take(third.outlet, 'data'))
    for (const s of seqs) assert.ok(log !== third.log.id || !used.has(`${log}/${s}`));
});

test('the log of a newer version is refused in words and left as it is', async (t) => {
  const where = place(t);
  mkdirSync(where.state);
  const file = path.join(where.state, 'log.db');
  const db = new Database(file);
  db.pragma('page_size = 1024');
  db.exec('create table meta (name text primary key, value text not null) without rowid; create table later (what text)');
  db.pragma('user_version = 99');
  sealLayout(db, 'log', { version: 99, readers: 99 });
  db.close();
  const before = readFileSync(file);
  await assert.rejects(open(t, where), (thrown) => {
    assert.ok(thrown instanceof SluiceError);
    assert.equal(thrown.code, 'log-newer');
    assert.match(thrown.message, /newer version/);
    return true;
  });
  assert.deepEqual(readFileSync(file), before);
  assert.deepEqual(readdirSync(where.state), ['log.db']);
});

test('without a runtime directory data waits for the commit, and with one it does not', async (t) => {
  const where = place(t);
  writeFileSync(where.run, 'a file where the folder should be');
  const { log, outlet } = await open(t, where);
  assert.notEqual(log.status().mirrorFault, undefined);
  await outlet.ready();
  log.append(plain(1));
  assert.equal(log.sendable, log.committed);
  assert.equal(await outlet.next('data', 10), undefined);
  await log.flush();
  assert.equal(log.sendable, log.next - 1);
  assert.deepEqual(allSeqs(await take(outlet, 'data')), [1]);
});

test('a runtime directory that fails in use: data waits until the gap is committed', async (t) => {
  const where = place(t);
  const { log, outlet } = await open(t, where);
  await outlet.ready();
  await log.flush();
  rmSync(where.run, { recursive: true });
  writeFileSync(where.run, 'no folder any more');
  await log.flush();
  log.append(plain(1));
  assert.equal(log.sendable, log.committed);
  rmSync(where.run);
  // The next segment can be written; what the one before lacks is in nobody's hands but the commit's.
  log.commitSoon();
  // It begins when the next turn is over.
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
  assert.equal(log.status().mirrorFault, undefined);
  assert.equal(log.sendable, log.committed);
  await log.flush();
  log.append(plain(2));
  assert.equal(log.sendable, log.next - 1);
  await log.abandon();
  const again = await open(t, where);
  assert.equal(again.log.opened.recovered.records, 1);
});

test('numbers end with the lease, and go on once it is renewed', async (t) => {
  const { log, outlet } = await open(t, place(t));
  await outlet.ready();
  await log.flush();
  let unkept = 0;
  log.on('overflow', (readings) => {
    unkept += readings;
  });
  // In one turn, so that no commit can renew it on the way.
  let last: number | undefined;
  for (let i = 0; i < 150_000; i++) last = log.append(plain(i))?.seq ?? last;
  assert.ok(unkept > 0, 'what gets no number is told');
  const used = last as number;
  assert.ok(log.notice('event', 'full', 1, {}).seq > used, 'alarms and events still get their numbers');
  await waitFor('a number to be had again', () => log.append(plain(1)) !== undefined);
  assert.ok(log.next > used);
  const seen = allSeqs(await take(outlet, 'data'));
  assert.equal(new Set(seen).size, seen.length);
  assert.equal(seen.at(-1), log.next - 1);
});

test('garbage and cut files in the runtime directory are survived', async (t) => {
  const where = place(t);
  const before = await open(t, where);
  await before.outlet.ready();
  await before.log.flush();
  for (let i = 0; i < 5; i++) before.log.append(plain(i));
  const first = before.log.next - 5;
  await before.log.abandon();
  const tails = readdirSync(where.run).filter((f) => f.startsWith('tail-'));
  const newest = path.join(where.run, tails.sort((a, b) => Number(/\d+/.exec(a)) - Number(/\d+/.exec(b))).at(-1) as string);
  writeFileSync(newest, readFileSync(newest).subarray(0, -3));
  for (const [name, bytes] of [
    ['tail-900.bin', Buffer.alloc(4096)],
    ['tail-901.bin', Buffer.from('{"type":"segment"} is no entry')],
    ['tail-902.bin', entry(4, 'null')],
    ['tail-903.bin', entry(4, '{"type":"segment","log":"../../x","boot":1,"inventory":1,"clock":[]}')],
    ['tail-904.bin', Buffer.concat([entry(4, '{"type":"lanes","forwarder":"cloud","state":{}}'), entry(3, '{}')])],
    ['tail-905.bin', Buffer.from([2, 0xff, 0xff, 0xff, 0xff, 1, 2, 3])],
    ['notes.txt', Buffer.from('mine')],
  ] as const)
    writeFileSync(path.join(where.run, name), bytes);
  mkdirSync(path.join(where.run, 'tail-906.bin'));

  const after = await open(t, where);
  assert.equal(after.log.id, before.log.id);
  assert.equal(after.log.opened.recovered.records, 4, 'all but the one that was cut');
  await after.outlet.ready();
  assert.deepEqual(allSeqs(await take(after.outlet, 'data')), [first, first + 1, first + 2, first + 3]);
  assert.ok(existsSync(path.join(where.run, 'notes.txt')), 'what is not ours is left alone');
});
function entry(kind: number, json: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(kind);
  head.writeUInt32LE(Buffer.byteLength(json), 1);
  return Buffer.concat([head, Buffer.from(json)]);
}

test('the tail of a foreign log drains under its own id, beside the log that is here', async (t) => {
  const here = place(t);
  const there = place(t);
  const other = await open(t, there);
  await other.outlet.ready();
  other.log.append(plain(1));
  const foreign = other.log.next - 1;
  await other.log.abandon();
  const own = await open(t, here);
  await own.outlet.ready();
  own.log.append(plain(2));
  await own.log.close(1000);

  // The files were moved together by hand.
  rmSync(path.join(there.run, 'owner'));
  const both = await open(t, { state: here.state, run: there.run });
  await both.outlet.ready();
  assert.notEqual(both.log.id, own.log.id, 'the file cannot show that it was the last one written');
  both.log.append(plain(3));
  const taken = [...(await take(both.outlet, 'history')), ...(await take(both.outlet, 'data'))];
  assert.deepEqual(
    new Map(taken.map((b) => [b.log, b.seqs])),
    new Map([
      [own.log.id, [1]],
      [other.log.id, [foreign]],
      [both.log.id, [1]],
    ]),
  );
});

test('a full disk: live goes on, history waits, and all is there when there is room again', async (t) => {
  const where = place(t);
  if (!asRoot(t, 'mount a small tmpfs')) return;
  const disk = mkdtempSync(path.join(tmpdir(), 'sluice-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
  t.after(() => {
    execFileSync('umount', ['-l', disk]);
    rmdirSync(disk);
  });
  const { log, outlet, clock } = await open(t, { state: path.join(disk, 'state'), run: where.run });
  const faults: (string | undefined)[] = [];
  log.on('fault', (fault) => faults.push(fault));
  await outlet.ready();
  await log.flush();
  const first = log.next;
  writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(1_000_000));
  try {
    for (let i = 0; i < 8; i++) writeFileSync(path.join(disk, `ballast-${i}`), Buffer.alloc(200_000));
  } catch {
    // Full: that is what it is for.
  }
  const sent: number[] = [];
  for (let i = 0; faults.length === 0; i++) {
    log.append(noise(i, clock.monotonic()));
    log.commitSoon();
    sent.push(...allSeqs(await take(outlet, 'data')));
    // Answers of the writer come between two turns.
    await new Promise((resolve) => setImmediate(resolve));
  }
  log.append(noise(1, clock.monotonic()));
  log.notice('event', 'overload', clock.monotonic(), { time: 1 });
  log.append(noise(2, clock.monotonic()));
  sent.push(...allSeqs(await take(outlet, 'data')));
  assert.equal(sent.at(-1), log.next - 1, 'live readings do not wait for the disk, also behind an event');
  assert.deepEqual(await outlet.next('history', 10), undefined);
  for (const f of readdirSync(disk)) if (f.startsWith('ballast')) rmSync(path.join(disk, f));
  const flushed = log.flush();
  await waitFor('the commit to go through', async () => {
    await clock.advance(30_000);
    return log.status().fault === undefined;
  });
  await flushed;
  assert.equal(faults.at(-1), undefined);
  assert.equal(log.committed, log.next - 1);
  assert.equal(sent[0], first);
});

test('a flipped block is left out and reported once; what is behind it is delivered', async (t) => {
  const where = place(t);
  const before = await open(t, where);
  await before.outlet.ready();
  before.outlet.tend(false, before.clock.monotonic());
  const seqs: number[] = [];
  for (let block = 0; block < 3; block++) {
    seqs.push(before.log.append(plain(block))?.seq ?? 0);
    await before.log.flush();
  }
  await before.log.close(10_000);
  const db = new Database(path.join(where.state, 'log.db'));
  const row = db.prepare('select id, body from block order by id limit 1 offset 1').get() as { id: number; body: Buffer };
  row.body[3] = (row.body[3] as number) ^ 1;
  db.prepare('update block set body = ? where id = ?').run(row.body, row.id);
  db.close();

  const after = await open(t, where);
  const damaged: number[] = [];
  after.log.on('damaged', (block) => damaged.push(block.first, block.last, block.readings));
  const got: number[] = [];
  for (let batch = await after.outlet.next('data', 100); batch !== undefined; batch = await after.outlet.next('data', 100)) {
    got.push(...(JSON.parse(payloadText(batch)).records as { seq: number }[]).map((r) => r.seq));
    after.outlet.done(batch);
  }
  assert.deepEqual(got, [seqs[0], seqs[2]]);
  assert.deepEqual(damaged, [seqs[1], seqs[1], 1]);
});

test('a damaged block that nobody has delivered does not stop the commit that drops it', async (t) => {
  const where = place(t);
  const first = await open(t, where, { maxAge: 1000 }, 1_800_000_000_000);
  await first.outlet.ready();
  first.log.append(plain(first.clock.monotonic()));
  await first.log.flush();
  const db = new Database(path.join(where.state, 'log.db'));
  db.prepare("update block set body = x'0102030405060708'").run();
  db.close();
  const lost: CommitResult['lost'][] = [];
  first.log.on('committed', (result) => lost.push(result.lost));
  await first.clock.advance(100_000);
  first.log.append(plain(first.clock.monotonic()));
  await first.log.flush();
  assert.deepEqual(lost.flat(), [['(damaged block)', 1]]);
});

test('two gateways cannot share a runtime directory: the second is told whose it is', async (t) => {
  const where = place(t);
  await open(t, where);
  await assert.rejects(
    open(t, { ...where, state: `${where.state}-2` }),
    (error: unknown) => error instanceof SluiceError && error.code === 'log-open' && error.message.includes(where.state),
  );
});

test('a batch that may wait longer than the lag does not make the link look slow', async (t) => {
  const { log, outlet, clock } = await open(t, place(t));
  await outlet.ready();
  log.append(plain(clock.monotonic()));
  await clock.advance(25_000);
  assert.equal(outlet.tend(true, clock.monotonic(), 30_000), undefined);
  await clock.advance(20_000);
  assert.equal(outlet.tend(true, clock.monotonic(), 30_000), 'lag');
});

test('alarms that are waited for outlive readings before them; delivered ones go with them', async (t) => {
  const { log, outlet, clock } = await open(t, place(t), { maxAge: 1000 }, 1_800_000_000_000);
  await outlet.ready();
  const told = (rule: string) => log.notice('alarm', rule, clock.monotonic(), { rule });
  told('delivered');
  for (const notice of await allNotices(outlet, 10)) outlet.noticesDone(notice);
  told('waits');
  log.append(plain(clock.monotonic()));
  await log.flush();
  await clock.advance(100_000);
  log.append(plain(clock.monotonic()));
  await log.flush();
  const left = await log.keeper.notices({ log: log.ordinal, only: 'alarm', after: 0, to: log.next, limit: 10 });
  assert.deepEqual(
    left.notices.map((n) => n.key),
    ['waits'],
  );
});
