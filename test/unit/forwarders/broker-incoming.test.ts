/** QoS 2 messages from clients, until they are released: an identifier belongs to one session, and a session has its bound. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import test from 'node:test';
import { Incoming } from '../../../src/forwarders/broker/incoming.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { endedByAedes } from '../../../src/forwarders/patches/aedes.ts';
import { CommittingDisk } from '../../fakes/committing-disk.ts';
import { Connection, Folders, KeptBench } from '../../fakes/kept-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { SlowDisk } from '../../fakes/slow-disk.ts';
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

/** A lane gives fourteen of these to the store at once. */
const large = (messageId: number) => ({
  ...packet(messageId, 'plant/t'),
  cmd: 'publish' as const,
  dup: false,
  payload: Buffer.alloc(10_000, messageId),
});
const rest = () => new Promise((resolve) => setImmediate(resolve));

/** A session that is away waits for all messages, and `a` is connected. */
async function twoSessions() {
  const disk = new CommittingDisk();
  const clock = new ManualClock();
  const bench = await KeptBench.open({ store: disk, clock });
  const subscribed = bench.client('away', '#', 2);
  await rest();
  disk.commit();
  await subscribed;
  bench.sessions.away('away');
  bench.sessions.resume('a', 'user:a');
  await rest();
  disk.commit();
  const connection = Object.assign(new Connection(), { id: 'a' });
  return { disk, clock, bench, connection };
}

/** Twenty large messages of `a` come at once, and a session that is away waits for them. */
async function flooded() {
  const { disk, bench, connection } = await twoSessions();
  const outcomes = new Map<number, string>();
  for (let id = 1; id <= 20; id++) {
    const message = large(id);
    bench.kept.admit(message, 'user:a', () => {}, connection);
    bench.persistence.incomingStorePacket(connection, message).then(
      () => {
        outcomes.set(id, 'taken');
        void bench.deliver({ ...message, messageId: undefined });
      },
      (error: Error) => outcomes.set(id, error.message),
    );
  }
  await rest();
  return { disk, bench, connection, outcomes };
}

test('an identifier comes to the disk with its message, so a repeat after a power cut is taken', async () => {
  const { disk, bench } = await flooded();
  disk.commit();
  const count = disk.incoming(bench.sessions.get('a')?.key ?? -1);
  assert.ok(count > 0 && count < 20, `${count} on the disk`);
  // The power goes here.
  const after = new SlowDisk();
  after.hangs = false;
  for (const table of ['session', 'filter', 'message', 'place', 'retained', 'incoming'] as const)
    for (const values of disk.rows(table)) after.before.push({ table, values, gone: false });
  const next = await KeptBench.open({ store: after, clock: new ManualClock() });
  next.sessions.resume('a', 'user:a');
  const waiting = next.waiting('away').map((text) => text.charCodeAt(0));
  for (let id = 1; id <= 20; id++) {
    const known = await next.persistence.incomingGetPacket(a, large(id)).then(
      () => true,
      () => false,
    );
    assert.equal(known, waiting.includes(id), `${id}`);
  }
});

test('a repeat whose message still waits for the disk has the answer of that message', async () => {
  for (const fails of [true, false]) {
    const { disk, bench, connection, outcomes } = await flooded();
    connection.end();
    bench.sessions.away('a');
    disk.commit();
    bench.sessions.resume('a', 'user:a');
    let answer = 'none';
    bench.persistence.incomingGetPacket(a, large(20)).then(
      () => {
        answer = 'PUBREC';
      },
      () => {
        answer = 'new';
      },
    );
    await rest();
    assert.equal(answer, 'none');
    if (fails) disk.fail();
    for (let i = 0; i < 20; i++) {
      if (!fails) disk.commit();
      await rest();
    }
    assert.deepEqual([answer, outcomes.get(20) === 'taken'], fails ? ['new', false] : ['PUBREC', true]);
    if (!fails) assert.ok(bench.waiting('away').some((text) => text.charCodeAt(0) === 20));
  }
});

test('a message that waits behind a late disk leaves no identifier alone on it', async () => {
  const { disk, clock, bench, connection } = await twoSessions();
  const taken: number[] = [];
  const send = (id: number): void => {
    const message = { ...large(id), payload: Buffer.from(`${id}`) };
    bench.kept.admit(message, 'user:a', () => {}, connection);
    void bench.persistence.incomingStorePacket(connection, message).then(() => taken.push(id));
  };
  const onDisk = () => [
    disk.incoming(bench.sessions.get('a')?.key),
    disk.waiting(bench.sessions.get('away')?.key).length,
    taken.length,
  ];
  send(1);
  await clock.advance(limits.LATE_AFTER + 1);
  // The first one is given to the disk again; this one has to wait for what becomes of that.
  send(2);
  await rest();
  disk.commit();
  assert.deepEqual(onDisk(), [1, 1, 0]);
  await rest();
  disk.commit();
  await rest();
  assert.deepEqual(onDisk(), [2, 2, 2]);
});
