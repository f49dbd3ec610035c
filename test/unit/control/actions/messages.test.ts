/** Messages of rules that a forwarder sends: each outcome, the bound, the time that they may wait, and a restart in the middle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedAction } from '../../../../src/config/actions.ts';
import { MOST_JOBS } from '../../../../src/control/actions/job.ts';
import { SluiceError } from '../../../../src/core/errors.ts';
import type { MessageOutcome, RuleMessage } from '../../../../src/core/rule-message.ts';
import { actionsBench, ruleOf } from '../../../fakes/actions-bench.ts';

const MINUTE = 60_000;
const call = (more: object = {}): ResolvedAction => ({
  ...{ kind: 'publish', on: ['active'], topic: 'call', payload: '{rule} {occurrence}', to: 'cloud', within: 5 * MINUTE },
  ...more,
});
const never = () => new Promise<MessageOutcome>(() => {});
const waits = (b: ReturnType<typeof actionsBench>) => b.waiting().publish;

test('an acknowledged message is done, under the topic of its rule', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  await b.turn('dry', 'active-unacknowledged');
  assert.deepEqual(b.did, ['deliver cloud action/dry/call: dry 1']);
  assert.deepEqual(
    b.events.map(({ data }) => [data?.of, data?.result]),
    [['publish call to cloud', 'done']],
  );
  assert.equal(waits(b), 0);
});

test('a refused message fails at once with the reason, and its fallback is done', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call({ orElse: call({ to: 'other', on: [] }) })] })]);
  b.deliveries.set('cloud', async () => ({
    result: 'refused',
    error: new SluiceError('upstream-refused', 'not authorized (code 135)'),
  }));
  await b.turn('dry', 'active-unacknowledged');
  await b.clock.advance(0);
  assert.deepEqual(b.did, ['deliver cloud action/dry/call: dry 1', 'deliver other action/dry/call: dry 1']);
  assert.match(
    b.events[0]?.message ?? '',
    /"publish call to cloud" of the rule dry failed: not authorized \(code 135\)\. Its fallback is next: publish call to other\./,
  );
  assert.match(b.remarks.join('\n'), /dry 1: .*publish call to cloud failed: not authorized/);
});

test('a message that waits longer than its time fails, and is counted', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  b.deliveries.set('cloud', ({ due }: RuleMessage) => {
    const { promise, resolve } = Promise.withResolvers<MessageOutcome>();
    b.clock.after(due - b.clock.monotonic(), () => resolve({ result: 'expired', why: undefined }));
    return promise;
  });
  await b.turn('dry', 'active-unacknowledged');
  await b.clock.advance(5 * MINUTE - 1);
  assert.equal(b.events.length, 0);
  await b.clock.advance(1);
  assert.match(
    b.events[0]?.message ?? '',
    /failed: the message did not leave within 5m: there was no connection to the broker\./,
  );
  const [figures] = b.actions.status().actions;
  assert.deepEqual(
    [figures?.action, figures?.started, figures?.failed, figures?.last?.result],
    ['publish call to cloud', 1, 1, 'failed'],
  );
});

test('what stands behind one that never ends fails when its own time is over', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  b.deliveries.set('cloud', never);
  await b.turn('dry', 'active-unacknowledged');
  await b.turn('dry', 'normal');
  await b.clock.advance(MINUTE);
  await b.turn('dry', 'active-unacknowledged');
  assert.equal(b.did.length, 1, 'messages of one action keep their order');
  await b.clock.advance(5 * MINUTE);
  assert.match(b.events.at(-1)?.message ?? '', /did not leave within 5m/);
  assert.equal(waits(b), 1);
});

test('a thousand alarms of one rule leave a bounded number of messages', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call({ payload: '{occurrence}' })] })]);
  b.deliveries.set('cloud', never);
  for (let i = 0; i < 1000; i++) {
    await b.turn('dry', 'active-unacknowledged');
    await b.turn('dry', 'normal');
  }
  assert.ok((waits(b) ?? 0) <= MOST_JOBS + 1);
  const kinds = b.actions.status().kinds.find(({ kind }) => kind === 'publish');
  assert.ok((kinds?.dropped ?? 0) >= 1000 - MOST_JOBS - 1, 'the others are counted');
});

test('many rules: 200 wait for a forwarder, the oldest of the least severe goes', async () => {
  const rules = Array.from({ length: 210 }, (_, i) =>
    ruleOf(`r${i}`, { actions: [call()], severity: i < 5 ? 'critical' : 'warning' }),
  );
  const b = actionsBench(rules);
  b.deliveries.set('cloud', never);
  for (const { name } of rules) await b.turn(name, 'active-unacknowledged');
  assert.deepEqual(
    b.events.filter(({ data }) => data?.result === 'dropped').map(({ data }) => data?.rule),
    ['r5', 'r6', 'r7', 'r8', 'r9', 'r10'],
  );
  assert.equal(waits(b), 204);
});

test('messages of little severity that stay with their forwarder hold up no severe one', async () => {
  const rules = [...Array.from({ length: 8 }, (_, i) => `note${i}`), 'fire'].map((name) =>
    ruleOf(name, { actions: [call()], severity: name === 'fire' ? 'critical' : 'info' }),
  );
  const b = actionsBench(rules);
  b.deliveries.set('cloud', ({ topic }) => (topic.includes('fire') ? Promise.resolve({ result: 'acknowledged' }) : never()));
  for (const { name } of rules) await b.turn(name, 'active-unacknowledged');
  assert.deepEqual(
    b.events.map(({ data }) => [data?.rule, data?.result]),
    [['fire', 'done']],
  );
  assert.equal(b.did.length, 5, 'four of the others are with the forwarder');
});

test('a forwarder that a reload exchanges gets the message again', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  const outcomes: MessageOutcome[] = [{ result: 'lost' }, { result: 'lost' }, { result: 'acknowledged' }];
  b.deliveries.set('cloud', async () => outcomes.shift() ?? { result: 'lost' });
  await b.turn('dry', 'active-unacknowledged');
  await b.clock.advance(2000);
  assert.equal(b.did.length, 3);
  assert.deepEqual(
    b.events.map(({ data }) => data?.result),
    ['done'],
  );
});

test('a restart sends what waited, for the rest of its time', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  b.deliveries.set('cloud', never);
  await b.turn('dry', 'active-unacknowledged');
  const dues: number[] = [];
  const deliveries = new Map([
    [
      'cloud',
      ({ due }: RuleMessage) => {
        dues.push(due);
        return never();
      },
    ],
  ]);
  await b.restart(2 * MINUTE, { deliveries }).clock.advance(0);
  assert.deepEqual(dues, [3 * MINUTE]);
});

test('a message that is acknowledged in the last words of a run is not sent by the next one', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  const answer = Promise.withResolvers<MessageOutcome>();
  b.deliveries.set('cloud', () => answer.promise);
  await b.turn('dry', 'active-unacknowledged');
  b.actions.stop();
  answer.resolve({ result: 'acknowledged' });
  await b.clock.advance(0);
  b.actions.end();
  assert.deepEqual(
    b.events.map(({ data }) => data?.result),
    ['done'],
  );
  const next = b.restart(MINUTE);
  await next.clock.advance(10 * MINUTE);
  assert.deepEqual(next.did, []);
});

test('a message that fails in the last words, or is answered too late, is sent by the next run', async () => {
  for (const outcome of ['lost', 'acknowledged'] as const) {
    const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
    const answer = Promise.withResolvers<MessageOutcome>();
    b.deliveries.set('cloud', () => answer.promise);
    await b.turn('dry', 'active-unacknowledged');
    b.actions.stop();
    if (outcome === 'acknowledged') b.actions.end();
    answer.resolve({ result: outcome });
    await b.clock.advance(0);
    assert.deepEqual(b.events, []);
    const next = b.restart(MINUTE, { deliveries: new Map() });
    await next.clock.advance(0);
    assert.deepEqual(next.did, ['deliver cloud action/dry/call: dry 1']);
  }
});

test('a restart after its time fails it without sending, where the clock is known', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  b.deliveries.set('cloud', never);
  await b.turn('dry', 'active-unacknowledged');
  const late = b.restart(6 * MINUTE);
  await late.clock.advance(0);
  assert.deepEqual(late.did, []);
  assert.match(late.events[0]?.message ?? '', /did not leave within 5m/);
  assert.deepEqual(waits(late), 0);
});

test('without a clock the whole time begins anew', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  b.deliveries.set('cloud', never);
  await b.turn('dry', 'active-unacknowledged');
  const next = b.restart(60 * MINUTE, { wallKnown: false });
  await next.clock.advance(0);
  assert.deepEqual(next.did, ['deliver cloud action/dry/call: dry 1']);
});

test('a message that a reload takes away while it is with the forwarder is not wanted there', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  let wanted: RuleMessage['wanted'];
  b.deliveries.set('cloud', (message) => {
    wanted = message.wanted;
    return never();
  });
  await b.turn('dry', 'active-unacknowledged');
  assert.equal(wanted?.(), true);
  b.reload([ruleOf('dry', { actions: [] })]);
  assert.equal(wanted?.(), false);
});

test('a message to another forwarder is another action: the old one is not sent', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [call()] })]);
  b.deliveries.set('cloud', never);
  await b.turn('dry', 'active-unacknowledged');
  b.reload([ruleOf('dry', { actions: [call({ to: 'other' })] })]);
  await b.clock.advance(10 * MINUTE);
  assert.deepEqual(b.did, ['deliver cloud action/dry/call: dry 1']);
  assert.equal(b.actions.tally.of('publish', 'superseded'), 1);
});
