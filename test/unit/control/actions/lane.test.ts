/** Queues of actions: who makes room for whom, and what nobody wants any more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lane, type LaneOptions, type Task } from '../../../../src/control/actions/lane.ts';
import type { Severity } from '../../../../src/core/alarm.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';

/** A queue of names. A job runs until it is let go or fails. */
function bench(options: Partial<LaneOptions<string>> = {}) {
  const clock = new ManualClock();
  const began: string[] = [];
  const settled: string[] = [];
  const runs = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  const lane = new Lane<string>({
    ...{ clock, most: 2, atOnce: 1 },
    perform: (job) => {
      began.push(job);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      runs.set(job, { resolve, reject });
      return promise;
    },
    settled: (job, { result }) => void settled.push(`${job} ${result}`),
    ...options,
  });
  const add = (job: string, severity: Severity, more: Partial<Task<string>> = {}) =>
    lane.add({ job, key: job, severity, retries: 3, ...more });
  return { clock, began, settled, runs, lane, add };
}

test('a full queue leaves out the newest of the least severe', () => {
  const { lane, add, settled } = bench();
  add('runs', 'info');
  add('old', 'info');
  add('new', 'info');
  add('also info', 'info');
  assert.deepEqual(settled, ['also info dropped'], 'nobody makes room for an equal');
  add('critical', 'critical');
  assert.deepEqual(settled.slice(1), ['new dropped']);
  add('warning', 'warning');
  assert.deepEqual(settled.slice(2), ['old dropped']);
  add('late', 'info');
  assert.deepEqual(settled.slice(3), ['late dropped']);
  assert.deepEqual([lane.waiting, lane.running], [2, 1]);
});

test('what is dropped is not begun, and is not tried again when it runs', async () => {
  const { clock, lane, add, began, settled, runs } = bench();
  add('runs', 'info');
  add('waits', 'info');
  lane.drop(new Set(['runs', 'waits']));
  runs.get('runs')?.reject(new Error('silent'));
  await clock.advance(600_000);
  assert.deepEqual(began, ['runs']);
  assert.deepEqual(settled, ['runs superseded']);
  assert.deepEqual([lane.waiting, lane.running], [0, 0]);
});

test('a newer job that is refused fails at once and takes nobody’s place', async () => {
  const locked = new Set(['start']);
  const { clock, add, began, settled, runs } = bench({
    newest: true,
    refusal: (job) => (locked.has(job) ? new Error('it is locked') : undefined),
  });
  add('stop', 'warning', { key: 'pump' });
  add('start', 'critical', { key: 'pump' });
  assert.deepEqual(settled, ['start failed']);
  runs.get('stop')?.reject(new Error('silent'));
  await clock.advance(1000);
  assert.deepEqual(began, ['stop', 'stop'], 'it is tried again');
  locked.clear();
  add('start', 'critical', { key: 'pump' });
  runs.get('stop')?.reject(new Error('silent'));
  await clock.advance(0);
  assert.deepEqual(settled.slice(1), ['stop superseded']);
});
