/** Room of many delivered alarms and events: taken in bounded pieces, so that no commit takes long or writes much. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { Lanes } from '../../../src/store/delivery/lanes.ts';
import type { LaneState } from '../../../src/store/files/lane-state.ts';
import type { ForwarderState } from '../../../src/store/files/layout.ts';
import { LogDatabase } from '../../../src/store/hot/database.ts';
import { openLogFile } from '../../../src/store/hot/log-file.ts';
import { scratch } from '../../harness/scratch.ts';

const NOTICES = 6000;
const BLOCKS = 200;
const ROUNDS = 12;
const MAX_SIZE = 4_000_000;
const MOST = 1000;
const texts: Shape = { device: 'plant', points: [{ name: 't', type: 'string', storage: 'string' }] };
const shape: Shape = { device: 'plant', points: [{ name: 'n', type: 'float64', storage: 'number' }] };

test('each commit removes a bounded number of delivered alarms until there is room', (t) => {
  const dir = path.join(scratch(t, 'notices', '/dev/shm'), 'state');
  mkdirSync(dir);
  const file = path.join(dir, 'log.db');
  let database = new LogDatabase(openLogFile(file), MAX_SIZE);
  t.after(() => database.db.close());
  const log = database.addLog('0123456789');
  database.addBoot(1, log, 1);
  database.use(log, 1);
  database.db.transaction(() => {
    for (let seq = 1; seq <= NOTICES; seq++)
      database.addNotices(log, 1, [{ seq, at: seq, kind: 'alarm', key: 'a', json: JSON.stringify({ text: 'x'.repeat(380) }) }]);
    for (let seq = NOTICES + 1; seq <= NOTICES + BLOCKS; seq++)
      database.addRecords(log, 1, 1, [{ seq, sample: { shape, at: seq, values: [seq], reasons: null } }]);
  })();
  // With an empty write-ahead file, which counts as well.
  database.wal.close();
  database.db.close();
  database = new LogDatabase(openLogFile(file), MAX_SIZE);
  database.use(log, 1);
  const notices = () => database.db.prepare('select count(*) from notice').pluck().get() as number;
  let before = notices();
  for (let round = 1; round <= ROUNDS; round++) {
    // The room that the last round made free is used again.
    const seq = NOTICES + BLOCKS + round;
    const values = [seededText(round, 150_000)];
    database.db.transaction(() =>
      database.addRecords(log, 1, 1, [{ seq, sample: { shape: texts, at: seq, values, reasons: null } }]),
    )();
    database.commit(
      {
        ...{ id: round, chunks: [], upTo: 0, forwarders: [], active: [], savedStates: [], clock: [], newInventory: undefined },
        ...{ leaseEnd: 0, wall: undefined, maxSize: MAX_SIZE, total: MAX_SIZE, maxAge: 1e13, compacted: [] },
      },
      new Map(),
    );
    database.wal.tend();
    const now = notices();
    assert.ok(before - now <= MOST, `${before - now} went in one commit`);
    before = now;
  }
  assert.ok(before < NOTICES - MOST, 'several commits took some');
  assert.ok(before >= Math.floor(MAX_SIZE / 16 / 400), `${before} stay`);
});

/** Nothing makes it smaller. */
function seededText(seed: number, length: number): string {
  const next = seeded(seed);
  return Array.from({ length }, () => String.fromCharCode(33 + Math.floor(next() * 90))).join('');
}

/** What a forwarder of that name has had. */
const active = (log: number, had: Partial<LaneState>): ForwarderState[] => [
  { name: 'cloud', log, state: { ...Lanes.begin('oldest', 1).state(), ...had } },
];

test('events that nobody has taken push out older events, and neither readings nor alarms', (t) => {
  const dir = path.join(scratch(t, 'events', '/dev/shm'), 'state');
  mkdirSync(dir);
  const maxSize = 2_000_000;
  const database = new LogDatabase(openLogFile(path.join(dir, 'log.db')), maxSize);
  t.after(() => database.db.close());
  const log = database.addLog('0123456789');
  database.addBoot(1, log, 1);
  database.use(log, 1);
  const count = (what: string): number => database.db.prepare(`select count(*) from ${what}`).pluck().get() as number;
  const keysOf = (kind: string): string[] =>
    database.db.prepare<[string], string>('select key from notice where kind = ? order by id').pluck().all(kind);
  let seq = 0;
  const readings = 1000;
  database.db.transaction(() => {
    for (let i = 0; i < readings; i++)
      database.addRecords(log, 1, 1, [{ seq: ++seq, sample: { shape, at: seq, values: [seq], reasons: null } }]);
  })();
  let lost = 0;
  const events = 20_000;
  const all = events / 200;
  for (let round = 0; round < all; round++) {
    database.db.transaction(() => {
      database.addNotices(log, 1, [{ seq: ++seq, at: seq, kind: 'alarm', key: `alarm${round}`, json: '{}' }]);
      for (let i = 0; i < 200; i++)
        database.addNotices(log, 1, [
          { seq: ++seq, at: seq, kind: 'event', key: `${round * 200 + i}`, json: JSON.stringify({ text: 'x'.repeat(280) }) },
        ]);
    })();
    const before = count("notice where kind = 'event'");
    lost += database.commit(
      {
        ...{ id: round, chunks: [], upTo: 0, forwarders: [], active: active(log, {}), savedStates: [], clock: [] },
        ...{ newInventory: undefined, leaseEnd: 0, wall: undefined, maxSize, total: maxSize, maxAge: 1e13, compacted: [] },
      },
      new Map(),
    ).lostNotices;
    database.wal.tend();
    assert.ok(before - count("notice where kind = 'event'") <= MOST);
  }
  assert.equal(count('block'), readings, 'every reading is there');
  assert.deepEqual(
    keysOf('alarm'),
    Array.from({ length: all }, (_, i) => `alarm${i}`),
  );
  const left = keysOf('event').map(Number);
  assert.ok(left.length > 100 && left.length * 350 < maxSize / 10, `${left.length} events are left`);
  assert.deepEqual(
    left,
    Array.from({ length: left.length }, (_, i) => events - left.length + i),
    'the newest',
  );
  assert.equal(lost, events - left.length, 'what nobody had is counted');
});

