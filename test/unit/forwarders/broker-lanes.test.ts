/** What accounts publish goes through the store and on to its receivers in lanes: a flood of one holds up another one for a batch. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { MOST_PER_TURN, Turnstile } from '../../../src/core/turns.ts';
import { Lanes } from '../../../src/forwarders/broker/lanes.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { KeptBench } from '../../fakes/kept-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { SlowDisk } from '../../fakes/slow-disk.ts';

interface Message {
  readonly id: number;
  readonly lane: string;
  readonly rows: number;
  readonly bytes: number;
}

/** Lanes with a store that commits, and turns that begin, when the test says so. */
class Model {
  readonly lanes = new Lanes({
    enter: () => this.#left > 0 && this.#left-- > 0,
    later: (run) => this.later.push(run),
  });
  readonly later: (() => void)[] = [];
  readonly given: Message[] = [];
  readonly gone: Message[] = [];
  /** Given, and not on the disk; the second of a pair settles it. */
  open: [Message, (safe: boolean) => void][] = [];
  #left = 0;

  publish(message: Message): void {
    const give = () => {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      this.given.push(message);
      this.open.push([message, resolve]);
      return { rows: message.rows, settles: promise };
    };
    void this.lanes.pass(message.lane, message.bytes, give).then(() => this.gone.push(message));
  }

  /** What it has until now is on the disk, or it is not: that is the same to the lanes. */
  async commit(safe: boolean): Promise<void> {
    for (const [, settle] of this.open.splice(0)) settle(safe);
    await nextTurn();
  }

  async turn(most: number): Promise<void> {
    this.#left = most;
    for (; this.#left > 0 && this.later.length > 0; this.#left--) this.later.shift()?.();
    await nextTurn();
  }

  /** The next commit has a batch of each lane at most, and the message that goes beyond it. */
  check(lanes: readonly string[]): void {
    for (const lane of lanes) {
      const own = this.open.map(([message]) => message).filter((message) => message.lane === lane);
      const before = own.slice(0, -1);
      if (before.length === 0) continue;
      assert.ok(before.reduce((sum, { rows }) => sum + rows, 0) < limits.LANE_ROWS, `rows of ${lane}`);
      assert.ok(before.reduce((sum, { bytes }) => sum + bytes, 0) < limits.LANE_BYTES, `bytes of ${lane}`);
    }
    assert.ok(this.later.length <= limits.LANE_TURNS * lanes.length, 'turns that are asked for');
  }
}

test('property: a lane keeps its order, a commit has one batch of each, and all go on', async () => {
  const names = ['a', 'b', 'c'];
  const message = fc.record({
    lane: fc.constantFrom(...names),
    count: fc.integer({ min: 1, max: 60 }),
    rows: fc.constantFrom(1, 2, 31, 700, limits.LANE_ROWS + 5),
    bytes: fc.constantFrom(1, 900, 40_000, 2 * limits.LANE_BYTES),
  });
  const step = fc.oneof(
    message.map((one) => ({ does: 'publish', ...one }) as const),
    fc.boolean().map((safe) => ({ does: 'commit', safe }) as const),
    fc.nat(MOST_PER_TURN).map((most) => ({ does: 'turn', most }) as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const model = new Model();
      const sent: Message[] = [];
      for (const one of steps) {
        if (one.does === 'commit') await model.commit(one.safe);
        else if (one.does === 'turn') await model.turn(one.most);
        else
          for (let i = 0; i < one.count; i++) {
            const next = { id: sent.length, lane: one.lane, rows: one.rows, bytes: one.bytes };
            sent.push(next);
            model.publish(next);
          }
        model.check(names);
      }
      for (let rounds = 0; model.gone.length < sent.length; rounds++) {
        assert.ok(rounds <= 2 * sent.length, 'nobody waits without end');
        await model.commit(true);
        await model.turn(MOST_PER_TURN);
        model.check(names);
      }
      for (const lane of names) {
        const ids = (all: readonly Message[]): number[] => all.filter((m) => m.lane === lane).map(({ id }) => id);
        assert.deepEqual(ids(model.given), ids(sent));
        assert.deepEqual(ids(model.gone), ids(sent));
      }
      while (model.later.length > 0) await model.turn(MOST_PER_TURN);
      assert.equal(model.lanes.size, 0, 'nothing is left of a lane without messages');
    }),
    { numRuns: 60 },
  );
});

