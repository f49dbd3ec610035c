/** A forwarder that is gone for good: it keeps its lanes and cursors, and holds back no room. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import { Lanes } from '../../../src/store/delivery/lanes.ts';
import type { LaneState } from '../../../src/store/files/lane-state.ts';
import { LOG_FILE } from '../../../src/store/files/layout.ts';
import { LogDatabase } from '../../../src/store/hot/database.ts';
import { openLogFile } from '../../../src/store/hot/log-file.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { scratch } from '../../harness/scratch.ts';
import { Consumer } from '../../oracles/consumer.ts';

const SHAPE: Shape = {
  device: 'tank',
  points: Array.from({ length: 50 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
const MAX = 1024 * 1024;

class Bench {
  readonly dir: string;
  readonly clock = new ManualClock();
  log!: Log;
  /** Readings that went before a forwarder had them. */
  lost = 0;
  lostNotices = 0;
  #n = 0;

  constructor(t: TestContext) {
    t.after(() => this.log?.abandon());
    this.dir = scratch(t, 'release');
  }

  async open(): Promise<void> {
    this.log = await Log.open({
      ...{ stateDir: path.join(this.dir, 'state'), runtimeDir: path.join(this.dir, 'run'), clock: this.clock },
      ...{ maxSize: MAX, maxAge: 1e13, commitEvery: 1e9 },
    });
    this.log.setMaxListeners(0);
    const count = (lost: readonly (readonly [string, number])[]) => {
      for (const [, n] of lost) this.lost += n;
    };
    this.log.on('committed', (result) => {
      count(result.lost);
      this.lostNotices += result.lostNotices;
    });
    this.log.on('tidied', (result) => count(result.lost));
    this.log.on('fault', (fault) => assert.equal(fault, undefined));
    this.log.setClock(this.clock.wall() - this.clock.monotonic(), false);
    this.log.setInventory('{}');
  }

  /** About three times what the log may take. */
  async fill(): Promise<void> {
    for (let i = 0; i < 8000; i++) {
      await this.clock.advance(500);
      const values = SHAPE.points.map((_, p) => Math.sin(++this.#n * 7919 + p) * 1e6);
      this.log.append({ shape: SHAPE, at: this.clock.monotonic(), values, reasons: null });
      if (i % 40 === 39) {
        this.log.notice('event', 'x', this.clock.monotonic(), { event: 'x', severity: 'info', message: 'x', time: 0 });
        await this.log.flush();
      }
    }
  }

  /** As the file has it, by forwarder. */
  lanes(): Record<string, unknown> {
    const db = new Database(path.join(this.dir, 'state', LOG_FILE), { readonly: true });
    const states = db.prepare<[], string>('select states from lanes order by log desc limit 1').pluck().get() ?? '{}';
    db.close();
    return JSON.parse(states) as Record<string, unknown>;
  }
}

test('while it is configured, what goes before it is delivered is lost and told', { timeout: 400_000 }, async (t) => {
  const b = new Bench(t);
  await b.open();
  await b.log.outlet('cloud', 'oldest', 'g1', 'json').ready();
  await b.fill();
  assert.ok(b.lost > 1000, `${b.lost} readings`);
  await b.log.close(60_000);
});

for (const how of ['at a reload', 'at a start'] as const)
  test(`a forwarder removed ${how} lets the log fill, keeps its lanes, and returns to them`, {
    timeout: 400_000,
  }, async (t) => {
    const b = new Bench(t);
    await b.open();
    const outlet = b.log.outlet('cloud', 'oldest', 'g1', 'json');
    await outlet.ready();
    b.log.append({ shape: SHAPE, at: b.clock.monotonic(), values: SHAPE.points.map(() => 1), reasons: null });
    await b.log.flush();
    if (how === 'at a reload') await b.log.release('cloud');
    else {
      await b.log.close(60_000);
      await b.open();
      await b.log.flush();
    }
    const before = b.lanes().cloud as LaneState;
    // Readings that come while it is away are history, however it went.
    const away = b.log.next;
    assert.deepEqual(before.ranges.at(-1), [how === 'at a reload' ? away : b.log.opened.next, 'history']);
    await b.fill();
    assert.deepEqual([b.lost, b.lostNotices], [0, 0], 'nobody waits for it');
    assert.deepEqual(b.log.status().oldest, []);
    assert.ok(b.log.status().bytes <= MAX, `${b.log.status().bytes} bytes`);
    if (how === 'at a start') assert.deepEqual(b.lanes().cloud, before, 'written once');

    // Configured again: what is left of the time since then comes, each record once and in order.
    const again = b.log.outlet('cloud', 'oldest', 'g1', 'json');
    await again.ready();
    const consumer = new Consumer();
    for (const lane of ['data', 'history'] as const)
      for (let idle = 0; idle < 3; ) {
        const batch = await again.next(lane, 5000);
        if (batch === undefined || !again.handOver(batch)) {
          idle++;
          await b.log.flush();
          continue;
        }
        idle = 0;
        consumer.feed(`sluice/g1/${lane}`, payloadText(batch));
        again.done(batch);
      }
    assert.deepEqual(consumer.judge(), []);
    const seqs = consumer.records().map((r) => r.seq);
    // How many depends on how far the keeper came: half a megabyte of blocks is the least.
    assert.ok(seqs.length > 200, `${seqs.length} records are left`);
    assert.equal(seqs.at(-1), b.log.status().next - 2, 'the newest record; the last number is a notice');
    for (const { seq, kind } of consumer.records()) assert.equal(kind, seq < away ? 'data' : 'history', `record ${seq}`);
    await b.log.close(60_000);
  });

test('lanes of a log that grows no more are not written again with every commit', (t) => {
  const file = path.join(scratch(t, 'release'), LOG_FILE);
  const database = new LogDatabase(openLogFile(file), MAX);
  t.after(() => database.db.close());
  const [old, now] = [database.addLog('a'.repeat(10)), database.addLog('b'.repeat(10))];
  database.addBoot(1, now);
  database.use(now, 1);
  database.db.exec(
    'create temp table written (log integer); create temp trigger told after insert on lanes begin insert into written values (new.log); end',
  );
  const state = (acked: number) => ({ ...Lanes.begin('oldest', 100).state(), history: acked });
  // A forwarder tells all that it has with each acknowledgement; of the old log nothing is left to deliver.
  const commit = (id: number, oldAcked: number) =>
    database.commit(
      {
        ...{
          id,
          chunks: [],
          upTo: 100 + id,
          savedStates: [],
          clock: [],
          newInventory: undefined,
          leaseEnd: 1000,
          wall: undefined,
        },
        ...{ maxSize: MAX, total: MAX, maxAge: 1e13, compacted: [], active: [] },
        forwarders: [
          { name: 'cloud', log: old, state: state(oldAcked) },
          { name: 'cloud', log: now, state: state(id) },
        ],
      },
      new Map(),
    );
  for (let id = 1; id <= 10; id++) commit(id, 99);
  commit(11, 101);
  const written = database.db.prepare<[], number>('select log from written').pluck().all();
  assert.deepEqual(
    [written.filter((log) => log === old).length, written.filter((log) => log === now).length],
    [2, 11],
    'once, and when something changed',
  );
  assert.equal(database.forwarders().find((f) => f.log === old)?.state.history, 101);
});