test('delivered alarms go for their age whatever events wait', (t) => {
  const dir = path.join(scratch(t, 'aged', '/dev/shm'), 'state');
  mkdirSync(dir);
  const database = new LogDatabase(openLogFile(path.join(dir, 'log.db')), MAX_SIZE);
  t.after(() => database.db.close());
  const log = database.addLog('0123456789');
  database.addBoot(1, log, 1);
  database.use(log, 1);
  database.clock.set({ boot: 1, version: 1, segments: [{ fromSeq: 1, offset: 0, estimated: false }] });
  const notice = (seq: number, kind: 'alarm' | 'event') => ({ seq, at: seq, kind, key: `${kind}${seq}`, json: '{}' });
  database.db.transaction(() =>
    database.addNotices(log, 1, [notice(1, 'event'), notice(2, 'alarm'), notice(3, 'event'), notice(4, 'alarm')]),
  )();
  database.commit(
    {
      ...{
        id: 1,
        chunks: [],
        upTo: 4,
        forwarders: [],
        active: active(log, { notices: 1, alarms: 2 }),
        savedStates: [],
        clock: [],
      },
      ...{
        newInventory: undefined,
        leaseEnd: 0,
        wall: 1_000_000,
        maxSize: MAX_SIZE,
        total: MAX_SIZE,
        maxAge: 1000,
        compacted: [],
      },
    },
    new Map(),
  );
  const left = database.db.prepare<[], string>('select key from notice order by id').pluck().all();
  assert.deepEqual(left, ['event3', 'alarm4'], 'those that the forwarder has not had');
});

test('of alarms that go for space, those that passed a kept one count as delivered', (t) => {
  const dir = path.join(scratch(t, 'passed', '/dev/shm'), 'state');
  mkdirSync(dir);
  const maxSize = 1_000_000;
  const database = new LogDatabase(openLogFile(path.join(dir, 'log.db')), maxSize);
  t.after(() => database.db.close());
  const [old, now] = [database.addLog('0123456789'), database.addLog('9876543210')];
  database.addBoot(1, now, 1);
  database.use(now, 1);
  // 100 of an older log, which one forwarder has not had, and 900 of the newer one: all of them go in one commit.
  const alarms = (log: number, count: number) => {
    for (let seq = 1; seq <= count; seq++)
      database.addNotices(log, 1, [{ seq, at: seq, kind: 'alarm', key: `k${seq % 10}`, json: 'x'.repeat(800) }]);
  };
  database.db.transaction(() => {
    alarms(old, 100);
    alarms(now, 1500);
  })();
  const beyond = { upTo: 850, waiting: [['k3', 13] as const, ['k7', 407] as const] };
  const [first] = active(now, { notices: 12, beyond });
  const { lostNotices } = database.commit(
    {
      ...{ id: 1, chunks: [], upTo: 0, forwarders: [], savedStates: [], clock: [], newInventory: undefined, leaseEnd: 0 },
      ...{ wall: undefined, maxSize, total: maxSize, maxAge: 1e13, compacted: [] },
      active: [
        first as ForwarderState,
        { ...(first as ForwarderState), log: old, state: { ...Lanes.begin('oldest', 1).state(), notices: 60 } },
        { name: 'second', log: now, state: { ...Lanes.begin('oldest', 1).state(), notices: 840 } },
      ],
    },
    new Map(),
  );
  const left = database.db.prepare<[], number>('select count(*) from notice').pluck().get();
  assert.equal(left, 1600 - MOST);
  const lost = Array.from({ length: 900 }, (_, i) => i + 1).filter(
    (seq) => seq > 840 || (seq % 10 === 3 && seq >= 13) || (seq % 10 === 7 && seq >= 407),
  );
  assert.equal(
    lostNotices,
    40 + lost.length,
    'what waits in the older log, behind the last one that left, and of the kept rules',
  );
});