test('a client with little in its lane is read on, and one with much when its lane has gone on', async () => {
  const model = new Model();
  const client = () => {
    const connection = { reads: 0, readOn: () => connection.reads++ };
    return connection;
  };
  const settles: (() => void)[] = [];
  const publish = (by: ReturnType<typeof client>, bytes: number): void => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const give = () => {
      settles.push(() => resolve(true));
      return { rows: 1, settles: promise };
    };
    void model.lanes.pass('a', bytes, give, () => ({ connection: by, readOn: by.readOn }));
  };
  const [first, busy, modest] = [client(), client(), client()];
  publish(first, limits.LANE_BYTES);
  publish(busy, limits.LANE_READ_ON);
  publish(busy, 1);
  publish(modest, 1);
  publish(modest, limits.LANE_READ_ON - 1);
  await nextTurn();
  assert.deepEqual([first.reads, busy.reads, modest.reads], [0, 1, 2]);
  // They have gone to the store.
  for (const settle of settles.splice(0)) settle();
  await nextTurn();
  await model.turn(MOST_PER_TURN);
  publish(first, limits.LANE_BYTES);
  publish(busy, limits.LANE_READ_ON);
  await nextTurn();
  assert.deepEqual([first.reads, busy.reads, modest.reads], [0, 2, 2]);
});

test('many clients of one account are read on while their lane holds a bounded number of bytes', async () => {
  const lanes = new Lanes();
  const reads: number[] = [];
  const give = () => ({ rows: 1, settles: new Promise<boolean>(() => {}) });
  void lanes.pass('a', limits.LANE_BYTES, give);
  const each = 1024;
  for (let i = 0; i < 200; i++) void lanes.pass('a', each, give, () => ({ connection: {}, readOn: () => reads.push(i) }));
  await nextTurn();
  assert.equal(reads.length, limits.LANE_READ_ON_ALL / each);
});

test('who comes while thousands of another lane go on waits for one batch of its turns', async () => {
  const model = new Model();
  for (let id = 0; id < 1000; id++) model.publish({ id, lane: 'flood', rows: 1, bytes: 1 });
  await model.commit(true);
  model.publish({ id: 1000, lane: 'modest', rows: 1, bytes: 1 });
  await model.commit(true);
  while (model.gone.at(-1)?.lane !== 'modest') await model.turn(1);
  assert.ok(model.gone.length <= limits.LANE_TURNS + 1, `${model.gone.length - 1} before it`);
});

test('accounts that flood thirty sessions hold up a message of another one for a batch', async () => {
  const disk = new SlowDisk();
  disk.hangs = false;
  const clock = new ManualClock();
  const bench = await KeptBench.open({ store: disk, clock, turns: new Turnstile(clock) });
  for (let i = 0; i < 30; i++) {
    await bench.client(`away${i}`, '#');
    bench.sessions.away(`away${i}`);
  }
  disk.hangs = true;
  const floods = ['user:a', 'user:b', 'user:c'];
  const each = 300;
  const went: string[] = [];
  const publish = (from: string): void => void bench.publish('plant/t', 'x', 1, false, from).then(() => went.push(from));
  for (let i = 0; i < each; i++) for (const from of floods) publish(from);
  publish('user:modest');
  while (!went.includes('user:modest')) {
    disk.answer();
    await nextTurn();
  }
  // Each of them is 31 rows.
  const batch = Math.ceil(limits.LANE_ROWS / 31);
  assert.ok(batch < each / 2, 'less than there is');
  for (const from of floods) {
    const before = went.filter((one) => one === from).length;
    assert.ok(before <= batch, `${before} of ${from} went before it`);
  }
  while (went.length < floods.length * each + 1) {
    disk.answer();
    await nextTurn();
  }
});
