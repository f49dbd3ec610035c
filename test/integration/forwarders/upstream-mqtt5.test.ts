/** MQTT 5 upstream: what is said of messages, limits of the broker that are kept, and each reason code that is retried or skipped. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { MOST_UNCLEAR } from '../../../src/forwarders/mqtt/patience.ts';
import { REASONS, verdictOf } from '../../../src/forwarders/mqtt/reason-codes.ts';
import { MOST_KEYS } from '../../../src/store/delivery/notice-heads.ts';
import { Mqtt5Peer } from '../../fakes/mqtt5-peer.ts';
import { openUpstream, upstreamFault } from '../../harness/open-upstream.ts';
import { scratch } from '../../harness/scratch.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { peer } from '../../peers/peers.ts';

const mqtt5 = { sessionExpiry: 0, messageExpiry: undefined, userProperties: undefined };
const count = (n: number) => Array.from({ length: n }, (_, i) => i);

/** The readings that a peer took and acknowledged, or all that came. */
const numbers = (messages: readonly { topic: string; payload: Buffer | string }[]) =>
  new Consumer()
    .feedAll(
      messages
        .filter(({ topic }) => /data|history/.test(topic))
        .map(({ topic, payload }) => ({ topic, payload: payload.toString() })),
    )
    .records()
    .map((r) => r.values.n);

test('Mosquitto hands on expiry and user properties, and takes topics that are abbreviated', async (t) => {
  const sub = peer(t, 'mosquitto_sub', 'apt-get install -y mosquitto-clients');
  const broker = sub && (await Mosquitto.start(t, { extra: ['log_type all'] }));
  if (sub === undefined || !broker) return;
  const args = ['-V', 'mqttv5', '-p', String(broker.port), '-t', 'a/#', '-C', '3', '-F', '%t|%p|%P|%E|%r'];
  let lines = '';
  const child = execFile(sub, args, { timeout: 300_000 });
  child.stdout?.on('data', (text: string) => (lines += text));
  await waitFor('the subscription', () => broker.log.some((line) => line.includes('Sending SUBACK')));
  const properties = { ...mqtt5, messageExpiry: 3600, userProperties: { site: 'north', 'a b': 'ü' } };
  const connection = await openUpstream(broker.url, { mqtt5: properties });
  for (const payload of ['1', '2']) await connection.publish({ topic: 'a/b', payload, qos: 1, retain: false });
  await connection.publish({ topic: 'a/c', payload: '3', qos: 1, retain: true });
  await waitFor('three messages', () => lines.split('\n').filter((line) => line.startsWith('a/')).length === 3);
  const got = lines.split('\n').filter((line) => line.startsWith('a/'));
  assert.match(got[0] ?? '', /^a\/b\|1\|(?=.*site:north)(?=.*a b:ü).*\|3(600|5[5-9]\d)\|0$/);
  assert.match(got[1] ?? '', /^a\/b\|2\|/);
  assert.match(got[2] ?? '', /^a\/c\|3\|.*\|\|0$/, 'what is retained does not expire');
  await connection.end(1000);
});

test('a topic is spelled once on a connection, within the number that the broker allows', async (t) => {
  const far = await Mqtt5Peer.start(t);
  far.properties = { topicAliasMaximum: 2 };
  const connection = await openUpstream(far.url, { mqtt5 });
  for (const topic of ['a', 'b', 'c', 'a', 'b', 'c', 'a'])
    await connection.publish({ topic, payload: topic, qos: 1, retain: false });
  assert.deepEqual(
    far.messages.map(({ topic, spelled }) => (spelled ? topic : `(${topic})`)),
    ['a', 'b', 'c', '(a)', '(b)', 'c', '(a)'],
  );
  assert.ok(far.messages.every(({ topic, payload }) => topic === payload.toString()));
  connection.destroy();
  // A broker that allows none, and one that allows more than anybody needs.
  for (const topicAliasMaximum of [undefined, 65_535]) {
    far.properties = topicAliasMaximum === undefined ? {} : { topicAliasMaximum };
    far.messages.length = 0;
    const next = await openUpstream(far.url, { mqtt5 });
    for (let i = 0; i < 80; i++) await next.publish({ topic: `t${i % 40}`, payload: 'x', qos: 1, retain: false });
    assert.equal(far.messages.filter(({ spelled }) => !spelled).length, topicAliasMaximum === undefined ? 0 : 32);
    next.destroy();
  }
});

