/** Commands by clients of the embedded broker with accounts, to a device of pymodbus: by mosquitto_pub over TLS, and by mqtt.js. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import mqtt, { type MqttClient } from 'mqtt';
import { request } from '../../../src/admin/client.ts';
import { startChild } from '../../harness/child.ts';
import { type Answer, ROOT } from '../../harness/commanded-gateway.ts';
import { Sub } from '../../harness/embedded-broker.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const PASSWORD = 'a long enough password';

test('a client of the embedded broker commands with its account over TLS, by its role', async (t) => {
  const device = await SettableDevice.start(t);
  const publish = peer(t, 'mosquitto_pub', 'apt-get install -y mosquitto-clients');
  if (device === undefined || publish === undefined) return;
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices:
  pump: {bus: plant, unit: 1, interval: 1s, points: {speed: {table: holding, address: 10, type: uint16, write: {min: 0, max: 60, every: 0ms}}}}
broker:
  listen: [{port: 0}, {host: 0.0.0.0, port: 0, tls: true}]
  commands: {operator: {write: [pump.speed]}}
`,
  );
  await gateway.up();
  const password = PASSWORD;
  const add = (name: string, role: string) => request(gateway.socket, 'POST', '/api/v1/users/add', { name, role, password });
  await add('anna', 'administrator');
  await add('olga', 'operator');
  await add('vera', 'viewer');
  const port = await waitFor('the address with TLS', async () => {
    const { broker, certificate } = await gateway.status();
    return certificate === undefined ? undefined : broker?.listeners.find(({ tls, port: found }) => tls && found > 0)?.port;
  });
  const tls = ['--cafile', path.join(gateway.stateDir, 'tls/ca.crt')];
  const sub = await Sub.start(t, port, [
    ...tls,
    '-u',
    'vera',
    '-P',
    password,
    '-t',
    `${ROOT}/result/+`,
    '-t',
    `${ROOT}/event`,
    '-q',
    '1',
    '-i',
    'v',
  ]);
  if (sub === undefined) return;
  const command = async (who: string, message: object) =>
    startChild(t, publish, [
      ...tls,
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      '-u',
      who,
      '-P',
      password,
      '-q',
      '1',
      '-t',
      `${ROOT}/command`,
      '-m',
      JSON.stringify(message),
    ]).ended;
  const result = async (id: string) => JSON.parse((await sub.message(`${ROOT}/result/${id}`)).payload) as Answer;
  assert.equal(await command('olga', { id: 'o1', do: 'write', target: 'pump.speed', value: 33 }), 0);
  assert.deepEqual((await result('o1')).result, { value: 33, readBack: true });
  assert.deepEqual(await device.get('holding', 10), [33]);
  await command('vera', { id: 'v1', do: 'write', target: 'pump.speed', value: 1 });
  assert.equal((await result('v1')).code, 'forbidden');
  await command('olga', { id: 'o2', do: 'reload' });
  assert.equal((await result('o2')).code, 'forbidden');
  assert.deepEqual(await device.get('holding', 10), [33]);
  await sub.message(`${ROOT}/event`, ({ payload }) => /pump.speed was set to 33 by a command \(olga\)/.test(payload));
  // The claim closed the plain address to clients without an account.
  const plain = await Sub.start(t, await gateway.brokerPort(), ['-t', '#', '-i', 'nobody']);
  assert.notEqual(await plain?.child.ended, 0);
});

/** A gateway with three users, and what its subscriber of results, alarms and events has heard. */
async function localSite(t: TestContext) {
  const device = await SettableDevice.start(t);
  if (device === undefined) return undefined;
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices:
  pump: {bus: plant, unit: 1, interval: 100ms, points: {speed: {table: holding, address: 10, type: uint16, write: {min: 0, max: 60, every: 0ms}}}}
rules: {fast: {point: pump.speed, above: 55, severity: warning, acknowledge: required}}
broker:
  listen: {port: 0}
  commands: {operator: {write: [pump.speed], read: [pump], ack: [fast], shelve: [fast]}}
`,
  );
  await gateway.up();
  for (const [name, role] of Object.entries({ anna: 'administrator', olga: 'operator', vera: 'viewer' }))
    await request(gateway.socket, 'POST', '/api/v1/users/add', { name, role, password: PASSWORD });
  const port = await gateway.brokerPort();
  const client = async (username: string): Promise<MqttClient> => {
    const to = { protocol: 'mqtt', host: '127.0.0.1', port, reconnectPeriod: 0 } as const;
    const one = await mqtt.connectAsync({ ...to, username, password: PASSWORD });
    t.after(() => one.end(true));
    return one;
  };
  const heard: { readonly topic: string; readonly text: string }[] = [];
  const listener = await client('vera');
  listener.on('message', (topic, payload) => heard.push({ topic, text: payload.toString() }));
  await listener.subscribeAsync(
    ['result/+', 'alarm/+', 'event'].map((topic) => `${ROOT}/${topic}`),
    { qos: 1 },
  );
  const answers = (): Answer[] =>
    heard.filter(({ topic }) => topic.startsWith(`${ROOT}/result/`)).map(({ text }) => JSON.parse(text) as Answer);
  const say = (by: MqttClient, message: object): Promise<unknown> =>
    by.publishAsync(`${ROOT}/command`, JSON.stringify(message), { qos: 1 });
  const ask = async (by: MqttClient, message: { readonly id: string; readonly [key: string]: unknown }): Promise<Answer> => {
    await say(by, message);
    return waitFor(
      () => `an answer to ${message.id}\n${gateway.tail(8)}`,
      () => answers().find(({ id }) => id === message.id),
    );
  };
  return { device, gateway, client, heard, answers, say, ask };
}

test('a local client reads, acknowledges and shelves by its role, and each is audited', async (t) => {
  const s = await localSite(t);
  if (s === undefined) return;
  const [olga, vera] = [await s.client('olga'), await s.client('vera')];
  await s.device.set(10, 58);
  await waitFor('the alarm', () => s.heard.some(({ topic }) => topic === `${ROOT}/alarm/fast`));
  const asked = [
    { do: 'read', target: 'pump' },
    { do: 'ack', target: 'fast' },
    { do: 'shelve', target: 'fast', for: '1h', reason: 'repair' },
  ];
  for (const message of asked) assert.equal((await s.ask(vera, { id: `v-${message.do}`, ...message })).code, 'forbidden');
  const results = [];
  for (const message of asked) results.push((await s.ask(olga, { id: `o-${message.do}`, ...message })).result);
  assert.deepEqual(results[0], { values: { speed: 58 } });
  assert.deepEqual([results[1]?.state, results[2]?.state], ['active-acknowledged', 'shelved']);
  // What is not granted: another device, another rule.
  assert.equal((await s.ask(olga, { id: 'o-1', do: 'read', target: 'ghost' })).code, 'forbidden');
  assert.equal((await s.ask(olga, { id: 'o-2', do: 'ack', target: 'ghost' })).code, 'forbidden');
  const audited = () =>
    s.heard
      .filter(({ topic }) => topic === `${ROOT}/event`)
      .map(({ text }) => JSON.parse(text) as { event: string; data: Record<string, unknown> })
      .filter(({ event, data }) => event === 'command' && data.via === 'mqtt')
      .map(({ data }) => [data.who, data.do, data.result]);
  await waitFor('the audit', () => audited().length >= 8);
  assert.deepEqual(audited(), [
    ['vera', 'read', 'refused'],
    ['vera', 'acknowledge', 'refused'],
    ['vera', 'shelve', 'refused'],
    ['olga', 'read', 'done'],
    ['olga', 'acknowledge', 'done'],
    ['olga', 'shelve', 'done'],
    ['olga', 'read', 'refused'],
    ['olga', 'acknowledge', 'refused'],
  ]);
});

test('a thousand commands of local clients at once: each gets one answer, and polls go on', async (t) => {
  const s = await localSite(t);
  if (s === undefined) return;
  const polled = async () => (await s.gateway.status()).buses[0]?.devices[0]?.counters.replies ?? 0;
  const before = await polled();
  // Two clients of one account: each has its own allowance of requests.
  const clients = [await s.client('olga'), await s.client('olga')];
  const sent = Array.from({ length: 1000 }, (_, i) =>
    s.say(clients[i % 2] as MqttClient, { id: `m${i}`, do: 'write', target: 'pump.speed', value: i % 50 }),
  );
  await Promise.all(sent);
  await waitFor(
    () => `the answers; there are ${s.answers().length}`,
    () => new Set(s.answers().map(({ id }) => id)).size === 1000,
  );
  // One that was asked for behind them is answered behind them.
  const last = await waitFor('a place', async () => {
    const answer = await s.ask(clients[0] as MqttClient, { id: `last${s.answers().length}`, do: 'read', target: 'pump' });
    return answer.ok ? answer : undefined;
  });
  const all = s.answers().filter(({ id }) => id.startsWith('m'));
  assert.equal(all.length, 1000, 'none twice');
  const [done, refused] = [all.filter(({ ok }) => ok), all.filter(({ ok }) => !ok)];
  assert.deepEqual([...new Set(refused.map(({ code }) => code))], ['busy']);
  assert.ok(done.length >= 64, `${done.length} were done`);
  t.diagnostic(`${done.length} done, ${refused.length} busy`);
  const written = done.map(({ id }) => Number(id.slice(1)) % 50);
  const { speed = -1 } = (last.result?.values ?? {}) as { readonly speed?: number };
  assert.ok(written.includes(speed), 'the device has one of them');
  assert.ok((await polled()) > before);
  const { broker } = await s.gateway.status();
  assert.deepEqual([broker?.refused.requests, broker?.refused['account-requests'], broker?.dropped.busy], [0, 0, 0]);
});
