/** Packet identifiers of messages on their way to one client, and the acknowledgements that it owes for them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Flights } from '../../../src/forwarders/broker/flights.ts';
import { KNOWN_REQUESTS_AT_ONCE } from '../../../src/forwarders/broker/limits.ts';
import { PACKET } from '../../../src/forwarders/broker/packet-check.ts';
import { type Entry, Queue } from '../../../src/forwarders/broker/queue.ts';
import { Requests } from '../../../src/forwarders/broker/requests.ts';

const { puback, pubrec, pubcomp } = PACKET;

test('each identifier goes its own way, whatever the others do', () => {
  type Way = 'free' | 'one' | 'two' | 'released';
  const steps = fc.array(
    fc.record({
      id: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(65_534, 65_535)),
      does: fc.constantFrom('one', 'two', 'released', puback, pubrec, pubcomp),
    }),
    { maxLength: 60 },
  );
  /** What an acknowledgement leaves; undefined: it is wrong. */
  const after: Readonly<Record<number, Readonly<Record<Way, Way | undefined>>>> = {
    [puback]: { free: 'free', one: 'free', two: undefined, released: undefined },
    [pubrec]: { free: 'free', one: undefined, two: 'released', released: 'released' },
    [pubcomp]: { free: 'free', one: undefined, two: undefined, released: 'free' },
  };
  fc.assert(
    fc.property(steps, (all) => {
      const flights = new Flights();
      const model = new Map<number, Way>();
      for (const { id, does } of all) {
        if (typeof does === 'string') {
          if (does === 'released') flights.released(id);
          else flights.sent(id, does === 'one' ? 1 : 2);
          model.set(id, does as Way);
          continue;
        }
        const wanted = after[does]?.[model.get(id) ?? 'free'];
        assert.equal(flights.acknowledged(does, id) === undefined, wanted !== undefined);
        if (wanted !== undefined) model.set(id, wanted);
      }
    }),
  );
});

test('the next identifier is one that is not in use, from 1 to 65,535 and around', () => {
  const flights = new Flights();
  const taken = new Set<number>();
  for (let i = 0; i < 65_535; i++) {
    const id = flights.next();
    taken.add(id);
    flights.sent(id, 1);
  }
  assert.equal(taken.size, 65_535);
  assert.deepEqual([Math.min(...taken), Math.max(...taken)], [1, 65_535]);
  flights.acknowledged(puback, 700);
  assert.equal(flights.next(), 700, 'the only one that is free');
  flights.sent(700, 1);
  assert.equal(flights.next(), 701, 'the one that is in use for longest');
});

test('both acknowledgements of a message of QoS 2 are owed, and one more is a request', () => {
  const requests = new Requests({ monotonic: () => 0, wall: () => 0, after: () => () => {}, exactly: () => () => {} });
  requests.known();
  for (let i = 0; i < 5 * KNOWN_REQUESTS_AT_ONCE; i++) {
    requests.owe(2);
    assert.ok(requests.acknowledged() && requests.acknowledged(), `message ${i}`);
  }
  for (let i = 0; i < KNOWN_REQUESTS_AT_ONCE; i++) assert.ok(requests.acknowledged(), `request ${i}`);
  assert.equal(requests.acknowledged(), false);
});

const entry = (): Entry => ({
  ...{ brokerId: undefined, brokerCounter: 1, topic: 't', payload: Buffer.alloc(1), qos: 1, dup: false, messageId: undefined },
  ...{ sent: false, released: false, own: undefined, stored: undefined, from: '' },
});

test('no message gets the packet identifier of another one in flight', () => {
  const step = fc.record({
    does: fc.constantFrom('queue', 'pushed out', 'other', puback),
    wish: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 65_527, max: 65_535 })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const flights = new Flights();
      const queue = new Queue();
      queue.inFlight = (id) => flights.has(id);
      const inFlight = new Set<number>();
      for (const { does, wish } of steps) {
        const oldest = queue.entries[0];
        if (does === puback) {
          assert.equal(flights.acknowledged(does, wish), undefined);
          inFlight.delete(wish);
          const gone = queue.numbered(wish);
          if (gone !== undefined) queue.remove(gone);
        } else if (does === 'pushed out') {
          // Its receiver does not know, and will acknowledge it.
          if (oldest !== undefined) queue.remove(oldest);
        } else {
          const one = entry();
          const id = does === 'other' ? queue.otherNumber() : queue.number(one, wish);
          if (does === 'queue') queue.push(one);
          assert.ok(!inFlight.has(id), `${does}: ${id} is in flight`);
          flights.sent(id, 1);
          inFlight.add(id);
        }
      }
    }),
  );
});

test('a client that acknowledges nothing still gets identifiers, and none that the queue has', () => {
  const flights = new Flights();
  const queue = new Queue();
  queue.inFlight = (id) => flights.has(id);
  for (let id = 1; id <= 65_535; id++) flights.sent(id, 1);
  const ids = Array.from({ length: 20 }, () => {
    const one = entry();
    queue.number(one, 700);
    queue.push(one);
    return one.messageId;
  });
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(!ids.includes(queue.otherNumber()));
});