test('no more messages are under way than the broker allows, and their order stays', async (t) => {
  const far = await Mqtt5Peer.start(t);
  for (const receiveMaximum of [1, 3]) {
    far.properties = { receiveMaximum };
    far.messages.length = 0;
    far.most = 0;
    const connection = await openUpstream(far.url, { mqtt5 });
    await Promise.all(count(40).map((n) => connection.publish({ topic: `t${n}`, payload: `${n}`, qos: 1, retain: false })));
    assert.equal(far.most, receiveMaximum);
    assert.deepEqual(
      far.messages.map(({ payload }) => Number(payload)),
      count(40),
    );
    // Those that wait for their turn end with the connection.
    far.answer = () => undefined;
    const waiting = count(5).map((n) => connection.publish({ topic: `w${n}`, payload: 'x', qos: 1, retain: false }));
    await waitFor('the first of them', () => far.messages.length > 40);
    connection.destroy();
    const ends = await Promise.allSettled(waiting);
    assert.ok(ends.every(({ status }) => status === 'rejected'));
    far.answer = () => 0;
  }
});

test('receive maximum 1 delivers a backlog, alarms and live readings, each once', async (t) => {
  const far = await Mqtt5Peer.start(t);
  far.properties = { receiveMaximum: 1 };
  const site = await UpstreamSite.open(t, { url: far.url, protocol: 5, batch: { maxReadings: 10, maxAge: '20ms' } });
  site.add(100);
  await site.log.flush();
  site.forwarder.start();
  await waitFor('the connection', () => site.forwarder.connected);
  site.add(20);
  await waitFor('all', () => numbers(far.messages).length === 120);
  assert.deepEqual(
    numbers(far.messages).sort((a, b) => Number(a) - Number(b)),
    count(120),
  );
  assert.equal(far.most, 1);
});

test('Mosquitto with a maximum packet size of 1 kB gets batches that fit', async (t) => {
  const broker = await Mosquitto.start(t, { extra: ['max_packet_size 1024'] });
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['sluice/#']));
  if (!broker || !subscriber) return;
  const site = await UpstreamSite.open(t, { url: broker.url, protocol: 5, batch: { maxReadings: 1000, maxAge: '50ms' } });
  site.add(200);
  // Too large even alone.
  site.addText(2000);
  site.add(50);
  await site.log.flush();
  site.forwarder.start();
  await waitFor(
    () => `all: ${numbers(subscriber.messages()).length}; ${JSON.stringify(site.forwarder.status())}`,
    () => numbers(subscriber.messages()).length === 250,
  );
  assert.deepEqual(numbers(subscriber.messages()), count(250));
  assert.ok(subscriber.messages().every(({ bytes }) => bytes.length <= 1024));
  await waitFor('the event', () => site.events.length === 1);
  assert.equal(site.events[0]?.readings, 1);
  assert.equal(site.forwarder.status().counters.refused, 1);
  assert.equal(site.forwarder.status().counters.connects, 1, 'the connection stays');
});

test('a broker that is too small for the inventory gets readings all the same', async (t) => {
  const far = await Mqtt5Peer.start(t);
  far.properties = { maximumPacketSize: 1024 };
  let text = 'x'.repeat(2000);
  const told: string[] = [];
  const site = await UpstreamSite.open(
    t,
    { url: far.url, protocol: 5 },
    { inventory: () => JSON.stringify({ text }), event: (event, message) => void told.push(`${event}: ${message}`) },
  );
  site.forwarder.start();
  site.add(3);
  await waitFor(
    () => `readings: ${site.fault}`,
    () => numbers(far.messages).length === 3,
  );
  const has = (end: string) => far.messages.filter(({ topic }) => topic.endsWith(end)).length;
  site.forwarder.republish([]);
  await waitFor('a second greeting', () => has('/status') === 2);
  assert.deepEqual([has('/inventory'), told.length], [0, 1]);
  assert.match(told[0] ?? '', /^overload: The inventory is too large for the broker of cloud/);
  text = 'x';
  site.forwarder.republish([]);
  await waitFor('one that fits', () => has('/inventory') === 1);
  assert.deepEqual([site.forwarder.status().counters.connects, told.length], [1, 1]);
});

