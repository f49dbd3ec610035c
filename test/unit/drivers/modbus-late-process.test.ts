/** Time-outs of a process that gets no turns: what has arrived meanwhile is no time-out, and a device that is silent still is one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import { Client } from '../../../src/drivers/modbus/client.ts';
import type { PortEvents } from '../../../src/drivers/modbus/port.ts';

const ASK = { unitId: 1, pdu: Uint8Array.of(3, 0, 0, 0, 1) } as never;
const TIME_OUT = 100;

/** @param late of each timer, ms, in turn; those after the last are in time */
function bench(late: readonly number[]) {
  let now = 0;
  let timer: { run: () => void; due: number } | undefined;
  const clock = {
    monotonic: () => now,
    wall: () => now,
    after: (ms: number, run: () => void) => {
      timer = { run, due: now + ms };
      return () => {
        timer = undefined;
      };
    },
    exactly: () => assert.fail('not asked for'),
  };
  let port: PortEvents | undefined;
  const outcomes: string[] = [];
  const client = new Client(
    (events) => {
      port = events;
      return {
        ...{ isOpen: true, wireTime: () => 0, readyAt: () => 0, heldUntil: () => 0, open: () => {}, close: () => {} },
        ...{ send: () => {}, giveUp: () => new SluiceError('timeout') },
      };
    },
    clock,
    { late: () => {}, skipped: () => {}, closed: () => {} },
  );
  client.send(ASK, TIME_OUT, TIME_OUT, (error) => outcomes.push(error?.code ?? 'good'));
  const all = [...late];
  return {
    outcomes,
    reply: () => port?.reply(1, Uint8Array.of(3, 2, 0, 7), now),
    get at() {
      return now;
    },
    /** Runs the timer that is due next, if there is one. */
    turn: () => {
      if (timer === undefined) return false;
      const { run, due } = timer;
      timer = undefined;
      now = due + (all.shift() ?? 0);
      run();
      return true;
    },
  };
}

test('a process that has its turns gives a request up at its time-out', () => {
  const b = bench([19]);
  assert.ok(b.turn());
  assert.deepEqual([b.outcomes, b.at], [['timeout'], TIME_OUT + 19]);
});

test('a process that stood still twice takes the reply that lies there', () => {
  const b = bench([3000, 40]);
  assert.ok(b.turn());
  assert.ok(b.turn());
  assert.deepEqual(b.outcomes, []);
  b.reply();
  assert.deepEqual([b.outcomes, b.turn()], [['good'], false]);
});

test('a silent device is given up also by a process that is late each time', () => {
  const b = bench(Array.from({ length: 50 }, () => 1000));
  while (b.turn());
  assert.deepEqual([b.outcomes, b.at], [['timeout'], TIME_OUT + 1000 + 5 * 1020]);
});
