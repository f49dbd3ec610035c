/** A rule with `observe: true` in a running gateway: an event and figures, no alarm; over a restart and to its normal life. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ObservationStatus } from '../../../src/admin/target.ts';
import { site } from '../../harness/site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const rule = 'warm: {point: fridge.temperature, above: 8, severity: critical';

test('a rule on trial is an event and a figure; without observe: it raises alarms', async (t) => {
  const s = await site(t, {
    device: SettableDevice.start,
    bus: 'timeout: 2s',
    devices:
      '  fridge: {bus: plant, unit: 1, interval: 50ms, points: {temperature: {table: holding, address: 5, type: int16, unit: Cel}}}',
    rules: `  ${rule}, observe: true}`,
    buffer: '',
    broker: true,
  });
  if (s === undefined) return;
  const { device, gateway } = s;
  const observed = async () => (await gateway.status()).observed?.[0];
  const stateIs = (state: string) => waitFor(`the state ${state}`, async () => (await observed())?.state === state);
  await device.set(5, 4);
  await gateway.up();
  const peek = await s.peek();
  await device.set(5, 9);
  await stateIs('active-unacknowledged');
  await device.set(5, 4);
  await stateIs('normal');
  await device.set(5, 9);
  await stateIs('active-unacknowledged');

  const events = () =>
    peek.messages
      .filter(({ topic }) => topic === 'sluice/g1/event')
      .map(({ text }) => JSON.parse(text) as { event: string; data: Record<string, unknown>; message: string })
      .filter(({ event }) => event === 'observation');
  await waitFor('three events', () => events().length === 3);
  assert.deepEqual(
    events().map(({ data }) => [data.rule, data.state, data.occurrence, data.value]),
    [
      ['warm', 'active-unacknowledged', 1, 9],
      ['warm', 'normal', 1, 4],
      ['warm', 'active-unacknowledged', 2, 9],
    ],
  );
  assert.equal(events()[0]?.message, 'warm is only observed: fridge.temperature is 9 °C, above 8');
  assert.deepEqual(
    peek.messages.filter(({ topic }) => topic.startsWith('sluice/g1/alarm/')),
    [],
  );
  assert.deepEqual((await gateway.status()).alarms, []);
  const run = (...words: string[]) => sluice(t, ...words, '-c', gateway.config);
  assert.equal((await run('alarm', 'list')).stdout, 'no alarms');
  for (const words of [
    ['alarm', 'list', '--observed'],
    ['rules', 'observe'],
  ] as const) {
    const { code, stdout } = await run(...words);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^warm \(critical\): 2 alarms would have begun, the longest \S+, since .*\n {4}now ALARM, not acknowledged/,
    );
  }
  const refused = await run('alarm', 'ack', 'warm');
  assert.deepEqual(
    [refused.code, refused.stderr],
    [1, 'sluice: the rule warm is only observed (observe: true): it has no alarm'],
  );

  await gateway.kill();
  await gateway.up();
  await stateIs('active-unacknowledged');
  const [again] = JSON.parse((await run('rules', 'observe', '--json')).stdout) as ObservationStatus[];
  assert.deepEqual([again?.count, again?.occurrence], [2, 2]);

  await gateway.reload(s.yaml({ rules: `  ${rule}}` }));
  await waitFor('an alarm', async () => (await gateway.status()).alarms[0]?.state === 'active-unacknowledged');
  assert.equal((await gateway.status()).observed, undefined);
  assert.equal((await run('rules', 'observe')).stdout, 'no rule is only observed; write observe: true at a rule to try it');
});
