/** What a test takes for a pause of the machine, and what for the fault of a process. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { startChild } from '../../harness/child.ts';
import { Pauses } from '../../harness/pauses.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Milliseconds. */
const HELD = 1500;
const INTERVAL = 500;
/** A machine that stands still in each of so many rounds is no machine for tests. */
const ROUNDS = 20;

test('a process that holds itself up leaves out polls, and no pause explains them', async (t) => {
  // It sleeps in its loop, as one that waits for a lock or a disk; then it says so.
  const program = `const cell = new Int32Array(new SharedArrayBuffer(4));
setInterval(() => { Atomics.wait(cell, 0, 0, ${HELD}); console.log('held'); }, 1);`;
  const child = startChild(t, process.execPath, ['-e', program]);
  const pauses = new Pauses(t);
  await child.line(/held/);
  const refused = (): unknown => {
    try {
      return pauses.assertPolled(HELD / INTERVAL, INTERVAL);
    } catch (error) {
      return error;
    }
  };
  for (let round = 1; ; round++) {
    pauses.begin();
    const before = child.stdout.length;
    await waitFor('a whole time', () => child.stdout.length > before + 1);
    const error = refused();
    if (error instanceof assert.AssertionError) {
      assert.match(error.message, /^3 polls are left out; pauses of the machine explain [0-2]: /);
      break;
    }
    assert.ok(round < ROUNDS, pauses.words);
  }
});

test('a machine on which nobody has a turn explains the polls of that time', async (t) => {
  const pauses = new Pauses(t);
  await waitFor('the thread', () => pauses.looks);
  const words = ['-c', `kill -STOP "$0"; sleep ${HELD / 1000}; kill -CONT "$0"`, String(process.pid)];
  const over = new Promise((resolve) => spawn('sh', words).once('close', resolve));
  await over;
  assert.ok(pauses.longest >= HELD - 100, pauses.words);
  pauses.assertPolled(HELD / INTERVAL, INTERVAL);
});
