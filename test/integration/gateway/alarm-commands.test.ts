/** `sluice alarm` on a running gateway with a device made by somebody else: what subscribers see, and what outlives a kill. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { AlarmStatus } from '../../../src/admin/live/live-types.ts';
import type { Peek } from '../../harness/mqtt-peek.ts';
import { site } from '../../harness/site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** What was done by command, as a subscriber heard it. */
const commands = ({ messages }: Peek): string[] =>
  messages
    .filter(({ topic }) => topic === 'sluice/g1/event')
    .map(({ text }) => JSON.parse(text))
    .filter(({ event, data }) => event === 'command' && data.result === 'done')
    .map(({ data }) => data.do);

test('sluice alarm: acknowledged, over, shelved; on the topic, in status, and after a kill', async (t) => {
  const s = await site(t, {
    device: SettableDevice.start,
    bus: 'timeout: 2s',
    devices:
      '  fridge: {bus: plant, unit: 1, interval: 50ms, points: {temperature: {table: holding, address: 5, type: int16, unit: Cel}}}',
    rules: '  warm: {point: fridge.temperature, above: 8, severity: critical, acknowledge: required}',
    buffer: '',
    broker: true,
  });
  if (s === undefined) return;
  const { device, gateway } = s;
  const status = () => gateway.status();
  const alarm = (...args: string[]) => sluice(t, 'alarm', args[0] as string, '-c', gateway.config, ...args.slice(1));
  const stateIs = (state: string) =>
    waitFor(`the state ${state}`, async () => ((await status()).alarms[0]?.state ?? 'normal') === state);
  const begin = async () => {
    await gateway.up();
    return s.peek();
  };
  await device.set(5, 4);
  const peek = await begin();
  assert.deepEqual(await alarm('list'), { code: 0, stdout: 'no alarms', stderr: '' });
  const early = await alarm('ack', 'warm');
  assert.deepEqual([early.code, early.stderr], [1, 'sluice: the alarm warm is normal: there is nothing to acknowledge']);
  const ghost = await alarm('ack', 'cold');
  assert.deepEqual([ghost.code, ghost.stderr], [1, 'sluice: there is no rule cold; the rules are: warm']);

  await device.set(5, 9);
  await stateIs('active-unacknowledged');
  assert.deepEqual(await alarm('ack', 'warm'), { code: 0, stdout: 'warm: ALARM, acknowledged', stderr: '' });
  await device.set(5, 4);
  await stateIs('normal');
  await device.set(5, 9);
  await stateIs('active-unacknowledged');
  await device.set(5, 4);
  await stateIs('returned-unacknowledged');
  const list = JSON.parse((await alarm('list', '--json')).stdout) as AlarmStatus[];
  assert.deepEqual(
    list.map(({ rule, state, occurrence }) => [rule, state, occurrence]),
    [['warm', 'returned-unacknowledged', 2]],
  );

  const bad = await alarm('shelve', 'warm', '--for', '8d');
  assert.deepEqual([bad.code, bad.stderr], [2, 'sluice: an alarm is shelved for 1s to 7d; write for example 8h']);
  for (const empty of ['', '  ']) {
    const words = await alarm('shelve', 'warm', '--for', '2h', '--reason', empty);
    const said = 'sluice: --reason is empty: write why, for example --reason "door open for defrosting"; or leave out --reason';
    assert.deepEqual(words, { code: 2, stdout: '', stderr: said });
  }
  const shelved = await alarm('shelve', 'warm', '--for', '2h', '--reason', 'defrosting');
  assert.match(shelved.stdout, /^warm: shelved until \d+ [A-Z][a-z]+ 20\d\d /);
  await waitFor('both commands at the subscriber', () => commands(peek).length === 2);
  await device.set(5, 9);
  await gateway.kill();
  const again = await begin();
  const [after] = await waitFor('the alarm after the kill', async () => (await status()).alarms);
  assert.equal(after?.state, 'shelved');
  assert.match(after?.message ?? '', /^warm: shelved for 2h by \S+ \(defrosting\)$/);
  await waitFor('a reading', async () => (await status()).buses[0]?.devices[0]?.state === 'answering');
  assert.equal((await alarm('unshelve', 'warm')).code, 0);
  await stateIs('active-unacknowledged');

  const states = (from: Peek) =>
    from.messages.filter((m) => m.topic === 'sluice/g1/alarm/warm' && m.text !== '').map((m) => JSON.parse(m.text).state);
  await waitFor('the last transition', () => states(again).at(-1) === 'active-unacknowledged');
  await waitFor('the last command', () => commands(again).length > 0);
  assert.deepEqual(states(peek), [
    ...['active-unacknowledged', 'active-acknowledged', 'normal'],
    ...['active-unacknowledged', 'returned-unacknowledged', 'shelved'],
  ]);
  assert.deepEqual([...commands(peek), ...commands(again)], ['acknowledge', 'shelve', 'shelve']);
});

