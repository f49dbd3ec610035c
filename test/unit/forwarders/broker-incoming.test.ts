/** QoS 2 messages from clients, until they are released: an identifier belongs to one session, and a session has its bound. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import test from 'node:test';
import { Incoming } from '../../../src/forwarders/broker/incoming.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { endedByAedes } from '../../../src/forwarders/patches/aedes.ts';
import { Folders, KeptBench } from '../../fakes/kept-bench.ts';
import { scratch } from '../../harness/scratch.ts';

const packet = (messageId: number, topic = 't') => ({
  cmd: 'publish',
  topic,
  payload: Buffer.from('x'),
  qos: 2,
  retain: false,
  messageId,
});
const a = { id: 'a' };
const knows = (bench: KeptBench, messageId: number) =>
  bench.persistence.incomingGetPacket(a, packet(messageId)).then(
    () => true,
    () => false,
  );

test('a packet identifier of a session that ended is that of a new message', async () => {
  for (const end of ['end', 'expire', 'other owner', 'displaced'] as const) {
    let now = 0;
    const bench = new KeptBench({
      clock: { monotonic: () => now, wall: () => 0, after: () => () => {}, exactly: () => () => {} },
    });
    const { sessions } = bench;
    sessions.resume('a', 'user:a');
    await bench.persistence.incomingStorePacket(a, packet(1));
    sessions.away('a');
    assert.equal(await knows(bench, 1), true);
    if (end === 'end') sessions.end('a');
    if (end === 'expire') {
      now += limits.SESSION_EXPIRY + 1;
      sessions.expire();
    }
    if (end === 'displaced') for (let i = 0; i < limits.MAX_ACCOUNT_SESSIONS; i++) sessions.resume(`b${i}`, 'user:a');
    sessions.resume('a', end === 'other owner' ? 'user:b' : 'user:a');
    assert.equal(sessions.get('a')?.isPresent, false, end);
    assert.equal(await knows(bench, 1), false, end);
  }
});

test('an identifier of a session that goes on is known over connections, and after a restart', async () => {
  const bench = new KeptBench();
  bench.sessions.resume('a');
  await bench.persistence.incomingStorePacket(a, packet(1));
  bench.sessions.away('a');
  bench.sessions.resume('a');
  assert.equal(await knows(bench, 1), true);
  await bench.persistence.incomingDelPacket(a, { cmd: 'pubrel', messageId: 1 });
  assert.equal(await knows(bench, 1), false);
});

test('what a client sends after its session made room leaves nothing behind', async () => {
  const bench = new KeptBench();
  await bench.persistence.incomingStorePacket(a, packet(1));
  bench.sessions.away('a');
  assert.equal(await knows(bench, 1), false);
  await bench.persistence.incomingStorePacket(a, packet(2));
  bench.sessions.resume('a');
  assert.equal(await knows(bench, 2), false);
});

test('a session has a bound of unreleased messages; those not repeated give way', async () => {
  const bench = new KeptBench();
  const size = () => bench.sessions.get('a')?.incoming.size;
  for (let i = 1; i <= limits.MAX_INCOMING; i++) {
    if (i === 1 || i === 31) {
      bench.sessions.away('a');
      bench.sessions.resume('a');
    }
    await bench.persistence.incomingStorePacket(a, packet(i));
  }
  // Its client repeats the first one, and has forgotten 29 others: it must not be cut off for them for ever.
  assert.equal((await bench.persistence.incomingGetPacket(a, packet(1))).messageId, 1);
  for (let i = 1; i <= 29; i++) await bench.persistence.incomingStorePacket(a, packet(1000 + i));
  assert.equal(size(), limits.MAX_INCOMING);
  for (const [messageId, known] of [
    [1, true],
    [2, false],
    [30, false],
    [31, true],
    [1029, true],
  ] as const)
    assert.equal(await knows(bench, messageId), known, `${messageId}`);
  const more = await bench.persistence.incomingStorePacket(a, packet(2000)).then(
    () => undefined,
    (error: Error) => error,
  );
  // The connection ends with the counter `incoming`.
  assert.equal(more && endedByAedes(more), 'incoming');
  assert.equal(size(), limits.MAX_INCOMING);
  // A repetition is none more, and a release makes space.
  await bench.persistence.incomingStorePacket(a, packet(1007));
  await bench.persistence.incomingDelPacket(a, { cmd: 'pubrel', messageId: 1007 });
  await bench.persistence.incomingStorePacket(a, packet(2000));
});

test('an identifier of an earlier connection is known for its own message only', async () => {
  const bench = new KeptBench();
  bench.sessions.resume('a');
  await bench.persistence.incomingStorePacket(a, packet(1));
  const other = { ...packet(1), payload: Buffer.from('y') };
  const known = (asked: typeof other) =>
    bench.persistence.incomingGetPacket(a, asked).then(
      () => true,
      () => false,
    );
  // Within one connection the standard allows no other message (MQTT-4.3.3-2).
  assert.deepEqual([await known(packet(1)), await known(other)], [true, true]);
  bench.sessions.away('a');
  bench.sessions.resume('a');
  assert.deepEqual([await known(other), await known({ ...packet(1), topic: 'u' })], [false, false]);
  await bench.persistence.incomingStorePacket(a, other);
  assert.deepEqual([await known(other), await known(packet(1))], [true, true]);
  bench.sessions.away('a');
  bench.sessions.resume('a');
  assert.deepEqual([await known(packet(1)), await known(other)], [false, true]);
});

test('what comes of a clean session that is over belongs to no other connection of that id', async () => {
  for (const next of ['none', 'clean', 'kept'] as const) {
    const bench = new KeptBench();
    const [old, newer] = [
      { id: 'a', clean: true },
      { id: 'a', clean: next === 'clean' },
    ];
    let current: object | undefined = old;
    const persistence = bench.kept.persistence(
      () => Readable.from([]),
      () => true,
      () => {},
      (client) => client === current,
    );
    const known = (client: typeof old, messageId: number) =>
      persistence.incomingGetPacket(client, { cmd: 'publish', messageId }).then(
        () => true,
        () => false,
      );
    await persistence.incomingStorePacket(old, packet(1));
    assert.equal(await known(old, 1), true);
    current = next === 'none' ? undefined : newer;
    if (next === 'none') bench.sessions.away('a');
    if (next === 'clean') await persistence.cleanIncoming(newer);
    if (next === 'kept') bench.sessions.resume('a');
    // Its last message was under way, and then its connection ends.
    await persistence.incomingStorePacket(old, packet(2));
    assert.deepEqual([await known(newer, 1), await known(newer, 2)], [false, false], next);
    if (next === 'none') continue;
    await persistence.incomingStorePacket(newer, packet(3));
    await persistence.cleanIncoming(old);
    await persistence.incomingDelPacket(old, { cmd: 'pubrel', messageId: 3 }).catch(() => {});
    assert.equal(await known(newer, 3), true, next);
    await persistence.incomingDelPacket(newer, { cmd: 'pubrel', messageId: 3 });
    assert.equal(await known(newer, 3), false, next);
  }
});

test('the content of an unreleased message is a copy, and counts with its topic', () => {
  const incoming = new Incoming();
  const chunk = Buffer.alloc(65_536, 1);
  incoming.store('a', { ...packet(1), payload: chunk.subarray(10, 20) });
  const kept = incoming.get('a', 1)?.payload;
  assert.deepEqual(kept, chunk.subarray(10, 20));
  assert.equal(kept?.buffer.byteLength, 10);
  incoming.forget('a');
  const topic = 'x'.repeat(limits.MAX_TOPIC);
  const fit = Math.floor(limits.MAX_INCOMING_BYTES / (topic.length + 1));
  for (let i = 1; i <= fit + 5; i++) incoming.store('a', packet(i, topic));
  assert.equal(incoming.withoutContent, 5);
  assert.deepEqual([incoming.get('a', fit)?.topic, incoming.get('a', fit + 1)?.topic], [topic, undefined]);
  assert.deepEqual(incoming.forget('a').length, fit + 5);
  incoming.store('a', packet(1, topic));
  assert.equal(incoming.get('a', 1)?.topic, topic);
});

test('an identifier whose PUBCOMP may have left is that of a new message after a power cut', async (t) => {
  const folder = scratch(t, 'incoming');
  const [before, after] = ['before', 'after'].map((name) => new Folders(path.join(folder, name))) as [Folders, Folders];
  const bench = await KeptBench.open({ folders: before });
  t.after(() => bench.kept.close());
  bench.sessions.resume('a');
  for (const number of [1, 2]) await bench.persistence.incomingStorePacket(a, packet(number));
  await bench.persistence.incomingDelPacket(a, { cmd: 'pubrel', messageId: 1 });
  // The power goes here: what lies in memory alone is lost.
  cpSync(before.stateDir, after.stateDir, { recursive: true });
  const next = await KeptBench.open({ folders: after });
  t.after(() => next.kept.close());
  next.sessions.resume('a');
  assert.deepEqual([await knows(next, 1), await knows(next, 2)], [false, true]);
});
