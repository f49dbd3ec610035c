/** The life of Node-RED as a pure machine: what it does with an event that comes late, twice or at the wrong time. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { BACKOFF, CRASHES, type FlowEffect, type FlowEvent, FlowMachine, MISSED } from '../../../src/node-red/machine.ts';

const MINUTE = 60_000;
const types = (effects: readonly FlowEffect[]) => effects.map((e) => (e.type === 'tell' ? `tell ${e.what}` : e.type));

/** A machine after these events, a second apart. */
function after(...events: FlowEvent[]) {
  const machine = new FlowMachine(() => 1);
  let now = 0;
  const handle = (event: FlowEvent, ms = 1000) => {
    now += ms;
    return types(machine.handle(event, now));
  };
  for (const event of events) handle(event);
  return { machine, handle };
}
const WANT: FlowEvent = { type: 'want', safeMode: 'afterCrashes' };
const CHANGED: FlowEvent = { type: 'changed', safeMode: 'afterCrashes' };
const READY: FlowEvent = { type: 'ready' };
const ENDED: FlowEvent = { type: 'ended', why: 'of a fault' };
const MISS: FlowEvent = { type: 'missed' };
const DUE: FlowEvent = { type: 'due' };

test('an end that is reported twice is one crash', () => {
  const { machine, handle } = after(WANT, READY);
  assert.deepEqual(handle(ENDED), ['tell crash', 'wait']);
  assert.deepEqual(handle(ENDED), []);
  assert.deepEqual(handle({ type: 'refused', why: 'nothing to refuse' }), []);
  assert.equal(machine.crashes(10_000), 1);
  assert.equal(machine.state, 'backing-off');
});

test('a second ready, and a wait that is over while it runs, change nothing', () => {
  const { machine, handle } = after(WANT, READY);
  assert.deepEqual(handle(READY), []);
  assert.deepEqual(handle(DUE), []);
  assert.equal(machine.state, 'running');
});

test('checks without an answer count only from the moment it was ready, and only in a row', () => {
  const { machine, handle } = after(WANT);
  for (let n = 0; n < 2 * MISSED; n++) assert.deepEqual(handle(MISS), []);
  assert.equal(machine.state, 'starting');
  handle(READY);
  for (let n = 0; n < 2 * MISSED; n++) {
    for (let miss = 1; miss < MISSED; miss++) assert.deepEqual(handle(MISS), []);
    assert.equal(machine.state, 'unhealthy');
    handle({ type: 'checked' });
    assert.equal(machine.state, 'running');
  }
});

test('a process that was killed for hanging is neither killed nor ended again', () => {
  const { machine, handle } = after(WANT, READY, MISS, MISS);
  assert.deepEqual(handle(MISS), ['tell hang', 'wait', 'kill']);
  assert.deepEqual(handle(MISS), []);
  // An answer that was on its way does not make it well.
  handle({ type: 'checked' });
  assert.equal(machine.state, 'unhealthy');
  assert.deepEqual(handle({ type: 'unwant' }), []);
  assert.deepEqual(handle({ type: 'unwant' }), []);
  assert.deepEqual(handle(ENDED), ['wait']);
  assert.deepEqual([machine.state, machine.crashes(MINUTE)], ['stopped', 0]);
});

test('the reason of a hang is told, not the signal that ended it', () => {
  const { machine, handle } = after(WANT, READY, MISS, MISS, MISS);
  handle({ type: 'ended', why: 'it was ended by SIGKILL' });
  assert.match(machine.reason ?? '', /no message passes through it/);
});

test('new settings end a wait at once; a start that is wanted already does not', () => {
  const { machine, handle } = after(WANT, READY, ENDED);
  assert.deepEqual(handle(WANT), []);
  assert.equal(machine.state, 'backing-off');
  assert.deepEqual(handle(CHANGED), ['wait', 'start']);
  assert.equal(machine.nextStart, undefined);
});

