/** A new filter counts from the turn in which its client begins to hear it, with its row on the disk. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { KeptBench } from '../../fakes/kept-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { SlowDisk } from '../../fakes/slow-disk.ts';

async function make() {
  const disk = new SlowDisk();
  const clock = new ManualClock();
  const bench = await KeptBench.open({ store: disk, clock });
  bench.sessions.resume('a');
  const a = { id: 'a' };
  return {
    ...{ disk, clock, bench, a },
    subscribe: (topic: string, qos = 1) => bench.persistence.addSubscriptions(a, [{ topic, qos }]),
    counted: () => bench.sessions.filters('a').map(({ topic, qos }) => [topic, qos]),
  };
}

test('nothing is queued for a filter before its row is on the disk, and everything behind that', async () => {
  const { disk, bench, subscribe, counted } = await make();
  const granted = subscribe('t');
  // aedes does its part in the same turn: what a filter counts for is heard.
  const seen: unknown[] = [];
  const heard = granted.then(() => seen.push(...counted()));
  assert.deepEqual(disk.filters(), [['t', 1]], 'the row went to the disk first');
  assert.deepEqual(counted(), []);
  await bench.publish('t', 'early', 0);
  await bench.deliver({ cmd: 'publish', topic: 't', payload: Buffer.from('early'), qos: 1, retain: false, dup: false });
  assert.equal(bench.sessions.queues.messages, 0);
  disk.answer();
  await heard;
  assert.deepEqual(seen, [['t', 1]]);
  await bench.deliver({ cmd: 'publish', topic: 't', payload: Buffer.from('late'), qos: 1, retain: false, dup: false });
  assert.deepEqual(bench.waiting('a'), ['late']);
});

test('a filter counts between no two turns of others that wait for the same commit', async () => {
  const { disk, subscribe, counted } = await make();
  const order: string[] = [];
  const others = Array.from({ length: 20 }, async () => {
    await disk.settled();
    // At different depths: in no turn does the filter count unheard.
    for (let i = 0; i < 10; i++) {
      assert.equal(counted().length > 0, order.length > 0);
      await undefined;
    }
  });
  const heard = subscribe('t').then(() => order.push('heard'));
  disk.answer();
  await Promise.all([...others, heard]);
  assert.deepEqual(order, ['heard']);
});

test('a client that subscribes twice in a row has the later filter, in memory and on the disk', async () => {
  for (const [first, second] of [
    [1, 0],
    [0, 1],
    [1, 2],
  ] as const) {
    const { disk, subscribe, counted } = await make();
    const one = subscribe('t', first);
    const two = subscribe('t', second);
    disk.answer();
    await one;
    assert.deepEqual(counted(), [['t', second]]);
    await two;
    assert.deepEqual(counted(), [['t', second]]);
    assert.deepEqual(disk.filters(), [['t', second]]);
  }
});

test('a filter that is renewed counts at once', async () => {
  const { disk, subscribe, counted } = await make();
  const one = subscribe('t', 1);
  disk.answer();
  await one;
  const two = subscribe('t', 0);
  assert.deepEqual(counted(), [['t', 0]]);
  disk.answer();
  await two;
  assert.deepEqual(disk.filters(), [['t', 0]]);
});

test('a filter that is given up while it waits is nowhere, and one asked for again stays', async () => {
  const { disk, bench, a, subscribe, counted } = await make();
  const one = subscribe('t');
  const gone = bench.persistence.removeSubscriptions(a, ['t']);
  assert.deepEqual(disk.filters(), []);
  const two = subscribe('t', 2);
  const three = subscribe('u');
  const over = bench.persistence.removeSubscriptions(a, ['u']);
  disk.answer();
  await Promise.all([one, gone, two, three, over]);
  assert.deepEqual(counted(), [['t', 2]]);
  assert.deepEqual(disk.filters(), [['t', 2]]);
});

test('a session that ends while a filter waits takes it along', async () => {
  const { disk, bench, subscribe, counted } = await make();
  const one = subscribe('t');
  bench.sessions.end('a');
  assert.deepEqual(disk.filters(), []);
  bench.sessions.resume('a');
  disk.answer();
  await one;
  assert.deepEqual([counted(), disk.filters()], [[], []]);
});

test('a client that comes back while its filter waits has it with its session', async () => {
  const { disk, bench, subscribe, counted } = await make();
  const one = subscribe('t');
  bench.sessions.away('a');
  assert.deepEqual(counted(), []);
  // Its account may have lost the right to it meanwhile.
  assert.deepEqual(bench.sessions.asked('a'), ['t']);
  bench.sessions.resume('a');
  // aedes restores the filters of the session now, and the queue is replayed.
  assert.deepEqual(counted(), [['t', 1]]);
  disk.answer();
  await one;
  assert.deepEqual(counted(), [['t', 1]]);
});

test('a disk that hangs keeps nobody from subscribing, and a whole copy has what waits', async () => {
  const { disk, clock, subscribe, counted } = await make();
  const one = subscribe('t');
  assert.deepEqual(disk.filters(disk.whole()), [['t', 1]]);
  clock.advance(2_000);
  await one;
  assert.deepEqual(counted(), [['t', 1]]);
  assert.deepEqual(disk.filters(disk.whole()), [['t', 1]]);
});

test('a disk that hangs is asked no more for subscriptions that come and go', async () => {
  const { disk, clock, bench, a, subscribe, counted } = await make();
  const one = subscribe('t');
  clock.advance(2_000);
  await one;
  const asked = disk.asked;
  for (let n = 0; n < 1000; n++) {
    await subscribe('u');
    await bench.persistence.removeSubscriptions(a, ['u']);
  }
  assert.equal(disk.asked, asked);
  disk.answer();
  const two = subscribe('v');
  assert.deepEqual(counted(), [['t', 1]], 'it is waited for again');
  await new Promise((resolve) => setImmediate(resolve));
  disk.answer();
  await two;
  assert.deepEqual(counted(), [
    ['t', 1],
    ['v', 1],
  ]);
});
