import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { LatestValue } from '../../../src/core/ports.ts';
import { isFilter, matches } from '../../../src/core/topic-filter.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import type { QueuedPacket } from '../../../src/forwarders/broker/queue.ts';
import { Sessions } from '../../../src/forwarders/broker/sessions.ts';
import { encodeValue } from '../../../src/forwarders/broker/value-json.ts';

test('topic filters match as section 4.7 of MQTT 3.1.1 says', () => {
  for (const [filter, topic, expected] of [
    ['#', 'a/b', true],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/#', 'ab', false],
    ['+', 'a', true],
    ['+', 'a/b', false],
    ['+/+', '/a', true],
    ['/+', '/a', true],
    ['+', '/a', false],
    ['a/+', 'a/', true],
    ['a/+/c', 'a/b/c', true],
    ['a/+/c', 'a/b/d', false],
    ['a/b', 'a/b', true],
    ['a/b', 'a/b/c', false],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
  ] as const)
    assert.equal(matches(filter, topic), expected, `${filter} and ${topic}`);
});

test('filters that MQTT does not know are not granted', () => {
  for (const bad of ['', 'a#', '#/a', 'a/#/b', 'a+', '+a/b', 'a\0', 'x'.repeat(257), '/'.repeat(16)])
    assert.equal(isFilter(bad, 256, 16), false, JSON.stringify(bad));
  for (const good of ['#', '+', 'a/+/#', '/', 'a//b', 'x'.repeat(256)]) assert.equal(isFilter(good, 256, 16), true, good);
});

test('a value says what it is', () => {
  const base: LatestValue = { device: 'd', point: 'p', type: 'float64', time: 1.6, value: 4.25, unit: 'Cel', reason: 0 };
  const say = (change: Partial<LatestValue>) => JSON.parse(encodeValue({ ...base, ...change }));
  assert.deepEqual(say({}), { time: 2, value: 4.25, unit: 'Cel', quality: 'good' });
  assert.deepEqual(say({ unit: undefined }), { time: 2, value: 4.25, unit: null, quality: 'good' });
  assert.equal(say({ type: 'int64', value: -9_007_199_254_740_993n }).value, '-9007199254740993');
  assert.equal(say({ type: 'uint64', value: 5 }).value, '5');
  assert.equal(say({ type: 'bool', value: true }).value, true);
  assert.equal(say({ type: 'string', value: 'a"\n' }).value, 'a"\n');
  assert.deepEqual(say({ reason: 128 }), { time: 2, value: 4.25, unit: 'Cel', quality: 'uncertain', reason: 'out-of-range' });
  assert.deepEqual(say({ reason: 1, value: null }), { time: 2, value: null, unit: 'Cel', quality: 'bad', reason: 'timeout' });
});

function packet(counter: number, topic: string, size: number): QueuedPacket {
  return { cmd: 'publish', brokerCounter: counter, topic, payload: Buffer.alloc(size), qos: 1, retain: false, dup: false };
}

test('queues keep their bounds and their order whatever happens', async () => {
  const command = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('publish'),
        size: fc.integer({ min: 1, max: 300_000 }),
        topic: fc.constantFrom(1, 40, limits.MAX_TOPIC, 60_000),
        alarm: fc.boolean(),
      }),
    },
    fc.record({ do: fc.constantFrom('resume', 'away', 'end', 'ack'), client: fc.integer({ min: 0, max: 5 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 120 }), async (commands) => {
      let now = 0;
      const told: string[] = [];
      const sessions = new Sessions({
        clock: { monotonic: () => now++, wall: () => 0, after: () => () => {}, exactly: () => () => {} },
        alarms: 'alarm/',
        again: 'resend/',
        roomy: async () => {},
        onOverflow: (client) => told.push(client),
        onLost: () => {},
      });
      let counter = 0;
      for (const c of commands) {
        if ('size' in c) {
          const next = packet(++counter, `${c.alarm ? 'alarm' : 'data'}/${'é'.repeat(c.topic / 2)}`, c.size);
          for (const id of sessions.of(next.topic)) sessions.queues.enqueue(id, next);
          continue;
        }
        const id = `c${c.client}`;
        if (c.do === 'away') sessions.away(id);
        else if (c.do === 'end') sessions.end(id);
        else if (c.do === 'ack') sessions.queues.acknowledged(id, c.client);
        else {
          sessions.resume(id);
          sessions.subscribe(id, { topic: '#', qos: 1 });
          let last = 0;
          let number = 0;
          for await (const p of sessions.queues.replay(id)) {
            assert.ok((p.brokerCounter ?? 0) > last);
            last = p.brokerCounter ?? 0;
            assert.equal(sessions.queues.replaying(id), true);
            sessions.queues.written(id, { brokerCounter: last, messageId: ++number });
          }
          assert.equal(sessions.queues.replaying(id), false);
        }
        const held = [...sessions.all()].flatMap(({ queue }) => queue.entries);
        const bytes = held.reduce((sum, { topic, payload }) => sum + Buffer.byteLength(topic) + payload.length, 0);
        assert.equal(sessions.queues.bytes, bytes);
        assert.ok(bytes <= limits.MAX_ALL_SESSIONS_BYTES);
      }
      for (let i = 0; i < 6; i++) sessions.end(`c${i}`);
      assert.deepEqual({ bytes: sessions.queues.bytes, count: sessions.count }, { bytes: 0, count: 0 });
    }),
    { numRuns: 200 },
  );
});

