/** What rules do: order, retries, fallbacks, escalations, restarts and bounds, with everything around them made up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedAction, Trigger } from '../../../../src/config/actions.ts';
import { SluiceError } from '../../../../src/core/errors.ts';
import { actionsBench, ruleOf, silent } from '../../../fakes/actions-bench.ts';

const write = (point: string, value: number, more: Partial<Extract<ResolvedAction, { kind: 'write' }>> = {}): ResolvedAction => ({
  ...{ kind: 'write', on: ['active'], point, value, retries: 3 },
  ...more,
});
const hook = (name: string, on: Trigger[] = ['active'], more: object = {}): ResolvedAction => ({
  kind: 'hook',
  on,
  hook: name,
  with: {},
  retries: 1,
  ...more,
});
const SIREN = { name: 'siren', run: ['/bin/siren', '--', '{message}'], timeout: 1000, unsafeSameUser: true };
const output = (point: string, how: 'active' | 'unacknowledged' = 'active'): ResolvedAction => ({
  ...{ kind: 'output', on: ['active'], point, set: true, clear: false, while: how },
});
const results = (events: readonly { readonly data?: unknown }[]) => events.map(({ data }) => (data as { result: string }).result);

test('each trigger does its action once, as the principal of the rule', async () => {
  const on = (trigger: Trigger, value: number) => write('d.out', value, { on: [trigger] });
  const b = actionsBench([
    ruleOf('warm', { actions: [on('active', 1), on('acknowledged', 2), on('returned', 3), on('normal', 4), on('shelved', 5)] }),
  ]);
  await b.turn('warm', 'active-unacknowledged');
  assert.deepEqual(b.did, ['rule rule warm: d.out=1']);
  await b.turn('warm', 'active-unacknowledged', { occurrence: 1, cause: 'action' });
  assert.equal(b.did.length, 1, 'a remark is no transition');
  await b.turn('warm', 'active-acknowledged', { cause: 'operator' });
  await b.turn('warm', 'normal');
  assert.deepEqual(b.did.slice(1), ['rule rule warm: d.out=2', 'rule rule warm: d.out=3', 'rule rule warm: d.out=4']);
  assert.equal(b.logged.at(-1), 'd.out=4');
  await b.turn('warm', 'active-unacknowledged');
  await b.turn('warm', 'returned-unacknowledged');
  assert.equal(b.logged.at(-1), 'd.out=3');
  await b.turn('warm', 'normal', { cause: 'operator' });
  assert.equal(b.logged.at(-1), 'd.out=4');
  await b.turn('warm', 'shelved', { cause: 'operator' });
  assert.equal(b.logged.at(-1), 'd.out=5');
});

test('an alarm that begins while it is shelved is acted on when it is shown', async () => {
  const b = actionsBench([ruleOf('warm', { actions: [write('d.out', 1)] })]);
  await b.turn('warm', 'shelved');
  b.alarms.set('warm', { state: 'shelved', occurrence: 1, holds: true, message: '' });
  await b.turn('warm', 'active-unacknowledged', { occurrence: 1, cause: 'expiry' });
  assert.deepEqual(b.did, ['rule rule warm: d.out=1']);
  await b.turn('warm', 'shelved', { occurrence: 1 });
  await b.turn('warm', 'active-unacknowledged', { occurrence: 1, cause: 'operator' });
  assert.equal(b.did.length, 1, 'the same activation again');
});

test('a dead device: bounded retries, an event, words on the alarm, and the fallback', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0, { retries: 2, orElse: write('relay.trip', 1) })] })]);
  b.points.set('pump.run', silent);
  await b.turn('dry', 'active-unacknowledged');
  await b.clock.advance(600_000);
  assert.deepEqual(b.did, [...Array(3).fill('rule rule dry: pump.run=0'), 'rule rule dry: relay.trip=1']);
  assert.deepEqual(results(b.events), ['failed']);
  assert.match(
    b.events[0]?.message ?? '',
    /The action "write pump\.run" of the rule dry failed: unit 1 does not answer\. Its fallback is next: write relay\.trip\./,
  );
  assert.deepEqual(b.remarks, [
    'dry 1: write pump.run fails so far: unit 1 does not answer',
    'dry 1: write pump.run failed: unit 1 does not answer',
  ]);
});

test('a refused write is not tried again; a point that is asked too soon waits and is', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0), write('pump.speed', 5)] })]);
  b.points.set('pump.run', async () => {
    throw new SluiceError('write-refused', 'it is locked');
  });
  let left = 2;
  b.points.set('pump.speed', async () => {
    if (left-- > 0) throw new SluiceError('write-refused', 'it was written just now', { data: { again: 400 } });
  });
  await b.turn('dry', 'active-unacknowledged');
  await b.clock.advance(10_000);
  assert.deepEqual(b.did.filter((one) => one.endsWith('run=0')).length, 1);
  assert.deepEqual(b.did.filter((one) => one.endsWith('speed=5')).length, 3);
  assert.deepEqual(results(b.events), ['failed']);
});

test('the newest word about a silent point is the one that is written', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0), write('pump.run', 1, { on: ['normal'] })] })]);
  b.points.set('pump.run', silent);
  await b.turn('dry', 'active-unacknowledged');
  await b.turn('dry', 'normal');
  b.points.delete('pump.run');
  await b.clock.advance(60_000);
  assert.equal(b.did.filter((one) => one.endsWith('=0')).length, 1);
  assert.deepEqual(b.logged, ['pump.run=1']);
  assert.equal(b.actions.tally.of('write', 'superseded'), 1);
  assert.deepEqual(b.events, [], 'it was no failure');
});

test('nobody acknowledges: it escalates, repeats, and ends with the acknowledgement', async () => {
  const b = actionsBench(
    [ruleOf('warm', { escalation: { after: 900_000, repeat: 1_800_000, actions: [hook('siren', ['escalated'])] } })],
    { hooks: [SIREN] },
  );
  await b.turn('warm', 'active-unacknowledged');
  await b.clock.advance(899_999);
  assert.deepEqual(b.did, []);
  await b.clock.advance(1);
  assert.deepEqual(b.did, ['hook siren: ["/bin/siren","--","warm is active-unacknowledged"]']);
  await b.clock.advance(1_800_000);
  assert.equal(b.did.length, 2);
  await b.turn('warm', 'active-acknowledged', { cause: 'operator' });
  await b.clock.advance(10_000_000);
  assert.equal(b.did.length, 2);
});

test('a restart in the middle of an escalation goes on and repeats nothing', async () => {
  const first = actionsBench(
    [
      ruleOf('warm', {
        actions: [hook('siren', ['active'])],
        escalation: {
          after: 900_000,
          repeat: 3_600_000,
          actions: [write('horn.on', 1, { on: ['escalated'] }), hook('siren', ['escalated'])],
        },
      }),
    ],
    { hooks: [SIREN] },
  );
  await first.turn('warm', 'active-unacknowledged');
  assert.equal(first.did.length, 1);
  await first.clock.advance(600_000);
  const second = first.restart(200_000);
  await second.clock.advance(99_000);
  assert.equal(second.did.length, 0, 'the siren has sounded, and 15 minutes are not over');
  // One of its actions hangs when the gateway ends.
  const { promise: never } = Promise.withResolvers<void>();
  second.points.set('horn.on', () => never);
  await second.clock.advance(1000);
  assert.deepEqual(
    second.did.map((one) => one.split(':')[0]),
    ['rule rule warm', 'hook siren'],
  );
  const third = second.restart(1000);
  await third.clock.advance(0);
  assert.deepEqual(third.did, ['rule rule warm: horn.on=1'], 'what was not done is done, and nothing else');
  const fourth = third.restart(60_000);
  await fourth.clock.advance(1_000_000);
  assert.deepEqual(fourth.did, []);
});

test('an escalation whose time came while the gateway was off is done once', async () => {
  const rule = ruleOf('warm', {
    escalation: { after: 60_000, repeat: 60_000, actions: [write('horn.on', 1, { on: ['escalated'] })] },
  });
  const first = actionsBench([rule]);
  await first.turn('warm', 'active-unacknowledged');
  const second = first.restart(3_600_000);
  await second.clock.advance(0);
  assert.equal(second.did.length, 1);
  // Without a clock the time off does not count until the clock is known.
  const third = first.restart(0, { wallKnown: false });
  await third.clock.advance(1000);
  assert.equal(third.did.length, 0);
});

test('a clock that becomes known later counts the time off', async () => {
  const rule = ruleOf('warm', { escalation: { after: 600_000, actions: [write('horn.on', 1, { on: ['escalated'] })] } });
  const first = actionsBench([rule]);
  await first.turn('warm', 'active-unacknowledged');
  const second = first.restart(3_600_000, { wallKnown: false });
  await second.clock.advance(5000);
  assert.deepEqual(second.did, []);
  second.clockState.wallKnown = true;
  second.actions.clockKnown(second.moment());
  await second.clock.advance(0);
  assert.equal(second.did.length, 1);
});

test('an output follows the alarms of its rules, and is set again after a restart', async () => {
  const rules = [
    ruleOf('warm', { actions: [output('panel.lamp'), output('panel.horn', 'unacknowledged')] }),
    ruleOf('cold', { actions: [output('panel.lamp')] }),
  ];
  const b = actionsBench(rules);
  await b.clock.advance(0);
  assert.deepEqual(b.logged.splice(0).sort(), ['panel.horn=false', 'panel.lamp=false']);
  await b.turn('warm', 'active-unacknowledged');
  await b.turn('cold', 'active-unacknowledged');
  assert.deepEqual(b.logged.splice(0).sort(), ['panel.horn=true', 'panel.lamp=true']);
  await b.turn('warm', 'active-acknowledged', { cause: 'operator' });
  assert.deepEqual(b.logged.splice(0), ['panel.horn=false']);
  await b.turn('warm', 'normal');
  assert.deepEqual(b.logged, [], 'the other rule still needs the lamp');
  const next = b.restart(1000);
  await next.clock.advance(0);
  assert.deepEqual(next.logged.splice(0).sort(), ['panel.horn=false', 'panel.lamp=true']);
  await next.turn('cold', 'normal');
  assert.deepEqual(next.logged, ['panel.lamp=false']);
});

test('an output on a silent device is tried until it succeeds, with two events', async () => {
  const b = actionsBench([ruleOf('warm', { actions: [output('panel.lamp')] })]);
  await b.clock.advance(0);
  b.points.set('panel.lamp', silent);
  await b.turn('warm', 'active-unacknowledged');
  await b.clock.advance(3_600_000);
  assert.ok(b.did.length > 50 && b.did.length < 80, String(b.did.length));
  b.points.delete('panel.lamp');
  await b.clock.advance(60_000);
  assert.equal(b.logged.at(-1), 'panel.lamp=true');
  assert.deepEqual(results(b.events), ['failed', 'done']);
});

test('messages and flows: the broker takes them, and a flow that is missing is waited for', async () => {
  const b = actionsBench([
    ruleOf('warm', {
      actions: [
        { kind: 'publish', on: ['active'], topic: 'siren/state', payload: '{rule} {value} {severity} {occurrence} {gateway}' },
        { kind: 'flow', on: ['active'], flow: 'call' },
      ],
    }),
  ]);
  await b.turn('warm', 'active-unacknowledged');
  assert.deepEqual(b.did, ['publish action/warm/siren/state: warm 9 warning 1 g1']);
  b.heard.flows.add('call');
  await b.clock.advance(2000);
  assert.deepEqual(b.did.slice(1), ['flow call: warm is active-unacknowledged']);
  b.heard.flows.clear();
  await b.turn('warm', 'normal');
  await b.turn('warm', 'active-unacknowledged');
  await b.clock.advance(600_000);
  assert.deepEqual(results(b.events), ['done', 'done', 'done', 'failed']);
});

test('a thousand alarms at once: bounded queues, the critical ones first, the rest counted', async () => {
  const rules = Array.from({ length: 1000 }, (_, i) =>
    ruleOf(`r${i}`, { severity: i === 999 ? 'critical' : 'info', actions: [hook('siren'), write(`d-${i}.x`, 1)] }),
  );
  const b = actionsBench(rules, { hooks: [SIREN] });
  const { promise, resolve } = Promise.withResolvers<string>();
  b.hookRuns.set('siren', () => promise);
  b.actions.planned(
    rules.map(({ name, severity }) => ({
      ...{
        rule: name,
        occurrence: 1,
        state: 'active-unacknowledged',
        severity,
        point: 'd.p',
        at: 0,
        message: name,
        cause: 'reading',
      },
    })),
  );
  b.actions.begin();
  await b.clock.advance(0);
  assert.equal(b.did.filter((one) => one.startsWith('hook')).length, 2);
  resolve('');
  await b.clock.advance(1000);
  const hooks = b.did.filter((one) => one.startsWith('hook'));
  assert.equal(hooks.length + b.actions.tally.of('hook', 'dropped'), 1000);
  assert.equal(b.actions.tally.of('hook', 'done'), 202);
  assert.equal(b.actions.tally.of('write', 'done') + b.actions.tally.of('write', 'dropped'), 1000);
  assert.deepEqual(b.waiting(), { write: 0, hook: 0, publish: 0, flow: 0, output: 0 });
  assert.ok(
    [...b.saved.values()].every((state) => (state as { jobs: unknown[] }).jobs.length === 0),
    'nothing is left to do',
  );
});

test('the most severe of those that wait begins first', async () => {
  const rules = (['info', 'info', 'info', 'warning', 'critical'] as const).map((severity, i) =>
    ruleOf(`r${i}`, { severity, actions: [hook('siren')] }),
  );
  const b = actionsBench(rules, { hooks: [SIREN] });
  const ends: (() => void)[] = [];
  b.hookRuns.set('siren', () => new Promise((resolve) => ends.push(() => resolve(''))));
  for (const { name } of rules) await b.turn(name, 'active-unacknowledged', { message: name });
  for (let i = 0; i < rules.length; i++) {
    ends.shift()?.();
    await b.clock.advance(0);
  }
  assert.deepEqual(
    b.did.map((one) => /r\d/.exec(one)?.[0]),
    ['r0', 'r1', 'r4', 'r3', 'r2'],
  );
});

test('a rule that is only observed does nothing', async () => {
  const b = actionsBench([ruleOf('warm', { observe: true, actions: [write('d.out', 1), output('d.lamp')] })]);
  await b.turn('warm', 'active-unacknowledged', { observed: true });
  await b.clock.advance(100_000);
  assert.deepEqual(b.did, []);
});

test('a write and a hook that are done while the gateway stops are not done again', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0), hook('siren')] })], { hooks: [SIREN] });
  const answer = Promise.withResolvers<void>();
  b.points.set('pump.run', () => answer.promise);
  b.hookRuns.set('siren', async () => {
    await answer.promise;
    return '';
  });
  await b.turn('dry', 'active-unacknowledged');
  assert.equal(b.did.length, 2);
  b.actions.stop();
  answer.resolve();
  await b.clock.advance(0);
  b.actions.end();
  const next = b.restart(60_000);
  await next.clock.advance(60_000);
  assert.deepEqual(next.did, []);
});

test('a reload drops what a rule does not do any more, and keeps the rest', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0), write('pump.valve', 0)] })]);
  b.points.set('pump.run', silent);
  b.points.set('pump.valve', silent);
  await b.turn('dry', 'active-unacknowledged');
  b.reload([ruleOf('dry', { actions: [write('pump.run', 0)] })]);
  const left = b.saved.get('@action.dry') as { jobs: { at: string }[] };
  assert.deepEqual(
    left.jobs.map(({ at }) => at),
    ['do.0'],
  );
  b.reload([ruleOf('dry')]);
  assert.equal(b.saved.has('@action.dry'), false);
});

test('a damaged state is left out, whatever it says', async () => {
  const rule = ruleOf('dry', { actions: [write('pump.run', 0)] });
  const book = { state: 'normal', acted: 0, open: false, holding: false, jobs: [] };
  for (const state of [
    ...[7, 'x', null, {}, { ...book, jobs: 7 }, { ...book, acted: -1 }, { ...book, state: 'on fire' }],
    { ...book, jobs: Array(10_000).fill({}) },
    { ...book, escalation: { waited: 1e300, savedAt: 0, wallKnown: true, done: 1e9 } },
    { ...book, jobs: [{ at: 'do.0', print: 'x', facts: {} }] },
    { ...book, jobs: [{ at: 'constructor', print: '', facts: {} }] },
  ]) {
    const b = actionsBench([rule], { saved: new Map([['@action.dry', state]]) });
    await b.turn('dry', 'active-unacknowledged');
    assert.deepEqual(b.did, ['rule rule dry: pump.run=0'], JSON.stringify(state)?.slice(0, 80));
  }
});
