/** An outlet with a filter: its cursor passes what is left out, at next to no cost, and its batches say so. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import type { OutBatch } from '../../../src/store/delivery/out.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import type { Lane } from '../../../src/store/files/lane-state.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { scratch } from '../../harness/scratch.ts';

const shape = (device: string): Shape => ({
  device,
  points: ['a', 'b'].map((name) => ({ name, type: 'uint16', storage: 'number' })),
});
const PUMP = shape('pump');
const RARE = shape('rare');

interface Bench {
  log: Log;
  outlet: Outlet;
  readonly clock: ManualClock;
  commits: number;
  /** Questions to the files. */
  reads: number;
  append(of: Shape, records: number): void;
  open(filter?: object): Promise<void>;
}

async function bench(t: TestContext, commitEvery = 10_000): Promise<Bench> {
  const folder = scratch(t, 'filter');
  const clock = new ManualClock();
  let n = 0;
  const b: Bench = {
    ...{ log: undefined as never, outlet: undefined as never, clock, commits: 0, reads: 0 },
    append(of, records) {
      for (let i = 0; i < records; i++) b.log.append({ shape: of, at: ++n, values: [n, n], reasons: null });
    },
    async open(filter = { points: ['rare.a'] }) {
      b.log = await Log.open({
        ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
        ...{ maxSize: 256e6, maxAge: 1e13, commitEvery },
      });
      b.log.on('committed', () => {
        b.commits++;
      });
      b.outlet = b.log.outlet('cloud', 'oldest', 'g1', 'json', {}, filter);
      b.log.setClock(1_000_000, false);
      b.log.setInventory('{}');
      await b.outlet.ready();
      const { read } = b.log.keeper;
      b.log.keeper.read = (request) => {
        b.reads++;
        return read.call(b.log.keeper, request);
      };
    },
  };
  t.after(() => b.log.abandon());
  await b.open();
  return b;
}

interface Body {
  readonly first: number;
  readonly last: number;
  readonly filtered?: boolean;
  readonly records: readonly { seq: number; values: object }[];
}
const body = (batch: OutBatch): Body => JSON.parse(payloadText(batch));

async function deliver(outlet: Outlet, lane: Lane, most = 1000): Promise<Body | undefined> {
  const batch = await outlet.next(lane, most);
  if (batch === undefined) return undefined;
  assert.ok(outlet.handOver(batch));
  outlet.done(batch);
  return body(batch);
}

test('live: one reading of 20,000 leaves alone, the rest costs no message and no commit', async (t) => {
  const b = await bench(t, 1e9);
  await b.log.flush();
  const { commits } = b;
  b.append(PUMP, 9000);
  b.outlet.passUnwanted();
  assert.deepEqual(b.outlet.waiting(1000), { readings: 0, oldest: undefined, newest: undefined, first: 9001 });
  assert.equal(b.outlet.pending('data'), false, 'the cursor passed them');
  b.append(PUMP, 500);
  b.append(RARE, 1);
  b.append(PUMP, 499);
  assert.equal(b.outlet.waiting(1000).readings, 1);
  const sent = await deliver(b.outlet, 'data');
  assert.deepEqual(
    sent?.records.map(({ seq, values }) => [seq, values]),
    [[9501, { a: 9501 }]],
  );
  assert.equal(sent?.filtered, true);
  assert.deepEqual([sent?.first, sent?.last], [1, 10_000], 'it covers what was passed before it, and behind it');
  assert.equal(await deliver(b.outlet, 'data'), undefined);
  assert.equal(b.commits, commits);
  assert.equal(b.reads, 0);
});

test('backlog: 30,000 readings that are left out are a handful of questions, and no commit each', async (t) => {
  const b = await bench(t, 1e9);
  b.append(PUMP, 10);
  b.outlet.tend(false, 1e6);
  for (let i = 0; i < 10; i++) {
    b.append(PUMP, 1499);
    if (i === 6) b.append(RARE, 1);
    await b.log.flush();
  }
  await b.log.compact();
  await b.log.flush();
  b.append(PUMP, 10);
  await b.log.flush();
  const { commits } = b;
  const got: Body[] = [];
  for (const lane of ['data', 'history'] as const)
    for (let sent = await deliver(b.outlet, lane, 10); sent !== undefined; sent = await deliver(b.outlet, lane, 10))
      got.push(sent);
  assert.equal(got.flatMap(({ records }) => records).length, 1);
  assert.equal(b.outlet.pending('history'), false);
  assert.ok(b.reads <= 8, `${b.reads} questions`);
  assert.equal(b.commits, commits);
});

test('the batches of a lane leave no gap between them, whatever the filter takes out', async (t) => {
  const b = await bench(t);
  let event = 0;
  for (let i = 0; i < 40; i++) {
    b.append(PUMP, (i * 7) % 23);
    b.append(RARE, i % 3);
    if (i === 20) event = b.log.notice('event', 'start', 0, { time: 1 }).seq;
  }
  await b.log.flush();
  let next = 1;
  const taken: number[] = [];
  for (let sent = await deliver(b.outlet, 'data', 5); sent !== undefined; sent = await deliver(b.outlet, 'data', 5)) {
    assert.equal(sent.first, next === event ? next + 1 : next);
    next = sent.last + 1;
    taken.push(...sent.records.map(({ seq }) => seq));
  }
  assert.equal(taken.length, 39, 'every wanted record came');
});

test('another filter goes on at the cursor: what was left out does not come later', async (t) => {
  const b = await bench(t);
  b.append(PUMP, 5);
  b.append(RARE, 1);
  assert.equal((await deliver(b.outlet, 'data'))?.last, 6);
  b.outlet = b.log.outlet('cloud', 'oldest', 'g1', 'json', {}, { devices: ['pump'] });
  b.append(RARE, 1);
  b.append(PUMP, 1);
  const sent = await deliver(b.outlet, 'data');
  assert.deepEqual(
    sent?.records.map(({ seq, values }) => [seq, values]),
    [[8, { a: 8, b: 8 }]],
  );
  b.outlet = b.log.outlet('cloud', 'oldest', 'g1', 'json');
  b.append(RARE, 1);
  const all = await deliver(b.outlet, 'data');
  assert.deepEqual([all?.first, all?.last, all?.filtered], [9, 9, undefined]);
});

test('what comes to be owed again while the files are read is not stepped over', async (t) => {
  const b = await bench(t);
  b.append(RARE, 10);
  assert.equal((await deliver(b.outlet, 'data'))?.records.length, 10);
  await b.log.flush();
  const { ordinal } = b.log;
  b.outlet.again(ordinal, 6, 10);
  // The connection is lost while the batch is made.
  const reading = b.outlet.next('history', 1000);
  b.outlet.again(ordinal, 1, 5);
  const batch = await reading;
  assert.ok(batch !== undefined && b.outlet.handOver(batch));
  assert.deepEqual([batch.first, batch.last], [1, 10]);
  // So it is with numbers that the filter passes.
  b.outlet.done(batch);
  b.append(PUMP, 10);
  await b.log.flush();
  b.outlet.again(ordinal, 11, 20);
  const passing = b.outlet.next('history', 1000);
  b.outlet.again(ordinal, 1, 5);
  assert.deepEqual((await passing)?.first, 1);
});