test('a quota that is used up keeps readings, and the connection, until it is there again', async (t) => {
  // Others are not allowed in a PUBACK; a broker ends the connection with them.
  for (const code of [135, 151]) {
    const far = await Mqtt5Peer.start(t);
    let refusals = 0;
    far.answer = ({ topic }) => (/data|history/.test(topic) && refusals++ < 2 ? { code, said: 'come back tomorrow' } : 0);
    const site = await UpstreamSite.open(t, { url: far.url, protocol: 5 });
    site.add(10);
    await site.log.flush();
    site.forwarder.start();
    await waitFor('words', () => site.fault !== '');
    assert.match(
      site.fault,
      new RegExp(`the broker refuses a message on sluice/g1/history: .* \\(code ${code}\\) \\(it says "come back tomorrow"\\); `),
    );
    await waitFor('all', () => site.forwarder.status().counters.acked > 0 && site.fault === '');
    assert.deepEqual(numbers(far.messages), count(10));
    const { refused, connects } = site.forwarder.status().counters;
    assert.deepEqual({ refused, connects }, { refused: 0, connects: 1 }, String(code));
    await site.forwarder.stop(1000);
  }
});

test('a quota of one alarm topic holds back no alarm of another topic, and repeats none', async (t) => {
  const far = await Mqtt5Peer.start(t);
  let used = true;
  far.answer = ({ topic }) => (used && topic.endsWith('/alarm/a') ? { code: 0x97, said: 'quota of a' } : 0);
  const site = await UpstreamSite.open(t, { url: far.url, protocol: 5 });
  const alarm = (rule: string): void => void site.log.notice('alarm', rule, systemClock.monotonic(), { rule });
  for (const rule of ['a', 'b', 'c', 'b', 'a']) alarm(rule);
  for (let i = 0; i < 40; i++) alarm(`x${i % 4}`);
  site.forwarder.start();
  const came = () =>
    far.messages
      .filter(({ topic }) => topic.includes('/alarm/'))
      .map(({ payload }) => JSON.parse(`${payload}`) as { rule: string; seq: number });
  const others = () => came().filter(({ rule }) => rule !== 'a');
  await waitFor('the other topics', () => others().length >= 43);
  await waitFor('words', () => /quota of a/.test(site.fault));
  alarm('b');
  await waitFor('a new one', () => others().length >= 44);
  assert.deepEqual(
    came().filter(({ rule, seq }) => rule === 'a' && seq !== 1),
    [],
    'the newer one of its topic waits',
  );
  used = false;
  await waitFor('the kept ones', () => site.fault === '' && came().some(({ rule, seq }) => rule === 'a' && seq === 5));
  const seqs = others().map(({ seq }) => seq);
  assert.equal(new Set(seqs).size, seqs.length, 'each once');
  for (const rule of ['b', 'x0', 'x3'])
    assert.ok(
      others()
        .filter((one) => one.rule === rule)
        .every(({ seq }, i, all) => i === 0 || seq > (all[i - 1]?.seq ?? 0)),
      `${rule} in order`,
    );
  const { refused, connects } = site.forwarder.status().counters;
  assert.deepEqual({ refused, connects }, { refused: 0, connects: 1 });
});

