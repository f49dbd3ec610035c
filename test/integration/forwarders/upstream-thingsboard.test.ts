/** The dialect `thingsboard` against a counterpart that does what the documentation of the platform says. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import type { RemoteCaller } from '../../../src/core/remote-commands.ts';
import { callOf } from '../../../src/forwarders/mqtt/dialects/thingsboard/calls.ts';
import { mqttForwarder } from '../../../src/forwarders/mqtt/kind.ts';
import { DIALECTS } from '../../../src/gateway/registry.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { MqttPeer } from '../../fakes/mqtt-peer.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { ThingsBoard } from '../../peers/thingsboard.ts';

const shapeOf = (device: string): Shape => ({
  device,
  points: [
    { name: 'n', type: 'uint32', storage: 'number', unit: 'Cel' },
    { name: 'on', type: 'bool', storage: 'boolean' },
  ],
});
const SHAPES = { pump: shapeOf('pump'), tank: shapeOf('tank') };
const INVENTORY = JSON.stringify({
  v: 1,
  revision: 1,
  devices: {
    pump: {
      bus: 'plant',
      profile: 'pump-x',
      points: { n: { type: 'uint32', unit: 'Cel', writable: true }, on: { type: 'bool' } },
    },
    tank: { bus: 'plant', points: { n: { type: 'uint32', writable: false } } },
  },
});
const TIMEOUT = 1;

interface Asked {
  readonly command: Readonly<Record<string, unknown>>;
  readonly caller: RemoteCaller;
}

async function thingsboardSite(t: TestContext) {
  let close = async () => {};
  t.after(() => close());
  const folder = scratch(t, 'thingsboard');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
  log.setInventory('{}');
  const far = new MqttPeer();
  await far.start();
  const asked: Asked[] = [];
  let inventory = INVENTORY;
  const context = forwarderContext(log, {
    inventory: () => inventory,
    commands: {
      take: (payload, caller) => {
        asked.push({ command: JSON.parse(Buffer.from(payload).toString()), caller });
      },
    },
  });
  const kind = mqttForwarder(DIALECTS);
  const settings = kind.forwarder.parse({
    ...{ url: `mqtt://127.0.0.1:${far.port}`, format: 'thingsboard', username: 'token' },
    ...{ batch: { maxAge: '20ms' }, commands: { write: ['*'], read: ['*'], ack: ['*'] } },
  });
  const make = () => kind.create({ name: 'cloud', type: 'mqtt', settings }, context);
  const platform = new ThingsBoard();
  // The platform keeps one value of a key and millisecond, so each record has its own.
  let at = Math.floor(systemClock.monotonic()) - 1000;
  const s = {
    ...{ log, far, platform, asked, forwarder: make() },
    again: () => {
      s.forwarder = make();
      s.forwarder.start();
    },
    add: (device: keyof typeof SHAPES, n: number, reasons: Uint8Array | null = null) => {
      assert.ok(log.append({ shape: SHAPES[device], at: at++, values: [n, n % 2 === 0], reasons }));
    },
    now: () => platform.take(far.taken),
    /** The configuration has these devices no more. */
    remove: (device: keyof typeof SHAPES) => {
      const { devices, ...head } = JSON.parse(inventory) as { devices: Record<string, unknown> };
      inventory = JSON.stringify({
        ...head,
        devices: Object.fromEntries(Object.entries(devices).filter(([name]) => name !== device)),
      });
      s.forwarder.republish([]);
    },
    sent: (what: string) =>
      waitFor(what, () => {
        const { waiting } = s.forwarder.status();
        return waiting.data === undefined && waiting.history === undefined;
      }),
  };
  close = async () => {
    await s.forwarder.stop(0);
    await far.stop();
    await log.close(10_000);
  };
  s.forwarder.start();
  await waitFor('the connection', () => s.forwarder.connected);
  return s;
}

test('devices are connected with their attributes before their telemetry', async (t) => {
  const s = await thingsboardSite(t);
  for (let n = 0; n < 5; n++) {
    s.add('pump', n);
    s.add('tank', 100 + n);
    await s.sent(`poll ${n}`);
  }
  const { connected, types, attributes, said, values } = s.now();
  assert.deepEqual([...connected].sort(), ['pump', 'tank']);
  assert.deepEqual(said, ['connect pump', 'connect tank']);
  assert.deepEqual(Object.fromEntries(types), { pump: 'pump-x', tank: 'default' });
  assert.deepEqual(attributes.get('pump'), {
    ...{ bus: 'plant', profile: 'pump-x', 'n.type': 'uint32', 'n.unit': 'Cel', 'n.writable': true },
    ...{ 'on.type': 'bool', 'on.writable': false },
  });
  const numbers = [...values].filter(([key]) => key.startsWith('tank n ')).map(([, value]) => value);
  assert.deepEqual(numbers, [100, 101, 102, 103, 104]);
});

