/**
 * Canaries: what src/forwarders/patches does to a package holds for the version that is installed, and is still needed.
 * One that fails after an update asks for a look at the package, and then for another version or no patch.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import test from 'node:test';
import { Aedes, type Client } from 'aedes';
import { writeToStream } from 'mqtt-packet';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { Kept } from '../../../src/forwarders/broker/kept.ts';
import { Retained } from '../../../src/forwarders/broker/retained.ts';
import * as aedesPatch from '../../../src/forwarders/patches/aedes.ts';
import * as packetPatch from '../../../src/forwarders/patches/mqtt-packet.ts';
import { Raw, text } from '../../harness/embedded-broker.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { waitFor } from '../../harness/wait-for.ts';

const { SESSION_IS_PRESENT } = aedesPatch;
const require = createRequire(import.meta.url);
const aedesMemory = createRequire(require.resolve('aedes'))('aedes-persistence') as () => object;
const ROOT = path.join(import.meta.dirname, '..', '..', '..');

for (const { KNOWN } of [aedesPatch, packetPatch])
  test(`the patch of ${KNOWN.package} knows the version that is installed`, () => {
    const manifest = readFileSync(path.join(ROOT, 'node_modules', KNOWN.package, 'package.json'), 'utf8');
    assert.equal((JSON.parse(manifest) as { version: string }).version, KNOWN.version);
  });

test('mqtt-packet keeps no buffers of numbers, for mqtt and for aedes', () => {
  const of = (name: string) => createRequire(require.resolve(name)).resolve('mqtt-packet');
  assert.equal(of('mqtt'), of('aedes'), 'both write through one copy');
  const { cache } = createRequire(of('mqtt'))('./numbers.js') as { cache: Record<number, Buffer> };
  const write = () => writeToStream({ cmd: 'puback', messageId: 77 }, new PassThrough() as never);
  packetPatch.encodeNumbersOnDemand();
  assert.equal(Object.keys(cache).length, 0, 'nothing wrote before this test');
  write();
  assert.equal(Object.keys(cache).length, 0);
  // Needed for as long as this is what happens without it.
  writeToStream.cacheNumbers = true;
  write();
  assert.equal(Object.keys(cache).length, 65_536);
  packetPatch.encodeNumbersOnDemand();
});

/** Messages of QoS 1 and 0 in turn, published at once to a subscriber with QoS 1. @returns what arrived */
async function arrives(t: test.TestContext, slow: boolean, last: string): Promise<string[]> {
  const kept = new Kept({
    ...{ clock: systemClock, root: 'a', logger: silentLogger, store: undefined, backlog: undefined },
    retained: new Retained('a', { get: () => undefined, all: () => [] }),
    isOwner: () => true,
    roomy: async () => {},
    publisher: () => assert.fail('there is no disk'),
    waitsFrom: () => undefined,
    onOverflow: () => {},
    onLeft: () => {},
    onLost: () => {},
  });
  const { sessions } = kept;
  const persistence = kept.persistence(
    () => Readable.from([]),
    () => true,
  );
  if (slow)
    Object.assign(persistence, {
      subscriptionsByTopic: async (topic: string) => sessions.of(topic).map((clientId) => ({ clientId, topic })),
    });
  const aedes = await Aedes.createBroker({ persistence: persistence as never });
  const server = createServer((socket) => aedes.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    aedes.close();
    server.close();
  });
  const peek = await Peek.start(t, (server.address() as { port: number }).port, '#');
  for (let i = 0; i < 6; i++)
    aedes.publish(
      { cmd: 'publish', topic: `t/${i}`, payload: Buffer.alloc(0), qos: i % 2 === 0 ? 1 : 0, dup: false, retain: false },
      () => {},
    );
  aedes.publish({ cmd: 'publish', topic: last, payload: Buffer.alloc(0), qos: 0, dup: false, retain: false }, () => {});
  await waitFor(
    () => `the last message: ${JSON.stringify(peek.messages)}`,
    () => peek.messages.some((m) => m.topic === last),
  );
  return peek.messages.map((m) => m.topic);
}

