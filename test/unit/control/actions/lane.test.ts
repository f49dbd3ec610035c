/** Queues of actions: who makes room for whom, and what nobody wants any more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lane, type LaneOptions, type Task } from '../../../../src/control/actions/lane.ts';
import { SEVERITIES, type Severity } from '../../../../src/core/alarm.ts';
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

test('with places for each severity those that run hold up nobody who is more severe', async () => {
  const { lane, add, began, runs, clock } = bench({ most: 20, atOnce: 2, aside: true });
  for (const severity of ['info', 'critical', 'warning'] as const) for (let i = 0; i < 4; i++) add(`${severity} ${i}`, severity);
  assert.deepEqual(began, ['info 0', 'info 1', 'critical 0', 'critical 1']);
  assert.deepEqual(
    [lane.waiting, lane.running],
    [8, 4],
    'a warning waits for the critical ones, since all of them would leave before it',
  );
  runs.get('critical 0')?.resolve();
  await clock.advance(0);
  assert.equal(began.at(-1), 'critical 2');
  for (const i of [1, 2, 3]) {
    runs.get(`critical ${i}`)?.resolve();
    await clock.advance(0);
  }
  assert.deepEqual(began.slice(-2), ['warning 0', 'warning 1']);
  assert.equal(lane.running, 4);
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

test('where news count, a full queue leaves out the oldest of the least severe', () => {
  const { lane, add, settled } = bench({ oldestGoes: true });
  add('runs', 'info');
  add('first', 'warning');
  add('second', 'info');
  add('third', 'info');
  assert.deepEqual(settled, ['second dropped']);
  add('fourth', 'warning');
  assert.deepEqual(settled.slice(1), ['third dropped']);
  add('fifth', 'warning');
  assert.deepEqual(settled.slice(2), ['first dropped']);
  add('late', 'info');
  assert.deepEqual(settled.slice(3), ['late dropped'], 'the more severe do not make room for it');
  assert.deepEqual([lane.waiting, lane.running], [2, 1]);
});

test('one whose time passes before it begins fails with its last reason', async () => {
  const { clock, add, settled, runs, began } = bench({ late: (_, last) => new Error(`late: ${last?.message ?? 'none'}`) });
  add('runs', 'info', { due: 5000, retries: 9 });
  add('waits', 'info', { due: 2000 });
  await clock.advance(1999);
  assert.deepEqual(settled, []);
  await clock.advance(1);
  assert.deepEqual(settled, ['waits failed']);
  await clock.advance(4000);
  assert.deepEqual(settled, ['waits failed'], 'one that runs is left to end');
  runs.get('runs')?.reject(new Error('silent'));
  await clock.advance(0);
  assert.deepEqual(settled, ['waits failed', 'runs failed'], 'it is not tried again after its time');
  assert.deepEqual(began, ['runs']);
});

test('random walks: bounds, one end for each job, order in a key, none begins too late', async () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        add: fc.constantFrom('a', 'b', 'c'),
        severity: fc.constantFrom(...SEVERITIES),
        within: fc.integer({ min: 1, max: 9000 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 4000 }) }) },
    { weight: 3, arbitrary: fc.record({ ends: fc.nat(3), well: fc.boolean() }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new ManualClock();
      const running = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
      const settled = new Map<string, string>();
      const due = new Map<string, number>();
      const begun: string[] = [];
      const lane = new Lane<string>({
        ...{ clock, most: 3, atOnce: 2, oldestGoes: true, late: () => new Error('late') },
        perform: (job) => {
          assert.ok(clock.monotonic() < (due.get(job) ?? 0), `${job} began after its time`);
          assert.ok(!running.has(job));
          begun.push(job);
          const { promise, resolve, reject } = Promise.withResolvers<void>();
          running.set(job, { resolve, reject });
          return promise;
        },
        settled: (job, { result }) => {
          assert.ok(!settled.has(job), `${job} ended twice`);
          settled.set(job, result);
        },
      });
      let made = 0;
      for (const what of steps) {
        if ('add' in what) {
          const job = `${what.add} ${made++}`;
          due.set(job, clock.monotonic() + what.within);
          lane.add({ ...{ job, key: what.add, severity: what.severity, retries: 2 }, due: due.get(job) });
        } else if ('pass' in what) await clock.advance(what.pass);
        else {
          const [job, end] = [...running][what.ends] ?? [];
          if (job !== undefined) running.delete(job);
          if (what.well) end?.resolve();
          else end?.reject(new Error('silent'));
          await clock.advance(0);
        }
        assert.ok(lane.waiting + lane.running <= 3 + 2 && lane.running <= 2);
        const keys = [...running.keys()].map((job) => job[0]);
        assert.equal(new Set(keys).size, keys.length, 'one for a key');
      }
      for (let i = 0; settled.size < made && i < 60; i++) {
        for (const end of running.values()) end.reject(new Error('silent'));
        running.clear();
        await clock.advance(1000);
      }
      assert.equal(settled.size, made, 'each has one end');
      const firsts = [...new Set(begun)];
      for (const key of ['a', 'b', 'c']) {
        const numbers = firsts.filter((job) => job[0] === key).map((job) => Number(job.slice(2)));
        assert.deepEqual(
          numbers,
          numbers.toSorted((x, y) => x - y),
          `order of ${key}`,
        );
      }
    }),
    { numRuns: 150 },
  );
});
