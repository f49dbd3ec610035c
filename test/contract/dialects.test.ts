/**
 * The contract of forwarders, held by dialects that only tests have: what drain, outlet and connection do for `json` they do
 * for a dialect with several messages a batch, topics, numbers and state of its own; and what a live dialect gets.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import type { LatestValue, LatestValues } from '../../src/core/ports.ts';
import type { Outcome } from '../../src/forwarders/drain-sides.ts';
import type { LogDialect } from '../../src/forwarders/mqtt/dialect.ts';
import { mqttForwarder } from '../../src/forwarders/mqtt/kind.ts';
import { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../fakes/forwarder-context.ts';
import { MqttPeer } from '../fakes/mqtt-peer.ts';
import { parcelDialect, TEST_DIALECTS } from '../fakes/parcel-dialect.ts';
import { opened, type Parcel } from '../fakes/parcel-format.ts';
import type { ForwarderPeer, Taken } from '../harness/forwarder-peer.ts';
import { loadInThreads } from '../harness/load-in-threads.ts';
import { scratch } from '../harness/scratch.ts';
import { waitFor } from '../harness/wait-for.ts';
import { forwarderContract } from './forwarder-suite.ts';

// The keeper thread looks for payload formats in its own table.
loadInThreads(path.join(import.meta.dirname, '../fakes/parcel-format.ts'));
const mqtt = mqttForwarder(TEST_DIALECTS);
const DELIVERY = /^parcels\/g\/g1\/(data|history|alarm|event)\//;
const BATCHES = /^parcels\/g\/g1\/(data|history)\//;
const SETTINGS = { format: 'parcels', parcels: { group: 'g' } };

/**
 * Puts batches together again, and holds the numbers of each connection to their order.
 * @param reborn births came on the way, on one connection; else each begins a connection
 */
function unpack(taken: readonly Taken[], reborn = false): Taken[] {
  const out: Taken[] = [];
  let number = -1;
  let open = new Map<string, { parcels: Parcel[]; wire: number }>();
  for (const { topic, bytes, wire } of taken) {
    if (topic.endsWith('/death')) continue;
    const birth = topic === 'parcels/g/g1/birth';
    number = birth ? 0 : (number + 1) % 256;
    assert.equal(bytes[0], number, `${topic} has its place on the connection`);
    // A batch that a broken connection cut comes again whole.
    if (birth && !reborn) open = new Map();
    const [, , , kind = '', key] = topic.split('/');
    const body = bytes.subarray(1);
    if (kind === 'alarm') out.push({ topic: `sluice/g1/alarm/${key}`, bytes: body, wire });
    if (kind === 'event') out.push({ topic: 'sluice/g1/event', bytes: body, wire });
    if (kind !== 'data' && kind !== 'history') continue;
    const parcel = opened(body);
    assert.equal(parcel.group, 'g');
    const begun = parcel.index === 0 ? { parcels: [], wire: 0 } : (open.get(kind) ?? assert.fail('a parcel without its first'));
    open.set(kind, begun);
    assert.equal(parcel.index, begun.parcels.length, 'parcels of a batch come in order');
    begun.parcels.push(parcel);
    begun.wire += wire;
    if (begun.parcels.length < parcel.of) continue;
    const records = begun.parcels.flatMap((p) => p.batch.records).sort((a, b) => a.seq - b.seq);
    const { first, last } = parcel;
    out.push({
      topic: `sluice/g1/${kind}`,
      bytes: Buffer.from(JSON.stringify({ ...parcel.batch, first, last, records })),
      wire: begun.wire,
    });
    open.delete(kind);
  }
  return out;
}

function peerOf(far: MqttPeer): ForwarderPeer {
  return {
    settings: { url: `mqtt://127.0.0.1:${far.port}`, ...SETTINGS },
    up: () => far.start(),
    down: () => far.stop(),
    hold: (on) => far.hold(on ? DELIVERY : undefined),
    lose: (times) => far.lose(times, BATCHES),
    taken: () => unpack(far.taken),
    get most() {
      return new Map([...far.most].filter(([topic]) => DELIVERY.test(topic)));
    },
  };
}

