/** Limits of clients of the embedded broker, and slow clients that break nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { openAccess } from '../../fakes/open-access.ts';
import { Child } from '../../harness/child.ts';
import { BrokerBench, CLIENTS, Raw, ROOT, remaining, StandingClock, Sub, shapeOf, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const fridge = shapeOf('fridge', ['temperature', 'humidity']);
const PINGREQ = Buffer.from([0xc0, 0]);
const PINGRESP = Buffer.from([0xd0, 0]);

for (const qos of ['0', '1', '2'])
  test(`an anonymous client cannot publish with QoS ${qos}`, async (t) => {
    const program = peer(t, 'mosquitto_pub', CLIENTS);
    if (program === undefined) return;
    const bench = new BrokerBench(t);
    const port = await bench.start();
    const sub = await Sub.start(t, port, ['-t', '#', '-q', '1']);
    const to = ['-h', '127.0.0.1', '-p', String(port), '-q', qos];
    for (const topic of [`${ROOT}/command`, `${ROOT}/status`, 'other'])
      await new Child(program, [...to, '-r', '-t', topic, '-m', 'forged']).ended;
    bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"last":true}' });
    await sub?.message(`${ROOT}/event`);
    assert.deepEqual(
      sub?.messages().filter((m) => m.payload.includes('forged')),
      [],
    );
    const later = await Sub.start(t, port, ['-t', '#']);
    await later?.message(`${ROOT}/status`);
    assert.deepEqual(
      later?.messages().filter((m) => m.payload.includes('forged')),
      [],
    );
  });

test('the will of a client is ignored', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const sub = await Sub.start(t, port, ['-t', '#', '-q', '1']);
  if (sub === undefined) return;
  const dying = await Raw.open(t, port);
  assert.equal(await dying.connect('dying', 0x2e, [text(`${ROOT}/status`), text('forged')]), 0);
  await waitFor('both clients', () => bench.broker.status().clients === 2);
  dying.socket.resetAndDestroy();
  await waitFor('it to be gone', () => bench.broker.status().clients === 1);
  bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"last":true}' });
  await sub.message(`${ROOT}/event`);
  assert.deepEqual(
    sub.messages().filter((m) => m.payload === 'forged'),
    [],
  );
});

test('system topics, malformed filters and too many filters are denied', async (t) => {
  const bench = new BrokerBench(t);
  const raw = await Raw.open(t, await bench.start());
  assert.equal(await raw.connect('curious', 0), 0);
  raw.subscribe(['$SYS/#', '$SYS/+/new/clients', `${ROOT}/data`], 1);
  await waitFor('a SUBACK', () => raw.bytes.length >= 4 + 7);
  assert.deepEqual([...raw.bytes.subarray(8, 11)], [128, 128, 1]);
  raw.subscribe(
    Array.from({ length: limits.MAX_SUBSCRIPTIONS + 5 }, (_, i) => `a/${i}`),
    1,
  );
  await waitFor('the second SUBACK', () => raw.bytes.length >= 11 + 4 + limits.MAX_SUBSCRIPTIONS + 5);
  const granted = [...raw.bytes.subarray(15, 15 + limits.MAX_SUBSCRIPTIONS + 5)];
  assert.equal(granted.filter((g) => g === 1).length, limits.MAX_SUBSCRIPTIONS - 1);
  raw.subscribe(['x'.repeat(limits.MAX_FILTER + 1)]);
  await waitFor('the third SUBACK', () => raw.bytes.length >= 15 + limits.MAX_SUBSCRIPTIONS + 5 + 5);
  assert.equal(raw.bytes.at(-1), 128);
  // The session does not remember a denied subscription either.
  raw.socket.end();
  await waitFor('it to be gone', () => bench.broker.status().clients === 0);
  bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{}' });
  bench.broker.inventory({ v: 1, revision: 1, devices: {} });
  assert.equal(bench.broker.status().queuedMessages, 0);
});

test('packets that are too large end the connection at their header', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const early = await Raw.open(t, port);
  early.send(0x10, remaining(limits.MAX_PACKET_BEFORE_CONNECT + 1));
  await waitFor('the oversize CONNECT to be refused', () => early.closed);

  const fits = await Raw.open(t, port);
  assert.equal(await fits.connect('fits'), 0);
  fits.send(PINGREQ);
  await waitFor('an answer', () => fits.bytes.includes(PINGRESP));
  fits.send(0x30, remaining(limits.MAX_PACKET + 1));
  await waitFor('the oversize packet to be refused', () => fits.closed);

  const malformed = await Raw.open(t, port);
  malformed.send(0x10, Buffer.from([255, 255, 255, 255, 1]));
  await waitFor('the endless length to be refused', () => malformed.closed);
  const silent = await Raw.open(t, port);
  silent.send(PINGREQ);
  await waitFor('a first packet that is no CONNECT to be refused', () => silent.closed);
  await waitFor('no client to be left', () => bench.broker.status().clients === 0);
});

test('a picture of 300 kB passes with a larger maxPacket, and ends the connection without', { timeout: 400_000 }, async (t) => {
  const picture = Buffer.alloc(300 * 1024, 0x70);
  const sends = async (maxPacket: number | undefined, payload: Buffer) => {
    const bench = new BrokerBench(t, { access: openAccess('plant/#'), ...(maxPacket === undefined ? {} : { maxPacket }) });
    const port = await bench.start();
    const reader = await Raw.open(t, port);
    assert.equal(await reader.connect('reader'), 0);
    reader.subscribe(['plant/#']);
    await waitFor('a SUBACK', () => reader.bytes.length >= 9);
    const camera = await Raw.open(t, port);
    assert.equal(await camera.connect('camera'), 0);
    camera.packet(0x32, text('plant/picture'), Buffer.from([0, 7]), payload);
    await waitFor('an answer or the end', () => camera.bytes.length >= 8 || camera.closed);
    return { bench, reader, camera };
  };
  const passes = await sends(512 * 1024, picture);
  assert.equal(passes.camera.bytes.subarray(4).toString('hex'), '40020007');
  await waitFor('the picture', () => passes.reader.bytes.length >= picture.length);
  assert.ok(passes.reader.bytes.subarray(-picture.length).equals(picture));
  for (const [maxPacket, payload] of [
    [undefined, picture],
    [512 * 1024, Buffer.alloc(512 * 1024, 0x70)],
  ] as const) {
    const { bench, camera, reader } = await sends(maxPacket, payload);
    await waitFor('the end', () => camera.closed);
    assert.equal(camera.bytes.length, 4);
    assert.equal(reader.bytes.length, 9);
    assert.equal(bench.broker.status().refused.size, 1);
  }
});

test('a packet is measured right wherever the network cuts it', async (t) => {
  const bench = new BrokerBench(t);
  const raw = await Raw.open(t, await bench.start());
  assert.equal(await raw.connect('cut'), 0);
  const filters = Array.from({ length: 20 }, (_, i) => `${'y'.repeat(100)}/${i}`);
  const body = Buffer.concat([Buffer.from([0, 7]), ...filters.flatMap((f) => [text(f), Buffer.from([0])])]);
  const bytes = Buffer.concat([Buffer.from([0x82]), remaining(body.length), body, PINGREQ, PINGREQ]);
  for (const byte of bytes) {
    if (!raw.socket.write(Buffer.from([byte]))) await new Promise((resolve) => raw.socket.once('drain', resolve));
  }
  // CONNACK, SUBACK and two PINGRESP; the broker may answer a ping before a subscription.
  await waitFor('all answers', () => raw.bytes.length === 4 + 24 + 4);
  assert.equal(raw.bytes.toString('latin1').split(PINGRESP.toString('latin1')).length, 3);
});

test('credentials that cannot be checked and ids that cannot be kept are refused', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  assert.equal(await (await Raw.open(t, port)).connect('c', 0xc2, [text('admin'), text('admin')]), 4);
  assert.equal(await (await Raw.open(t, port)).connect('', 0), 2);
  assert.equal(await (await Raw.open(t, port)).connect('x'.repeat(limits.MAX_CLIENT_ID + 1)), 2);
  assert.equal(await (await Raw.open(t, port)).connect(''), 0);
});

test('connections are capped in total', async (t) => {
  // The clock stands still: nobody is idle for long enough to give way, however slow the machine is.
  const bench = new BrokerBench(t, { clock: new ManualClock() });
  const port = await bench.start();
  const all: Raw[] = [];
  const codes: (number | undefined)[] = [];
  for (let i = 0; i < 70; i++) {
    const raw = await Raw.open(t, port);
    all.push(raw);
    codes.push(await raw.connect(`c${i}`));
  }
  assert.deepEqual(codes.slice(limits.MAX_CONNECTIONS), Array(6).fill(3), 'server unavailable');
  assert.equal(codes.filter((c) => c === 0).length, limits.MAX_CONNECTIONS);
  assert.equal(bench.broker.status().clients, limits.MAX_CONNECTIONS);
  assert.equal(bench.broker.status().refused.places, 70 - limits.MAX_CONNECTIONS);
  all[codes.indexOf(0)]?.socket.destroy();
  await waitFor('room for another', async () => (await (await Raw.open(t, port)).connect('late')) === 0);
});

test('a subscriber that stops reading holds up nobody, and memory stays bounded', async (t) => {
  // The healthy one is never taken for slow: the time of all three begins at the end.
  const clock = new StandingClock();
  const bench = new BrokerBench(t, {
    clock,
    encodeBatch: (records) => [JSON.stringify({ n: records.at(-1)?.seq, pad: 'x'.repeat(50_000) })],
  });
  const port = await bench.start();
  const wide = shapeOf('wide', limits.BATCH_READINGS);
  const stopped = await Sub.start(t, port, ['-t', `${ROOT}/#`, '-q', '1', '-i', 'stopped']);
  const healthy = await Sub.start(t, port, ['-t', `${ROOT}/data`, '-q', '1', '-i', 'healthy']);
  const mute = await Raw.open(t, port);
  assert.equal(await mute.connect('mute'), 0);
  mute.subscribe([`${ROOT}/#`], 0);
  if (stopped === undefined || healthy === undefined) return;
  await waitFor('three clients', () => bench.broker.status().clients === 3);
  mute.socket.pause();
  stopped.child.signal('SIGSTOP');

  // 1000 batches of 50 kB: the healthy one gets each, in order, while the others take nothing.
  const batches = 1000;
  for (let i = 1; i <= batches; i++) {
    bench.read(wide, i);
    const wanted = i;
    assert.ok(bench.broker.status().unsentBytes < 6 * limits.MAX_UNSENT);
    if (i % 10 === 0)
      await waitFor(
        () => `batch ${wanted}; ${JSON.stringify(bench.broker.status())}`,
        () => healthy.messages().some((m) => m.payload.startsWith(`{"n":${wanted},`)),
        { every: 1 },
      );
  }
  const got = healthy.messages().map((m) => Number(/"n":(\d+)/.exec(m.payload)?.[1]));
  assert.deepEqual(
    got,
    Array.from({ length: batches }, (_, i) => i + 1),
  );
  // Both got far less than was published: it passed them by.
  assert.ok(bench.broker.status().dropped.slow > 0, JSON.stringify(bench.broker.status()));
  clock.go();
  await waitFor('both to be cut off', () => bench.broker.status().clients === 1);
  stopped.child.signal('SIGCONT');
});

test('values that a slow client missed reach it with their latest state', async (t) => {
  const bench = new BrokerBench(t, { clock: new StandingClock() });
  const port = await bench.start();
  const slow = await Raw.open(t, port);
  assert.equal(await slow.connect('slow'), 0);
  slow.subscribe([`${ROOT}/value/#`, `${ROOT}/data`], 0);
  await waitFor('its SUBACK', () => slow.bytes.length > 4);
  slow.socket.pause();
  const wide = shapeOf('wide', 50);
  // Until something had to pass it by; kernel buffers differ, so count and do not guess.
  const filler = { kind: 'event' as const, key: 'x', seq: 1, json: JSON.stringify('f'.repeat(60_000)) };
  slow.socket.resume();
  slow.packet(0x82, Buffer.from([0, 10]), text(`${ROOT}/event`), Buffer.from([0]));
  await waitFor('its second SUBACK', () => slow.bytes.length > 4 + 6);
  slow.socket.pause();
  await waitFor(
    'the client to fall behind',
    () => {
      bench.broker.notice(filler);
      bench.read(wide, 1);
      return bench.broker.status().dropped.slow > 0;
    },
    { every: 1 },
  );
  bench.read(wide, 777.5);
  await waitFor('the values to be noted', () => bench.broker.status().published > 0 && bench.broker.status().dropped.slow > 0);
  slow.socket.resume();
  await waitFor('the latest value of every point', () => {
    const all = slow.bytes.toString('latin1');
    return wide.points.every((p) => all.includes(`value/wide/${p.name}{"time":1795000000000,"value":777.5`));
  });
  assert.equal(slow.closed, false);
});

test('a session gets its queue in order and bounded, and its overflow is reported once', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const args = ['-t', `${ROOT}/#`, '-q', '1', '-i', 'keeper', '-c'];
  const first = await Sub.start(t, port, args);
  if (first === undefined) return;
  await first.child.stop('SIGKILL');
  await waitFor('it to be gone', () => bench.broker.status().clients === 0);

  bench.broker.notice({ kind: 'alarm', key: 'warm', seq: 0, json: '{"alarm":0}' });
  const wide = shapeOf('wide', limits.BATCH_READINGS);
  const batches = limits.MAX_SESSION_MESSAGES + 200;
  for (let i = 1; i <= batches; i++) bench.broker.notice({ kind: 'event', key: 'e', seq: i, json: `{"n":${i}}` });
  const kept = bench.broker.status();
  assert.ok(kept.queuedMessages === limits.MAX_SESSION_MESSAGES && kept.queuedBytes <= limits.MAX_SESSION_BYTES);
  assert.equal(kept.dropped.sessions, 201);
  assert.deepEqual(
    bench.events.map((e) => [e.event, e.data?.client]),
    [['overload', 'keeper']],
  );

  const second = await Sub.start(t, port, args);
  // Published while the queue is being sent: comes after it. Where the queue has no two places free, they would push out others.
  await waitFor('the first acknowledgements', () => bench.broker.status().queuedMessages < limits.MAX_SESSION_MESSAGES - 1, {
    every: 0,
  });
  bench.broker.notice({ kind: 'event', key: 'e', seq: 9, json: `{"n":${batches + 1}}` });
  bench.read(wide, 1);
  await second?.message(`${ROOT}/event`, (m) => m.payload === `{"n":${batches + 1}}`);
  const seen = second?.messages().filter((m) => m.topic === `${ROOT}/event`) ?? [];
  assert.deepEqual(
    seen.map((m) => JSON.parse(m.payload).n),
    Array.from({ length: limits.MAX_SESSION_MESSAGES }, (_, i) => 202 + i),
  );
  // The alarm was the oldest and stayed.
  await second?.message(`${ROOT}/alarm/warm`, (m) => m.payload === '{"alarm":0}' && !m.retained);
  await waitFor('the queue to be empty', () => bench.broker.status().queuedMessages === 0);
  assert.equal(bench.broker.status().sessions, 1);
  await second?.child.stop('SIGTERM');
  const clean = await Raw.open(t, port);
  assert.equal(await clean.connect('keeper'), 0);
  await waitFor('the session to be ended by a clean one', () => bench.broker.status().sessions === 0);
});

test('queues are bounded in bytes, one by one and together', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const sessions = 8;
  for (let i = 0; i < sessions; i++) {
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect(`keeper${i}`, 0), 0);
    raw.subscribe([`${ROOT}/event`], 1);
    await waitFor('a SUBACK', () => raw.bytes.length >= 9);
    raw.socket.destroy();
  }
  await waitFor('all to be gone', () => bench.broker.status().clients === 0);
  for (let i = 0; i < 100; i++) bench.broker.notice({ kind: 'event', key: 'e', seq: i, json: 'z'.repeat(30_000) });
  assert.ok(bench.broker.status().queuedBytes <= limits.MAX_ALL_SESSIONS_BYTES);
  assert.ok(bench.broker.status().queuedBytes > limits.MAX_ALL_SESSIONS_BYTES - 31_000);
  assert.equal(bench.events.length, sessions);
});

test('sessions are bounded in number', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  for (let i = 0; i < limits.MAX_SESSIONS + 3; i++) {
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect(`s${i}`, 0), 0);
    raw.subscribe([`${ROOT}/event`], 1);
    await waitFor('a SUBACK', () => raw.bytes.length >= 9);
    raw.socket.destroy();
    await waitFor('it to be gone', () => bench.broker.status().clients === 0);
    if (i === 0) bench.broker.notice({ kind: 'event', key: 'e', seq: i, json: '{}' });
  }
  assert.equal(bench.broker.status().sessions, limits.MAX_SESSIONS);
  assert.deepEqual(
    bench.events.map((e) => e.data),
    [{ client: 's0', messages: 1 }],
  );
});

test('records of a wide and a narrow device never make a batch larger than it may be', async (t) => {
  const sizes: number[] = [];
  const bench = new BrokerBench(t, {
    encodeBatch: (records) => {
      sizes.push(records.reduce((n, r) => n + r.sample.shape.points.length, 0));
      return [JSON.stringify(records.map((r) => r.seq))];
    },
  });
  const sub = await Sub.start(t, await bench.start(), ['-t', `${ROOT}/data`]);
  if (sub === undefined) return;
  const wide = shapeOf('wide', 700);
  for (let i = 0; i < 20; i++) bench.read(i % 2 === 0 ? wide : fridge, i);
  await waitFor('every record', () => sub.messages().flatMap((m) => JSON.parse(m.payload)).length === 20);
  assert.deepEqual(
    sub.messages().flatMap((m) => JSON.parse(m.payload)),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  assert.ok(Math.max(...sizes) <= limits.BATCH_READINGS);
});
