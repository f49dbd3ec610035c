/** Clients that the embedded broker turns away: what foreign programs show of the reason, and what the log of the gateway says. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import mqtt from 'mqtt';
import { type Logger, silentLogger } from '../../../src/core/logger.ts';
import { REASON } from '../../../src/forwarders/broker/first-packet.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { Child } from '../../harness/child.ts';
import { BrokerBench, CLIENTS, Raw, ROOT, remaining, Sub, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer, pythonPeer } from '../../peers/peers.ts';

type Line = Record<string, unknown> & { message: string };

async function logged(t: TestContext) {
  const lines: Line[] = [];
  const logger: Logger = { ...silentLogger, warn: (data, message) => lines.push({ ...data, message }) };
  const bench = new BrokerBench(t, { logger });
  return { bench, lines, port: await bench.start() };
}

const CONNECT_5 = [Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 2, 0, 60])];

test('mosquitto_sub with -V 5 says which version helps, and the log names it', async (t) => {
  const program = peer(t, 'mosquitto_sub', CLIENTS);
  if (program === undefined) return;
  const { bench, lines, port } = await logged(t);
  const child = new Child(program, ['-h', '127.0.0.1', '-p', String(port), '-V', '5', '-i', 'modern', '-t', '#']);
  t.after(() => child.stop('SIGKILL'));
  await child.ended;
  assert.match(child.stderr.join('\n'), /Unsupported Protocol Version\..* use MQTT v3\.x mode/);
  assert.deepEqual(
    lines.map(({ message, ...data }) => data),
    [{ client: 'modern', protocolLevel: 5 }],
  );
  assert.match(lines[0]?.message ?? '', /speaks MQTT 3\.1\.1 only\. Set its MQTT version to 3\.1\.1/);
  assert.equal(bench.broker.status().refused.version, 1);
});

test('paho for MQTT 5 shows the reason', async (t) => {
  const python = pythonPeer(t, 'paho.mqtt.client', 'apt-get install -y python3-paho-mqtt');
  if (python === undefined) return;
  const { port } = await logged(t);
  const script = `import sys, paho.mqtt.client as mqtt
args = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []
client = mqtt.Client(*args, client_id="paho", protocol=mqtt.MQTTv5)
def on_connect(client, userdata, flags, reason, properties):
    print(reason, properties.ReasonString, sep="|", flush=True)
    client.disconnect()
client.on_connect = on_connect
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_forever()`;
  const child = new Child(python, ['-c', script, String(port)]);
  t.after(() => child.stop('SIGKILL'));
  await waitFor(
    () => `the reason; ${child.stderr.join('\n')}`,
    () => child.stdout.some((line) => line === `Unsupported protocol version|${REASON}`),
  );
});

test('mqtt.js for MQTT 5 gets the reason code and the reason', async (t) => {
  const { port } = await logged(t);
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5, reconnectPeriod: 0 });
  t.after(() => client.end(true));
  const reasons: unknown[] = [];
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'connack') reasons.push([packet.reasonCode, packet.properties?.reasonString]);
  });
  const error = await new Promise<Error>((resolve) => client.on('error', resolve));
  assert.match(error.message, /Unsupported Protocol Version/);
  assert.deepEqual(reasons, [[0x84, REASON]]);
});

test('a client of MQTT 5 that sends its first requests at once still gets the answer', async (t) => {
  const { bench, port } = await logged(t);
  const eager = await Raw.open(t, port);
  const subscribe = Buffer.from([0x82, 7, 0, 1, 0, 0, 1, 0x23, 0, 0xc0, 0, 0xc0, 0]);
  const body = Buffer.concat([...CONNECT_5, remaining(0), text('eager')]);
  eager.send(0x10, remaining(body.length), body, subscribe);
  await waitFor('the answer', () => eager.bytes.includes(Buffer.from(REASON)));
  assert.deepEqual([...eager.bytes.subarray(0, 4)], [0x20, REASON.length + 6, 0, 0x84]);
  eager.socket.end();
  await waitFor('the end', () => eager.closed);
  assert.equal(bench.broker.status().clients, 0);
});

test('one that goes on sending after the answer, or never closes, is cut off', async (t) => {
  const { port } = await logged(t);
  const loud = await Raw.open(t, port);
  const body = Buffer.concat([...CONNECT_5, remaining(0), text('loud')]);
  loud.send(0x10, remaining(body.length), body);
  await waitFor('the answer', () => loud.bytes.length > 0);
  loud.send(Buffer.alloc(1024 * 1024));
  await waitFor('the loud one to be cut off', () => loud.closed);
  // It keeps its half of the connection open: Raw ends with the far side, so by hand.
  const silent = await Raw.open(t, port);
  silent.socket.allowHalfOpen = true;
  silent.send(0x10, remaining(body.length), body);
  await waitFor('the silent one to be cut off', () => {
    silent.socket.write('x');
    return silent.closed;
  });
});

test('thousands of malformed CONNECTs of MQTT 5 keep nobody out and fill no log', { timeout: 400_000 }, async (t) => {
  const { bench, lines, port } = await logged(t);
  const healthy = await Sub.start(t, port, ['-t', `${ROOT}/event`, '-q', '1', '-i', 'healthy']);
  if (healthy === undefined) return;
  const big = Buffer.concat([Buffer.from([0x26]), text('k'.repeat(1500)), text('v'.repeat(1500))]);
  const bodies = [
    Buffer.concat([...CONNECT_5, remaining(big.length), big, text('\u001b[2J'.repeat(200))]),
    Buffer.concat([...CONNECT_5, Buffer.from([0xff, 0xff, 0xff, 0x7f]), text('long')]),
    Buffer.concat([...CONNECT_5, Buffer.from([0xff, 0xff, 0xff, 0xff, 1])]),
    Buffer.concat([...CONNECT_5, remaining(9), Buffer.from([0x27])]),
    Buffer.concat(CONNECT_5),
  ];
  const rounds = 60;
  for (let round = 0; round < rounds; round++) {
    const all = await Promise.all(Array.from({ length: 40 }, () => Raw.open(t, port)));
    for (const [i, raw] of all.entries()) {
      const body = bodies[i % bodies.length] as Buffer;
      raw.send(0x10, remaining(body.length), body);
    }
    await waitFor(`the answers of round ${round}`, () => all.every((raw) => raw.bytes.includes(REASON) || raw.closed));
    for (const raw of all) raw.socket.destroy();
  }
  // A truncated one: nothing is answered until its last byte.
  const half = await Raw.open(t, port);
  half.send(0x10, remaining(4000), bodies[0]?.subarray(0, 2000) as Buffer);
  bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"after":1}' });
  await healthy.message(`${ROOT}/event`, (m) => m.payload === '{"after":1}');
  assert.equal(half.bytes.length, 0);
  const { refused, clients } = bench.broker.status();
  assert.equal(refused.version + refused.displaced, rounds * 40);
  assert.equal(clients, 1);
  assert.ok(lines.length <= 12, `${lines.length} lines`);
  assert.ok(JSON.stringify(lines).length < 12 * 700, 'short lines');
  assert.doesNotMatch(lines.map((l) => `${l.client}`).join(''), /\p{Cc}/u);
});

test('a refused message is logged with client and topic, and its client is disconnected', async (t) => {
  const program = peer(t, 'mosquitto_pub', CLIENTS);
  if (program === undefined) return;
  const { bench, lines, port } = await logged(t);
  const publish = async (qos: string, id: string, topic: string) =>
    new Child(program, ['-h', '127.0.0.1', '-p', String(port), '-i', id, '-q', qos, '-t', topic, '-m', 'open']).ended;
  await publish('0', 'flow', `${ROOT}/command`);
  await publish('1', 'flow', 'other');
  const raw = await Raw.open(t, port);
  assert.equal(await raw.connect('bad\u202e[2J'), 0);
  raw.packet(0x34, text('a\u202eb'), Buffer.from([0, 1]), Buffer.from('open'));
  await waitFor('its end', () => raw.closed);
  assert.deepEqual(
    lines.map(({ message, ...data }) => data),
    [
      { client: 'flow', topic: `${ROOT}/command`, qos: 0, bytes: 4 },
      { client: 'flow', topic: 'other', qos: 1, bytes: 4 },
      { client: 'bad\\u202e[2J', topic: 'a\\u202eb', qos: 2, bytes: 4 },
    ],
  );
  for (const { message } of lines) assert.match(message, /because it published: clients without an account may only subscribe/);
  assert.equal(bench.broker.status().refused.publish, 3);
});

test('topics and client ids of the greatest length are logged short, however many come', async (t) => {
  const { bench, lines, port } = await logged(t);
  const clients = 20;
  for (let i = 0; i < clients; i++) {
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect('\u202e'.repeat(limits.MAX_CLIENT_ID)), 0);
    const packet = Buffer.concat([text('\u202e'.repeat(Math.floor(limits.MAX_TOPIC / 3))), Buffer.from('x')]);
    for (let n = 0; n < 3; n++) raw.packet(0x30, packet);
    await waitFor('its end', () => raw.closed);
  }
  assert.equal(bench.broker.status().refused.publish, clients);
  await bench.broker.stop();
  assert.equal(lines.filter((l) => l.more === undefined).length, 5);
  assert.equal(lines.find((l) => l.more !== undefined)?.more, clients - 5);
  for (const line of lines) assert.ok(JSON.stringify(line).length < 2000);
});

test('a client with a user name, or without a client id, is logged with what helps', async (t) => {
  const { lines, port } = await logged(t);
  assert.equal(await (await Raw.open(t, port)).connect('editor', 0xc2, [text('admin'), text('secret')]), 4);
  assert.equal(await (await Raw.open(t, port)).connect('', 0), 2);
  assert.deepEqual(
    lines.map((l) => [l.client, l.message.match(/its user name or its password is wrong|Give .*/)?.[0]]),
    [
      ['editor', 'its user name or its password is wrong'],
      [undefined, 'Give it a short client id.'],
    ],
  );
  assert.ok(!JSON.stringify(lines).includes('secret') && !JSON.stringify(lines).includes('admin'));
});
