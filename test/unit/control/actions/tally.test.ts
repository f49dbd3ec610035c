/** Figures of actions: what began, how it ended, the last error, and their bound. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedAction } from '../../../../src/config/actions.ts';
import { MOST_JOBS } from '../../../../src/control/actions/job.ts';
import { ActionTally, MOST_ACTIONS_KEPT } from '../../../../src/control/actions/tally.ts';
import { SluiceError } from '../../../../src/core/errors.ts';
import { actionsBench, ruleOf, silent } from '../../../fakes/actions-bench.ts';

const write = (point: string, value: number, more: object = {}): ResolvedAction => ({
  ...{ kind: 'write', on: ['active'], point, value, retries: 1 },
  ...more,
});
const output = (point: string): ResolvedAction => ({
  ...{ kind: 'output', on: ['active'], point, set: true, clear: false, while: 'active' },
});

test('each action has its tries, its ends, its last error and its times', async () => {
  const b = actionsBench([
    ruleOf('dry', { actions: [write('pump.run', 0, { orElse: write('relay.trip', 1) }), output('lamp.on')] }),
  ]);
  b.points.set('pump.run', silent);
  await b.turn('dry', 'active-unacknowledged');
  await b.clock.advance(60_000);
  const failedAt = b.clock.monotonic() - 59_000;
  const figures = () =>
    b.actions
      .status()
      .actions.map(({ rule, action, place, started, done, failed, last, error }) => [
        `${rule} ${place ?? '-'} ${action}`,
        `${started}/${done}/${failed}`,
        last?.result,
        error?.message,
      ]);
  const [first] = b.actions.status().actions;
  assert.deepEqual(first?.last, { result: 'failed', at: failedAt });
  assert.deepEqual(first?.error, { message: 'unit 1 does not answer', at: failedAt });
  assert.deepEqual(
    figures().sort((a, z) => String(a[0]).localeCompare(String(z[0]))),
    [
      ['dry - output lamp.on', '2/2/0', 'done', undefined],
      ['dry do.0 write pump.run', '2/0/1', 'failed', 'unit 1 does not answer'],
      ['dry do.0.else write relay.trip', '1/1/0', 'done', undefined],
    ],
  );
  b.points.delete('pump.run');
  await b.turn('dry', 'normal');
  await b.turn('dry', 'active-unacknowledged');
  await b.clock.advance(0);
  const again = b.actions.status().actions.find(({ place }) => place === 'do.0');
  assert.deepEqual([again?.started, again?.done, again?.failed, again?.last?.result], [3, 1, 1, 'done']);
  assert.equal(again?.error?.message, 'unit 1 does not answer', 'the last error stays');
  assert.deepEqual(
    b.actions.status().kinds.map(({ kind, started, done, failed, waiting }) => [kind, started, done, failed, waiting]),
    [
      ['write', 4, 2, 1, 0],
      ['publish', 0, 0, 0, 0],
      ['hook', 0, 0, 0, 0],
      ['flow', 0, 0, 0, 0],
      ['output', 4, 4, 0, 0],
    ],
  );
});

test('an output that fails counts each try, and a reload forgets actions that are gone', async () => {
  const b = actionsBench([ruleOf('warm', { actions: [output('lamp.on'), write('d.out', 1)] })]);
  b.points.set('lamp.on', silent);
  await b.turn('warm', 'active-unacknowledged');
  await b.clock.advance(10_000);
  const lamp = b.actions.status().actions[0];
  assert.deepEqual(
    [lamp?.action, lamp?.last?.result, lamp?.error?.message],
    ['output lamp.on', 'failed', 'unit 1 does not answer'],
  );
  assert.equal(lamp?.failed, lamp?.started === undefined ? 0 : lamp.started - 1, 'the first value was written at the start');
  b.reload([ruleOf('warm', { actions: [write('d.other', 1)] })]);
  assert.deepEqual(
    b.actions.status().actions.filter(({ action }) => action === 'write d.out'),
    [],
  );
  assert.equal(b.actions.tally.of('write', 'done'), 1, 'sums stay');
});

test('an action that a reload takes away while it runs is counted once, and its figures go', async () => {
  for (const fails of [false, true]) {
    const b = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0)] })]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    b.points.set('pump.run', () => promise);
    await b.turn('dry', 'active-unacknowledged');
    b.reload([ruleOf('dry', { actions: [write('pump.run', 5)] })]);
    if (fails) reject(new SluiceError('timeout', 'unit 1 does not answer'));
    else resolve();
    await b.clock.advance(60_000);
    b.reload([]);
    const ends = (['done', 'failed', 'superseded', 'dropped'] as const).map((end) => b.actions.tally.of('write', end));
    assert.deepEqual(ends, [0, 0, 1, 0], String(fails));
  }
  const b = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0)] })]);
  const { promise, resolve } = Promise.withResolvers<void>();
  b.points.set('pump.run', () => promise);
  await b.turn('dry', 'active-unacknowledged');
  b.reload([]);
  resolve();
  await b.clock.advance(60_000);
  assert.deepEqual(b.actions.status().actions, []);
});

test('an action that newer ones push out while it runs is counted once', async () => {
  const hook: ResolvedAction = { kind: 'hook', on: ['active'], hook: 'siren', with: {}, retries: 0 };
  const b = actionsBench([ruleOf('flaps', { actions: [hook] })], {
    hooks: [{ name: 'siren', run: ['/bin/siren'], timeout: 1000, unsafeSameUser: true }],
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  b.hookRuns.set('siren', () => promise);
  for (let i = 0; i < MOST_JOBS + 5; i++) {
    await b.turn('flaps', 'active-unacknowledged');
    await b.turn('flaps', 'normal');
  }
  resolve('');
  await b.clock.advance(600_000);
  const { tally } = b.actions;
  assert.deepEqual([tally.of('hook', 'dropped'), tally.of('hook', 'done')], [5, MOST_JOBS]);
});

test('figures are bounded, and sums count all', () => {
  const tally = new ActionTally(() => 5);
  for (let i = 0; i < 100_000; i++)
    tally.ended(
      { action: write(`d.p${i}`, 1), facts: { rule: `r${i % 20_000}` }, at: `do.${i % 7}` },
      'failed',
      new SluiceError('timeout', 'x'.repeat(10_000)),
    );
  assert.equal(tally.actions().length, MOST_ACTIONS_KEPT);
  assert.equal(tally.of('write', 'failed'), 100_000);
  assert.ok(tally.actions().every(({ error }) => error?.message.length === 300));
});
