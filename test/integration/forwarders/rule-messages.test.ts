/**
 * Messages of rules over a forwarder, at a real Mosquitto with an access list: acknowledged, refused with a reason, expired, kept through
 * an outage, a reload and a kill, behind their alarms, and without values that the forwarder may not have.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { scratch } from '../../harness/scratch.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const DEVICES = `
  home:
    bus: plant
    unit: 1
    interval: 100ms
    points:
      a: {table: holding, address: 1, type: uint16}
      b: {table: holding, address: 2, type: uint16}
      c: {table: holding, address: 3, type: uint16}
      d: {table: holding, address: 4, type: uint16}
      load: {table: holding, address: 5, type: uint16, privacy: household}`;
const RULES = `
  help: {point: home.a, above: 5, do: [{publish: call/now, to: cloud, payload: '{rule} {value}'}]}
  forbidden: {point: home.b, above: 5, do: [{publish: call, to: cloud, else: {publish: instead, to: cloud, payload: instead}}]}
  brief: {point: home.c, above: 5, do: [{publish: call, to: cloud, within: 1s}]}
  long: {point: home.d, above: 5, do: [{publish: call, to: cloud, within: 1h, payload: 'still {value}'}]}
  private: {point: home.load, above: 5, do: [{publish: call, to: cloud, payload: '<{value}|{point}|{message}>'}]}`;
const SECRET = 48_613;

test('a message of a rule has one of its outcomes at a real broker', { timeout: 400_000 }, async (t) => {
  const list = path.join(scratch(t), 'acl');
  writeFileSync(list, 'topic readwrite #\ntopic deny sluice/g1/action/forbidden/call\n');
  const b = await site(t, {
    device: SettableDevice.start,
    ...{ bus: 'timeout: 10s, retries: 0', devices: DEVICES, rules: RULES, broker: true },
    cloud: 'protocol: 5, batch: {maxAge: 50ms}',
    upstream: { topics: ['sluice/#'], mosquitto: { persistence: true, extra: [`acl_file ${list}`] } },
  });
  if (b === undefined) return;
  const { device, gateway, mosquitto, subscriber } = b;
  await gateway.up();
  await gateway.waitForLog(/Connected to the upstream broker/);
  const got = (topic: string) => subscriber.messages().filter((m) => m.topic === `sluice/g1/${topic}`);
  const figures = async (action: string, rule: string) =>
    (await gateway.status()).actions?.list.find((one) => one.rule === rule && one.action === action);

  await device.set(1, 9);
  const first = await waitFor('the message', () => got('action/help/call/now')[0]);
  assert.deepEqual([first?.payload, first?.qos, first?.retained], ['help 9', 1, false]);
  await waitFor('its figures', async () => (await figures('publish call/now to cloud', 'help'))?.done === 1);

  await device.set(2, 9);
  await waitFor('the fallback', () => got('action/forbidden/instead').length > 0);
  const refused = await figures('publish call to cloud', 'forbidden');
  assert.deepEqual([refused?.failed, refused?.started], [1, 1], 'a refusal is final');
  assert.match(
    refused?.error?.message ?? '',
    /the broker refuses a message on sluice\/g1\/action\/forbidden\/call: not authorized \(code 135\)/,
  );
  assert.deepEqual(got('action/forbidden/call'), []);

  await device.set(5, SECRET);
  const hidden = await waitFor('the message without a value', () => got('action/private/call')[0]);
  assert.match(hidden?.payload ?? '', /^<\|\|[^|]+>$/);
  assert.ok(subscriber.messages().every(({ payload }) => !payload.includes(String(SECRET))));

  await mosquitto.stop();
  await gateway.waitForLog(/the broker|upstream broker/);
  await device.set(3, 9, 9);
  await waitFor('the one that expires', async () => (await figures('publish call to cloud', 'brief'))?.failed === 1);
  assert.match(
    (await figures('publish call to cloud', 'brief'))?.error?.message ?? '',
    /the message did not leave within 1s: there was no connection to the broker/,
  );
  const publishes = async () => (await gateway.status()).actions?.kinds.find(({ kind }) => kind === 'publish');
  await waitFor('the other one to wait', async () => (await publishes())?.waiting === 1);
  // The forwarder is exchanged while it waits there, and the gateway is killed.
  await gateway.reload(b.yaml({ cloud: 'protocol: 5, batch: {maxAge: 60ms}' }));
  await waitFor('it to wait at the new one', async () => (await publishes())?.waiting === 1);
  await gateway.kill();
  await gateway.up();
  await waitFor('it to wait in the next run', async () => (await publishes())?.waiting === 1);
  // The broker may forget the session of the subscriber over a restart: this one is there again before the gateway is.
  await gateway.kill();
  await subscriber.pause();
  await mosquitto.start();
  await subscriber.resume();
  await gateway.up();
  const kept = await waitFor('what was kept', () => got('action/long/call')[0]);
  assert.equal(kept?.payload, 'still 9');
  await waitFor('its figures', async () => (await publishes())?.waiting === 0);
  assert.deepEqual(got('action/brief/call'), [], 'what expired does not leave later');
  const order = subscriber.messages().map(({ topic }) => topic);
  for (const [rule, topic] of [
    ['help', 'call/now'],
    ['long', 'call'],
  ])
    assert.ok(
      order.indexOf(`sluice/g1/alarm/${rule}`) < order.indexOf(`sluice/g1/action/${rule}/${topic}`),
      `the alarm ${rule} leaves before its message`,
    );
});
