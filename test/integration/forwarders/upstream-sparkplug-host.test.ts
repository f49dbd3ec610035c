/** What an edge node of `sparkplug-b` says to a host, and what it does when the host asks: a foreign host application over Mosquitto. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test, { type TestContext } from 'node:test';
import mqtt from 'mqtt';
import type { Shape } from '../../../src/core/point.ts';
import { fastClock, SparkplugSite } from '../../harness/sparkplug-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

const PUMP: Shape = {
  device: 'pump',
  points: [
    { name: 'n', type: 'uint32', storage: 'number', unit: 'Cel' },
    { name: 'on', type: 'bool', storage: 'boolean' },
  ],
};
const REBIRTH = { name: 'Node Control/Rebirth', datatype: 11, boolean_value: true };
const T = {
  Int8: 1,
  Int16: 2,
  Int32: 3,
  Int64: 4,
  UInt16: 6,
  UInt32: 7,
  UInt64: 8,
  Float: 9,
  Double: 10,
  Boolean: 11,
  String: 12,
  DateTime: 13,
};

async function started(
  t: TestContext,
  settings: object = {},
  shapes: readonly Shape[] = [PUMP],
): Promise<SparkplugSite | undefined> {
  const s = await SparkplugSite.open(t, settings);
  if (s === undefined) return undefined;
  s.has(...shapes);
  s.forwarder.start();
  await s.connected();
  return s;
}
const births = (s: SparkplugSite) => s.host.heard('nbirth').length;

test('the number of a connection outlives restarts, wraps at 255, and a stop leaves a death', async (t) => {
  const s = await SparkplugSite.open(t);
  if (s === undefined) return;
  s.has(PUMP);
  s.memory = { bdSeq: 253 };
  const numbers = () => new Set(s.host.heard('nbirth').map(({ bd }) => bd));
  for (let run = 0; run < 3; run++) {
    if (run > 0) s.make();
    s.forwarder.start();
    // The broker takes a connection before it has the birth.
    await waitFor('the birth', () => numbers().size > run);
    await s.forwarder.stop(60_000);
    await waitFor('the death', () => s.host.heard('ndeath').length > run);
  }
  // A birth may come twice where the inventory changes right behind it.
  assert.deepEqual([...numbers()], [254, 255, 0]);
  assert.deepEqual(
    s.host.heard('ndeath').map(({ bd, mine }) => [bd, mine]),
    [254, 255, 0].map((bd) => [bd, true]),
  );
  assert.deepEqual(s.host.violations, []);
});

test('a connection that never came about has no number', async (t) => {
  const s = await started(t);
  if (s === undefined) return;
  // The broker takes a connection before it has the birth.
  await waitFor('the first birth', () => births(s) === 1);
  await s.proxy.stop();
  const tries = new Set<number | undefined>();
  await waitFor('refused tries', () => tries.add(s.forwarder.status().nextTry).size > 4);
  await s.proxy.start();
  await waitFor(
    () =>
      `the second birth; heard ${JSON.stringify(s.host.heard('nbirth').map(({ bd }) => bd))}, ${JSON.stringify(s.forwarder.status())}`,
    () => s.host.heard('nbirth').length >= 2,
  );
  assert.deepEqual(
    s.host.heard('nbirth').map(({ bd }) => bd),
    [0, 1],
  );
  assert.deepEqual(s.host.violations, []);
});

test('a stop does not wait for a host that is away, and the alarm that waits for it stays owed', async (t) => {
  const s = await SparkplugSite.open(t, { 'sparkplug-b': { group: 'plant', primaryHost: 'scada' } });
  if (s === undefined) return;
  s.has(PUMP);
  s.alarms.push({ kind: 'alarm', key: 'hot', seq: 1, json: '{}' });
  s.forwarder.start();
  await s.connected();
  s.log.notice('alarm', 'hot', fastClock.monotonic(), { rule: 'hot', state: 'active-unacknowledged' });
  s.add(PUMP, [1, true]);
  await s.log.flush();
  await s.forwarder.stop(1e9);
  assert.deepEqual(s.host.heard('message'), []);
  s.make();
  s.forwarder.start();
  await s.host.order({ state: 'scada', payload: JSON.stringify({ online: true, timestamp: 1 }) });
  await s.delivered();
  await waitFor('the alarm', () =>
    s.host.heard('value').some(({ name, value }) => name === 'Alarm/hot/State' && value === 'active-unacknowledged'),
  );
  assert.deepEqual(s.host.violations, []);
});

test('with MQTT 5 a stop has the will published as well, and sessions that stay are refused', async (t) => {
  const s = await started(t, { protocol: 5 });
  if (s === undefined) return;
  s.add(PUMP, [1, true]);
  await s.delivered();
  await s.forwarder.stop(60_000);
  await waitFor('both deaths', () => s.host.heard('ndeath').length === 2);
  assert.deepEqual(
    s.host.heard('ndeath').map(({ bd, mine }) => [bd, mine]),
    [
      [0, true],
      [0, false],
    ],
  );
  assert.deepEqual(s.host.violations, []);
  s.settings = { ...s.settings, sessionExpiry: '1h' };
  assert.throws(() => s.make(), /a new session/);
});

test('births have every metric with its type and value, and data has what the births say', async (t) => {
  const s = await SparkplugSite.open(t);
  if (s === undefined) return;
  const meter: Shape = {
    device: 'meter',
    points: [
      { name: 'i8', type: 'int8', storage: 'number' },
      { name: 'i16', type: 'int16', storage: 'number' },
      { name: 'i32', type: 'int32', storage: 'number' },
      { name: 'i64', type: 'int64', storage: 'integer64' },
      { name: 'u16', type: 'bcd16', storage: 'number' },
      { name: 'u32', type: 'uint32', storage: 'number' },
      { name: 'u64', type: 'uint64', storage: 'integer64' },
      { name: 'scaled', type: 'int16', storage: 'number', unit: 'bar' },
      { name: 'scaled64', type: 'int64', storage: 'number' },
      { name: 'f32', type: 'float32', storage: 'number' },
      { name: 'f64', type: 'float64', storage: 'number' },
      { name: 'on', type: 'bool', storage: 'boolean' },
      { name: 'text', type: 'string', storage: 'string' },
      { name: 'at', type: 'datetime', storage: 'string' },
    ],
  };
  for (const point of ['scaled', 'scaled64']) s.facts.set(`meter.${point}`, {});
  s.has(meter, PUMP);
  const low = [
    -128,
    -32768,
    -(2 ** 31),
    -(2n ** 63n),
    0,
    0,
    0n,
    -3.5,
    -1.25,
    -0,
    -5e-324,
    false,
    '',
    '1970-01-01T00:00:00Z',
  ] as const;
  const high = [
    127,
    32767,
    2 ** 31 - 1,
    2n ** 63n - 1n,
    9999,
    2 ** 32 - 1,
    2n ** 64n - 1n,
    24,
    2,
    Math.fround(3.4e38),
    1.7e308,
    true,
    'é\n"',
    '2026-11-26T21:00:00.5',
  ] as const;
  s.add(meter, low);
  s.forwarder.start();
  await s.connected();
  s.add(meter, high);
  s.add(meter, high, 'crc');
  s.add(meter, low, 'out-of-range');
  await waitFor('all values', () => s.values().length >= 4 * low.length);
  await s.delivered();
  assert.deepEqual(s.host.violations, []);
  const types = [
    T.Int8,
    T.Int16,
    T.Int32,
    T.Int64,
    T.UInt16,
    T.UInt32,
    T.UInt64,
    T.Double,
    T.Double,
    T.Float,
    T.Double,
    T.Boolean,
    T.String,
    T.DateTime,
  ];
  const shown = (values: readonly unknown[]) =>
    values.map((v, i) =>
      i === 13 ? String(Date.parse(`${String(v).replace('Z', '')}Z`)) : typeof v === 'bigint' ? String(v) : v,
    );
  const born = s.host.heard('dbirth').find(({ device }) => device === 'meter')?.metrics ?? [];
  assert.deepEqual(
    born.map(({ name, type }) => [name, type]),
    meter.points.map(({ name }, i) => [name, types[i]]),
  );
  assert.deepEqual(
    born.map(({ value }) => value),
    shown(low),
  );
  assert.equal(born[7]?.properties.engUnit, 'bar');
  const sorted = s.values().sort((a, b) => a.time - b.time);
  const heard = (from: number) => sorted.slice(from * low.length, (from + 1) * low.length);
  assert.deepEqual(
    heard(0).map(({ value, historical }) => [value, historical]),
    shown(low).map((v) => [v, true]),
  );
  assert.deepEqual(
    heard(1).map(({ value, historical }) => [value, historical]),
    shown(high).map((v) => [v, false]),
  );
  for (const { value, properties } of heard(2)) assert.deepEqual([value, properties], [null, { Quality: 0, reason: 'crc' }]);
  assert.deepEqual(
    heard(3).map(({ value }) => value),
    shown(low),
  );
  for (const { properties } of heard(3)) assert.deepEqual(properties, { Quality: 0, reason: 'out-of-range' });
  // A device that nobody has asked yet is born without values.
  const none = s.host.heard('dbirth').find(({ device }) => device === 'pump')?.metrics ?? [];
  assert.deepEqual(
    none.map(({ name, value }) => [name, value]),
    [
      ['n', null],
      ['on', null],
    ],
  );
});

test('a host has everything born again under the same number, and a flood is bounded', async (t) => {
  const s = await started(t);
  if (s === undefined) return;
  s.add(PUMP, [1, true]);
  await waitFor('births and data', () => s.values().length > 0);
  await s.host.order({ topic: 'NCMD/g1', metrics: [REBIRTH], retain: true });
  await s.host.order({ topic: 'NCMD/g1', metrics: [{ ...REBIRTH, boolean_value: false }] });
  await s.host.order({ topic: 'NCMD/other', metrics: [REBIRTH] });
  s.add(PUMP, [2, false]);
  await s.delivered();
  await s.host.order({ topic: 'NCMD/g1', metrics: [REBIRTH] });
  await waitFor('another birth', () => births(s) === 2 || births(s) === 3);
  // The retained one was live for the subscription that was there, so it counted.
  const before = births(s);
  for (let i = 0; i < 40; i++) await s.host.order({ topic: 'NCMD/g1', metrics: [REBIRTH] });
  await waitFor('the last birth', () => births(s) > before);
  s.add(PUMP, [3, true]);
  await s.delivered();
  assert.ok(births(s) < before + 40, `${births(s)} births`);
  assert.deepEqual(new Set(s.host.heard('nbirth').map(({ bd }) => bd)), new Set([0]));
  assert.deepEqual(s.host.violations, []);
  assert.deepEqual(s.missing(), []);
});

test('nothing is born before the primary host is online, and all waits while it is away', async (t) => {
  const s = await SparkplugSite.open(t, { 'sparkplug-b': { group: 'plant', primaryHost: 'scada' } });
  if (s === undefined) return;
  const state = (online: boolean, timestamp: number) =>
    s.host.order({ state: 'scada', payload: JSON.stringify({ online, timestamp }) });
  s.has(PUMP);
  await state(false, 100);
  s.forwarder.start();
  await s.connected();
  s.add(PUMP, [1, true]);
  await s.host.order({ state: 'scada', payload: 'online', retain: false });
  await s.host.order({ state: 'scada', payload: JSON.stringify({ online: true, timestamp: 99 }), retain: false });
  await s.host.order({ state: 'other', payload: JSON.stringify({ online: true, timestamp: 200 }) });
  await s.host.order({ topic: 'NCMD/g1', metrics: [REBIRTH] });
  s.add(PUMP, [2, true]);
  await s.log.flush();
  assert.deepEqual(s.host.heard('message'), []);
  await state(true, 101);
  await s.delivered();
  assert.deepEqual(s.missing(), []);
  const sent = s.values().length;
  // An older session of the host ended.
  await s.host.order({ state: 'scada', payload: JSON.stringify({ online: false, timestamp: 100 }), retain: false });
  s.add(PUMP, [3, true]);
  await s.delivered();
  assert.equal(births(s), 1);
  await state(false, 101);
  await waitFor('the death', () => s.host.heard('ndeath').length === 1);
  await waitFor('another connection', () => s.forwarder.status().counters.connects === 2);
  s.add(PUMP, [4, true]);
  await s.log.flush();
  assert.equal(births(s), 1, 'no births without the host');
  await state(true, 300);
  await s.delivered();
  await waitFor(
    'what the host may have missed',
    () => s.values().filter(({ value, historical }) => value === 3 && historical).length > 0,
  );
  assert.ok(s.values().length > sent);
  assert.deepEqual([s.missing(), s.host.violations], [[], []]);
  assert.deepEqual(
    s.host.heard('nbirth').map(({ bd }) => bd),
    [0, 1],
  );
});

test('a gateway with several brokers goes to the one where the primary host is online', async (t) => {
  const s = await SparkplugSite.open(t, { 'sparkplug-b': { group: 'plant', primaryHost: 'scada' } });
  const other = s === undefined ? undefined : await Mosquitto.start(t);
  if (s === undefined || other === undefined) return;
  const foreign = await mqtt.connectAsync(other.url);
  t.after(() => foreign.endAsync());
  // Its clock is far ahead: each broker has a time of its own.
  const away = JSON.stringify({ online: false, timestamp: 9e15 });
  await foreign.publishAsync('spBv1.0/STATE/scada', away, { qos: 1, retain: true });
  await s.host.order({ state: 'scada', payload: JSON.stringify({ online: true, timestamp: 1 }) });
  s.has(PUMP);
  s.settings = { ...s.settings, url: [other.url, s.proxy.url] };
  s.make();
  s.add(PUMP, [1, true]);
  s.forwarder.start();
  await s.delivered();
  assert.equal(s.forwarder.status().url, s.proxy.url);
  assert.deepEqual(s.host.violations, []);
});

test('what a lost connection may have lost comes again after a restart too', async (t) => {
  const s = await started(t);
  if (s === undefined) return;
  s.add(PUMP, [7, true]);
  await s.delivered();
  const heard = () => s.values().filter(({ name, value }) => name === 'n' && value === 7);
  assert.equal(heard().length, 1);
  await s.proxy.stop();
  await waitFor('the loss', () => s.forwarder.status().state === 'waiting');
  await s.forwarder.stop(0);
  s.make();
  await s.proxy.start();
  s.forwarder.start();
  await waitFor('the reading again', () => heard().length === 2);
  assert.equal(heard()[1]?.historical, true);
  assert.deepEqual(s.host.violations, []);
});

test('what was kept is historical, also of points that are gone and types that changed', async (t) => {
  const s = await SparkplugSite.open(t);
  if (s === undefined) return;
  const old: Shape = { device: 'old', points: [{ name: 'x', type: 'float64', storage: 'number' }] };
  const more: Shape = { ...PUMP, points: [...PUMP.points, { name: 'gone', type: 'string', storage: 'string' }] };
  s.has(PUMP);
  for (let n = 0; n < 50; n++) {
    s.add(more, [n + 0.5, true, `text ${n}`]);
    s.add(old, [n / 8]);
  }
  await s.log.flush();
  s.forwarder.start();
  await s.delivered();
  assert.deepEqual([s.missing(), s.host.violations], [[], []]);
  assert.ok(s.values().every(({ historical }) => historical));
  // A batch that waits for births comes again.
  assert.equal(new Set(s.values().map(({ of, name, time }) => `${of} ${name} ${time}`)).size, 200);
  // A number that was scaled once has become a Double, and the device that is gone is dead again.
  const widened = s.host.heard('dbirth').findLast(({ device }) => device === 'pump')?.metrics;
  assert.deepEqual(widened?.map(({ name, type }) => [name, type]).sort(), [
    ['gone', T.String],
    ['n', T.Double],
    ['on', T.Boolean],
  ]);
  assert.ok(s.host.heard('ddeath').some(({ device }) => device === 'old'));
});

test('commands write points by name and by alias, and nothing that was not granted', async (t) => {
  const s = await started(t, { commands: { write: ['pump.n'], ack: ['*'] } });
  if (s === undefined) return;
  await waitFor('the birth', () => s.host.heard('dbirth').length === 1);
  const alias = s.host.heard('dbirth')[0]?.metrics.find(({ name }) => name === 'on')?.alias;
  await s.host.order({
    topic: 'DCMD/g1/pump',
    metrics: [
      { name: 'n', datatype: 7, int_value: 40 },
      { alias, boolean_value: true },
      { name: 'n', datatype: 3, int_value: 2 ** 32 - 5 },
      { name: 'n', datatype: 10, double_value: 1.5 },
      { name: 'n', datatype: 12, string_value: 'fast' },
      { name: 'n', datatype: 7, is_null: true },
    ],
  });
  // An alias of another device is none.
  await s.host.order({ topic: 'DCMD/g1/tank', metrics: [{ alias, boolean_value: true }] });
  await waitFor('the commands', () => s.asked.length === 6);
  assert.deepEqual(
    s.asked.map(({ command }) => [command.do, command.target, command.value]),
    [
      ['pump.n', 40],
      ['pump.on', true],
      ['pump.n', -5],
      ['pump.n', 1.5],
      ['pump.n', 'fast'],
      ['pump.n', null],
    ].map((c) => ['write', ...c]),
  );
  assert.equal(new Set(s.asked.map(({ command }) => command.id)).size, 6, 'each has an id of its own');
  await s.asked[0]?.caller.answer('result', 'x', '{"ok":true}');
  await waitFor('the result', () =>
    s.host.heard('value').some(({ name, value }) => name === 'Command/Result' && value === '{"ok":true}'),
  );
  assert.deepEqual(s.host.violations, []);
});

test('alarms and events are metrics of the node, and a host acknowledges an alarm', async (t) => {
  const s = await SparkplugSite.open(t, { commands: { ack: ['*'] } });
  if (s === undefined) return;
  s.has(PUMP);
  const alarm = (seq: number, state: string) => ({
    v: 1,
    log: 'l',
    seq,
    rule: 'hot',
    occurrence: 1,
    state,
    severity: 'critical',
    value: 6.5,
    time: Math.round(fastClock.wall()),
    message: 'Hot.',
    cause: 'reading',
  });
  s.alarms.push({ kind: 'alarm', key: 'hot', seq: 1, json: JSON.stringify(alarm(1, 'normal')) });
  s.forwarder.start();
  await s.connected();
  const first = await waitFor('the birth', () => s.host.heard('nbirth')[0]?.values);
  assert.equal(first['Alarm/hot/State'], 'normal');
  const { v: _v, log: _log, seq: _seq, ...body } = alarm(2, 'active-unacknowledged');
  s.log.notice('alarm', 'hot', fastClock.monotonic(), body);
  await waitFor('the alarm', () =>
    s.host.heard('value').some(({ name, value }) => name === 'Alarm/hot/State' && value === 'active-unacknowledged'),
  );
  await waitFor('its cause', () =>
    s.host.heard('value').some(({ name, value }) => name === 'Alarm/hot/Cause' && value === 'reading'),
  );
  await s.host.order({ topic: 'NCMD/g1', metrics: [{ name: 'Alarm/hot/Acknowledge', datatype: 11, boolean_value: true }] });
  await waitFor('the command', () => s.asked.length === 1);
  assert.deepEqual([s.asked[0]?.command.do, s.asked[0]?.command.target], ['ack', 'hot']);
  assert.deepEqual(s.host.violations, []);
});

test('random bytes and huge lengths as commands change nothing, and the connection stays', async (t) => {
  const s = await started(t, { commands: { write: ['*'] } });
  if (s === undefined) return;
  await waitFor('the birth', () => births(s) === 1);
  const hostile = [
    ...Array.from({ length: 60 }, (_, i) => randomBytes(1 + i * 7)),
    Buffer.from('12ffffffff0f', 'hex'),
    Buffer.from('12ffffffffffffffffff01', 'hex'),
    Buffer.from('80808080808080808080808080', 'hex'),
    Buffer.concat(Array.from({ length: 5000 }, () => Buffer.from('12021001', 'hex'))),
    Buffer.alloc(40_000, 0x0a),
  ];
  for (const [i, bytes] of hostile.entries())
    await s.host.order({ raw: i % 2 === 0 ? 'DCMD/g1/pump' : 'NCMD/g1', hex: bytes.toString('hex') });
  const asked = s.asked.length;
  s.add(PUMP, [1, true]);
  await s.delivered();
  assert.deepEqual(s.missing(), []);
  assert.equal(s.forwarder.status().counters.connects, 1);
  assert.ok(asked <= 8, `${asked} commands of random bytes`);
  assert.ok(s.events.length > 30 && s.events.every((words) => words.length < 300), `${s.events.length} events`);
  assert.deepEqual(s.host.violations, []);
});
