/**
 * A locked point and every door through which somebody may ask to write it. The table has each door of the command port, so a new door
 * does not compile without its line here. One gateway, with the real Node-RED, a foreign broker upstream and a device of somebody else.
 */
// Needs a quiet machine: Node-RED, two brokers and a gateway start together.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import mqtt from 'mqtt';
import { request } from '../../../src/admin/client.ts';
import type { Door } from '../../../src/core/commands.ts';
import { PASSWORD } from '../../fakes/test-access.ts';
import { callAll } from '../../harness/api-call.ts';
import { doorSite } from '../../harness/door-site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { nodeRedPeer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const POINT = 'plant.speed';
const LOCKED = /plant\.speed is locked by the rule dry while its alarm is active/;

/** What came of it, in words. */
type Write = (value: number) => Promise<string>;
/** `rule`, `signal` and `gateway` are looked at on their own below. */
type Doors = Readonly<Record<Exclude<Door, 'rule' | 'signal' | 'gateway' | 'mqtt'> | 'mqtt-embedded' | 'mqtt-upstream', Write>>;

test('no door writes a locked point, and each writes it when the lock is over', { timeout: 400_000 }, async (t) => {
  if (!nodeRedPeer(t)) return;
  const device = await SettableDevice.start(t);
  const upstream = await Mosquitto.start(t);
  if (device === undefined || upstream === undefined) return;
  await device.set(5, 10);
  const site = await doorSite(t, `  grants: {write: [${POINT}]}`, {
    buses: `  plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 30s}`,
    devices: `
  plant:
    bus: plant
    unit: 1
    interval: 100ms
    points:
      level: {table: holding, address: 5, type: int16}
      speed: {table: holding, address: 0, type: int16, write: {min: 0, max: 1000, every: 0ms, safe: {value: 999, onStop: true}}}`,
    rest: `
rules:
  dry: {point: plant.level, below: 3, do: [{write: ${POINT}, value: 0}], interlock: [${POINT}]}
  other: {point: plant.level, below: 2, do: [{write: ${POINT}, value: 500, retries: 0}]}
broker: {listen: {port: 0}, commands: {operator: {write: [${POINT}]}}}
forwarders: {cloud: {type: mqtt, url: '${upstream.url}', commands: {write: [${POINT}]}}}
dashboard:
  listen: [{port: 0, tls: true}, {port: 0}]`,
  });
  const { gateway } = site;
  await gateway.up();
  await site.until('running');
  for (const [name, role] of [
    ['anna', 'administrator'],
    ['olga', 'operator'],
  ])
    await request(gateway.socket, 'POST', '/api/v1/users/add', { name, role, password: PASSWORD });
  const { token } = (await request(gateway.socket, 'POST', '/api/v1/tokens/add', {
    ...{ name: 'program', role: 'operator', lasts: 3_600_000 },
  })) as { token: string };
  const listeners = await waitFor('HTTP', async () => {
    const { http } = await gateway.status();
    return http?.listeners.length === 2 && http.listeners.every(({ port }) => port > 0) ? http.listeners : undefined;
  });
  const portOf = (tls: boolean): number => listeners.find((one) => one.tls === tls)?.port ?? 0;
  const ca = readFileSync(path.join(gateway.stateDir, 'tls', 'ca.crt'), 'utf8');
  const flow = await site.client();

  let ids = 0;
  const overMqtt = async (url: string, login: object): Promise<Write> => {
    const client = await mqtt.connectAsync(url, login);
    t.after(() => client.endAsync(true));
    const results = new Map<string, string>();
    client.on('message', (topic, payload) => void results.set(topic, payload.toString()));
    await client.subscribeAsync('sluice/g1/result/+', { qos: 1 });
    return async (value) => {
      const id = `i${ids++}`;
      await client.publishAsync('sluice/g1/command', JSON.stringify({ id, do: 'write', target: POINT, value }), { qos: 1 });
      return waitFor(`the result ${id}`, () => results.get(`sluice/g1/result/${id}`));
    };
  };
  const http =
    (tls: boolean): Write =>
    async (value) => {
      const where = { host: '127.0.0.1', servername: 'localhost', port: portOf(tls), ...(tls && { ca }) };
      const headers = { authorization: `Bearer ${token}` };
      const [answer] = await callAll(where, [
        { method: 'POST', path: '/api/v1/write', headers, body: JSON.stringify({ point: POINT, value }) },
      ]);
      return `${answer?.status} ${answer?.text}`;
    };
  const doors: Doors = {
    socket: async (value) => {
      const { code, stdout, stderr } = await sluice(t, 'write', '-c', gateway.config, POINT, String(value));
      return `${code} ${stdout} ${stderr}`;
    },
    http: http(false),
    https: http(true),
    'mqtt-embedded': await overMqtt(`mqtt://127.0.0.1:${await gateway.brokerPort()}`, { username: 'olga', password: PASSWORD }),
    'mqtt-upstream': await overMqtt(upstream.url, {}),
    'node-red': async (value) => JSON.stringify(await flow.call({ do: 'write', point: POINT, value })),
  };

  const all: readonly (readonly [string, Write])[] = Object.entries(doors);
  const faults: string[] = [];
  const speed = async (): Promise<number> => (await device.get('holding', 0))[0] ?? -1;
  // Another value than the rule writes: the lock is there as soon as that shows.
  await device.set(0, 42);
  await device.set(5, 1);
  await waitFor('the write of the rule that locks', async () => (await speed()) === 0);
  for (const [door, write] of all) {
    const said = await write(700);
    if (!LOCKED.test(said)) faults.push(`${door} is not refused: ${said}`);
    if ((await speed()) !== 0) faults.push(`${door} wrote the locked point`);
    await device.set(0, 0);
  }
  assert.equal(faults.join('\n'), '');
  // Another rule does not write it either, and says so.
  const refused = await waitFor('the refused write of the other rule', async () =>
    (await gateway.status()).actions?.list.find(({ rule, last }) => rule === 'other' && last?.result === 'failed'),
  );
  assert.match(refused.error?.message ?? '', LOCKED);
  // Shelving hides the alarm and unlocks nothing.
  await request(gateway.socket, 'POST', '/api/v1/shelve', { rule: 'dry', for: 3_600_000 });
  assert.match(await doors.https(700), LOCKED);
  await request(gateway.socket, 'POST', '/api/v1/shelve', { rule: 'dry', for: null });

  await device.set(5, 10);
  await waitFor('the end of the alarm', async () => (await gateway.status()).alarms.length === 0);
  let value = 100;
  for (const [door, write] of all) {
    const said = await write(++value);
    if ((await speed()) !== value) faults.push(`${door} cannot write the free point: ${said}`);
  }
  assert.equal(faults.join('\n'), '');

  // A safe value goes through: it is what a lock is for.
  await device.set(5, 1);
  await waitFor('the lock again', async () => (await speed()) === 0);
  await gateway.stop();
  assert.equal(await speed(), 999);
});