test('hundreds of alarms pass a topic that Mosquitto does not allow, also over a restart', async (t) => {
  const acl = path.join(scratch(t, 'acl'), 'acl');
  writeFileSync(acl, 'topic readwrite #\ntopic deny sluice/g1/alarm/kept\n');
  const broker = await Mosquitto.start(t, { extra: [`acl_file ${acl}`, 'max_queued_messages 1000'] });
  const sub = broker && (await Subscriber.start(t, broker.port, ['sluice/g1/alarm/+']));
  if (broker === undefined || sub === undefined) return;
  const came = () => sub.messages().map(({ topic, payload }) => `${topic.split('/').at(-1)} ${JSON.parse(payload).seq}`);
  const place = scratch(t, 'upstream');
  const open = () => UpstreamSite.open(t, { url: broker.url, protocol: 5 }, {}, place);
  const alarm = ({ log }: UpstreamSite, rule: string) => log.notice('alarm', rule, systemClock.monotonic(), { rule });
  const first = await open();
  for (const rule of ['kept', ...count(600).map((i) => `x${i % 7}`), 'kept']) alarm(first, rule);
  first.forwarder.start();
  await waitFor('all others', () => came().length === 600);
  await waitFor('words', () => /not authorized \(code 135\)/.test(first.fault));
  await first.close();

  const second = await open();
  second.forwarder.start();
  alarm(second, 'x0');
  await waitFor('a new one', () => came().includes('x0 603'));
  await waitFor('words again', () => /not authorized/.test(second.fault));
  writeFileSync(acl, 'topic readwrite #\n');
  assert.ok(broker.signal('SIGHUP'));
  await waitFor('the kept ones', () => came().filter((one) => one.startsWith('kept')).length === 2);
  assert.deepEqual(came().slice(-2), ['kept 1', 'kept 602']);
  assert.equal(new Set(came()).size, 603);
  // The answers to those under way may not have been read before the end.
  assert.ok(came().length <= 603 + 16, `${came().length - 603} came again`);
});

test('a Mosquitto that ends the connection for an alarm gets all others', async (t) => {
  const acl = path.join(scratch(t, 'acl'), 'acl');
  writeFileSync(acl, 'topic readwrite #\ntopic deny sluice/g1/alarm/kept\n');
  // Without a bound of its queues Mosquitto 2.0 does so behind each answer `not authorized`.
  const broker = await Mosquitto.start(t, { extra: [`acl_file ${acl}`, 'max_queued_messages 0'] });
  const sub = broker && (await Subscriber.start(t, broker.port, ['sluice/g1/alarm/+']));
  if (broker === undefined || sub === undefined) return;
  const rules = () => sub.messages().map(({ topic }) => topic.split('/').at(-1));
  const site = await UpstreamSite.open(t, { url: broker.url, protocol: 5 });
  for (const rule of ['kept', ...count(40).map((i) => `x${i}`), 'kept'])
    site.log.notice('alarm', rule, systemClock.monotonic(), { rule });
  site.forwarder.start();
  await waitFor('all others', () => new Set(rules()).size === 40);
  assert.ok(site.forwarder.status().counters.connects >= 2);
  assert.ok(!rules().includes('kept'));
  writeFileSync(acl, 'topic readwrite #\n');
  assert.ok(broker.signal('SIGHUP'));
  await waitFor('the kept ones', () => rules().filter((rule) => rule === 'kept').length >= 2);
});

test('the status says when so many topics wait that others wait with them', async (t) => {
  const far = await Mqtt5Peer.start(t);
  far.answer = ({ topic }) => (/\/alarm\/k/.test(topic) ? { code: 0x97, said: 'quota' } : 0);
  const site = await UpstreamSite.open(t, { url: far.url, protocol: 5 });
  for (const rule of [...count(MOST_KEYS).map((i) => `k${i}`), 'free'])
    site.log.notice('alarm', rule, systemClock.monotonic(), { rule });
  site.forwarder.start();
  await waitFor('words', () => /quota.*; alarms of 1024 rules wait, and no alarm of a further rule leaves/.test(site.fault));
  const topics = () => new Set(far.messages.map(({ topic }) => topic).filter((topic) => topic.includes('/alarm/')));
  await waitFor('each was tried', () => topics().size >= MOST_KEYS);
  assert.ok(!topics().has('sluice/g1/alarm/free'));
});