test('wanted again while it stops, it starts when its end is proven, and that is no crash', () => {
  for (const end of [ENDED, { type: 'refused', why: 'it was stopped before it started' }] as const) {
    const { machine, handle } = after(WANT, READY);
    assert.deepEqual(handle({ type: 'unwant' }), ['wait', 'end']);
    assert.deepEqual(handle(WANT), []);
    assert.deepEqual(handle(end), ['wait', 'start']);
    assert.deepEqual([machine.crashes(MINUTE), machine.restarts], [0, 0]);
  }
});

test('what is missing is told once, and again after it was there', () => {
  const refused: FlowEvent = { type: 'refused', why: 'Node-RED is not installed' };
  const { machine, handle } = after(WANT);
  assert.deepEqual(handle(refused), ['tell refused', 'wait']);
  handle(DUE);
  assert.deepEqual(handle(refused), ['wait']);
  handle(DUE);
  handle(READY);
  handle(ENDED);
  handle(DUE);
  assert.deepEqual(handle(refused), ['tell refused', 'wait']);
  assert.equal(machine.restarts, 3);
});

test('waits double up to the longest, and begin anew after ten minutes without a fault', () => {
  const machine = new FlowMachine(() => 1);
  let now = 0;
  const crashAfter = (ms: number): number => {
    machine.handle({ type: 'want', safeMode: 'never' }, now);
    if (machine.state === 'backing-off') {
      now = machine.nextStart ?? now;
      machine.handle(DUE, now);
    }
    machine.handle(READY, now);
    now += ms;
    machine.handle(ENDED, now);
    return (machine.nextStart ?? 0) - now;
  };
  const waits = Array.from({ length: 40 }, () => crashAfter(100));
  assert.deepEqual(waits.slice(0, 3), [BACKOFF.first, 2 * BACKOFF.first, 4 * BACKOFF.first]);
  assert.ok(waits.every((ms) => ms <= BACKOFF.longest));
  assert.equal(waits.at(-1), BACKOFF.longest);
  assert.equal(crashAfter(10 * MINUTE), BACKOFF.first);
});

test('only a deploy that starts flows leaves safe mode, and only of a process that is ready', () => {
  const machine = new FlowMachine(() => 1, 'an earlier reason');
  machine.handle(WANT, 0);
  const deploy = (flows: 'started' | 'stopped' | 'safe') => types(machine.handle({ type: 'flows', flows }, 1000));
  assert.deepEqual(deploy('started'), [], 'it is not ready');
  machine.handle(READY, 1000);
  assert.equal(machine.state, 'safe-mode');
  assert.deepEqual(deploy('safe'), []);
  assert.deepEqual(deploy('stopped'), []);
  assert.deepEqual(deploy('started'), ['tell safe-mode-left']);
  assert.equal(machine.state, 'running');
  assert.deepEqual(deploy('started'), []);
});

test('the deploy that leaves safe mode forgets the crashes before it', () => {
  const machine = new FlowMachine(() => 1);
  let now = 0;
  for (let crash = 0; crash < CRASHES; crash++) {
    machine.handle(crash === 0 ? WANT : DUE, ++now);
    machine.handle(READY, ++now);
    machine.handle(ENDED, ++now);
  }
  assert.match(machine.safeMode ?? '', /because of a fault$/);
  machine.handle(DUE, ++now);
  machine.handle(READY, ++now);
  machine.handle({ type: 'flows', flows: 'started' }, ++now);
  assert.deepEqual([machine.safeMode, machine.crashes(now)], [undefined, 0]);
  machine.handle(ENDED, ++now);
  assert.equal(machine.safeMode, undefined, 'one crash is no reason');
});

const FULL: FlowEvent = { type: 'full', why: 'the disk is full', urgent: false };
const URGENT: FlowEvent = { ...FULL, urgent: true };

