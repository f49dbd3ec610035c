/** Flows and the field, with foreign programs: a device of pymodbus that flows may write, and a mosquitto that gets what flows make. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { doorSite } from '../../harness/door-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { nodeRedPeer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const field = (port: number) => ({
  buses: `  pump-line: {protocol: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 30s}\n  derived: {protocol: flows}`,
  devices: `
  pump:
    bus: pump-line
    unit: 1
    interval: 500ms
    points: {speed: {table: holding, address: 10, type: uint16, write: {min: 0, max: 100, every: 10ms}}, other: {table: holding, address: 11, type: uint16, write: {min: 0, max: 100}}}
  calc: {bus: derived, points: {mean: {unit: Cel}}}`,
});

test('flows write and acknowledge what is granted, and the device has it', async (t) => {
  if (!nodeRedPeer(t)) return;
  const device = await SettableDevice.start(t);
  if (device === undefined) return;
  const lines = { ...field(device.port), rest: 'rules:\n  fast: {point: pump.speed, above: 50, acknowledge: required}\n' };
  const site = await doorSite(t, '', lines);
  const { gateway } = site;
  await gateway.up();
  await site.until('running');
  const client = await site.client();
  const { pid } = await site.flows();
  const write = (value: number) => client.call({ do: 'write', point: 'pump.speed', value });
  const refused = await write(60);
  assert.equal(refused.error?.code, 'forbidden');
  assert.equal((await client.call({ do: 'acknowledge', rule: 'fast' })).error?.code, 'forbidden');
  assert.equal((await client.call({ do: 'shelve', rule: 'fast', for: 60_000 })).error?.code, 'forbidden');
  assert.deepEqual(await device.get('holding', 10), [0]);
  await gateway.waitForLog(/pump\.speed was not set to 60 .*flows/);

  const grants = '  grants: {write: [pump.speed], acknowledge: [fast], shelve: [fast]}';
  assert.deepEqual(await gateway.reload(site.yaml(grants)), ['nodeRed']);
  const done = await write(60);
  assert.deepEqual([done.result?.value, done.result?.readBack], [60, true]);
  assert.deepEqual(await device.get('holding', 10), [60]);
  assert.equal((await write(101)).error?.code, 'write-refused');
  assert.equal((await client.call({ do: 'write', point: 'pump.other', value: 1 })).error?.code, 'forbidden');
  assert.equal((await client.call({ do: 'write', point: 'pump.nothing', value: 1 })).error?.code, 'forbidden');
  assert.deepEqual(await device.get('holding', 11), [0]);

  client.say({ type: 'subscribe', id: 'a', alarms: ['fast'], credit: 100 });
  await client.line('the alarm', ({ type, state }) => type === 'alarm' && state === 'active-unacknowledged');
  assert.equal((await client.call({ do: 'acknowledge', rule: 'fast', occurrence: 7 })).error?.code, 'not-found');
  assert.equal((await client.call({ do: 'acknowledge', rule: 'fast' })).result?.state, 'active-acknowledged');
  await client.line('the change', ({ type, state }) => type === 'alarm' && state === 'active-acknowledged');
  assert.equal((await client.call({ do: 'shelve', rule: 'fast', for: 60_000, reason: 'a test' })).result?.state, 'shelved');
  assert.notEqual((await client.call({ do: 'shelve', rule: 'fast', for: null })).result?.state, 'shelved');
  const { stdout } = {
    stdout: gateway
      .logs()
      .filter(({ who }) => who === 'flows')
      .map(({ msg }) => msg),
  };
  assert.ok(
    stdout.some((line) => /pump\.speed was set to 60 by a flow \(flows\)/.test(line)),
    stdout.join('\n'),
  );

  // Without the grants and without the bus while subscribed.
  client.say({ type: 'subscribe', id: 's', points: ['pump.*', 'calc.*'], mode: 'every', credit: 1000 });
  await waitFor('readings', () => client.readings('s').length > 0);
  const less = site
    .yaml('')
    .replace(/ {2}pump-line: .*\n/, '')
    .replace(/ {2}pump:\n(.*\n){4}/, '')
    .replace(/rules:\n.*\n/, '');
  assert.deepEqual((await gateway.reload(less)).slice().sort(), ['buses.pump-line (removed)', 'nodeRed', 'rules']);
  await client.line('the inventory without it', ({ type, devices }) => type === 'inventory' && !('pump' in (devices as object)));
  assert.equal((await write(10)).error?.code, 'forbidden');
  assert.deepEqual((await client.call({ do: 'latest', points: ['pump.*'] })).result, { readings: [] });
  assert.deepEqual((await client.call({ do: 'put', readings: [{ point: 'calc.mean', value: 1 }] })).result, { taken: 1 });
  await waitFor('the reading of the other bus', () => client.readings('s').some(({ point }) => point === 'calc.mean'));
  assert.equal((await site.flows()).pid, pid, 'Node-RED was not disturbed');
  assert.equal(await gateway.stop(), 0);
});

test('a point that flows make is forwarded to a broker', async (t) => {
  if (!nodeRedPeer(t)) return;
  const broker = await Mosquitto.start(t);
  const device = await SettableDevice.start(t);
  if (broker === undefined || device === undefined) return;
  const subscriber = await Subscriber.start(t, broker.port, ['sluice/g1/#']);
  if (subscriber === undefined) return;
  const rest = `forwarders:\n  cloud: {type: mqtt, url: '${broker.url}'}\n`;
  const site = await doorSite(t, '', { ...field(device.port), rest });
  await site.gateway.up();
  await site.until('running');
  const client = await site.client();
  for (const value of [20.5, 21.5]) await client.call({ do: 'put', readings: [{ point: 'calc.mean', value, unit: 'Cel' }] });
  const values = await waitFor('the readings at the broker', () => {
    const batches = subscriber
      .messages()
      .filter(({ topic }) => /^sluice\/g1\/(data|history)$/.test(topic))
      .map(({ payload }) => payload);
    const found = batches.flatMap((text) => [...text.matchAll(/"mean":(\[[^\]]*\]|[\d.]+)/g)].map(([, value]) => value));
    return found.join().includes('21.5') ? found.join() : undefined;
  });
  assert.match(values, /20\.5/);
  assert.equal(await site.gateway.stop(), 0);
});