test('a message that is invalid for good is counted and skipped; what follows arrives', async (t) => {
  for (const code of [144, 153]) {
    const far = await Mqtt5Peer.start(t);
    let first = true;
    far.answer = ({ topic }) => {
      if (!/data|history/.test(topic) || !first) return 0;
      first = false;
      return code;
    };
    const site = await UpstreamSite.open(t, { url: far.url, protocol: 5, batch: { maxReadings: 5, maxAge: '20ms' } });
    site.add(10);
    await site.log.flush();
    site.forwarder.start();
    await waitFor('the rest', () => site.forwarder.status().counters.acked > 0);
    assert.equal(site.forwarder.status().counters.refused, 1);
    assert.equal(site.events.length, 1);
    assert.equal(site.forwarder.status().counters.connects, 1);
    await site.forwarder.stop(1000);
  }
});

test('a broker that refuses events for good is not told of that refusal again and again', async (t) => {
  const far = await Mqtt5Peer.start(t);
  far.answer = ({ topic }) => (topic.endsWith('/event') ? 153 : 0);
  const note = (event: string): void => void site.log.notice('event', event, systemClock.monotonic(), { name: event });
  const site: UpstreamSite = await UpstreamSite.open(t, { url: far.url, protocol: 5 }, { event: note });
  site.forwarder.start();
  const events = () =>
    far.messages.filter(({ topic }) => topic.endsWith('/event')).map(({ payload }) => JSON.parse(`${payload}`).name);
  note('bus');
  await waitFor('both refusals', () => site.forwarder.status().counters.refused >= 2);
  // Events keep their order, so one that was made of the second refusal stands before this one.
  note('reload');
  await waitFor('the last one', () => events().includes('reload'));
  assert.deepEqual(events().slice(0, 3), ['bus', 'refused', 'reload']);
});

test('readings without a subscriber are delivered, counted, and named in the log', async (t) => {
  const broker = await Mosquitto.start(t);
  if (broker === undefined) return;
  const lines: string[] = [];
  const note = (_: object, message: string) => void lines.push(message);
  const logger = { ...silentLogger, warn: note, info: note };
  const site = await UpstreamSite.open(t, { url: broker.url, protocol: 5, batch: { maxReadings: 5 } }, { logger });
  const words = () => lines.filter((line) => line.includes('subscriber'));
  site.forwarder.start();
  await waitFor('the connection', () => site.forwarder.connected);
  site.add(10);
  await waitFor('the readings', () => site.forwarder.status().counters.readings === 10);
  const { unheard, acked, refused } = site.forwarder.status().counters;
  assert.deepEqual([unheard, refused], [acked, 0], 'batches count, and not what is retained');
  assert.equal(words().length, 1);
  assert.match(words()[0] as string, /has no subscriber for them; .* persistent session/);
  const subscriber = await Subscriber.start(t, broker.port, ['sluice/+/data', 'sluice/+/history']);
  if (subscriber === undefined) return;
  site.add(5);
  await waitFor('the next batch', () => subscriber.messages().length > 0);
  await waitFor('its acknowledgement', () => site.forwarder.status().counters.readings === 15);
  assert.equal(site.forwarder.status().counters.unheard, unheard);
  assert.deepEqual(words().slice(1), ['The broker has a subscriber for readings.']);
});

test('a reading that is refused without a reason is skipped in the end, and it alone', async (t) => {
  const far = await Mqtt5Peer.start(t);
  far.answer = ({ payload }) => (payload.includes('"n":7}') ? 131 : 0);
  // Pauses are of no length: twelve of them would be four minutes.
  const site = await UpstreamSite.open(t, { url: far.url, protocol: 5 }, { random: () => -1 });
  site.add(20);
  await site.log.flush();
  site.forwarder.start();
  await waitFor(
    () => `the event: ${JSON.stringify(site.forwarder.status())}`,
    () => site.events.length > 0,
  );
  assert.equal(site.events[0]?.readings, 1);
  await waitFor('the rest', () => new Set(numbers(far.messages)).size === 20 && site.fault === '');
  const refused = far.messages.filter(
    ({ payload }) => /"n":7\}/.test(payload.toString()) && !/"n":(6|8)\}/.test(payload.toString()),
  );
  assert.equal(refused.length, MOST_UNCLEAR);
  assert.equal(site.forwarder.status().counters.refused, 1);
});

