/** Actions that wait while another configuration is on trial: what a roll-back gives back, what a trial that is kept forgets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedAction } from '../../../../src/config/actions.ts';
import type { ResolvedRule } from '../../../../src/config/kinds.ts';
import type { MessageOutcome } from '../../../../src/core/rule-message.ts';
import { actionsBench, ruleOf, silent } from '../../../fakes/actions-bench.ts';

const MINUTE = 60_000;
const write = (point: string, value: number, more: object = {}): ResolvedAction => ({
  ...{ kind: 'write', on: ['active'], point, value, retries: 5 },
  ...more,
});
const call: ResolvedAction = {
  ...{ kind: 'publish', on: ['active'], topic: 'call', payload: '{rule} {occurrence}', to: 'cloud', within: 5 * MINUTE },
};
const escalation = (after: number): Partial<ResolvedRule> => ({
  escalation: { after, repeat: undefined, actions: [write('siren.on', 1, { on: [] })] },
});
const booked = (b: ReturnType<typeof actionsBench>, rule: string) =>
  b.saved.get(`@action.${rule}`) as { jobs: unknown[] } | undefined;

/** A rule whose write waits for a device that is silent. */
async function waiting() {
  const rules = [ruleOf('dry', { actions: [write('pump.run', 0)] })];
  const b = actionsBench(rules);
  b.points.set('pump.run', silent);
  await b.turn('dry', 'active-unacknowledged');
  assert.deepEqual(b.did, ['rule rule dry: pump.run=0']);
  b.points.clear();
  b.did.length = 0;
  return { b, rules };
}

for (const [words, next] of [
  ['is gone', []],
  ['does nothing', [ruleOf('dry')]],
  ['does something else', [ruleOf('dry', { actions: [write('pump.run', 7)] })]],
] as const)
  test(`a write that waits is done after a trial in which its rule ${words}`, async () => {
    const { b, rules } = await waiting();
    b.reload(next, true);
    await b.clock.advance(10 * MINUTE);
    assert.deepEqual(b.did, [], 'nobody does it during the trial');
    assert.equal(booked(b, 'dry')?.jobs.length, 1, 'the log has it');
    b.reload(rules);
    await b.clock.advance(0);
    assert.deepEqual(b.did, ['rule rule dry: pump.run=0']);
    assert.deepEqual(booked(b, 'dry')?.jobs, []);
    await b.clock.advance(10 * MINUTE);
    assert.equal(b.did.length, 1, 'and once');
  });

test('a trial that is kept forgets what the rules before still had to do', async () => {
  const { b, rules } = await waiting();
  b.reload([], true);
  b.actions.confirm();
  assert.equal(booked(b, 'dry'), undefined);
  assert.equal(b.actions.tally.of('write', 'superseded'), 1);
  b.reload(rules);
  await b.clock.advance(10 * MINUTE);
  assert.deepEqual(b.did, []);
});

test('a power cut during a trial leaves the next start what the configuration before had to do', async () => {
  for (const next of [[], [ruleOf('dry', { actions: [write('pump.run', 7)] })]]) {
    const { b, rules } = await waiting();
    b.reload(next, true);
    const after = actionsBench(rules, { saved: b.saved, alarms: b.alarms });
    await after.clock.advance(0);
    assert.deepEqual(after.did, ['rule rule dry: pump.run=0']);
  }
});

test('what runs when a trial begins and is done meanwhile is not done again', async () => {
  const rules = [ruleOf('dry', { actions: [write('pump.run', 0)] })];
  const b = actionsBench(rules);
  const answer = Promise.withResolvers<void>();
  b.points.set('pump.run', () => answer.promise);
  await b.turn('dry', 'active-unacknowledged');
  b.reload([], true);
  answer.resolve();
  await b.clock.advance(0);
  assert.deepEqual(booked(b, 'dry')?.jobs, []);
  b.reload(rules);
  await b.clock.advance(10 * MINUTE);
  assert.deepEqual(b.did, ['rule rule dry: pump.run=0']);
  assert.equal(b.actions.tally.of('write', 'done'), 1);
});

test('what still runs after a roll-back is begun once, and is tried again where it fails', async () => {
  const rules = [ruleOf('dry', { actions: [write('pump.run', 0)] })];
  const b = actionsBench(rules);
  const answer = Promise.withResolvers<void>();
  b.points.set('pump.run', () => answer.promise);
  await b.turn('dry', 'active-unacknowledged');
  b.reload([], true);
  b.reload(rules);
  await b.clock.advance(0);
  assert.equal(b.did.length, 1);
  b.points.clear();
  answer.reject(new Error('no answer'));
  await b.clock.advance(MINUTE);
  assert.deepEqual(b.did, ['rule rule dry: pump.run=0', 'rule rule dry: pump.run=0']);
});

