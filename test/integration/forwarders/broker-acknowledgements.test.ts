/**
 * Sessions that are there, and acknowledgements that do not fit their message: what MQTT 3.1.1 asks for, on the embedded broker
 * and on Mosquitto with the same bytes.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { type Packet, parser } from 'mqtt-packet';
import type { MqttAccess } from '../../../src/core/access-ports.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { openAccess } from '../../fakes/open-access.ts';
import { BrokerBench, Raw, remaining, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

const CLEAN = 2;
const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBCOMP = 0x70;

const BROKERS = {
  'the embedded broker': (t: TestContext): Promise<number> => new BrokerBench(t, { access: openAccess('plant/#') }).start(),
  Mosquitto: async (t: TestContext): Promise<number | undefined> => (await Mosquitto.start(t))?.port,
} as const;

/** A QoS 1 or 2 message for a subscriber of its own. @returns the subscriber, after its PUBLISH came, and the number of that */
async function withMessage(t: TestContext, port: number, flags: number, qos: 1 | 2): Promise<{ raw: Raw; id: number }> {
  const raw = await Raw.open(t, port);
  assert.equal(await raw.connect('reader', flags), 0);
  raw.subscribe(['plant/#'], qos);
  await waitFor('a SUBACK', () => raw.bytes.length >= 9);
  const writer = await Raw.open(t, port);
  assert.equal(await writer.connect('writer'), 0);
  publish(writer, qos);
  return { raw, id: await numberOf(raw) };
}

function publish(writer: Raw, qos: 1 | 2, retained = false): void {
  const body = Buffer.concat([text('plant/x'), Buffer.from([0, 7]), Buffer.from('hello')]);
  writer.send(0x30 | (qos << 1) | Number(retained), remaining(body.length), body);
  if (qos === 2) writer.send(0x62, 2, 0, 7);
}

/** The packet identifier of the last PUBLISH that came. */
async function numberOf(raw: Raw): Promise<number> {
  const end = (): number => raw.bytes.lastIndexOf('plant/x');
  await waitFor('a PUBLISH', () => end() > 0 && raw.bytes.length >= end() + 14);
  return raw.bytes.readUInt16BE(end() + 7);
}

const ack = (raw: Raw, type: number, id: number): void => raw.send(type, 2, id >> 8, id & 255);

/** Whether it is answered, or its connection ends. */
async function lives(raw: Raw): Promise<boolean> {
  raw.send(0xc0, 0);
  await waitFor('a PINGRESP or the end', () => raw.closed || raw.bytes.subarray(-2).equals(Buffer.from([0xd0, 0])));
  return !raw.closed;
}

for (const [name, start] of Object.entries(BROKERS)) {
  test(`a session without a subscription is said to be present: ${name}`, async (t) => {
    const port = await start(t);
    if (port === undefined) return;
    const present = async (flags: number): Promise<number | undefined> => {
      const raw = await Raw.open(t, port);
      assert.equal(await raw.connect('same', flags), 0);
      const said = raw.bytes[2];
      raw.send(0xe0, 0);
      await waitFor('the end', () => raw.closed);
      return said;
    };
    assert.equal(await present(0), 0, 'the first');
    assert.equal(await present(0), 1, 'it is kept');
    assert.equal(await present(CLEAN), 0, 'a clean session ends it');
    assert.equal(await present(0), 0, 'so it is gone');
    assert.equal(await present(0), 1);
  });

  for (const flags of [0, CLEAN])
    for (const [qos, type, what] of [
      [1, PUBREC, 'PUBREC for QoS 1'],
      [1, PUBCOMP, 'PUBCOMP for QoS 1'],
      [2, PUBACK, 'PUBACK for QoS 2'],
      [2, PUBCOMP, 'PUBCOMP for QoS 2 without a PUBREC'],
    ] as const)
      test(`${what} ends it, loses nothing: clean ${flags / CLEAN}, ${name}`, async (t) => {
        const port = await start(t);
        if (port === undefined) return;
        const { raw, id } = await withMessage(t, port, flags, qos);
        ack(raw, type, id);
        assert.equal(await lives(raw), false);
        if (flags === CLEAN) return;
        const again = await Raw.open(t, port);
        assert.equal(await again.connect('reader', 0), 0);
        assert.equal(await numberOf(again), id);
        assert.equal(again.bytes.subarray(4)[0], 0x38 | (qos << 1), 'it comes again, with DUP');
        ack(again, qos === 1 ? PUBACK : PUBREC, id);
        assert.equal(await lives(again), true);
      });

  test(`acknowledgements that fit, repeats and unknown numbers end nothing: ${name}`, async (t) => {
    const port = await start(t);
    if (port === undefined) return;
    const one = await withMessage(t, port, CLEAN, 1);
    for (const type of [PUBACK, PUBACK]) ack(one.raw, type, one.id);
    for (const type of [PUBACK, PUBREC, PUBCOMP]) ack(one.raw, type, 4711);
    assert.equal(await lives(one.raw), true);
    const two = await withMessage(t, port, 0, 2);
    for (const type of [PUBREC, PUBREC, PUBCOMP, PUBCOMP]) ack(two.raw, type, two.id);
    assert.equal(await lives(two.raw), true);
  });

  test(`QoS 2 in one write with its PUBRELs arrives once and in order: ${name}`, async (t) => {
    const port = await start(t);
    if (port === undefined) return;
    const reader = await Raw.open(t, port);
    assert.equal(await reader.connect('reader'), 0);
    reader.subscribe(['plant/#']);
    await waitFor('a SUBACK', () => reader.bytes.length >= 9);
    const writer = await Raw.open(t, port);
    assert.equal(await writer.connect('writer'), 0);
    const message = (id: number, payload: string, first = 0x34): Buffer => {
      const body = Buffer.concat([text('plant/x'), Buffer.from([0, id]), Buffer.from(payload)]);
      return Buffer.concat([Buffer.from([first]), remaining(body.length), body]);
    };
    const release = (id: number): Buffer => Buffer.from([0x62, 2, 0, id]);
    const one = [message(7, '<a>'), release(7), message(7, '<b>'), release(7)];
    const repeated = [message(8, '<c>'), message(8, '<c>', 0x3c), release(8), message(9, '<d>'), release(9)];
    writer.send(Buffer.concat([...one, ...repeated]));
    const answers = ['50', '70', '50', '70', '50', '50', '70', '50', '70'];
    await waitFor('the answers', () => writer.bytes.length >= 4 + 4 * answers.length);
    const types = answers.map((_, i) => writer.bytes.subarray(4 + 4 * i, 5 + 4 * i).toString('hex'));
    assert.deepEqual(types, answers);
    await waitFor('the last message', () => reader.bytes.includes('<d>'));
    assert.deepEqual(reader.bytes.toString('latin1').match(/<.>/g), ['<a>', '<b>', '<c>', '<d>']);
  });
}