test('how a broker ends a connection, and refuses one, is said in words with what to do', async (t) => {
  const far = await Mqtt5Peer.start(t);
  const ended = async (disconnect: number, said?: string): Promise<string> => {
    far.answer = () => (said === undefined ? { disconnect } : { disconnect, said });
    const connection = await openUpstream(far.url, { mqtt5 });
    await assert.rejects(connection.publish({ topic: 'a', payload: 'x', qos: 1, retain: false }));
    await connection.closed;
    return connection.lost().message;
  };
  assert.match(await ended(142), /session taken over \(code 142\); another client uses the client id "sluice-g1-cloud" as well/);
  assert.match(
    await ended(151, 'x\u202e'),
    /quota exceeded \(code 151\) \(it says "x\\u202e"\); the quota of this gateway is used up/,
  );
  assert.match(await ended(149), /packet too large \(code 149\); send smaller batches/);
  assert.match(await ended(139), /server shutting down \(code 139\); the log of the broker says why/);
  const refused = async (reasonCode: number, properties: object = {}) => {
    far.reasonCode = reasonCode;
    far.properties = { ...properties };
    return (await upstreamFault(far.url, { mqtt5, username: 'u' })).join();
  };
  assert.match(await refused(138), /^login,.*refuses this gateway: banned \(code 138\); ask the operator/);
  assert.match(await refused(151, { reasonString: 'no money' }), /^busy,.*quota exceeded \(code 151\) \(it says "no money"\)/);
  assert.match(
    await refused(157, { serverReference: 'other:1883' }),
    /^login,.*server moved .*it refers to other:1883.*write the new address/,
  );
  assert.match(await refused(134), /^login,.*the user name or the password is wrong/);
  assert.match(await refused(135), /^login,.*this user may not connect/);
  assert.match(await refused(133), /^login,.*the client id "sluice-g1-cloud"/);
  assert.match(await refused(132), /^login,.*does not accept MQTT 5; write `protocol: 3\.1\.1`/);
  assert.match(await refused(0, { maximumQoS: 0 }), /^protocol,.*QoS 0 alone/);
  for (const code of Object.keys(REASONS).map(Number)) assert.match(await refused(code), /refuses this gateway: .{20}/);
});

test('the log-in says how long the session is kept, and what this gateway takes', async (t) => {
  const far = await Mqtt5Peer.start(t);
  (await openUpstream(far.url, { mqtt5 })).destroy();
  (await openUpstream(far.url, { mqtt5: { ...mqtt5, sessionExpiry: 600, userProperties: { site: 'n' } } })).destroy();
  const [first, second] = far.connects;
  assert.equal(first?.clean, true);
  assert.equal(second?.clean, false);
  assert.equal(second?.properties?.sessionExpiryInterval, 600);
  assert.equal(second?.properties?.maximumPacketSize, 65_536);
  assert.equal(second?.properties?.receiveMaximum, 16);
  assert.deepEqual(Object.keys(second?.properties?.userProperties ?? {}).sort(), ['site', 'software']);
  assert.equal(first?.properties?.topicAliasMaximum, undefined, 'nobody may abbreviate towards this gateway');
});

test('a broker without retained messages gets them as plain ones', async (t) => {
  const far = await Mqtt5Peer.start(t);
  far.properties = { retainAvailable: false };
  const connection = await openUpstream(far.url, { mqtt5 });
  await connection.publish({ topic: 'a', payload: 'x', qos: 1, retain: true });
  assert.deepEqual(
    far.messages.map(({ retain }) => retain),
    [false],
  );
  connection.destroy();
});

test('each code has one verdict, and an unknown one is unclear', () => {
  assert.equal(verdictOf(151), 'later');
  assert.equal(verdictOf(149), 'smaller');
  assert.equal(verdictOf(153), 'never');
  assert.equal(verdictOf(128), 'unclear');
  assert.equal(verdictOf(200), 'unclear');
});