test('sluice alarm: latched and reset, out of service and back, also after a kill', async (t) => {
  const s = await site(t, {
    device: SettableDevice.start,
    bus: 'timeout: 2s',
    devices:
      '  fridge: {bus: plant, unit: 1, interval: 50ms, points: {temperature: {table: holding, address: 5, type: int16, unit: Cel}}}',
    rules: '  warm: {point: fridge.temperature, above: 8, severity: critical, latch: true}',
    buffer: '',
    broker: true,
  });
  if (s === undefined) return;
  const { device, gateway } = s;
  const status = () => gateway.status();
  const alarm = (...args: string[]) => sluice(t, 'alarm', args[0] as string, '-c', gateway.config, ...args.slice(1));
  const stateIs = (state: string) =>
    waitFor(`the state ${state}`, async () => ((await status()).alarms[0]?.state ?? 'normal') === state);
  await device.set(5, 9);
  await gateway.up();
  const peek = await s.peek();
  await stateIs('active-unacknowledged');
  for (const empty of ['', ' ']) {
    const why = await alarm('out-of-service', 'warm', '--reason', empty);
    assert.deepEqual([why.code, why.stderr], [2, 'sluice: --reason is empty: write why, for example --reason "new sensor"']);
  }
  await assert.rejects(request(gateway.socket, 'POST', '/api/v1/shelve', { rule: 'warm', for: 60_000, reason: '' }), {
    message: /"reason" is a text of 1 to 200 letters: why, for example "door open for defrosting"/,
  });
  const early = await alarm('reset', 'warm');
  assert.deepEqual(
    [early.code, early.stderr],
    [1, 'sluice: the alarm warm is still active: it can be reset when its condition is over'],
  );
  await device.set(5, 4);
  await stateIs('latched');
  await gateway.kill();
  await gateway.up();
  const again = await s.peek();
  await stateIs('latched');
  assert.deepEqual(await alarm('reset', 'warm'), { code: 0, stdout: 'warm: normal', stderr: '' });
  await assert.rejects(
    request(gateway.socket, 'POST', '/api/v1/out-of-service', { rule: 'warm', reason: ' ' }),
    /needs a reason/,
  );
  assert.equal((await alarm('out-of-service', 'warm', '--reason', 'new sensor')).stdout, 'warm: out of service');
  await waitFor('both commands at the subscriber', () => commands(again).length === 2);
  await device.set(5, 9);
  await gateway.kill();
  await gateway.up();
  const last = await s.peek();
  await stateIs('out-of-service');
  assert.match((await status()).alarms[0]?.message ?? '', /^warm: taken out of service by \S+ \(new sensor\)$/);
  await waitFor('a reading', async () => (await status()).buses[0]?.devices[0]?.state === 'answering');
  assert.equal((await alarm('in-service', 'warm')).code, 0);
  await stateIs('active-unacknowledged');
  // The first one and the one that was put in service; the counts outlive a kill to within a minute.
  assert.ok((await status()).alarmFigures.annunciated >= 1);
  assert.match((await alarm('stats')).stdout, /^alarms {6}[12] since /);

  const seen = [peek, again, last].flatMap(({ messages }) => messages.map((m) => ({ topic: m.topic, json: m.text })));
  const causes = seen
    .filter(({ topic, json }) => topic === 'sluice/g1/alarm/warm' && json !== '')
    .map(({ json }) => JSON.parse(json) as { state: string; cause: string })
    .map(({ state, cause }) => `${state} ${cause}`);
  for (const one of ['active-unacknowledged reading', 'latched reading', 'normal operator', 'out-of-service operator'])
    assert.ok(causes.includes(one), `${one} in ${causes.join(', ')}`);
  await waitFor('the last command', () => commands(last).length > 0);
  assert.deepEqual([peek, again, last].flatMap(commands), ['reset', 'out-of-service', 'in-service']);
});