forwarderContract(mqtt, 'split batches', async () => {
  const far = new MqttPeer();
  // Its port, and then away.
  await far.start();
  await far.stop();
  return peerOf(far);
});

const shapeOf = (device: string) => ({ device, points: [{ name: 'n', type: 'uint32', storage: 'number' }] }) as const;
const DEVICES = ['a', 'b', 'c'];

async function dialectBench(
  t: TestContext,
  dialects = TEST_DIALECTS,
  settings: Record<string, unknown> = SETTINGS,
  latest?: LatestValues,
) {
  // In this order: forwarder, log, peer, folder.
  let close = async () => {};
  t.after(() => close());
  const folder = scratch(t, 'dialect');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
  log.setInventory('{}');
  const far = new MqttPeer();
  await far.start();
  const context = forwarderContext(log, {
    inventory: () => JSON.stringify({ devices: Object.fromEntries(DEVICES.map((d) => [d, {}])) }),
    ...(latest === undefined ? {} : { latest }),
  });
  const kind = mqttForwarder(dialects);
  const make = () =>
    kind.create(
      {
        ...{ name: 'cloud', type: 'mqtt' },
        settings: kind.forwarder.parse({ url: `mqtt://127.0.0.1:${far.port}`, batch: { maxAge: '20ms' }, ...settings }),
      },
      context,
    );
  const s = {
    ...{ log, far },
    forwarder: make(),
    again: () => {
      s.forwarder = make();
      s.forwarder.start();
    },
    add: (n: number) => {
      for (const device of DEVICES)
        assert.ok(log.append({ shape: shapeOf(device), at: systemClock.monotonic(), values: [n], reasons: null }));
    },
    owes: () => s.forwarder.status().waiting.data !== undefined || s.forwarder.status().waiting.history !== undefined,
  };
  close = async () => {
    await s.forwarder.stop(0);
    await far.stop();
    await log.close(10_000);
  };
  s.forwarder.start();
  return s;
}

test('wills, births and a count that outlives the forwarder', async (t) => {
  const s = await dialectBench(t);
  await waitFor('the first connection', () => s.forwarder.connected);
  const births = () => s.far.taken.filter((m) => m.topic.includes('/birth')).map((m) => `${m.topic} ${m.bytes.subarray(1)}`);
  const born = (life: number) => ['', '/a', '/b', '/c'].map((d) => `parcels/g/g1/birth${d} ${life}`);
  assert.deepEqual(births(), born(0));
  assert.deepEqual(s.far.wills, [{ topic: 'parcels/g/g1/death', payload: '0' }]);
  assert.deepEqual(s.far.filters, ['parcels/g/g1/command']);
  await s.forwarder.stop(60_000);
  assert.deepEqual(
    s.far.taken.filter((m) => m.topic.endsWith('/death')).map((m) => m.bytes.toString()),
    ['0'],
    'a clean end says goodbye',
  );
  s.again();
  await waitFor('the second connection', () => s.forwarder.connected);
  assert.deepEqual(births(), [...born(0), ...born(1)]);
  assert.equal(s.far.wills.at(-1)?.payload, '1');
});

test('births that are asked for come whole in between, and the numbers begin again', async (t) => {
  const s = await dialectBench(t);
  await waitFor('the connection', () => s.forwarder.connected);
  const births = () => s.far.taken.filter((m) => m.topic.endsWith('/birth')).length;
  // More than the numbers of one round.
  for (let i = 0; i < 100; i++) {
    s.add(i);
    if (i % 10 !== 0) continue;
    const before = births();
    s.far.tell('parcels/g/g1/command', 'rebirth');
    await waitFor('the birth', () => births() > before);
  }
  await waitFor('everything', () => !s.owes());
  const records = unpack(s.far.taken, true).flatMap((m) => (JSON.parse(m.bytes.toString()) as Parcel['batch']).records);
  assert.equal(new Set(records.map((r) => r.seq)).size, 300);
  const topics = s.far.taken.map((m) => m.topic);
  for (const [at, topic] of topics.entries())
    if (topic.endsWith('/birth'))
      assert.deepEqual(
        topics.slice(at + 1, at + 4),
        ['a', 'b', 'c'].map((d) => `parcels/g/g1/birth/${d}`),
      );
});

