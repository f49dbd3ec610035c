/** The frame guard gathers small packets that are written in one turn of the event loop. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import test, { type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Turnstile } from '../../../src/core/turns.ts';
import { FrameGuard } from '../../../src/forwarders/broker/frame-guard.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { PartialPackets } from '../../../src/forwarders/broker/packet-cutter.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

/** A guard before a socket that takes everything, and what each write of the socket held. */
function guarded(t: TestContext): { guard: FrameGuard; writes: string[] } {
  const writes: string[] = [];
  const socket = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      writes.push(chunk.toString());
      done();
    },
    writev: (chunks, done) => {
      writes.push(chunks.map(({ chunk }) => (chunk as Buffer).toString()).join(''));
      done();
    },
  });
  const clock = new ManualClock();
  const guard = new FrameGuard(
    socket as unknown as Socket,
    {
      ...{
        beforeConnect: limits.MAX_PACKET_BEFORE_CONNECT,
        afterConnect: limits.MAX_PACKET,
        packetTimeout: limits.PACKET_TIMEOUT,
      },
      ...{
        drainTimeout: limits.DRAIN_TIMEOUT,
        unsent: limits.MAX_UNSENT,
        topicBytes: limits.MAX_TOPIC,
        topicLevels: limits.MAX_LEVELS,
      },
      ...{ filterLevels: limits.MOST_LEVELS, filters: limits.REQUESTS_AT_ONCE },
    },
    {
      ...{ clock, turnstile: new Turnstile(clock), partial: new PartialPackets(limits.MAX_PARTIAL, () => {}) },
      lingering: { now: 0, most: 1, refused: 0 },
    },
  );
  t.after(() => guard.destroy());
  return { guard, writes };
}

/** As aedes writes a packet: in pieces, each packet in a part of the turn of its own. */
function packet(guard: FrameGuard, ...pieces: string[]): void {
  setImmediate(() => {
    guard.cork();
    process.nextTick(() => guard.uncork());
    for (const piece of pieces) guard.write(piece);
  });
}

test('small packets of one turn leave in one write, in order', async (t) => {
  const { guard, writes } = guarded(t);
  packet(guard, 'a', '1');
  packet(guard, 'b', '2');
  packet(guard, 'c', '3');
  await nextTurn();
  await nextTurn();
  assert.deepEqual(writes, ['a1b2c3']);
  packet(guard, 'd');
  await nextTurn();
  await nextTurn();
  assert.deepEqual(writes, ['a1b2c3', 'd']);
  assert.equal(guard.unsent, 0);
});

test('a packet in a hurry leaves with its turn, behind gathered ones; later ones are gathered', async (t) => {
  const { guard, writes } = guarded(t);
  packet(guard, 'a', '1');
  setImmediate(() => guard.hurry());
  packet(guard, 'b', '2');
  packet(guard, 'c', '3');
  await nextTurn();
  assert.deepEqual(writes, ['a1', 'b2', 'c3']);
  await nextTurn();
  packet(guard, 'd', '4');
  packet(guard, 'e', '5');
  await nextTurn();
  await nextTurn();
  assert.deepEqual(writes, ['a1', 'b2', 'c3', 'd4e5']);
});

test('larger packets of one turn do not wait for each other, and make no client congested', async (t) => {
  const { guard, writes } = guarded(t);
  const congested: boolean[] = [];
  for (let i = 0; i < 8; i++) {
    packet(guard, `${i}`, 'x'.repeat(limits.MAX_UNSENT / 4));
    setImmediate(() => congested.push(guard.congested));
  }
  await nextTurn();
  await nextTurn();
  assert.deepEqual(congested, Array(8).fill(false));
  assert.equal(writes.join('').replaceAll('x', ''), '01234567');
  assert.equal(guard.unsent, 0);
});

test('what was gathered leaves before the end of the connection', async (t) => {
  const { guard, writes } = guarded(t);
  packet(guard, 'a');
  setImmediate(() => guard.end('last'));
  await nextTurn();
  await nextTurn();
  assert.equal(writes.join(''), 'alast');
  assert.equal(guard.unsent, 0);
});
