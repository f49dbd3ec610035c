/** An alarm that nobody acknowledges, on a running gateway with a device made by somebody else. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { Peek } from '../../harness/mqtt-peek.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const escalation = (rule: string, after: string, register: string) => `  ${rule}:
    point: plant.level
    below: 3
    acknowledge: required
    do: [{publish: began}]
    escalate:
      after: ${after}
      do:
        - {write: plant.${register}, value: 1}
        - {publish: called, payload: '{rule} {state}'}`;

test('nobody acknowledges: the escalation acts; an acknowledgement ends it, also over a kill', async (t) => {
  const s = await site(t, {
    device: SettableDevice.start,
    bus: 'timeout: 2s',
    devices: `
  plant:
    bus: plant
    unit: 1
    interval: 50ms
    points:
      level: {table: holding, address: 5, type: int16}
      horn: {table: holding, address: 0, type: uint16, write: {min: 0, max: 1, every: 0ms}}
      siren: {table: holding, address: 1, type: uint16, write: {min: 0, max: 1, every: 0ms}}
      bell: {table: holding, address: 2, type: uint16, write: {min: 0, max: 1, every: 0ms}}`,
    // The second one is due between the first and the third, and long after a slow answer to its acknowledgement.
    rules: [escalation('left', '1s', 'horn'), escalation('seen', '45s', 'siren'), escalation('late', '46s', 'bell')].join('\n'),
    buffer: '',
    broker: true,
  });
  if (s === undefined) return;
  const { device, gateway } = s;
  await device.set(5, 10);
  await gateway.up();
  const first = await s.peek();
  const published = (peek: Peek) =>
    peek.messages
      .filter(({ topic }) => topic.includes('/action/'))
      .map(({ topic, text }) => `${topic.split('/').slice(-2).join('/')} ${text}`);
  const outputs = async () => (await device.get('holding', 0, 3)).join();

  await device.set(5, 2);
  await waitFor('the escalation of the first alarm', async () => (await outputs()) === '1,0,0');
  await waitFor('its message', () => published(first).some((line) => line === 'left/called left active-unacknowledged'));
  // The actions of the begin came before, and no other alarm is escalated.
  assert.deepEqual(
    published(first).filter((line) => line.includes('/called')),
    ['left/called left active-unacknowledged'],
  );
  assert.equal(published(first).filter((line) => line.includes('/began')).length, 3);
  // At once: a program of its own would start for seconds on a busy machine.
  await request(gateway.socket, 'POST', '/api/v1/acknowledge', { rule: 'seen' });
  assert.equal(await outputs(), '1,0,0', 'the acknowledgement came in time');

  // The wait goes on after a kill, and what was acknowledged or done is not begun anew.
  await gateway.kill();
  await device.set(0, 0);
  await gateway.up();
  const second = await s.peek();
  await waitFor('the escalation of the third alarm', async () => (await outputs()).endsWith(',1'));
  await waitFor('its message', () => published(second).some((line) => line.startsWith('late/called')));
  assert.equal(await outputs(), '0,0,1');
  assert.deepEqual(
    published(second).filter((line) => line.includes('/called')),
    ['late/called late active-unacknowledged'],
  );
  const { alarms } = await gateway.status();
  assert.deepEqual(
    alarms.map(({ rule, state }) => [rule, state]),
    [
      ['left', 'active-unacknowledged'],
      ['seen', 'active-acknowledged'],
      ['late', 'active-unacknowledged'],
    ],
  );
});
