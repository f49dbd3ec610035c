import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Client } from 'aedes';
import { silentLogger } from '../../../src/core/logger.ts';
import { FIRST_PER_TURN, MOST_PER_TURN, TURN_TIME, Turnstile } from '../../../src/core/turns.ts';
import { Audience } from '../../../src/forwarders/broker/audience.ts';
import { Clients } from '../../../src/forwarders/broker/clients.ts';
import { VALUE_EVERY } from '../../../src/forwarders/broker/limits.ts';
import { LiveFeed } from '../../../src/forwarders/broker/live-feed.ts';
import { Retained } from '../../../src/forwarders/broker/retained.ts';
import { SessionJournal } from '../../../src/forwarders/broker/session-journal.ts';
import { Sessions } from '../../../src/forwarders/broker/sessions.ts';
import { KeptBench } from '../../fakes/kept-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { SlowDisk } from '../../fakes/slow-disk.ts';
import { shapeOf } from '../../harness/embedded-broker.ts';

/** Many that ask again and again, each turn of them after `costs` ms; how many had their turn in each of `count` turns. */
async function turns(costs: number, count: number, turnstile: Turnstile, clock: { at: number }): Promise<number[]> {
  const perTurn: number[] = [];
  let ran = 0;
  let over = false;
  const more = (): void => {
    ran++;
    clock.at += costs;
    if (!over) turnstile.later(more);
  };
  for (let i = 0; i < 2 * MOST_PER_TURN; i++) turnstile.later(more);
  for (let i = 0; i < count; i++) {
    ran = 0;
    await nextTurn();
    perTurn.push(ran);
  }
  over = true;
  return perTurn;
}

/** A time that what runs moves. */
function timed(): { turnstile: Turnstile; clock: { at: number } } {
  const clock = { at: 0 };
  return { clock, turnstile: new Turnstile(Object.assign(new ManualClock(), { monotonic: () => clock.at })) };
}

test('so many enter in one turn, and the others follow in their order', async () => {
  const turnstile = new Turnstile(new ManualClock());
  const entered = Array.from({ length: FIRST_PER_TURN + 3 }, () => turnstile.enter());
  assert.equal(entered.filter(Boolean).length, FIRST_PER_TURN);
  assert.equal(entered.at(-1), false);
  const order: number[] = [];
  for (let i = 0; i < 3 * MOST_PER_TURN; i++) turnstile.later(() => order.push(i));
  await nextTurn();
  assert.equal(order.length, FIRST_PER_TURN);
  while (order.length < 3 * MOST_PER_TURN) await nextTurn();
  assert.deepEqual(
    order,
    Array.from({ length: 3 * MOST_PER_TURN }, (_, i) => i),
  );
});

test('one that waits and then has more to ask takes no more than the turn has', async () => {
  const turnstile = new Turnstile(new ManualClock());
  let taken = 0;
  let over = false;
  const all = (): void => {
    while (turnstile.enter()) taken++;
    if (!over) turnstile.wait(all);
  };
  const others: string[] = [];
  all();
  assert.equal(taken, FIRST_PER_TURN);
  turnstile.later(() => others.push('the other'));
  await nextTurn();
  assert.equal(taken, 2 * FIRST_PER_TURN);
  await nextTurn();
  assert.deepEqual(others, ['the other']);
  over = true;
});

test('turns that take long let fewer through, one at least, and short ones let more', async () => {
  const { clock, turnstile } = timed();
  const long = await turns(2 * TURN_TIME, 10, turnstile, clock);
  assert.equal(long[0], FIRST_PER_TURN);
  assert.equal(long.at(-1), 1);
  const short = await turns(0, 3 * MOST_PER_TURN, turnstile, clock);
  assert.equal(short.at(-1), MOST_PER_TURN);
});

test('time in which nobody waited is not taken for the time of a turn', async () => {
  const { clock, turnstile } = timed();
  for (let i = 0; i < 20; i++) {
    turnstile.later(() => {});
    await nextTurn();
    clock.at += 1000;
  }
  const [first] = await turns(0, 1, turnstile, clock);
  assert.equal(first, FIRST_PER_TURN);
});

