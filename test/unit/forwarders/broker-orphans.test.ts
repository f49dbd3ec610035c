/** Rows of messages and places: none outlives what it belongs to, and none goes while it is still needed. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { BrokerChange } from '../../../src/core/broker-store.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { restore } from '../../../src/forwarders/broker/restore.ts';
import { Retained } from '../../../src/forwarders/broker/retained.ts';
import { SessionJournal } from '../../../src/forwarders/broker/session-journal.ts';
import { Sessions } from '../../../src/forwarders/broker/sessions.ts';
import { KeptBench, ROOT } from '../../fakes/kept-bench.ts';
import { SlowDisk } from '../../fakes/slow-disk.ts';

const row = (table: BrokerChange['table'], ...values: BrokerChange['values']): BrokerChange => ({ table, values, gone: false });
const content = (n: number) => new Uint8Array([n]);

test('rows that belong to nothing are deleted at a start, and counted', () => {
  const disk = new SlowDisk();
  const rows = [
    row('session', 1, 'a', 'user:a', 5, null, null),
    row('filter', 1, '#', 1, '{}', null, null),
    row('filter', 7, '#', 1, '{}', null, null),
    row('incoming', 1, 11),
    row('incoming', 7, 12),
    row('message', 1, 't', content(1), 1, 'user:p'),
    row('message', 2, 't', content(2), 1, 'user:p'),
    row('message', 3, 't', content(3), 1, 'user:p'),
    row('place', 1, 1, 0, 1, 0),
    // Its session is gone, and with it whatever waits for this message.
    row('place', 7, 2, 0, 1, 0),
    // Its message is gone.
    row('place', 1, 9, 0, 1, 0),
  ];
  for (const one of rows) disk.change(one);
  const journal = new SessionJournal(disk);
  const sessions = new Sessions({
    clock: { monotonic: () => 0, wall: () => 0, after: () => () => {}, exactly: () => () => {} },
    ...{ alarms: 'alarm/', again: 'resend/', roomy: async () => {}, onOverflow: () => {}, onLost: () => {}, journal },
  });
  const retained = new Retained(ROOT, { get: () => undefined, all: () => [] });
  // A filter, an identifier, two places and the messages 2 and 3.
  assert.equal(restore(rows, { sessions, retained, journal }), 6);
  assert.deepEqual(
    [disk.of('session'), disk.of('filter'), disk.of('incoming'), disk.of('message'), disk.of('place')],
    [[[1]], [[1, '#']], [[1, 11]], [[1]], [[1, 1]]],
  );
  assert.equal(sessions.queues.messages, 1);
  // What is left is the whole of it.
  assert.equal(
    restore([...disk.rows.values()], { sessions: new Sessions({ ...sessionsOptions(), journal }), retained, journal }),
    0,
  );
});

function sessionsOptions() {
  return {
    clock: { monotonic: () => 0, wall: () => 0, after: () => () => {}, exactly: () => () => {} },
    ...{ alarms: 'alarm/', again: 'resend/', roomy: async () => {}, onOverflow: () => {}, onLost: () => {} },
  };
}

test('a message that a full queue pushes out stays on the disk for the next session', async () => {
  for (const admitted of [true, false]) {
    const disk = new SlowDisk();
    disk.hangs = false;
    const bench = await KeptBench.open({ store: disk });
    // The queue of the first one is full of alarms: what comes is pushed out at once.
    await bench.client('full', '#');
    const alarm = {
      cmd: 'publish',
      topic: `${ROOT}/alarm/x`,
      payload: Buffer.alloc(1),
      qos: 1,
      retain: false,
      dup: false,
    } as const;
    for (let n = 0; n < limits.MAX_SESSION_MESSAGES; n++) await bench.deliver({ ...alarm, payload: Buffer.alloc(1) });
    await bench.client('next', 't');
    for (const id of ['full', 'next']) bench.sessions.away(id);
    const packet = { cmd: 'publish', topic: 't', payload: Buffer.from('m'), qos: 1, retain: false, dup: false } as const;
    if (admitted) await bench.publish('t', 'm');
    else await bench.deliver(packet);
    assert.deepEqual(bench.waiting('next'), ['m']);
    assert.equal(bench.waiting('full').includes('m'), false);
    assert.deepEqual([disk.of('message').length, disk.of('place').length], [1, 1]);
    assert.deepEqual(await bench.drain('next'), ['m']);
    assert.deepEqual([disk.of('message').length, disk.of('place').length], [0, 0]);
  }
});