test('a session that nobody uses ends, and what it held is told', () => {
  let now = 0;
  const lost: unknown[] = [];
  const sessions = new Sessions({
    clock: { monotonic: () => now, wall: () => 0, after: () => () => {}, exactly: () => () => {} },
    alarms: 'alarm/',
    again: 'resend/',
    roomy: async () => {},
    onOverflow: () => {},
    onLost: (...args) => lost.push(args),
  });
  sessions.resume('a');
  sessions.subscribe('a', { topic: 'data', qos: 1 });
  sessions.resume('here');
  sessions.away('a');
  sessions.queues.enqueue('a', packet(1, 'data', 10));
  now = limits.SESSION_EXPIRY;
  sessions.expire();
  assert.equal(sessions.count, 2);
  now++;
  sessions.expire();
  assert.equal(sessions.count, 1);
  assert.deepEqual(lost, [['a', 1, 'expired']]);
});

test('what was sent and not acknowledged is sent again, marked as a repeat, before what is new', async () => {
  const sessions = new Sessions({
    clock: { monotonic: () => 0, wall: () => 0, after: () => () => {}, exactly: () => () => {} },
    alarms: 'alarm/',
    again: 'resend/',
    roomy: async () => {},
    onOverflow: () => {},
    onLost: () => {},
  });
  sessions.resume('a');
  for (let i = 1; i <= 3; i++) sessions.queues.enqueue('a', packet(i, 'data', 1));
  sessions.queues.written('a', { brokerCounter: 1, messageId: 11 });
  sessions.queues.written('a', { brokerCounter: 2, messageId: 12 });
  assert.equal(sessions.queues.acknowledged('a', 11)?.brokerCounter, 1);
  assert.equal(sessions.queues.acknowledged('a', undefined), undefined);
  sessions.away('a');
  sessions.resume('a');
  const seen: unknown[] = [];
  for await (const p of sessions.queues.replay('a')) {
    seen.push([p.brokerCounter, p.dup]);
    // Comes while the queue is sent: follows.
    if (seen.length === 1) sessions.queues.enqueue('a', packet(4, 'data', 1));
    sessions.queues.written('a', { brokerCounter: p.brokerCounter, messageId: 20 + seen.length });
  }
  assert.deepEqual(seen, [
    [2, true],
    [3, false],
    [4, false],
  ]);
});

test('a message that is pushed out while it is handed over does not stop the others behind it', async () => {
  const sessions = new Sessions({
    clock: { monotonic: () => 0, wall: () => 0, after: () => () => {}, exactly: () => () => {} },
    ...{ alarms: 'alarm/', again: 'resend/', roomy: async () => {}, onOverflow: () => {}, onLost: () => {} },
  });
  sessions.resume('a');
  sessions.away('a');
  for (let n = 1; n <= limits.MAX_SESSION_MESSAGES; n++) sessions.queues.enqueue('a', packet(n, 'data', 10));
  sessions.resume('a');
  const replay = sessions.queues.replay('a');
  const first = await replay.next();
  // The queue is full, and the oldest message goes: the one that is on its way to the client.
  sessions.queues.enqueue('a', packet(limits.MAX_SESSION_MESSAGES + 1, 'data', 10));
  sessions.queues.written('a', { ...first.value, messageId: undefined });
  const seen = [first.value?.brokerCounter];
  for await (const p of replay) {
    sessions.queues.written('a', p as QueuedPacket);
    seen.push(p.brokerCounter);
  }
  assert.deepEqual(
    seen,
    Array.from({ length: limits.MAX_SESSION_MESSAGES + 1 }, (_, i) => i + 1),
  );
  assert.equal(sessions.queues.replaying('a'), false);
});