test('a full disk ends the process once and starts it without flows, whatever the policy', () => {
  for (const policy of ['afterCrashes', 'never'] as const) {
    const { machine, handle } = after({ type: 'want', safeMode: policy }, READY);
    assert.deepEqual(handle(FULL), ['tell disk-full', 'wait', 'end']);
    assert.deepEqual(handle(FULL), []);
    // It writes on while it ends.
    assert.deepEqual(handle(URGENT), ['kill']);
    assert.equal(machine.flowing, true, 'until its end is proven');
    assert.deepEqual(handle(ENDED), ['wait', 'start']);
    assert.equal(machine.flowing, false, 'the log may have the spare room');
    handle(READY);
    assert.deepEqual([machine.state, machine.reason, machine.safeMode], ['safe-mode', FULL.why, FULL.why]);
    assert.deepEqual([machine.crashes(0), machine.restarts, machine.keptSafeMode], [0, 0, undefined]);
    assert.deepEqual(handle(URGENT), [], 'no flow runs');
    // A deploy starts flows and makes no room.
    assert.deepEqual(handle({ type: 'flows', flows: 'started' }), ['tell disk-full', 'wait', 'end']);
    assert.deepEqual(handle(ENDED), ['wait', 'start']);
    handle(READY);
    assert.deepEqual(handle({ type: 'space' }), ['tell disk-room', 'wait', 'end']);
    handle(ENDED);
    handle(READY);
    assert.deepEqual([machine.state, machine.safeMode], ['running', undefined]);
    assert.deepEqual(handle({ type: 'space' }), []);
  }
});

test('a disk that is full before the start, and room while it ends, decide the next start', () => {
  const { machine, handle } = after(FULL, WANT, READY);
  assert.equal(machine.state, 'safe-mode');
  const early = after(WANT);
  assert.deepEqual(early.handle(URGENT), ['tell disk-full', 'wait', 'end', 'kill']);
  assert.deepEqual(early.handle({ type: 'space' }), ['tell disk-room']);
  assert.deepEqual(early.handle({ type: 'refused', why: 'stopped' }), ['wait', 'start']);
  early.handle(READY);
  assert.equal(early.machine.state, 'running');
  // Crashes that led to safe mode still need a deploy.
  const both = after(WANT);
  for (let crash = 0; crash < CRASHES; crash++) {
    both.handle(READY);
    both.handle(ENDED);
    both.handle(DUE);
  }
  both.handle(READY);
  assert.deepEqual(both.handle(FULL), ['tell disk-full']);
  assert.equal(both.machine.reason, FULL.why);
  assert.deepEqual(both.handle({ type: 'space' }), ['tell disk-room']);
  assert.match(both.machine.reason ?? '', /ended by itself/);
  assert.deepEqual(handle({ type: 'unwant' }), ['wait', 'end']);
});

const HELD: FlowEvent = { type: 'held', why: 'the subflow s is inside of itself' };

test('flows that would never start are held back at each start, and told once', () => {
  for (const safeMode of ['afterCrashes', 'never'] as const) {
    const { machine, handle } = after({ type: 'want', safeMode });
    assert.deepEqual(handle(HELD), ['tell held']);
    handle(READY);
    assert.deepEqual([machine.state, machine.safeMode, machine.reason], ['safe-mode', HELD.why, HELD.why]);
    assert.equal(machine.keptSafeMode, undefined, 'what lies on the disk shows itself again');
    handle({ type: 'changed', safeMode });
    assert.deepEqual(handle(ENDED), ['wait', 'start']);
    assert.equal(machine.safeMode, undefined, 'the next start looks again');
    assert.deepEqual(handle(HELD), []);
    handle(READY);
    assert.equal(machine.state, 'safe-mode');
    assert.deepEqual(handle({ type: 'flows', flows: 'started' }), ['tell safe-mode-left']);
    assert.deepEqual([machine.state, machine.safeMode], ['running', undefined]);
    // And anew, with the same words.
    handle({ type: 'changed', safeMode });
    handle(ENDED);
    assert.deepEqual(handle(HELD), ['tell held']);
  }
});

test('what a flow says of flows held back changes nothing, and a full disk ends what is held', () => {
  const { machine, handle } = after(WANT, READY);
  assert.deepEqual(handle(HELD), []);
  assert.deepEqual([machine.state, machine.safeMode], ['running', undefined]);

  const held = after(WANT, HELD, READY);
  assert.equal(held.machine.flowing, true, 'its word is no proof');
  assert.deepEqual(held.handle({ type: 'full', why: 'no room', urgent: true }), ['tell disk-full', 'wait', 'end', 'kill']);
});
