/** A hostile broker of MQTT 5: wrong lengths of properties, packets that nothing asked for, random bytes. Each ends in words. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { generate, type Packet } from 'mqtt-packet';
import { SluiceError } from '../../../src/core/errors.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { HostileBroker, header } from '../../fakes/hostile-broker.ts';
import { openUpstream } from '../../harness/open-upstream.ts';
import { waitFor } from '../../harness/wait-for.ts';

const mqtt5 = { sessionExpiry: 0, messageExpiry: undefined, userProperties: undefined };
const five = (packet: object): Buffer => generate(packet as Packet, { protocolVersion: 5 });

const PAIRS = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`name ${i}`, 'x'.repeat(40)]));
const CONNACK = five({
  ...{ cmd: 'connack', sessionPresent: false, reasonCode: 0 },
  properties: {
    receiveMaximum: 5,
    topicAliasMaximum: 9,
    maximumPacketSize: 5000,
    reasonString: 'welcome',
    userProperties: PAIRS,
  },
});
const SEEDS: readonly Buffer[] = [
  CONNACK,
  five({ cmd: 'puback', messageId: 1, reasonCode: 151, properties: { reasonString: 'no', userProperties: PAIRS } }),
  five({ cmd: 'suback', messageId: 2, granted: [1, 128], properties: { reasonString: 'no' } }),
  five({
    cmd: 'publish',
    topic: 'a/b',
    payload: 'x',
    qos: 1,
    messageId: 3,
    properties: { messageExpiryInterval: 9, userProperties: PAIRS },
  }),
  five({ cmd: 'disconnect', reasonCode: 139, properties: { serverReference: 'other', reasonString: 'bye' } }),
];

interface Ending {
  readonly received?: (topic: string) => void;
  /** Time-outs, ms: short where nobody says anything any more, and otherwise more than a busy machine takes. */
  readonly ackTimeout?: number;
  readonly connectTimeout?: number;
}
const SILENT = 400;

/** Opens, publishes and waits for the end; the message of whatever ended it. */
async function ending(port: number, { received = () => undefined, ...within }: Ending = {}): Promise<string> {
  try {
    const connection = await openUpstream(`mqtt://127.0.0.1:${port}`, { mqtt5, ...within });
    connection.received = received;
    await Promise.allSettled([
      connection.subscribe(['a/#']),
      connection.publish({ topic: 'a', payload: 'x', qos: 1, retain: false }),
    ]);
    const { message } = connection.lost();
    connection.destroy();
    await connection.closed;
    return message;
  } catch (thrown) {
    assert.ok(thrown instanceof SluiceError, String(thrown));
    return thrown.message;
  }
}

test('properties with wrong lengths and packets nobody asked for end the connection', async (t) => {
  const broker = await HostileBroker.start(t, () => []);
  const of = async (...packets: Uint8Array[]): Promise<string> => {
    broker.attack = () => [Buffer.concat([CONNACK, ...packets])];
    return ending(broker.port);
  };
  /** It may be taken for the begin of a packet whose rest does not come. */
  const half = async (...bytes: number[]): Promise<string> => {
    broker.attack = () => [Buffer.concat([CONNACK, Uint8Array.from(bytes)])];
    return ending(broker.port, { ackTimeout: SILENT });
  };
  assert.match(await of(Uint8Array.of(0xf0, 0)), /sent a packet of type 15, which a broker must not send/);
  assert.match(
    await of(five({ cmd: 'publish', topic: 'a', payload: 'x', qos: 0, properties: { topicAlias: 1 } })),
    /Topic Alias/i,
  );
  assert.match(await half(0x30, 5, 0, 1, 97, 100, 1), /broke the rules of MQTT|did not acknowledge/);
  assert.match(await half(0x30, 8, 0, 1, 97, 0xff, 0xff, 0xff, 0xff, 0xff), /broke the rules of MQTT|did not acknowledge/);
  assert.match(await of(header(0x40, 4097)), /declared a packet of/);
  broker.attack = () => [Uint8Array.of(0x20, 3, 0, 0, 127)];
  assert.match(await ending(broker.port, { connectTimeout: 5000 }), /broke the rules of MQTT|no answer to the log-in/);
});

