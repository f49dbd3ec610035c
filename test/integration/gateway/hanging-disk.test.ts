/**
 * A gateway whose disk hangs: no read, write or flush of its state directory ends, and none fails. The field and its alarms go on, people
 * get answers, and nothing that was acknowledged is missing after a kill.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { request } from '../../../src/admin/client.ts';
import { PASSWORD } from '../../fakes/test-access.ts';
import { type Child, startChild } from '../../harness/child.ts';
import { CLIENTS, Sub } from '../../harness/embedded-broker.ts';
import { type HangingDisk, hangingDisk } from '../../harness/hanging-disk.ts';
import { type NotifyReceiver, notifyReceiver } from '../../harness/notify-receiver.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { DEADLINE_MS, waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** Its time goes 20 times as fast. */
const FASTER = pathToFileURL(path.join(import.meta.dirname, '../../harness/lost-timers.ts')).href;
const SLOW = { timeout: 600_000 };
const ANNA = ['-u', 'anna', '-P', PASSWORD];
/** A client with a session that is away. */
const TECH = [...ANNA, '-c', '-i', 'tech', '-q', '1', '-t', 'plant/kept'];
/** Accounts that are made while nothing can be written: more than there are threads for files, names and passwords. */
const ACCOUNTS = 8;

interface Site {
  readonly disk: HangingDisk;
  readonly device: SettableDevice;
  readonly gateway: Gateway;
  readonly manager: NotifyReceiver;
  readonly live: Sub;
  publish(topic: string, payload: string): Child;
}

/** It runs on a disk of its own. @param interval between two polls, by the time of the gateway */
async function startedGateway(t: TestContext, interval: number, env: NodeJS.ProcessEnv) {
  const device = await SettableDevice.start(t);
  const disk = await hangingDisk(t, 128);
  if (device === undefined || disk === undefined) return undefined;
  const runtimeDir = scratch(t, 'run', '/dev/shm');
  const gateway = makeGateway(
    t,
    (g) => `
gateway: {id: g1, stateDir: ${g.stateDir}, runtimeDir: ${runtimeDir}}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}, radio: {protocol: mqtt}}
devices:
  d1: {bus: plant, unit: 1, interval: ${interval}ms, points: {n: {table: holding, address: 0, type: uint16}}}
  fridge: {bus: radio, topic: plant/fridge, points: {temperature: {unit: Cel}}}
rules: {high: {point: d1.n, above: 5}, warm: {point: fridge.temperature, above: 8}}
buffer: {commitEvery: 100ms}
broker: {listen: {port: 0}}
`,
    disk.folder,
  );
  await device.set(0, 0);
  await gateway.up(env);
  return { disk, device, gateway };
}

/** With clients, of which nobody waits for the disk. */
async function startedSite(t: TestContext): Promise<Site | undefined> {
  const program = peer(t, 'mosquitto_pub', CLIENTS);
  const manager = await notifyReceiver(t);
  if (program === undefined || manager === undefined) return undefined;
  const started = await startedGateway(t, 30, { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: '6000000' });
  if (started === undefined) return undefined;
  const { gateway } = started;
  await addUser(gateway, { name: 'anna', role: 'administrator', password: PASSWORD });
  const account = { name: 'radio', device: true, publish: ['plant/#'], subscribe: [] };
  const { password = '' } = await addUser(gateway, account);
  const port = await gateway.brokerPort();
  const who = ['-h', '127.0.0.1', '-p', `${port}`, '-u', 'radio', '-P', password, '-q', '1'];
  const publish = (topic: string, payload: string): Child => startChild(t, program, [...who, '-t', topic, '-m', payload]);
  const absent = await Sub.start(t, port, TECH);
  await absent?.child.stop('SIGTERM');
  const live = await Sub.start(t, port, [...ANNA, '-i', 'live', '-q', '1', '-t', 'plant/#', '-t', 'sluice/g1/#']);
  assert.ok(live !== undefined);
  assert.equal(await publish('plant/kept', 'zero').ended, 0);
  return { ...started, manager, live, publish };
}

