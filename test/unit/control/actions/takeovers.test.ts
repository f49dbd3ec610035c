/** Rules that act while other rules lock, the configuration changes, the gateway ends, or the log is damaged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedAction } from '../../../../src/config/actions.ts';
import { MOST_JOBS } from '../../../../src/control/actions/job.ts';
import { SluiceError } from '../../../../src/core/errors.ts';
import { actionsBench, ruleOf, silent } from '../../../fakes/actions-bench.ts';

const write = (point: string, value: number, more: Partial<Extract<ResolvedAction, { kind: 'write' }>> = {}): ResolvedAction => ({
  ...{ kind: 'write', on: ['active'], point, value, retries: 3 },
  ...more,
});
const lamp: ResolvedAction = { kind: 'output', on: ['active'], point: 'panel.lamp', set: true, clear: false, while: 'active' };
const results = (events: readonly { readonly data?: unknown }[]) => events.map(({ data }) => (data as { result: string }).result);
const SIREN = { name: 'siren', run: ['/bin/siren'], timeout: 1000, unsafeSameUser: true };
const ESCALATION = { after: 60_000, actions: [write('horn.on', 1, { on: ['escalated'] })] };

test('a write of a rule that is locked out does not take the place of a safety write', async () => {
  const b = actionsBench([
    ruleOf('dry', { interlock: ['pump.run'], actions: [write('pump.run', 0)] }),
    ruleOf('low', { severity: 'critical', actions: [write('pump.run', 1, { orElse: write('call.help', 1) })] }),
  ]);
  b.locks.set('pump.run', (who) => {
    if (who !== 'rule dry')
      throw new SluiceError('write-refused', 'pump.run is locked by the rule dry', { data: { interlock: 'dry' } });
  });
  b.points.set('pump.run', silent);
  await b.turn('dry', 'active-unacknowledged');
  await b.turn('low', 'active-unacknowledged');
  assert.match(b.events[0]?.message ?? '', /of the rule low failed: pump\.run is locked by the rule dry\./);
  b.points.delete('pump.run');
  await b.clock.advance(60_000);
  assert.deepEqual(b.logged, ['call.help=1', 'pump.run=0']);
  assert.equal(b.actions.tally.of('write', 'superseded'), 0);
});

test('an alarm that begins while the gateway stops is acted on by the next start', async () => {
  const first = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0)] })]);
  first.actions.stop();
  await first.turn('dry', 'active-unacknowledged');
  assert.deepEqual(first.did, []);
  const second = first.restart(1000);
  await second.clock.advance(0);
  assert.deepEqual(second.did, ['rule rule dry: pump.run=0']);
  const third = second.restart(1000);
  await third.turn('dry', 'active-acknowledged', { cause: 'operator' });
  assert.deepEqual(third.did, []);
});

test('actions that a reload removed are not tried again, and have no fallback', async () => {
  const orElse = write('relay.trip', 1);
  const b = actionsBench([
    ruleOf('dry', { actions: [write('pump.run', 0, { orElse })] }),
    ruleOf('gone', { actions: [write('pump.valve', 0, { orElse })] }),
  ]);
  b.points.set('pump.run', silent);
  b.points.set('pump.valve', silent);
  await b.turn('dry', 'active-unacknowledged');
  await b.turn('gone', 'active-unacknowledged');
  b.reload([ruleOf('dry', { actions: [write('pump.run', 5)] })]);
  await b.clock.advance(600_000);
  assert.deepEqual(b.did, ['rule rule dry: pump.run=0', 'rule rule gone: pump.valve=0']);
  assert.equal(b.actions.tally.of('write', 'superseded'), 2);
  assert.deepEqual(b.waiting(), { write: 0, publish: 0, hook: 0, flow: 0, output: 0 });
});

test('a write that runs while its rule is removed has no fallback', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0, { orElse: write('relay.trip', 1) })] })]);
  const { promise, reject } = Promise.withResolvers<void>();
  b.points.set('pump.run', () => promise);
  await b.turn('dry', 'active-unacknowledged');
  b.reload([ruleOf('dry', { actions: [write('pump.run', 5)] })]);
  reject(new SluiceError('timeout', 'unit 1 does not answer'));
  await b.clock.advance(600_000);
  assert.deepEqual(b.did, ['rule rule dry: pump.run=0']);
});

test('jobs beyond the bound of their rule are not begun', async () => {
  const action: ResolvedAction = { kind: 'hook', on: ['active'], hook: 'siren', with: {}, retries: 1 };
  const b = actionsBench([ruleOf('flaps', { actions: [action] })], { hooks: [SIREN] });
  const { promise, resolve } = Promise.withResolvers<string>();
  b.hookRuns.set('siren', () => promise);
  for (let i = 0; i < 2 * MOST_JOBS; i++) {
    await b.turn('flaps', 'active-unacknowledged');
    await b.turn('flaps', 'normal');
  }
  resolve('');
  await b.clock.advance(600_000);
  assert.equal(b.did.length, 1 + MOST_JOBS, 'the one that ran, and as many as may wait');
});

test('an output whose rule is removed, observed or loses it is cleared, and then left alone', async () => {
  const rules = {
    gone: [],
    observed: [ruleOf('warm', { actions: [lamp], observe: true })],
    other: [ruleOf('warm', { actions: [] })],
  };
  for (const [how, next] of Object.entries(rules)) {
    const b = actionsBench([ruleOf('warm', { actions: [lamp] })]);
    await b.turn('warm', 'active-unacknowledged');
    assert.equal(b.logged.at(-1), 'panel.lamp=true');
    b.points.set('panel.lamp', silent);
    b.reload(next);
    await b.clock.advance(0);
    b.reload(next);
    await b.clock.advance(10_000);
    b.points.delete('panel.lamp');
    await b.clock.advance(60_000);
    assert.equal(b.logged.at(-1), 'panel.lamp=false', how);
    const { length } = b.did;
    b.reload(next);
    await b.clock.advance(600_000);
    assert.equal(b.did.length, length, how);
  }
});

test('an output that the run before held, and no rule names now, is cleared at the start', async () => {
  const horn: ResolvedAction = { kind: 'output', on: ['active'], point: 'panel.horn', set: 1, clear: 0, while: 'active' };
  const before = actionsBench([ruleOf('warm', { actions: [lamp, horn] }), ruleOf('cold', { actions: [lamp] })]);
  await before.turn('warm', 'active-unacknowledged');
  const { saved } = before;
  assert.deepEqual([...saved.keys()].filter((key) => key.startsWith('@output.')).sort(), [
    '@output.panel.horn',
    '@output.panel.lamp',
  ]);
  // Killed: nothing of `stop` ran. The rule has another name now, without its horn.
  const now = actionsBench([ruleOf('hot', { actions: [lamp] })], { saved });
  await now.clock.advance(60_000);
  assert.deepEqual(
    now.did.filter((one) => one.includes('horn')),
    ['rule rule warm: panel.horn=0'],
  );
  assert.deepEqual(
    now.did.filter((one) => one.includes('lamp')),
    ['rule rule hot: panel.lamp=false'],
    'the new rule writes its lamp itself',
  );
  assert.deepEqual(results(now.events), ['cleared']);
  assert.match(now.events[0]?.message ?? '', /^The output panel\.horn was on for the rule warm when the gateway ended\./);
  assert.deepEqual(
    [...saved.keys()].filter((key) => key.startsWith('@output.')),
    [],
  );
  const third = actionsBench([], { saved });
  await third.clock.advance(60_000);
  assert.deepEqual(third.did, [], 'once');
});

test('what a damaged log says of held outputs is bounded and writes no other point', async () => {
  const saved = new Map<string, unknown>([
    ['@output.panel.lamp', { point: 'pump.run', clear: 1, rule: 'warm' }],
    ['@output.a', { point: 'a', clear: 1, rule: 'warm' }],
    ['@output.b.c', { point: 'b.c', clear: { deep: 1 }, rule: 'warm' }],
    ['@output.d.e', 'text'],
    ...Array.from({ length: 1000 }, (_, i) => [`@output.p.q${i}`, { point: `p.q${i}`, clear: 0, rule: 'x'.repeat(64) }] as const),
  ]);
  // Each start clears so many. Those beyond are still on, so the log keeps them for the next one.
  const cleared: string[] = [];
  for (const left of [1000 - 256, 1000 - 512, 1000 - 768, 0]) {
    const b = actionsBench([], { saved });
    await b.clock.advance(60_000);
    cleared.push(...b.did);
    assert.equal(saved.size, left);
  }
  assert.deepEqual(
    cleared.toSorted(),
    Array.from({ length: 1000 }, (_, i) => `rule rule ${'x'.repeat(64)}: p.q${i}=0`).toSorted(),
  );
});

test('an output that went with its point is given up, with an event', async () => {
  const b = actionsBench([ruleOf('warm', { actions: [lamp] })]);
  await b.turn('warm', 'active-unacknowledged');
  b.points.set('panel.lamp', async () => {
    throw new SluiceError('not-found', 'there is no device panel');
  });
  b.reload([]);
  await b.clock.advance(600_000);
  assert.equal(b.did.filter((one) => one.endsWith('lamp=false')).length, 2, 'at the start, and once more');
  assert.match(b.events[0]?.message ?? '', /The output panel\.lamp has no rule any more and could not be set to false/);
  assert.equal(b.waiting().output, 0);
});

test('a reload while an output is written waits for it, and the output ends right', async () => {
  const rules = [ruleOf('warm', { actions: [lamp] })];
  const b = actionsBench(rules);
  await b.clock.advance(0);
  const { promise, resolve } = Promise.withResolvers<void>();
  b.points.set('panel.lamp', () => promise);
  await b.turn('warm', 'active-unacknowledged');
  b.reload(rules);
  await b.turn('warm', 'normal');
  assert.equal(b.did.length, 2, 'one write at a time');
  b.points.delete('panel.lamp');
  resolve();
  await b.clock.advance(60_000);
  assert.equal(b.logged.at(-1), 'panel.lamp=false');
});

test('an alarm that stands already escalates when a reload or a damaged log leaves it to', async () => {
  const wants = ruleOf('warm', { escalation: ESCALATION });
  // The rule acted before, or it did not.
  for (const before of [ruleOf('warm'), ruleOf('warm', { actions: [write('d.out', 1)] })]) {
    const b = actionsBench([before]);
    await b.turn('warm', 'active-unacknowledged');
    b.reload([wants]);
    await b.clock.advance(40_000);
    const next = b.restart(10_000);
    await next.clock.advance(9_000);
    assert.ok(!next.logged.includes('horn.on=1'));
    await next.clock.advance(1_000);
    assert.ok(next.logged.includes('horn.on=1'));
  }
  const b = actionsBench([wants]);
  await b.turn('warm', 'active-unacknowledged');
  b.saved.set('@action.warm', 'damaged');
  const next = b.restart(0);
  await next.clock.advance(60_000);
  assert.deepEqual(next.logged, ['horn.on=1']);
});

test('a wait of more than a year is still a wait', async () => {
  const repeat = { ...ESCALATION, repeat: 3_600_000 };
  const b = actionsBench([ruleOf('warm', { actions: [write('d.out', 1)], escalation: repeat })]);
  await b.turn('warm', 'active-unacknowledged');
  const state = b.saved.get('@action.warm') as object;
  const year = 367 * 86_400_000;
  b.saved.set('@action.warm', {
    ...state,
    escalation: { waited: 2 * year, savedAt: b.clock.wall(), wallKnown: true, done: 3, last: 2 * year },
  });
  const next = b.restart(0);
  await next.clock.advance(3_599_999);
  assert.deepEqual(next.did, []);
  await next.clock.advance(1);
  assert.deepEqual(next.logged, ['horn.on=1']);
});

test('a damaged log acts for no other rule and keeps no activation from being acted on', async () => {
  const b = actionsBench([ruleOf('dry', { actions: [write('pump.run', 0)] })]);
  b.points.set('pump.run', silent);
  await b.turn('dry', 'active-unacknowledged');
  const state = b.saved.get('@action.dry') as { jobs: { facts: object }[] };
  b.saved.set('@action.dry', {
    ...state,
    acted: Number.MAX_SAFE_INTEGER,
    jobs: state.jobs.map((job) => ({ ...job, facts: { ...job.facts, rule: 'other' } })),
  });
  const next = b.restart(0);
  await next.clock.advance(0);
  assert.deepEqual(next.did, [], 'the job is another rule’s');
  await next.turn('dry', 'normal');
  await next.turn('dry', 'active-unacknowledged');
  assert.deepEqual(next.did, ['rule rule dry: pump.run=0']);
});

test('what a full queue leaves out has its event and its fallback', async () => {
  const rules = Array.from({ length: 203 }, (_, i) =>
    ruleOf(`r${i}`, {
      severity: i === 202 ? 'critical' : 'info',
      actions: [{ kind: 'hook', on: ['active'], hook: 'siren', with: {}, retries: 0, orElse: write(`d-${i}.x`, 1) }],
    }),
  );
  const b = actionsBench(rules, { hooks: [SIREN] });
  const { promise } = Promise.withResolvers<string>();
  b.hookRuns.set('siren', () => promise);
  for (const { name } of rules) await b.turn(name, 'active-unacknowledged');
  assert.deepEqual(results(b.events), ['dropped']);
  assert.deepEqual(b.logged, ['d-201.x=1'], 'the newest of the others made room for the critical one');
  assert.equal(b.actions.tally.of('hook', 'dropped'), 1);
});