test('what the platform has no place for is passed over, and does not stop the rest', async (t) => {
  const s = await dialectBench(t);
  await waitFor('the connection', () => s.forwarder.connected);
  for (const key of ['start', 'unheard', 'stop']) s.log.notice('event', key, systemClock.monotonic(), { event: key });
  const events = () => s.far.taken.filter((m) => m.topic.includes('/event/')).map((m) => m.topic);
  await waitFor('the last event', () => events().length === 2);
  assert.deepEqual(events(), ['parcels/g/g1/event/start', 'parcels/g/g1/event/stop']);
});

test('a dialect decides the outcome: kept batches come again, rejected ones are passed over', async (t) => {
  let outcome: Outcome = 'keep';
  let held = true;
  const deciding: LogDialect = {
    ...parcelDialect,
    create: (context) => ({ ...parcelDialect.create(context), outcome: () => outcome, holds: () => held }),
  };
  const s = await dialectBench(t, [deciding]);
  await waitFor('the connection', () => s.forwarder.connected);
  s.add(1);
  s.log.notice('event', 'start', systemClock.monotonic(), { event: 'start' });
  await waitFor('the event, which waits for nothing', () => s.far.taken.some((m) => m.topic.includes('/event/')));
  assert.equal(s.far.taken.filter((m) => BATCHES.test(m.topic)).length, 0, 'held');
  held = false;
  await waitFor('the batch a second time', () => s.forwarder.status().counters.retries >= 1);
  assert.ok(s.owes());
  assert.deepEqual(
    { connects: s.forwarder.status().counters.connects, acked: s.forwarder.status().counters.acked },
    { connects: 1, acked: 0 },
  );
  outcome = 'accept';
  await waitFor('the end', () => !s.owes());
  assert.equal(s.forwarder.status().counters.readings, 3);
});

test('a live dialect gets all latest values at first, then what changed, and owes nothing', async (t) => {
  const values = new Map<string, LatestValue>();
  const set = (device: string, value: number): void => {
    values.set(device, { device, point: 'n', type: 'uint32', time: 1, value, reason: 0 });
  };
  for (const device of DEVICES) set(device, 0);
  const latest = { get: (device: string) => values.get(device), all: () => values.values() };
  const s = await dialectBench(t, TEST_DIALECTS, { format: 'glance' }, latest);
  const sink = s.forwarder.sink ?? assert.fail('no sink');
  const change = (device: string, value: number): void => {
    set(device, value);
    sink.sample({ shape: shapeOf(device), at: 0, values: [value], reasons: null }, undefined);
  };
  const seen = () => s.far.taken.filter((m) => m.topic.endsWith('/n')).map((m) => `${m.topic.split('/')[2]}=${m.bytes}`);
  await waitFor('all values', () => seen().length === 3);
  assert.deepEqual(seen(), ['a=0', 'b=0', 'c=0']);
  assert.deepEqual(
    s.far.taken.slice(0, 4).map((m) => m.topic),
    ['glance/g1/there', 'glance/g1/a/config', 'glance/g1/b/config', 'glance/g1/c/config'],
  );
  change('b', 7);
  await waitFor('the change', () => seen().length === 4);
  assert.equal(seen().at(-1), 'b=7');

  await s.far.stop();
  await waitFor('the loss', () => !s.forwarder.connected);
  for (let i = 0; i < 1000; i++) {
    change('a', i);
    sink.notice({ kind: 'alarm', key: 'high', seq: i, json: `${i}` });
  }
  const before = s.far.taken.length;
  await s.far.start();
  await waitFor('the values after the return', () => s.far.taken.slice(before).filter((m) => m.topic.endsWith('/n')).length >= 3);
  const after = s.far.taken.slice(before + 4).map((m) => `${m.topic} ${m.bytes}`);
  assert.deepEqual(after, ['glance/g1/alarm/high 999', 'glance/g1/a/n 999', 'glance/g1/b/n 7', 'glance/g1/c/n 0']);
  assert.deepEqual(s.forwarder.status().waiting, { data: undefined, history: undefined });
  assert.equal(s.forwarder.status().mode, 'live');
});
