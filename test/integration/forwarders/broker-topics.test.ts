/** The topics of the embedded broker, seen by mosquitto_sub. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import test from 'node:test';
import { reasonCode } from '../../../src/core/reasons.ts';
import { BrokerBench, inventoryOf, Raw, ROOT, Sub, shapeOf } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';

const fridge = shapeOf('fridge', ['temperature', 'humidity']);

test('a new subscriber gets what is retained, and what changes from then on', async (t) => {
  const bench = new BrokerBench(t);
  bench.broker.inventory(inventoryOf(3, fridge));
  bench.broker.notice({ kind: 'alarm', key: 'warm', seq: 1, json: '{"rule":"warm"}' });
  const port = await bench.start();
  bench.read(fridge, 4.5);
  const sub = await Sub.start(t, port, ['-t', `${ROOT}/#`, '-q', '1']);
  if (sub === undefined) return;

  const status = await sub.message(`${ROOT}/status`);
  assert.deepEqual({ qos: status.qos, retained: status.retained }, { qos: 1, retained: true });
  assert.equal(JSON.parse(status.payload).time, 1_795_000_000_000, 'as the gateway knows it');
  assert.deepEqual(JSON.parse(status.payload), {
    ...JSON.parse(status.payload),
    v: 1,
    online: true,
    boot: 'b1',
    version: '0.0.1',
  });
  assert.equal(JSON.parse((await sub.message(`${ROOT}/inventory`)).payload).revision, 3);
  assert.deepEqual(await sub.message(`${ROOT}/alarm/warm`), {
    ...{ topic: `${ROOT}/alarm/warm`, qos: 1, retained: true },
    payload: '{"rule":"warm"}',
  });
  const first = await sub.message(`${ROOT}/value/fridge/humidity`);
  assert.deepEqual(
    { ...first, payload: JSON.parse(first.payload) },
    {
      ...{ topic: `${ROOT}/value/fridge/humidity`, qos: 0, retained: true },
      payload: { time: 1_795_000_000_000, value: 4.5, unit: 'Cel', quality: 'good' },
    },
  );

  bench.read(fridge, 5.5);
  const live = await sub.message(`${ROOT}/value/fridge/temperature`, (m) => m.payload.includes('5.5'));
  assert.equal(live.retained, false);
  const data = await sub.message(`${ROOT}/data`);
  assert.deepEqual({ qos: data.qos, records: JSON.parse(data.payload) }, { qos: 1, records: [[2, 5.5, 5.5]] });
  bench.read(fridge, 0, reasonCode('timeout'));
  const bad = await sub.message(`${ROOT}/value/fridge/temperature`, (m) => m.payload.includes('bad'));
  assert.deepEqual(JSON.parse(bad.payload), {
    time: 1_795_000_000_000,
    value: null,
    unit: 'Cel',
    quality: 'bad',
    reason: 'timeout',
  });
  bench.broker.notice({ kind: 'event', key: 'clock', seq: 9, json: '{"event":"clock"}' });
  assert.equal((await sub.message(`${ROOT}/event`)).retained, false);
});

test('a QoS 1 message is not lost behind a QoS 0 message of the same moment', async (t) => {
  const bench = new BrokerBench(t);
  const sub = await Sub.start(t, await bench.start(), ['-t', `${ROOT}/#`, '-q', '1', '-i', 'keeper', '-c']);
  if (sub === undefined) return;
  for (let i = 0; i < 50; i++) {
    bench.broker.notice({ kind: 'alarm', key: 'a', seq: i, json: `{"n":${i}}` });
    // Points that leave the inventory are published at once, with QoS 0.
    bench.broker.inventory(inventoryOf(i, shapeOf(`d${i}`, 1)));
  }
  await waitFor('all alarms', () => sub.messages().filter((m) => m.topic === `${ROOT}/alarm/a`).length >= 50);
  const seen = sub
    .messages()
    .filter((m) => m.topic === `${ROOT}/alarm/a`)
    .map((m) => JSON.parse(m.payload).n);
  assert.deepEqual(
    seen,
    Array.from({ length: 50 }, (_, i) => i),
  );
});

test('nothing is built for which nobody listens', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const before = bench.broker.status().published;
  for (let i = 0; i < 2000; i++) bench.read(fridge, i);
  assert.deepEqual({ built: bench.built, published: bench.broker.status().published }, { built: 0, published: before });

  const sub = await Sub.start(t, port, ['-t', `${ROOT}/value/fridge/humidity`]);
  if (sub === undefined) return;
  await sub.message(`${ROOT}/value/fridge/humidity`);
  for (let i = 0; i < 2000; i++) bench.read(fridge, i + 0.25);
  await sub.message(`${ROOT}/value/fridge/humidity`, (m) => m.payload.includes('1999.25'));
  const values = sub.messages().filter((m) => !m.retained);
  assert.ok(values.every((m) => m.topic === `${ROOT}/value/fridge/humidity`));
  assert.equal(bench.built, 0);
  // 2000 changes came within one flush or two: conflated, whatever the machine does.
  assert.ok(values.length < 200, `${values.length} messages`);
  await sub.child.stop('SIGTERM');
  await waitFor('the client to be gone', () => bench.broker.status().clients === 0);
  const after = bench.broker.status().published;
  for (let i = 0; i < 2000; i++) bench.read(fridge, i);
  assert.equal(bench.broker.status().published, after);
});

test('topics of points and rules that are gone are cleared', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  bench.broker.inventory(inventoryOf(1, fridge));
  bench.read(fridge, 1);
  bench.broker.notice({ kind: 'alarm', key: 'old', seq: 1, json: '{"rule":"old"}' });
  bench.broker.notice({ kind: 'alarm', key: 'kept', seq: 2, json: '{"rule":"kept"}' });
  const there = await Sub.start(t, port, ['-t', `${ROOT}/#`, '-q', '1']);
  if (there === undefined) return;
  await there.message(`${ROOT}/value/fridge/humidity`);

  bench.broker.inventory(inventoryOf(2, shapeOf('fridge', ['temperature'])));
  bench.broker.rules(['kept']);
  await there.message(`${ROOT}/value/fridge/humidity`, (m) => m.payload === '');
  await there.message(`${ROOT}/alarm/old`, (m) => m.payload === '');

  const later = await Sub.start(t, port, ['-t', `${ROOT}/#`, '-q', '1']);
  await later?.message(`${ROOT}/value/fridge/temperature`);
  const topics = later?.messages().map((m) => m.topic);
  assert.deepEqual(topics?.sort(), [
    `${ROOT}/alarm/kept`,
    `${ROOT}/inventory`,
    `${ROOT}/status`,
    `${ROOT}/value/fridge/temperature`,
  ]);
});

test('a QoS 0 subscription gets retained messages with QoS 0', async (t) => {
  const bench = new BrokerBench(t);
  const sub = await Sub.start(t, await bench.start(), ['-t', `${ROOT}/#`, '-q', '0']);
  const status = await sub?.message(`${ROOT}/status`);
  if (status !== undefined) assert.deepEqual({ qos: status.qos, retained: status.retained }, { qos: 0, retained: true });
});

test('an address in use is tried again, and told once', async (t) => {
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
  t.after(() => blocker.close());
  const address = blocker.address();
  assert.ok(typeof address === 'object' && address !== null);
  const errors: string[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (_: object, m: string) => errors.push(m), child: () => log };
  const bench = new BrokerBench(t, { listen: [{ host: '127.0.0.1', port: address.port }], logger: log });
  bench.broker.start();
  await waitFor('the fault', () => bench.broker.status().fault?.includes('another program listens on'));
  assert.equal(bench.broker.status().state, 'waiting');
  bench.read(fridge, 1);
  blocker.close();
  await waitFor('the address', () => bench.broker.status().state === 'listening');
  assert.equal(bench.broker.status().fault, undefined);
  assert.equal(errors.length, 1);
  assert.equal(await (await Raw.open(t, address.port)).connect('c'), 0);
});

test('stop says goodbye, closes connections and frees the port; start works again', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const sub = await Sub.start(t, port, ['-t', `${ROOT}/status`]);
  if (sub === undefined) return;
  // It neither answers nor reads, and must not hold up the stop.
  const mute = await Raw.open(t, port);
  mute.socket.pause();
  await bench.broker.stop();
  await sub.message(`${ROOT}/status`, (m) => m.payload === '{"v":1,"online":false}');
  assert.equal(bench.broker.status().state, 'stopped');
  const again = createServer();
  await new Promise<void>((resolve, reject) => {
    again.once('error', reject);
    again.listen(port, '127.0.0.1', resolve);
  });
  await new Promise((resolve) => again.close(resolve));
  assert.equal(await (await Raw.open(t, await bench.start())).connect('c'), 0);
});
