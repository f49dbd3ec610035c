/** The bounds of queues, store and admission in bytes: a topic counts as a payload does. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { generate } from 'mqtt-packet';
import type { BrokerChange, BrokerStore } from '../../../src/core/broker-store.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { checkBody } from '../../../src/forwarders/broker/packet-check.ts';
import { BrokerFile } from '../../../src/store/broker-store.ts';
import { Folders, KeptBench } from '../../fakes/kept-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

/** A store of an earlier run, whose disk hangs. */
function hanging(rows: readonly BrokerChange[] = []): BrokerStore & { readonly changes: BrokerChange[] } {
  const changes: BrokerChange[] = [];
  return {
    changes,
    open: async () => rows,
    change: (change) => changes.push(change),
    settled: () => new Promise(() => {}),
    ...{ full: false, takes: true, again: async () => {} },
    status: () => ({ state: 'file', fault: undefined, bytes: 0, commits: 0, failures: 0, repairs: 0 }),
    close: async () => {},
  };
}

test('a hundred messages with long topics fit into no more than the bytes of a session', async () => {
  const bench = await KeptBench.open();
  await bench.client('a', '#');
  bench.sessions.away('a');
  const topic = 'x'.repeat(60_000);
  for (let n = 0; n < 100; n++) await bench.publish(topic, 'y');
  const { messages, bytes } = bench.sessions.queues;
  assert.equal(messages, Math.floor(limits.MAX_SESSION_BYTES / (topic.length + 1)));
  assert.equal(bytes, messages * (topic.length + 1));
  assert.deepEqual(bench.overflows, ['a']);
});

test('what an account has waiting for the disk counts with its topics', async () => {
  const bench = new KeptBench({ store: hanging() });
  const topic = 'x'.repeat(1000);
  let taken = 0;
  let refused = 0;
  for (let n = 0; n < 2000; n++) {
    const packet = { cmd: 'publish', topic, payload: Buffer.from('y'), qos: 1, retain: false } as const;
    bench.kept.admit(packet, 'user:a', (error) => {
      if (error !== undefined) refused++;
    });
    if (refused === 0) taken++;
  }
  assert.equal(taken, Math.floor(limits.MAX_ACCOUNT_UNSETTLED / (topic.length + 1)));
  assert.equal(refused, 2000 - taken);
});

test('a store that waits for the disk is full by its texts as well', (t: TestContext) => {
  const { stateDir, runtimeDir } = new Folders(scratch(t, 'bounds'));
  const store = new BrokerFile({
    ...{ stateDir, runtimeDir, clock: new ManualClock() },
    onFault: () => {},
    onRepair: () => {},
  });
  const topic = 'x'.repeat(60_000);
  for (let n = 1; n <= 69; n++)
    store.change({ table: 'message', values: [n, topic, new Uint8Array(1), 1, 'u'], gone: false }, 'later');
  assert.equal(store.full, false);
  store.change({ table: 'message', values: [70, topic, new Uint8Array(1), 1, 'u'], gone: false }, 'later');
  assert.equal(store.full, true);
});

test('a file of an earlier version with long topics opens, within the bounds of each queue', async () => {
  const topic = 'x'.repeat(60_000);
  const rows: BrokerChange[] = [];
  const put = (table: BrokerChange['table'], ...values: BrokerChange['values']) => rows.push({ table, values, gone: false });
  put('session', 1, 'a', 'user:a', 5, null, null);
  put('session', 2, 'b', 'user:b', 5, null, null);
  for (const key of [1, 2]) put('filter', key, '#', 1, '{}', null, null);
  for (let n = 1; n <= 40; n++) {
    put('message', n, topic, new Uint8Array([n]), 1, 'user:c');
    put('place', 1, n, 0, 1, 0);
    // Only the first half.
    if (n <= 20) put('place', 2, n, 0, 1, 0);
  }
  const store = hanging(rows);
  const bench = await KeptBench.open({ store });
  const kept = (id: string) => bench.sessions.get(id)?.queue.entries.map(({ payload }) => payload[0]);
  assert.deepEqual(
    kept('a'),
    Array.from({ length: 17 }, (_, i) => 24 + i),
  );
  // Nothing that left one queue is taken from the other one, and its row stays for it.
  assert.deepEqual(
    kept('b'),
    Array.from({ length: 17 }, (_, i) => 4 + i),
  );
  const gone = store.changes.filter((c) => c.table === 'message' && c.gone).map(({ values }) => values[0]);
  assert.deepEqual(
    gone.toSorted((x, y) => Number(x) - Number(y)),
    [1, 2, 3, 21, 22, 23],
  );
});

test('a topic of a message or will may have 1,024 bytes and no more', () => {
  const bounds = { topicBytes: limits.MAX_TOPIC, topicLevels: 16, filterLevels: 99, filters: 200 };
  const check = (topic: string) => {
    const packet = generate({ cmd: 'publish', topic, payload: 'x', qos: 0, dup: false, retain: false });
    return checkBody(packet, 0x30, packet.indexOf(Buffer.from(topic)) - 2, packet.length, 4, bounds);
  };
  assert.equal(check('x'.repeat(1024)), 0);
  assert.equal(check('é'.repeat(512)), 0);
  for (const long of ['x'.repeat(1025), `${'é'.repeat(512)}x`, 'x'.repeat(65_535)]) {
    const answer = check(long);
    assert.ok(typeof answer === 'object');
    assert.deepEqual(
      [answer.rule, answer.words],
      ['topic', `a topic of ${Buffer.byteLength(long)} bytes; at most 1024 are accepted`],
    );
  }
  const will = generate({
    ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'c', keepalive: 0 },
    will: { topic: 'x'.repeat(1025), payload: Buffer.from('y'), qos: 0, retain: false },
  });
  const answer = checkBody(will, 0x10, 3, will.length, undefined, bounds);
  assert.ok(typeof answer === 'object' && answer.rule === 'topic');
});