test('aedes keeps QoS 1 beside QoS 0 with immediate results, and loses it with promises', async (t) => {
  const all = ['t/0', 't/1', 't/2', 't/3', 't/4', 't/5', 'end'];
  assert.deepEqual(await arrives(t, false, 'end'), all);
  // Needed for as long as this is what happens without it.
  const without = await arrives(t, true, 'end');
  assert.notDeepEqual(without, all, 'aedes has learnt to wait: the patch can go');
});

/** A SUBSCRIBE that names one filter twice. @returns the return codes */
async function codesForTwice(t: test.TestContext, patched: boolean): Promise<number[]> {
  const aedes = await Aedes.createBroker({
    authorizeSubscribe: (_client, sub, next) => next(null, aedesPatch.asWritten(sub.topic) === 'no' ? null : sub),
  });
  const server = createServer((socket) => {
    const client = aedes.handle(socket);
    if (patched) aedesPatch.tellTwiceApart(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    aedes.close();
    server.close();
  });
  const raw = await Raw.open(t, (server.address() as { port: number }).port);
  assert.equal(await raw.connect('twice'), 0);
  const subscriptions = ['a/#', 'no', 'a/#', 'no', 'b'].flatMap((f, i) => [text(f), Buffer.from([i % 3])]);
  raw.packet(0x82, Buffer.from([0, 1]), ...subscriptions);
  // The second byte is its length, and it may come in pieces.
  await waitFor('the SUBACK', () => raw.bytes.length === 4 + 2 + (raw.bytes[5] ?? Number.NaN));
  return [...raw.bytes.subarray(8)];
}

test('aedes answers each filter of a SUBSCRIBE, one that is named twice as well', async (t) => {
  assert.deepEqual(await codesForTwice(t, true), [0, 128, 2, 128, 1]);
  // Needed for as long as this is what happens without it.
  assert.deepEqual(await codesForTwice(t, false), [2, 128, 1]);
});

test('aedes calls a session without a filter present with the patch, and not without it', async (t) => {
  const present = async (subscriptions: readonly object[]): Promise<number | undefined> => {
    const persistence = Object.assign(aedesMemory(), { subscriptionsByClient: async () => subscriptions });
    const aedes = await Aedes.createBroker({
      persistence: persistence as never,
      authorizeSubscribe: (_client, sub, next) => next(null, sub.topic === SESSION_IS_PRESENT.topic ? null : sub),
    });
    const server = createServer((socket) => aedes.handle(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      aedes.close();
      server.close();
    });
    const raw = await Raw.open(t, (server.address() as { port: number }).port);
    assert.equal(await raw.connect('bare', 0), 0);
    return raw.bytes[2];
  };
  assert.equal(await present([SESSION_IS_PRESENT]), 1);
  // Needed for as long as a session without a filter cannot be told from none.
  assert.equal(await present([]), 0);
});

/** A client with a will whose connection breaks. @returns topics that aedes wants to publish for it */
async function willOf(t: test.TestContext, drop: 'at the log-in' | 'later' | 'never'): Promise<string[]> {
  const topics: string[] = [];
  let gone = false;
  const aedes = await Aedes.createBroker({
    authenticate: (client, _name, _password, next) => {
      if (drop === 'at the log-in') aedesPatch.dropWill(client);
      next(null, true);
    },
    // aedes asks before it says that the client is gone, and publishes nothing without having asked.
    authorizePublish: (_client, packet, next) => {
      topics.push(packet.topic);
      next(null);
    },
  });
  const published: string[] = [];
  aedes.on('publish', (packet) => published.push(packet.topic));
  aedes.on('clientReady', (client) => {
    if (drop === 'later') aedesPatch.dropWill(client);
  });
  aedes.on('clientDisconnect', () => {
    gone = true;
  });
  const server = createServer((socket) => aedes.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    aedes.close();
    server.close();
  });
  const raw = await Raw.open(t, (server.address() as { port: number }).port);
  const CLEAN_WITH_WILL = 6;
  assert.equal(await raw.connect('frail', CLEAN_WITH_WILL, [text('foreign/place'), text('gone')]), 0);
  raw.socket.destroy();
  await waitFor('the end of the client', () => gone);
  if (topics.length > 0) await waitFor('the will', () => published.includes('foreign/place'));
  return topics;
}

