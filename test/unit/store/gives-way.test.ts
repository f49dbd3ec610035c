import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { systemClock } from '../../../src/core/clock.ts';
import { CommitCycle } from '../../../src/store/hot/commit-cycle.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

test('a commit that is asked for begins behind the turn, once, and at once for the next one', () => {
  const turns: (() => void)[] = [];
  let begun = 0;
  const cycle = new CommitCycle(
    () => ++begun,
    new ManualClock(),
    () => 1000,
    (run) => turns.push(run),
  );
  cycle.soon();
  cycle.soon();
  assert.deepEqual([begun, turns.length], [0, 1], 'what asked goes on first');
  for (const run of turns.splice(0)) run();
  assert.equal(begun, 1);
  cycle.soon();
  assert.deepEqual([begun, turns.length], [1, 0], 'one at a time');
  assert.equal(cycle.ended(), 1);
  cycle.next();
  assert.equal(begun, 2, 'it was wanted while the first was under way');
  cycle.ended();
  cycle.soon();
  cycle.stop();
  for (const run of turns.splice(0)) run();
  assert.equal(begun, 2, 'none begins behind the stop');
});

test('a commit begins behind what others write in the next turn of the event loop', async () => {
  const order: string[] = [];
  const cycle = new CommitCycle(
    () => order.push('commit'),
    systemClock,
    () => 60_000,
  );
  cycle.soon();
  // So the embedded broker brings an alarm to a session.
  setImmediate(() => order.push('written'));
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, ['written', 'commit']);
});

/** `nice` of each thread of this process: field 19 of proc(5), behind the name in parentheses. */
const niceOf = (): number[] =>
  readdirSync('/proc/self/task').map((id) =>
    Number(readFileSync(`/proc/self/task/${id}/stat`, 'utf8').split(') ')[1]?.split(' ')[16]),
  );

test('a thread that may wait stands behind the main thread', async () => {
  const behind = new URL('../../../src/store/threads/behind.ts', import.meta.url).href;
  // It stays until it is ended: a thread that is gone has no priority.
  const code = `
    const { parentPort } = require('node:worker_threads');
    parentPort.on('message', () => {});
    import(${JSON.stringify(behind)}).then(({ standBehind }) => {
      standBehind();
      parentPort.postMessage('behind');
    });`;
  const worker = new Worker(code, { eval: true });
  await once(worker, 'message');
  const own = os.getPriority();
  assert.equal(niceOf().filter((nice) => nice === Math.min(own + 8, 19)).length, 1);
  assert.equal(os.getPriority(), own, 'the main thread stays where it is');
  await worker.terminate();
});

test('the writer does not: a commit beside a busy program would wait for it', async (t) => {
  const dir = scratch(t, 'behind');
  const log = await Log.open({
    ...{ stateDir: `${dir}/state`, runtimeDir: `${dir}/run`, clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 60_000 },
  });
  t.after(() => log.abandon());
  await log.flush();
  assert.equal(Math.max(...niceOf()), os.getPriority());
});