test('a message that was withdrawn from its forwarder for a trial is given to it again', async () => {
  const rules = [ruleOf('dry', { actions: [call] })];
  const b = actionsBench(rules);
  const offers: PromiseWithResolvers<MessageOutcome>[] = [];
  b.deliveries.set('cloud', () => {
    const offer = Promise.withResolvers<MessageOutcome>();
    offers.push(offer);
    return offer.promise;
  });
  await b.turn('dry', 'active-unacknowledged');
  b.reload([], true);
  offers[0]?.resolve({ result: 'lost' });
  await b.clock.advance(0);
  b.reload(rules);
  await b.clock.advance(0);
  assert.equal(offers.length, 2);
  offers[1]?.resolve({ result: 'acknowledged' });
  await b.clock.advance(0);
  assert.deepEqual(booked(b, 'dry')?.jobs, []);
});

test('a write for an alarm that ended during the trial is not done, a message about it is', async () => {
  const rules = [ruleOf('dry', { actions: [write('pump.run', 0), call] })];
  const b = actionsBench(rules);
  b.points.set('pump.run', silent);
  b.deliveries.set('cloud', async () => ({ result: 'lost' }));
  await b.turn('dry', 'active-unacknowledged');
  b.points.clear();
  b.deliveries.clear();
  b.did.length = 0;
  b.reload([ruleOf('dry')], true);
  await b.turn('dry', 'normal');
  b.reload(rules);
  await b.clock.advance(10 * MINUTE);
  assert.deepEqual(b.did, ['deliver cloud action/dry/call: dry 1']);
  assert.deepEqual(booked(b, 'dry')?.jobs, []);
});

test('an alarm that waits for a person has waited during the trial too', async () => {
  const rules = [ruleOf('dry', escalation(10 * MINUTE))];
  for (const next of [[], [ruleOf('dry')], [ruleOf('dry', escalation(60 * MINUTE))]]) {
    const b = actionsBench(rules);
    await b.turn('dry', 'active-unacknowledged');
    await b.clock.advance(6 * MINUTE);
    b.reload(next, true);
    await b.clock.advance(2 * MINUTE);
    b.reload(rules);
    await b.clock.advance(2 * MINUTE - 1);
    assert.deepEqual(b.did, []);
    await b.clock.advance(1);
    assert.deepEqual(b.did, ['rule rule dry: siren.on=1']);
  }
});

test('an alarm that began during a trial is escalated by its own time after a roll-back', async () => {
  const rules = [ruleOf('dry', escalation(10 * MINUTE))];
  const b = actionsBench(rules);
  await b.turn('dry', 'active-unacknowledged');
  await b.clock.advance(12 * MINUTE);
  assert.equal(b.did.length, 1, 'the first alarm has escalated');
  b.reload([ruleOf('dry', { ...escalation(10 * MINUTE), actions: [write('pump.run', 7)] })], true);
  await b.turn('dry', 'active-acknowledged');
  await b.turn('dry', 'normal');
  await b.turn('dry', 'active-unacknowledged');
  b.did.length = 0;
  b.reload(rules);
  await b.clock.advance(10 * MINUTE - 1);
  assert.deepEqual(b.did, []);
  await b.clock.advance(1);
  assert.deepEqual(b.did, ['rule rule dry: siren.on=1']);
});

test('an alarm acknowledged on trial is not escalated after a power cut or a roll-back', async () => {
  const rules = [ruleOf('dry', escalation(10 * MINUTE))];
  for (const end of ['cut', 'roll-back'] as const) {
    const b = actionsBench(rules);
    await b.turn('dry', 'active-unacknowledged');
    await b.clock.advance(6 * MINUTE);
    b.reload([ruleOf('dry', { ...escalation(10 * MINUTE), actions: [write('pump.run', 7)] })], true);
    await b.turn('dry', 'active-acknowledged');
    b.did.length = 0;
    const after = end === 'cut' ? actionsBench(rules, { saved: b.saved, alarms: b.alarms }) : b;
    if (end === 'roll-back') b.reload(rules);
    await after.clock.advance(60 * MINUTE);
    assert.deepEqual(after.did, [], end);
  }
});

test('what an escalation did during a trial is not done again after it', async () => {
  const rules = [ruleOf('dry', escalation(10 * MINUTE))];
  const b = actionsBench(rules);
  await b.clock.advance(0.3);
  await b.turn('dry', 'active-unacknowledged');
  await b.clock.advance(6 * MINUTE);
  b.reload([ruleOf('dry', { ...escalation(10 * MINUTE), actions: [write('pump.run', 7)] })], true);
  await b.clock.advance(6 * MINUTE);
  assert.deepEqual(b.did, ['rule rule dry: siren.on=1']);
  b.reload(rules);
  await b.clock.advance(60 * MINUTE);
  assert.equal(b.did.length, 1);
});

test('an exchange that fails within the end of a trial keeps what was before the trial', async () => {
  const { b, rules } = await waiting();
  const trial = [ruleOf('dry', { actions: [write('pump.run', 7)] })];
  b.reload(trial, true);
  // The configuration before could not be put in force, so the one on trial comes back, until the next try.
  b.reload(rules);
  b.reload(trial, true);
  b.reload(rules);
  await b.clock.advance(10 * MINUTE);
  assert.deepEqual(b.did, ['rule rule dry: pump.run=0']);
});
