/** An upstream broker that does not take this gateway, or hangs up on it: what the message says that it means and what to do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { GatewayStatus } from '../../../src/admin/target.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { toError } from '../../../src/core/errors.ts';
import { Connection } from '../../../src/forwarders/mqtt/connection.ts';
import { failureOf } from '../../../src/forwarders/mqtt/retry-plan.ts';
import { HostileBroker, header } from '../../fakes/hostile-broker.ts';
import { MqttPeer } from '../../fakes/mqtt-peer.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { peer } from '../../peers/peers.ts';

/** How opening a connection ends, and what kind of failure it is. */
async function refusal(port: number, login: { username?: string; password?: string } = {}): Promise<[string, string]> {
  try {
    const connection = await Connection.open({
      ...{ host: '127.0.0.1', port, clientId: 'sluice-g1-cloud', will: undefined, ...login },
      ...{ connectTimeout: 60_000, ackTimeout: 60_000, clock: systemClock, signal: new AbortController().signal },
    });
    connection.destroy();
    return ['none', 'it was taken'];
  } catch (thrown) {
    const error = toError(thrown);
    return [failureOf(error), error.message];
  }
}

const reason = Buffer.from('only MQTT 5 here');
const MQTT_5 = Buffer.concat([
  header(0x20, 6 + reason.length),
  Buffer.from([0, 0x84, 3 + reason.length, 0x1f, 0, reason.length]),
  reason,
]);
const user = { username: 'gateway', password: 'x' };

const ANSWERS: readonly [what: string, answer: Uint8Array, failure: string, says: RegExp, login?: typeof user][] = [
  [
    'code 1',
    Buffer.from([0x20, 2, 0, 1]),
    'login',
    /refuses this gateway: it does not accept MQTT 3\.1\.1; write `protocol: 5` .* or allow MQTT 3\.1\.1 at the broker$/,
  ],
  ['the answer of a broker for MQTT 5 only', MQTT_5, 'login', /refuses this gateway: it does not accept MQTT 3\.1\.1/],
  ['code 2', Buffer.from([0x20, 2, 0, 2]), 'login', /the client id "sluice-g1-cloud"; write one that it allows as `clientId`/],
  ['code 3', Buffer.from([0x20, 2, 0, 3]), 'busy', /it does not accept clients now \(server unavailable\); its log says why/],
  [
    'code 4',
    Buffer.from([0x20, 2, 0, 4]),
    'login',
    /the user name or the password is wrong; correct `username` and `password`/,
    user,
  ],
  [
    'code 5 without a user',
    Buffer.from([0x20, 2, 0, 5]),
    'login',
    /accepts no client without a user name .* add `username` and `password`/,
  ],
  ['code 5 for a user', Buffer.from([0x20, 2, 0, 5]), 'login', /this user may not connect \(not authorised\); correct/, user],
  ['a code of nobody', Buffer.from([0x20, 2, 0, 77]), 'login', /it answers with the code 77; its log says why/],
  ['an alert of TLS', Buffer.from([0x15, 3, 3, 0, 2, 2, 70]), 'protocol', /expects TLS on this port; write mqtts:.*often 1883/],
  ['a web server', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'protocol', /answers like a web server; name the port/],
];

test('each refusal of an upstream broker says what it means and what to do', async (t) => {
  const broker = await HostileBroker.start(t, () => []);
  for (const [what, answer, failure, says, login] of ANSWERS) {
    broker.attack = () => [answer];
    const [kind, message] = await refusal(broker.port, login);
    assert.match(message, says, what);
    assert.equal(kind, failure, what);
    assert.ok(!message.includes('gateway-secret'));
  }
});

test('a broker that hangs up without an answer gets the reasons there may be', async (t) => {
  for (const how of ['end', 'resetAndDestroy'] as const) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket[how]());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const [kind, message] = await refusal((server.address() as { port: number }).port);
    assert.match(message, /cannot be reached: it closed the connection without an answer \(is it starting, .* TLS, .* 3\.1\.1\?/);
    assert.equal(kind, 'hung-up');
  }
});

test('a Mosquitto that wants a user name, and one that gets a wrong password, are told apart', async (t) => {
  const passwd = peer(t, 'mosquitto_passwd', 'apt-get install -y mosquitto');
  if (passwd === undefined) return;
  const file = path.join(scratch(t, 'passwd'), 'users');
  execFileSync(passwd, ['-b', '-c', file, 'gateway', 'right'], { stdio: 'ignore' });
  const port = await freePort();
  // The harness allows anonymous clients; the last line of a kind counts.
  const broker = await Mosquitto.start(t, { port, extra: ['allow_anonymous false', `password_file ${file}`] });
  if (broker === undefined) return;
  assert.match((await refusal(port))[1], /accepts no client without a user name|the user name or the password is wrong/);
  assert.match((await refusal(port, { username: 'gateway', password: 'wrong' }))[1], /correct `username` and `password`/);
  assert.deepEqual(await refusal(port, { username: 'gateway', password: 'right' }), ['none', 'it was taken']);
});

test('a Mosquitto that expects TLS on its port is recognised', async (t) => {
  const openssl = peer(t, 'openssl', 'apt-get install -y openssl');
  if (openssl === undefined) return;
  const folder = scratch(t, 'tls');
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  const make = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-keyout',
    key,
    '-out',
    cert,
  ];
  execFileSync(openssl, make, { stdio: 'ignore' });
  const broker = await Mosquitto.start(t, { extra: [`certfile ${cert}`, `keyfile ${key}`] });
  if (broker === undefined) return;
  assert.match((await refusal(broker.port))[1], /expects TLS on this port|does this port expect TLS/);
});

async function fault(t: TestContext, peerOptions: (broker: MqttPeer) => void, says: RegExp): Promise<string[]> {
  const broker = new MqttPeer();
  peerOptions(broker);
  await broker.start();
  t.after(() => broker.stop());
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
forwarders:
  cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${broker.port}'}
`,
  );
  gateway.start();
  await waitFor(
    () => `words for it\n${gateway.tail()}`,
    async () => {
      const status = (await request(gateway.socket, 'GET', '/api/v1/status').catch(() => undefined)) as GatewayStatus | undefined;
      return says.test(status?.forwarders[0]?.fault ?? '');
    },
  );
  await gateway.waitForLog(/ends each connection after a short time/);
  // Two more connections that break at once.
  const seen = broker.wills.length;
  await waitFor('further tries', () => broker.wills.length >= seen + 2);
  const lines = gateway.tail(1000).split('\n');
  assert.equal(await gateway.stop(), 0);
  return lines;
}

test('a broker that hangs up on a message is named with the topic, and does not fill the log', async (t) => {
  const says =
    /closed the connection before it acknowledged a message on sluice\/g1\/event\. If it does so every time, allow this gateway/;
  const lines = await fault(t, (broker) => broker.lose(Number.POSITIVE_INFINITY, /event$/), says);
  assert.ok(lines.filter((line) => line.includes('is not available')).length <= 3, lines.join('\n'));
  assert.equal(lines.filter((line) => line.includes('ends each connection after a short time')).length, 1);
});
