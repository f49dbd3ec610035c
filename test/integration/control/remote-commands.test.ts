/** Commands from upstream through a real Mosquitto to a device of pymodbus, published by mosquitto_pub and answered to paho. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { startChild } from '../../harness/child.ts';
import { Sub } from '../../harness/embedded-broker.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const ROOT = 'sluice/g1';
const ALL = '{write: ["pump.*", dead.x], read: ["*"], ack: ["*"], shelve: ["*"], reload: true, resend: true}';

interface Answer {
  readonly id: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly result?: Record<string, unknown>;
}
interface ResentPart {
  readonly log: string;
  readonly first: number;
  readonly last: number;
  readonly records: readonly {
    readonly seq: number;
    readonly device: string;
    readonly time: number;
    readonly values: Record<string, unknown>;
    /** Readings that failed: a busy machine answers late. */
    readonly bad?: Record<string, unknown>;
  }[];
}

async function commandedGateway(t: TestContext, commands = ALL) {
  const publish = peer(t, 'mosquitto_pub', 'apt-get install -y mosquitto-clients');
  const [broker, device] = [await Mosquitto.start(t), await SettableDevice.start(t)];
  if (publish === undefined || broker === undefined || device === undefined) return undefined;
  const sub = await Subscriber.start(t, broker.port, [
    `${ROOT}/result/+`,
    `${ROOT}/resend/+`,
    `${ROOT}/event`,
    `${ROOT}/data`,
    `${ROOT}/alarm/+`,
  ]);
  if (sub === undefined) return undefined;
  const yaml = (g: Gateway) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 300ms, retries: 0}}
devices:
  pump:
    bus: plant
    unit: 1
    interval: 100ms
    points:
      speed: {table: holding, address: 10, type: uint16, unit: Hz, write: {min: 0, max: 60, every: 0ms}}
      secret: {table: holding, address: 20, type: uint16}
  dead: {bus: plant, unit: 9, interval: 1h, points: {x: {table: holding, address: 0, type: uint16, write: {min: 0, max: 9, every: 0ms}}}}
rules:
  fast: {point: pump.speed, above: 55, severity: warning, acknowledge: required}
buffer: {commitEvery: 200ms}
forwarders:
  cloud: {type: mqtt, url: '${broker.url}', commands: ${commands}}
