/**
 * A gateway whose disk fails under broker.db alone: polls, alarms and devices that publish go on, and what an absent client has to get
 * is acknowledged when the disk is well. People read it in the status, in an event and in the log.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { Child } from '../../harness/child.ts';
import { CLIENTS, Sub } from '../../harness/embedded-broker.ts';
import { inject } from '../../harness/injected-fault.ts';
import { site } from '../../harness/site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const PASSWORD = 'a long enough password';
const ANNA = ['-u', 'anna', '-P', PASSWORD];

test('polls, alarms and MQTT devices go on while broker.db takes nothing', { timeout: 600_000 }, async (t) => {
  const program = peer(t, 'mosquitto_pub', CLIENTS);
  const s = await site(t, {
    device: SettableDevice.start,
    buses: '  radio: {protocol: mqtt}\n',
    devices: `  d1: {bus: plant, unit: 1, interval: 30ms, points: {n: {table: holding, address: 0, type: uint16}}}
  fridge: {bus: radio, topic: plant/fridge, points: {temperature: {unit: Cel}}}`,
    rules: '  high: {point: d1.n, above: 5}\n  warm: {point: fridge.temperature, above: 8}',
    broker: true,
  });
  if (s === undefined || program === undefined) return;
  const { device, gateway } = s;
  await device.set(0, 0);
  await gateway.up();
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
  const account = { name: 'radio', device: true, publish: ['plant/#'], subscribe: [] };
  const { password } = (await request(gateway.socket, 'POST', '/api/v1/users/add', account)) as { password: string };
  const port = await gateway.brokerPort();
  const publish = (topic: string, payload: string): Child => {
    const who = ['-h', '127.0.0.1', '-p', `${port}`, '-u', 'radio', '-P', password, '-q', '1'];
    const child = new Child(program, [...who, '-t', topic, '-m', payload]);
    t.after(() => child.stop('SIGKILL'));
    return child;
  };
  const tech = [...ANNA, '-c', '-i', 'tech', '-q', '1', '-t', 'plant/kept'];
  const absent = await Sub.start(t, port, tech);
  await absent?.child.stop('SIGTERM');
  const live = await Sub.start(t, port, [...ANNA, '-i', 'live', '-q', '1', '-t', 'plant/#', '-t', 'sluice/g1/#']);
  if (live === undefined) return;
  const fault = await inject(t, gateway.pid, 'fdatasync:error=EIO', `${path.join(gateway.stateDir, 'broker.db')}-wal`);
  if (fault === undefined) return;
  const broker = async () => (await gateway.status()).broker;
  const withheld = publish('plant/kept', 'one');
  await live.message('plant/kept', ({ payload }) => payload === 'one');
  await waitFor('it to wait', async () => (await broker())?.withheldMessages === 1);
  // A mapped topic has its reading, and its publisher goes on.
  for (const degrees of [4, 9]) assert.equal(await publish('plant/fridge', `{"temperature":${degrees}}`).ended, 0);
  await live.message('sluice/g1/alarm/warm', ({ payload }) => payload.includes('"state":"active'));
  await device.set(0, 10);
  await live.message('sluice/g1/alarm/high', ({ payload }) => payload.includes('"state":"active'));
  assert.equal(withheld.over, undefined);
  const status = await sluice(t, 'status', '-v', '--socket', gateway.socket);
  assert.match(status.stdout, /broker\.db takes nothing: .*(EIO|i\/o error)/i);
  assert.match(status.stdout, /not acknowledged until the disk takes it: 1 message of clients, \d+B/);
  const event = await live.message('sluice/g1/event', ({ payload }) => payload.includes('"event":"sessions"'));
  assert.match(event.payload, /not acknowledged until then/);
  await fault.end();
  assert.equal(await withheld.ended, 0, withheld.stderr.join('\n'));
  await live.message(
    'sluice/g1/event',
    ({ payload }) => payload.includes('"event":"sessions"') && payload.includes('"kept":true'),
  );
  await gateway.kill();
  await gateway.up();
  const back = await Sub.start(t, await gateway.brokerPort(), tech);
  assert.equal((await back?.message('plant/kept'))?.payload, 'one');
});
