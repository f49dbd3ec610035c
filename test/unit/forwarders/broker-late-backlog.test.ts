/** A log that answers when clients are there already: the broker queues nothing that nobody takes, and reports what it leaves out. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { OwnBacklog, OwnMessages } from '../../../src/forwarders/broker/own-backlog.ts';
import { restoreOwn } from '../../../src/forwarders/broker/restore.ts';
import { Sessions } from '../../../src/forwarders/broker/sessions.ts';

const place = { log: 'l', seq: 1 };
const readings: OwnMessages = {
  messages: [1, 3, 5].map((n) => ({ topic: 'data', payload: Buffer.from('x'), span: { log: 'l', first: n, last: n + 1 } })),
  left: undefined,
};

/** A session that was away, and a log that is being read for it. */
function make() {
  const sessions = new Sessions({
    clock: { monotonic: () => 0, wall: () => 0, after: () => () => {}, exactly: () => () => {} },
    ...{ alarms: 'alarm/', again: 'resend/', roomy: async () => {}, onOverflow: () => {}, onLost: () => {} },
  });
  const session = sessions.add({ key: 1, id: 'a', owner: 'user:a', away: 0, place });
  session.filters.set('r/data', { topic: 'r/data', qos: 1, rest: {}, place });
  const { promise, resolve } = Promise.withResolvers<OwnMessages>();
  const backlog: OwnBacklog = { next: () => place, isFrom: () => true, read: () => promise };
  const missed: unknown[] = [];
  const done = restoreOwn(sessions, backlog, 'r', { log: 'l', seq: 99 }, (of, span) => missed.push([of.id, span]));
  return {
    ...{ sessions, missed },
    answer: () => {
      resolve(readings);
      return done;
    },
  };
}
const held = (sessions: Sessions) => [sessions.queues.messages, sessions.queues.bytes > 0];

test('a session that is away, or is being sent its queue, gets what it missed from a late log', async () => {
  const away = make();
  await away.answer();
  assert.deepEqual(held(away.sessions), [3, true]);
  const back = make();
  back.sessions.resume('a', 'user:a');
  await back.answer();
  const seen: unknown[] = [];
  for await (const packet of back.sessions.queues.replay('a')) {
    seen.push(packet.cmd);
    back.sessions.queues.written('a', packet);
  }
  assert.deepEqual([seen.length, away.missed, back.missed], [3, [], []]);
});

test('a session that ended while the log was read gets nothing, and holds nothing', async () => {
  for (const begins of [false, true]) {
    const { sessions, missed, answer } = make();
    sessions.end('a');
    if (begins) sessions.resume('a', 'user:b');
    await answer();
    assert.deepEqual([held(sessions), missed], [[0, false], []]);
  }
});

test('an event names the numbers of a late log that a connected session misses', async () => {
  const { sessions, missed, answer } = make();
  sessions.resume('a', 'user:a');
  for await (const _ of sessions.queues.replay('a')) assert.fail('there is nothing yet');
  await answer();
  assert.deepEqual(held(sessions), [0, false]);
  assert.deepEqual(missed, [['a', { log: 'l', first: 1, last: 6 }]]);
});

test('a filter that was given up while the log was read gets nothing of it', async () => {
  const { sessions, missed, answer } = make();
  sessions.unsubscribe('a', ['r/data']);
  await answer();
  assert.deepEqual([held(sessions), missed], [[0, false], []]);
});