test('a batch that comes again after a lost acknowledgement changes nothing', async (t) => {
  const s = await thingsboardSite(t);
  s.far.lose(2, /telemetry$/);
  for (let n = 0; n < 20; n++) s.add('pump', n);
  await s.sent('everything, repeats too');
  assert.ok(s.forwarder.status().counters.retries > 0);
  const numbers = [...s.now().values].filter(([key]) => key.startsWith('pump n ')).map(([, value]) => Number(value));
  assert.deepEqual(
    numbers,
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test('a silent device is disconnected after two batches, and connected when it speaks', async (t) => {
  const s = await thingsboardSite(t);
  const silent = Uint8Array.of(TIMEOUT, TIMEOUT);
  s.add('pump', 1);
  await s.sent('the first');
  for (let i = 0; i < 2; i++) {
    s.add('pump', 0, silent);
    s.add('tank', i);
    await s.sent('silence');
    assert.equal(s.now().connected.has('pump'), i === 0);
  }
  assert.ok(s.platform.connected.has('tank'));
  s.add('pump', 0, silent);
  await s.sent('more silence');
  // The platform connects a device by its telemetry: it is disconnected again behind it.
  assert.equal(s.now().connected.has('pump'), false);
  s.add('pump', 7);
  await s.sent('a word');
  assert.equal(s.now().connected.has('pump'), true);
  assert.equal(s.platform.said.at(-1), 'connect pump');
});

test('a device that was removed is disconnected, also behind what was kept of it', async (t) => {
  const s = await thingsboardSite(t);
  s.add('tank', 1);
  await s.sent('a reading');
  s.remove('tank');
  await waitFor('the end of it', () => !s.now().connected.has('tank'));
  assert.equal(s.platform.connected.has('pump'), true);
  s.add('tank', 2);
  await s.sent('what was kept');
  await waitFor('its end again', () => s.now().said.at(-1) === 'disconnect tank');
  assert.equal(s.platform.connected.has('tank'), false);
});

test('remote calls become commands, and their results replies', async (t) => {
  const s = await thingsboardSite(t);
  const calls: [string, unknown, object][] = [
    ['write', { point: 'n', value: 40 }, { do: 'write', target: 'pump.n', value: 40 }],
    ['set:n', 41, { do: 'write', target: 'pump.n', value: 41 }],
    ['read', {}, { do: 'read', target: 'pump' }],
    ['ack', { rule: 'high', occurrence: 2 }, { do: 'ack', target: 'high', occurrence: 2 }],
    ['explode', null, { do: 'explode', target: 'pump' }],
  ];
  for (const [i, [method, params]] of calls.entries())
    s.far.tell('v1/gateway/rpc', JSON.stringify({ device: 'pump', data: { id: i, method, params } }));
  await waitFor('the commands', () => s.asked.length === calls.length);
  for (const [i, { command, caller }] of s.asked.entries()) {
    const { id, ...rest } = command;
    assert.deepEqual(rest, calls[i]?.[2]);
    assert.match(String(id), /^[A-Za-z0-9_.-]{1,64}$/);
    await caller.answer('result', String(id), JSON.stringify({ id, result: 'done' }));
  }
  await waitFor('the replies', () => s.now().replies.size === calls.length);
  assert.equal((s.platform.replies.get('pump 1') as { result: string }).result, 'done');

  // What is larger than a packet of the platform is no reply: it says so instead.
  const long = { v: 1, id: 'x', do: 'read', target: 'pump', ok: true, result: 'x'.repeat(70_000) };
  await s.asked[2]?.caller.answer('result', 'x', JSON.stringify(long));
  await waitFor('a reply that fits', () => (s.now().replies.get('pump 2') as { code?: string }).code === 'request-invalid');

  // The platform counts anew with a connection: the same number is another call then.
  await s.forwarder.stop(5000);
  s.again();
  await waitFor('the second connection', () => s.forwarder.connected);
  s.far.tell('v1/gateway/rpc', JSON.stringify({ device: 'pump', data: { id: 0, method: 'read' } }));
  await waitFor('the call', () => s.asked.length === calls.length + 1);
  assert.equal(new Set(s.asked.map(({ command }) => command.id)).size, s.asked.length);
});

test('calls that are none are passed over, and the connection stays', async (t) => {
  const s = await thingsboardSite(t);
  const none = ['', '{', '[]', 'null', '{"device":"pump"}', '{"device":1,"data":{"id":1,"method":"read"}}', '\u0000\u00ff'];
  const more = ['{"device":"pump","data":{"id":"1","method":"read"}}', '{"device":"pump","data":{"id":1}}'];
  for (const text of [...none, ...more]) s.far.tell('v1/gateway/rpc', text);
  // An object that no text can be made of.
  const odd = '{"device":"pump","data":{"id":8,"method":"write","params":{"point":{"toString":1,"valueOf":1},"value":1}}}';
  s.far.tell('v1/gateway/rpc', odd);
  s.far.tell('v1/gateway/rpc', JSON.stringify({ device: 'pump', data: { id: 9, method: 'read' } }));
  await waitFor('the calls', () => s.asked.length === 2);
  assert.deepEqual(s.asked[0]?.command, { id: s.asked[0]?.command.id, do: 'write', target: null, value: 1 });
  assert.equal(s.forwarder.status().counters.connects, 1);
  const large = { device: 'pump', data: { id: 1, method: 'read', params: 'x'.repeat(9000) } };
  assert.equal(callOf(Buffer.from(JSON.stringify(large))), undefined);
});

test('alarms and events are telemetry of the gateway itself', async (t) => {
  const s = await thingsboardSite(t);
  const alarm = {
    rule: 'high',
    state: 'active-unacknowledged',
    severity: 'critical',
    value: 7,
    time: 1_795_000_000_000,
    message: 'x',
  };
  s.log.notice('alarm', 'high', systemClock.monotonic(), alarm);
  s.log.notice('event', 'start', systemClock.monotonic(), { event: 'start', time: 1_795_000_000_001 });
  await waitFor('both', () => s.now().own.length === 2);
  assert.equal(s.platform.values.get('gateway alarm.high.state 1795000000000'), 'active-unacknowledged');
  assert.equal(s.platform.values.get('gateway event 1795000000001'), 'start');
});