test('aedes publishes no will that the patch dropped, and each other one', async (t) => {
  assert.deepEqual(await willOf(t, 'at the log-in'), []);
  assert.deepEqual(await willOf(t, 'later'), []);
  // Needed for as long as aedes has no call for it: nobody else takes the will away.
  assert.deepEqual(await willOf(t, 'never'), ['foreign/place']);
});

/** Clients of one id, the first of them subscribed. @returns codes of those that are open at the end, and the count of aedes */
async function ofOneId(t: test.TestContext, patched: boolean, order: 'two at once' | 'and the end of the old one') {
  const held: (() => void)[] = [];
  let holds = false;
  const aedes = await Aedes.createBroker({
    // Those that are to come in one turn wait for each other here.
    authenticate: (_client, _name, _password, next) => {
      if (holds) held.push(() => next(null, true));
      else next(null, true);
    },
  });
  if (patched) aedesPatch.oneClientAnId(aedes);
  const server = createServer((socket) => void clients.push(aedes.handle(socket)));
  const clients: Client[] = [];
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    aedes.close();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const first = await Raw.open(t, port);
  assert.equal(await first.connect('one'), 0);
  first.subscribe(['a/b'], 1);
  await waitFor('the SUBACK', () => first.bytes.length >= 9);
  holds = true;
  const later = order === 'two at once' ? [await Raw.open(t, port), await Raw.open(t, port)] : [await Raw.open(t, port)];
  for (const raw of later) void raw.connect('one').catch(() => {});
  await waitFor('the log-ins', () => held.length === later.length);
  for (const next of held) next();
  if (order === 'and the end of the old one') clients[0]?.close();
  await waitFor('what is accepted', () => later.every((raw) => raw.closed || raw.bytes.length >= 4));
  await waitFor('the end of the first', () => first.closed);
  const open = clients.filter((client) => !client.closed).length;
  for (const raw of later) raw.socket.destroy();
  await waitFor('the end of all', () => clients.every((client) => client.closed));
  return { open, counted: aedes.connectedClients };
}

test('aedes has one client an id with the patch, and counts those that are there', async (t) => {
  assert.deepEqual(await ofOneId(t, true, 'two at once'), { open: 1, counted: 0 });
  assert.deepEqual(await ofOneId(t, true, 'and the end of the old one'), { open: 1, counted: 0 });
  // Needed for as long as one of these is what happens without it.
  assert.equal((await ofOneId(t, false, 'two at once')).open, 2);
  assert.equal((await ofOneId(t, false, 'and the end of the old one')).counted, 1);
});

test('aedes reads a PINGREQ behind messages that wait with the patch, and not without it', async (t) => {
  const waiting: Client[] = [];
  const aedes = await Aedes.createBroker({ authorizePublish: (client) => void waiting.push(client as Client) });
  const server = createServer((socket) => aedes.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    aedes.close();
    server.close();
  });
  const raw = await Raw.open(t, (server.address() as { port: number }).port);
  assert.equal(await raw.connect('one'), 0);
  const body = Buffer.concat([text('a/b'), Buffer.from([0, 7, 0x78])]);
  const publish = Buffer.concat([Buffer.from([0x32, body.length]), body]);
  raw.send(publish, publish, publish, publish);
  await waitFor('the messages', () => waiting.length === 4);
  raw.send(0xc0, 0);
  const [client] = waiting as [Client];
  const { conn } = client as unknown as { readonly conn: { readonly readableLength: number } };
  await waitFor('the PINGREQ', () => conn.readableLength === 2);
  // Needed for as long as it lies there.
  assert.equal(raw.bytes.length, 4);
  for (const one of waiting) aedesPatch.readOn(one);
  await waitFor('the PINGRESP', () => raw.bytes.subarray(4).equals(Buffer.from([0xd0, 0])));
});