const addUser = (gateway: Gateway, body: object) =>
  request(gateway.socket, 'POST', '/api/v1/users/add', body, DEADLINE_MS) as Promise<{ password?: string }>;

/** Has a message that waits for the disk. */
async function withheld({ live, gateway, publish }: Site, payload: string): Promise<Child> {
  const child = publish('plant/kept', payload);
  await live.message('plant/kept', (line) => line.payload === payload);
  await waitFor('it to wait', async () => (await gateway.status()).broker?.withheldMessages === 1);
  return child;
}

test('a disk that hangs: the field goes on, and no acknowledged message is lost', SLOW, async (t) => {
  const site = await startedSite(t);
  if (site === undefined) return;
  const { disk, device, gateway, manager, live, publish } = site;
  const fed = () => manager.texts().filter((text) => text.includes('WATCHDOG=1')).length;
  disk.hang();
  const one = await withheld(site, 'one');
  const fedBefore = fed();
  const added = Array.from({ length: ACCOUNTS }, (_, n) => addUser(gateway, { name: `device-${n}`, device: true, publish: [] }));
  await device.set(0, 10);
  await live.message('sluice/g1/alarm/high', ({ payload }) => payload.includes('"state":"active'));
  for (const degrees of [4, 9]) assert.equal(await publish('plant/fridge', `{"temperature":${degrees}}`).ended, 0);
  await live.message('sluice/g1/alarm/warm', ({ payload }) => payload.includes('"state":"active'));
  const status = await sluice(t, 'status', '-v', '--socket', gateway.socket);
  assert.match(status.stdout, /not acknowledged until the disk takes it: 1 message of clients/);
  // A password is checked, and a session begins.
  await Sub.start(t, await gateway.brokerPort(), [...ANNA, '-c', '-i', 'newcomer', '-q', '1', '-t', 'plant/other']);
  await waitFor('the watchdog to be fed', () => fed() > fedBefore + 1);
  assert.deepEqual([one.over, gateway.over], [undefined, undefined]);
  disk.goOn();
  assert.equal(await one.ended, 0, one.stderr.join('\n'));
  await Promise.all(added);
  await gateway.kill();
  await gateway.up();
  const back = await Sub.start(t, await gateway.brokerPort(), TECH);
  for (const payload of ['zero', 'one']) await back?.message('plant/kept', (line) => line.payload === payload);
});

test('a gateway that is stopped while its disk hangs has what it acknowledged', SLOW, async (t) => {
  const site = await startedSite(t);
  if (site === undefined) return;
  const { disk, gateway } = site;
  disk.hang();
  await withheld(site, 'one');
  gateway.signal('SIGTERM');
  // The end of a process waits for its threads in the kernel, and nothing else does.
  await gateway.waitForLog(/The stop took too long and was ended/);
  disk.goOn();
  await waitFor('the gateway to be over', () => gateway.over !== undefined);
  await gateway.up();
  const back = await Sub.start(t, await gateway.brokerPort(), TECH);
  await back?.message('plant/kept', ({ payload }) => payload === 'zero');
});

/** A configuration is good after a minute. The gateway is so old then, in seconds. */
const GOOD_BY = 80;
const KEPT = /is kept as the last good one/;

test('what is written a minute after a start holds up nothing while the disk hangs', SLOW, async (t) => {
  const started = await startedGateway(t, 600, { NODE_OPTIONS: `--import=${FASTER}` });
  if (started === undefined) return;
  const { disk, device, gateway } = started;
  disk.hang();
  // This write waits for the disk, and holds the lock of the folder. Everything that looks for a name in it waits, too.
  const added = addUser(gateway, { name: 'anna', role: 'administrator', password: PASSWORD });
  await waitFor('its configuration to be good', async () => (await gateway.status()).gateway.uptime > GOOD_BY);
  await device.set(0, 10);
  await waitFor('the alarm', async () => (await gateway.status()).alarms.some(({ rule }) => rule === 'high'));
  assert.ok(!gateway.logs().some(({ msg }) => KEPT.test(msg)));
  disk.goOn();
  await added;
  await gateway.waitForLog(KEPT);
});
