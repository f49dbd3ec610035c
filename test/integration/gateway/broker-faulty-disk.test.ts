/**
 * A gateway whose disk fails or hangs under broker.db alone: the log, polls, alarms and devices that publish go on, and what an absent client
 * has to get is acknowledged when the disk is well. People read it in the status, in an event and in the log.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { Child } from '../../harness/child.ts';
import { CLIENTS, Sub } from '../../harness/embedded-broker.ts';
import { type Injected, inject } from '../../harness/injected-fault.ts';
import { site } from '../../harness/site.ts';
import { type Gateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const PASSWORD = 'a long enough password';
const ANNA = ['-u', 'anna', '-P', PASSWORD];

const ABSENT = [...ANNA, '-c', '-i', 'tech', '-q', '1', '-t', 'plant/kept'];
const SLOW = { timeout: 600_000 };

interface RadioSite {
  readonly device: SettableDevice;
  readonly gateway: Gateway;
  /** A subscriber of everything. */
  readonly live: Sub;
  /** One message of a device, QoS 1. @param to the port of the first start */
  publish(topic: string, payload: string, to?: number): Child;
}

/** A Modbus device and one that speaks MQTT, each with a rule; a client with a session that is away, and one that is there. */
async function radioSite(t: TestContext): Promise<RadioSite | undefined> {
  const program = peer(t, 'mosquitto_pub', CLIENTS);
  const s = await site(t, {
    device: SettableDevice.start,
    buses: '  radio: {protocol: mqtt}\n',
    devices: `  d1: {bus: plant, unit: 1, interval: 30ms, points: {n: {table: holding, address: 0, type: uint16}}}
  fridge: {bus: radio, topic: plant/fridge, points: {temperature: {unit: Cel}}}`,
    rules: '  high: {point: d1.n, above: 5}\n  warm: {point: fridge.temperature, above: 8}',
    broker: true,
  });
  if (s === undefined || program === undefined) return undefined;
  const { device, gateway } = s;
  await device.set(0, 0);
  await gateway.up();
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
  const account = { name: 'radio', device: true, publish: ['plant/#'], subscribe: [] };
  const { password } = (await request(gateway.socket, 'POST', '/api/v1/users/add', account)) as { password: string };
  const port = await gateway.brokerPort();
  const publish = (topic: string, payload: string, to = port): Child => {
    const who = ['-h', '127.0.0.1', '-p', `${to}`, '-u', 'radio', '-P', password, '-q', '1'];
    const child = new Child(program, [...who, '-t', topic, '-m', payload]);
    t.after(() => child.stop('SIGKILL'));
    return child;
  };
  const absent = await Sub.start(t, port, ABSENT);
  await absent?.child.stop('SIGTERM');
  const live = await Sub.start(t, port, [...ANNA, '-i', 'live', '-q', '1', '-t', 'plant/#', '-t', 'sluice/g1/#']);
  return live && { device, gateway, live, publish };
}

test('polls, alarms and MQTT devices go on while broker.db takes nothing', SLOW, async (t) => {
  const s = await radioSite(t);
  if (s === undefined) return;
  const { device, gateway, live, publish } = s;
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
  const back = await Sub.start(t, await gateway.brokerPort(), ABSENT);
  assert.equal((await back?.message('plant/kept'))?.payload, 'one');
});

/** Neither file of broker.db gets an end of a flush. The rest of the disk is well. */
const hang = ({ pid, stateDir }: Gateway, t: TestContext): Promise<Injected | undefined> => {
  const file = path.join(stateDir, 'broker.db');
  return inject(t, pid, 'fdatasync,fsync:delay_enter=3600s', file, `${file}-wal`);
};
/** Has a message that waits for the disk, and alarms of both devices afterwards. The log goes on. */
async function goesOn({ device, gateway, live, publish }: RadioSite): Promise<Child> {
  const withheld = publish('plant/kept', 'one');
  await live.message('plant/kept', ({ payload }) => payload === 'one');
  await waitFor('it to wait', async () => (await gateway.status()).broker?.withheldMessages === 1);
  for (const degrees of [4, 9]) assert.equal(await publish('plant/fridge', `{"temperature":${degrees}}`).ended, 0);
  await live.message('sluice/g1/alarm/warm', ({ payload }) => payload.includes('"state":"active'));
  await device.set(0, 10);
  await live.message('sluice/g1/alarm/high', ({ payload }) => payload.includes('"state":"active'));
  const { commits } = (await gateway.status()).log;
  // The first one may have begun before.
  await waitFor('the log to be committed', async () => (await gateway.status()).log.commits > commits + 1);
  assert.deepEqual([withheld.over, gateway.over], [undefined, undefined]);
  return withheld;
}
/** The thread that hangs is in the kernel until the fault ends, and the process with it. */
async function isOver(gateway: Gateway, fault: Injected): Promise<void> {
  await fault.end();
  await waitFor('the gateway to be over', () => gateway.over !== undefined);
}
const alarms = async (gateway: Gateway): Promise<string[]> => (await gateway.status()).alarms.map(({ rule }) => rule).toSorted();

test('a flush of broker.db that hangs holds up neither log nor alarms, and a kill loses none', SLOW, async (t) => {
  const s = await radioSite(t);
  const fault = s && (await hang(s.gateway, t));
  if (s === undefined || fault === undefined) return;
  const { gateway, publish } = s;
  const withheld = await goesOn(s);
  const { records } = (await gateway.status()).log;
  gateway.signal('SIGKILL');
  await isOver(gateway, fault);
  assert.notEqual(await withheld.ended, 0, 'what is lost with the process was not acknowledged');
  await gateway.up();
  const { log, broker } = await gateway.status();
  assert.ok(log.records >= records, `${records} records before, ${log.records} afterwards`);
  assert.deepEqual(await alarms(gateway), ['high', 'warm']);
  assert.equal(broker?.store.fault, undefined);
  assert.equal(broker?.sessions, 1, 'the session that is away');
  const port = await gateway.brokerPort();
  assert.equal(await publish('plant/kept', 'two', port).ended, 0);
  const back = await Sub.start(t, port, ABSENT);
  await back?.message('plant/kept', ({ payload }) => payload === 'two');
});

test('a gateway stops within its time while a flush of broker.db hangs', SLOW, async (t) => {
  const s = await radioSite(t);
  const fault = s && (await hang(s.gateway, t));
  if (s === undefined || fault === undefined) return;
  const { gateway } = s;
  await goesOn(s);
  const { records } = (await gateway.status()).log;
  gateway.signal('SIGTERM');
  // Which of the two depends on the machine. Neither waits for the thread that hangs.
  await gateway.waitForLog(/^Stopped\.$|took too long/);
  await isOver(gateway, fault);
  assert.equal(gateway.over, 0);
  await gateway.up();
  const { log } = await gateway.status();
  assert.ok(log.records >= records, `${records} records before, ${log.records} afterwards`);
  assert.deepEqual(await alarms(gateway), ['high', 'warm']);
});