`;
  const gateway = makeGateway(t, yaml);
  await gateway.up();
  await gateway.waitForLog(/Connected to the upstream broker/);
  const say = (message: object | string, ...args: string[]) => {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    const { status, stderr } = spawnSync(
      publish,
      ['-p', String(broker.port), '-q', '1', '-t', `${ROOT}/command`, '-m', text, ...args],
      { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
  };
  const answers = (id: string): Answer[] =>
    sub
      .messages()
      .filter(({ topic }) => topic === `${ROOT}/result/${id}`)
      .map(({ payload }) => JSON.parse(payload) as Answer);
  const answer = (id: string, nth = 1): Promise<Answer> =>
    waitFor(
      () => `answer ${nth} to ${id}; the log:\n${gateway.tail(8)}`,
      () => answers(id)[nth - 1],
    );
  const ask = (message: { readonly id: string; readonly [key: string]: unknown }): Promise<Answer> => {
    say(message);
    return answer(message.id);
  };
  const parts = (id: string): ResentPart[] =>
    sub
      .messages()
      .filter(({ topic }) => topic === `${ROOT}/resend/${id}`)
      .map(({ payload }) => JSON.parse(payload) as ResentPart);
  return { broker, publish, device, sub, gateway, yaml, say, ask, answer, answers, parts };
}

test('a write is read back and audited; the same id does not act again, also after a kill', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  const first = await s.ask({ id: 'w1', do: 'write', target: 'pump.speed', value: 40, expires: Date.now() + 60_000 });
  assert.deepEqual([first.ok, first.result], [true, { value: 40, unit: 'Hz', readBack: true }]);
  assert.deepEqual(await s.device.get('holding', 10), [40]);
  await s.device.set(10, 7);
  s.say({ id: 'w1', do: 'write', target: 'pump.speed', value: 40 });
  assert.deepEqual(await s.answer('w1', 2), first);
  assert.deepEqual(await s.device.get('holding', 10), [7]);
  await s.gateway.kill();
  await s.gateway.up();
  await s.gateway.waitForLog(/upstream broker/);
  s.say({ id: 'w1', do: 'write', target: 'pump.speed', value: 40 });
  assert.deepEqual(await s.answer('w1', 3), first);
  assert.deepEqual(await s.device.get('holding', 10), [7]);
  await waitFor('the audit upstream', () =>
    s.sub
      .messages()
      .some(
        ({ topic, payload }) =>
          topic === `${ROOT}/event` && /pump.speed was set to 40 by a command \(forwarder cloud\)/.test(payload),
      ),
  );
});

test('read, acknowledge, shelve and reload answer with what came of them', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  await s.device.set(10, 58);
  await waitFor('the alarm', () => s.sub.messages().some(({ topic }) => topic === `${ROOT}/alarm/fast`));
  assert.deepEqual((await s.ask({ id: 'r1', do: 'read', target: 'pump' })).result, { values: { speed: 58, secret: 0 } });
  assert.equal((await s.ask({ id: 'a1', do: 'ack', target: 'fast' })).result?.state, 'active-acknowledged');
  assert.equal((await s.ask({ id: 's1', do: 'shelve', target: 'fast', for: '1h', reason: 'repair' })).result?.state, 'shelved');
  assert.deepEqual((await s.ask({ id: 'l1', do: 'reload' })).result, { changes: [], warnings: [] });
});

test('what is not granted, out of bounds, expired or no command changes nothing', async (t) => {
  const s = await commandedGateway(t, '{write: [pump.speed]}');
  if (s === undefined) return;
  const refused = async (message: { readonly id: string; readonly [key: string]: unknown }) => (await s.ask(message)).code;
  assert.equal(await refused({ id: 'a', do: 'write', target: 'pump.secret', value: 1 }), 'forbidden');
  assert.equal(await refused({ id: 'b', do: 'write', target: 'no.such', value: 1 }), 'forbidden');
  assert.equal(await refused({ id: 'c', do: 'reload' }), 'forbidden');
  assert.equal(await refused({ id: 'd', do: 'resend', from: 1, to: 2 }), 'forbidden');
  assert.equal(await refused({ id: 'e', do: 'write', target: 'pump.speed', value: 61 }), 'write-refused');
  assert.equal(await refused({ id: 'f', do: 'write', target: 'pump.speed', value: 5, expires: Date.now() - 1000 }), 'expired');
  assert.equal(await refused({ id: 'g', do: 'fly' }), 'request-invalid');
  s.say('not json');
  s.say({ id: 'h', do: 'write', target: 'pump.speed', value: 9 }, '-r');
  await s.gateway.kill();
  await s.gateway.up();
  // The retained one comes again with the subscription.
  await waitFor('the report', () => s.sub.messages().some(({ payload }) => /retained message is not obeyed/.test(payload)));
  assert.deepEqual(await s.device.get('holding', 10), [0]);
  assert.deepEqual(
    s.answers('h').filter(({ ok }) => ok),
    [],
  );
});

test('a dead device answers with its fault, and others are served meanwhile', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  s.say({ id: 'x', do: 'write', target: 'dead.x', value: 1 });
  assert.equal((await s.ask({ id: 'y', do: 'write', target: 'pump.speed', value: 3 })).ok, true);
  const dead = await s.answer('x');
  assert.deepEqual([dead.ok, dead.code], [false, 'timeout']);
  assert.match(dead.message ?? '', /does not answer/);
});

test('a thousand commands at once: each gets an answer, polls and readings go on', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  const batches = () => s.sub.messages().filter(({ topic }) => topic === `${ROOT}/data`).length;
  const replies = async () =>
    (await s.gateway.status()).buses[0]?.devices.find(({ name }) => name === 'pump')?.counters.replies ?? 0;
  const before = await replies();
  const lines = Array.from({ length: 1000 }, (_, i) =>
    JSON.stringify({ id: `m${i}`, do: 'write', target: 'pump.speed', value: i % 50 }),
  );
  const { status } = spawnSync(s.publish, ['-p', String(s.broker.port), '-q', '1', '-t', `${ROOT}/command`, '-l'], {
    input: `${lines.join('\n')}\n`,
  });
  assert.equal(status, 0);
  const results = () =>
    s.sub
      .messages()
      .filter(({ topic }) => topic.startsWith(`${ROOT}/result/m`))
      .map(({ payload }) => JSON.parse(payload) as Answer);
  await waitFor(
    () => `the answers; there are ${results().length}`,
    () => new Set(results().map(({ id }) => id)).size === 1000,
  );
  const done = results().filter(({ ok }) => ok).length;
  const codes = new Set(results().flatMap(({ ok, code }) => (ok ? [] : [code])));
  assert.ok(done >= 64, `${done} done`);
  assert.deepEqual([...codes], ['busy']);
  const status2 = await s.gateway.status();
  assert.equal(status2.forwarders[0]?.counters.connects, 1);
  assert.ok((await replies()) > before, 'it was polled meanwhile');
  const [polled, sent] = [await replies(), batches()];
  await waitFor('polls and readings behind it', async () => (await replies()) > polled && batches() > sent);
});

test('resend brings records again, by numbers and by time, whole and in order', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  for (const value of [11, 12, 13, 14]) {
    await s.device.set(10, value);
    await waitFor(`the reading ${value}`, () =>
      s.sub.messages().some(({ topic, payload }) => topic === `${ROOT}/data` && payload.includes(`"speed":${value}`)),
    );
  }
  const sent = s.sub
    .messages()
    .filter(({ topic }) => topic === `${ROOT}/data`)
    .flatMap(({ payload }) => {
      const batch = JSON.parse(payload) as ResentPart;
      return batch.records.map((record) => ({ log: batch.log, ...record }));
    });
  const [begin, end] = [sent[0], sent.at(-1)];
  assert.ok(begin !== undefined && end !== undefined);
  const byNumber = await s.ask({ id: 'n1', do: 'resend', log: begin.log, first: begin.seq, last: end.seq });
  assert.equal(byNumber.ok, true, byNumber.message);
  const again = s.parts('n1').flatMap((part) => part.records.map((record) => ({ log: part.log, ...record })));
  assert.deepEqual(again, sent);
  assert.equal(byNumber.result?.records, again.length);
  const middle = sent.slice(1, -1).filter(({ device }) => device === 'pump');
  const [from, to] = [middle[0]?.time ?? 0, middle.at(-1)?.time ?? 0];
  await s.ask({ id: 'n2', do: 'resend', from, to, points: ['pump.speed'] });
  const some = s.parts('n2').flatMap(({ records }) => records);
  assert.deepEqual(
    some.map(({ seq }) => seq),
    sent.filter(({ device, time }) => device === 'pump' && time >= from && time <= to).map(({ seq }) => seq),
  );
  assert.deepEqual([...new Set(some.map(({ values, bad }) => Object.keys({ ...values, ...bad }).join()))], ['speed']);
  assert.equal((await s.ask({ id: 'n3', do: 'resend', log: '0000000000', first: 1, last: 2 })).code, 'not-found');
});

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
  const password = 'a long enough password';
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