test('the return of a session without a subscription is counted as no denied filter', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  for (const present of [0, 1]) {
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect('same', 0), 0);
    assert.equal(raw.bytes[2], present);
    raw.socket.destroy();
    await waitFor('it to be away', () => bench.broker.status().clients === 0);
  }
  assert.equal(bench.broker.status().reached.filters, 0);
});

/** Packets that come to a client, and what it says to them. */
function answering(raw: Raw, answer: (packet: Packet) => void): void {
  const packets = parser();
  packets.on('packet', answer);
  raw.socket.on('data', (chunk) => packets.parse(chunk));
}

test('a long queue of QoS 2 is acknowledged at any speed, and its PUBRELs as well', async (t) => {
  const MESSAGES = 400;
  const open = openAccess('plant/#');
  const access: MqttAccess = {
    ...open,
    // The writer may ask for more than the reader.
    logIn: async (from) => ({ ...(await open.logIn(from)), owner: from.clientId === 'writer' ? 'user:w' : 'anonymous' }),
  };
  const bench = new BrokerBench(t, { access });
  const port = await bench.start();
  assert.ok(2 * MESSAGES < limits.KNOWN_REQUESTS_AT_ONCE && MESSAGES > limits.REQUESTS_AT_ONCE);
  const first = await Raw.open(t, port);
  assert.equal(await first.connect('reader', 0), 0);
  first.subscribe(['plant/#'], 2);
  await waitFor('a SUBACK', () => first.bytes.length >= 9);
  first.socket.destroy();
  await waitFor('it to be away', () => bench.broker.status().clients === 0);
  const writer = await Raw.open(t, port);
  assert.equal(await writer.connect('writer'), 0);
  for (let i = 0; i < MESSAGES; i++) publish(writer, 2);
  await waitFor('a full queue', () => bench.broker.status().queuedMessages === MESSAGES);
  const second = await Raw.open(t, port);
  let released = 0;
  answering(second, ({ cmd, messageId = 0 }) => {
    if (cmd === 'publish') ack(second, PUBREC, messageId);
    if (cmd === 'pubrel') released++;
  });
  void second.connect('reader', 0).catch(() => {});
  await waitFor(
    () => `PUBRELs; ${released} came, closed ${second.closed}`,
    () => released === MESSAGES,
  );
  second.socket.destroy();
  await waitFor('it to be away', () => bench.broker.status().clients === 1);
  const third = await Raw.open(t, port);
  answering(third, ({ cmd, messageId = 0 }) => {
    if (cmd === 'pubrel') ack(third, PUBCOMP, messageId);
  });
  void third.connect('reader', 0).catch(() => {});
  await waitFor(
    () => `an empty queue; there are ${bench.broker.status().queuedMessages}, closed ${third.closed}`,
    () => bench.broker.status().queuedMessages === 0,
  );
  assert.equal(bench.broker.status().refused.requests, 0);
});

for (const [retained, flags, low] of [
  [false, CLEAN, 0],
  [false, CLEAN, 1],
  [true, CLEAN, 1],
  [true, 0, 0],
] as const)
  test(`the higher QoS of two filters holds to the end: ${retained ? 'retained' : 'live'}, clean ${flags / CLEAN}, beside QoS ${low}`, async (t) => {
    const port = await BROKERS['the embedded broker'](t);
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect('reader', flags), 0);
    raw.packet(0x82, Buffer.from([0, 9]), text('plant/#'), Buffer.from([2]), text('plant/x'), Buffer.from([low]));
    await waitFor('a SUBACK', () => raw.bytes.length >= 10);
    assert.deepEqual([...raw.bytes.subarray(8, 10)], [2, low], 'it says what was asked for');
    const writer = await Raw.open(t, port);
    assert.equal(await writer.connect('writer'), 0);
    publish(writer, 2, retained);
    let id = await numberOf(raw);
    if (retained) {
      await waitFor('the end of QoS 2', () => writer.bytes.includes(Buffer.from([0x70, 2, 0, 7])));
      const seen = raw.bytes.length;
      raw.packet(0x82, Buffer.from([0, 10]), text('plant/x'), Buffer.from([low]));
      await waitFor('the retained message', () => raw.bytes.length > seen + 14 && raw.bytes.lastIndexOf('plant/x') > seen);
      ack(raw, PUBREC, id);
      ack(raw, PUBCOMP, id);
      id = await numberOf(raw);
    }
    const at = raw.bytes.lastIndexOf('plant/x') - 4;
    assert.equal(raw.bytes[at], 0x34 | Number(retained));
    ack(raw, PUBREC, id);
    assert.equal(await lives(raw), true);
  });