function feedOf(points: number, atOnce: number) {
  const clock = new ManualClock();
  const latest = {
    get: (device: string, point: string) => ({
      ...({ device, point, type: 'float64', unit: 'Cel', reason: 0, time: 1, value: 1 } as const),
    }),
    all: () => [].values(),
  };
  const published: string[] = [];
  const waiting: (() => void)[] = [];
  const feed = new LiveFeed({
    ...{ root: 'r', clock, latest, retained: new Retained('r', latest), encodeBatch: () => [] },
    ...{ listens: () => true, keeps: () => false, revision: () => 1, ready: () => true, atOnce: () => atOnce },
    nextTurn: (run) => waiting.push(run),
    publish: (topic) => published.push(topic),
  });
  const shape = shapeOf('d', points);
  const read = (): void => feed.sample({ shape, at: 0, values: shape.points.map(() => 1), reasons: null }, undefined);
  return { clock, feed, published, waiting, read };
}

test('values for many listeners go out in parts, one a turn, each value once', async () => {
  const { clock, published, waiting, read } = feedOf(25, 10);
  read();
  await clock.advance(VALUE_EVERY);
  assert.equal(published.length, 10);
  // A value that is read meanwhile and waits already waits once.
  read();
  while (waiting.length > 0) waiting.shift()?.();
  assert.equal(published.length, 35);
  assert.equal(new Set(published.slice(0, 25)).size, 25);
  await clock.advance(VALUE_EVERY);
  assert.equal(waiting.length, 0);
});

test('a feed that stopped publishes no value in the turns that follow', async () => {
  const { clock, feed, published, waiting, read } = feedOf(25, 10);
  read();
  await clock.advance(VALUE_EVERY);
  feed.stop();
  for (const run of waiting) run();
  assert.equal(published.length, 10);
});

function clientsOf() {
  const clock = new ManualClock();
  const nobody = { roomy: async () => {}, onOverflow: () => {}, onLost: () => {}, place: () => undefined };
  const sessions = new Sessions({ ...{ clock, alarms: '', again: '', journal: new SessionJournal(undefined) }, ...nobody });
  const clients = new Clients({
    ...{ clock, logger: silentLogger, audience: new Audience(), sessions, root: 'r', access: undefined, relieved: () => {} },
  });
  const taken: Socket[] = [];
  const arrive = (socket: Socket): void =>
    clients.connected(socket, (guard) => {
      taken.push(guard.socket);
      guard.on('error', () => {});
      return { id: '', _parser: new EventEmitter() } as unknown as Client;
    });
  return { clients, taken, arrive };
}

test('connections that arrive at once are taken in parts, and those gone meanwhile not at all', async () => {
  const { clients, taken, arrive } = clientsOf();
  const sockets = Array.from({ length: 3 * FIRST_PER_TURN }, () => new Socket());
  for (const socket of sockets) arrive(socket);
  assert.equal(taken.length, 0);
  await nextTurn();
  assert.deepEqual(taken, sockets.slice(0, FIRST_PER_TURN));
  sockets.at(-1)?.destroy();
  while (taken.length < sockets.length - 1) await nextTurn();
  for (let i = 0; i < 5; i++) await nextTurn();
  assert.deepEqual(taken, sockets.slice(0, -1));
  clients.end();
});

test('a broker that ends closes connections that wait for their turn', async () => {
  const { clients, taken, arrive } = clientsOf();
  const sockets = Array.from({ length: 2 * FIRST_PER_TURN }, () => new Socket());
  for (const socket of sockets) arrive(socket);
  await nextTurn();
  clients.end();
  assert.ok(sockets.every((socket) => socket.destroyed));
  for (let i = 0; i < 5; i++) await nextTurn();
  assert.equal(taken.length, FIRST_PER_TURN);
});

test('thousands of messages that one commit brings to the disk go on in turns, in their order', async () => {
  const disk = new SlowDisk();
  const clock = new ManualClock();
  const bench = new KeptBench({ store: disk, clock, turns: new Turnstile(clock) });
  const many = 2000;
  const went: number[] = [];
  for (let i = 0; i < many; i++) void bench.publish('plant/t', `${i}`).then(() => went.push(i));
  await nextTurn();
  assert.equal(went.length, 0);
  disk.answer();
  let most = 0;
  for (let before = 0; went.length < many; before = went.length) {
    await nextTurn();
    most = Math.max(most, went.length - before);
  }
  // A turn of the loop has the end of one turn of the door and all of the next.
  assert.ok(most <= 2 * MOST_PER_TURN, String(most));
  assert.deepEqual(
    went,
    Array.from({ length: many }, (_, i) => i),
  );
});