const connack = (...properties: number[]): Buffer =>
  Buffer.from([0x20, 3 + properties.length, 0, 0, properties.length, ...properties]);
const text = (property: number): number[] => [property, 0, 2, 0x61, 0x62];

test('terms of MQTT 5 under which nothing can be delivered are a fault of the broker', async (t) => {
  const broker = await HostileBroker.start(t, () => []);
  const of = async (...properties: number[]): Promise<string> => {
    broker.attack = () => [connack(...properties)];
    return ending(broker.port);
  };
  assert.match(await of(0x21, 0, 0), /names 0 as its receive maximum/);
  assert.match(await of(0x27, 0, 0, 0, 0), /names 0 as its maximum packet size/);
  assert.match(await of(0x24, 0), /QoS 0 alone/);
});

test('a property that comes twice ends the connection, and nothing else', async (t) => {
  const broker = await HostileBroker.start(t, () => []);
  const of = async (...packets: Buffer[]): Promise<string> => {
    broker.attack = () => [Buffer.concat(packets)];
    return ending(broker.port);
  };
  assert.match(await of(connack(...text(0x1f), ...text(0x1f))), /a packet has reasonString twice/);
  assert.match(await of(connack(0x13, 0, 9, 0x13, 0, 9)), /a packet has serverKeepAlive twice/);
  assert.match(await of(connack(0x21, 0, 9, 0x21, 0, 9)), /a packet has receiveMaximum twice/);
  assert.match(await of(connack(0x22, 0, 9, 0x22, 0, 9)), /a packet has topicAliasMaximum twice/);
  const puback = Buffer.from([0x40, 14, 0, 1, 151, 10, ...text(0x1f), ...text(0x1f)]);
  assert.match(await of(connack(), puback), /a packet has reasonString twice/);
  const disconnect = Buffer.from([0xe0, 12, 139, 10, ...text(0x1c), ...text(0x1c)]);
  assert.match(await of(connack(), disconnect), /a packet has serverReference twice/);
  // A message with such a property is no command.
  const message = (...properties: number[]) =>
    Buffer.from([0x30, 6 + properties.length, 0, 1, 97, properties.length, ...properties, 120, 121]);
  const taken: string[] = [];
  const before = broker.heard;
  broker.attack = async function* () {
    yield connack();
    // Somebody takes messages by now.
    await waitFor('the subscription', () => broker.heard > before);
    yield Buffer.concat([message(), message(...text(3), ...text(3)), message()]);
  };
  assert.match(await ending(broker.port, { received: (topic) => taken.push(topic) }), /a packet has contentType twice/);
  assert.deepEqual(taken, ['a']);
});

test('random changes of packets of MQTT 5 never reach further than the connection', async (t) => {
  const broker = await HostileBroker.start(t, () => []);
  const random = seeded(11);
  const pick = (n: number) => Math.floor(random() * n);
  const jobs = Array.from({ length: 240 }, (_, run) => run);
  for (const run of jobs) {
    const bytes = Buffer.concat([CONNACK, ...Array.from({ length: 3 }, () => SEEDS[pick(SEEDS.length)] as Buffer)]);
    // A change in a header, in the properties of the CONNACK, or anywhere.
    const within = run % 3 === 0 ? 12 : run % 3 === 1 ? CONNACK.length : bytes.length;
    for (let i = 0; i <= pick(4); i++) bytes[pick(within)] = pick(256);
    broker.attack = () => [bytes.subarray(0, run % 5 === 0 ? pick(bytes.length) : bytes.length)];
    assert.notEqual(await ending(broker.port, { ackTimeout: SILENT, connectTimeout: SILENT }), '');
  }
});
