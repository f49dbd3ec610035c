/** The node *reading in*, in the runtime of Node-RED, against a strict fake of the gateway. */
import '../../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { connections } from '../../../../src/node-red/palette/runtime/register.ts';
import { paletteBench, tab } from '../../../harness/palette-bench.ts';
import { waitFor } from '../../../harness/wait-for.ts';
import { nodeRedPeer } from '../../../peers/peers.ts';

const node = (more: object = {}) => ({
  ...{
    id: 'n1',
    type: 'sluice reading in',
    points: ['fridge.temperature'],
    mode: 'current',
    every: '',
    everyUnit: 's',
    quality: 'good',
  },
  ...more,
});

test('a reading becomes a message with its point, unit, quality and time', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy, until } = await paletteBench(t);
  await deploy(tab(node()));
  const status = await until('n1', 'connected');
  assert.deepEqual(status, { fill: 'green', shape: 'dot', text: 'connected' });
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  gateway.readings([
    { point: 'fridge.temperature', value: 4.2, unit: 'Cel', time: 1795572676314 },
    { point: 'pump.pressure', value: 6 },
  ]);
  await waitFor('a message', () => got.length > 0);
  const { _msgid, ...message } = got[0] ?? {};
  assert.deepEqual(message, {
    ...{ topic: 'fridge.temperature', payload: 4.2, unit: 'Cel', quality: 'good', time: 1795572676314 },
    ...{ point: 'fridge.temperature', device: 'fridge' },
  });
  assert.equal(got.length, 1);
  assert.deepEqual(gateway.faults, []);
});

test('a bad reading comes only with the quality "all", with its reason and no value', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy } = await paletteBench(t);
  await deploy(tab(node(), node({ id: 'n2', quality: 'all' })));
  await waitFor('two subscriptions', () => gateway.subscriptions === 2);
  gateway.readings([{ point: 'fridge.temperature', value: null, quality: 'bad', reason: 'timeout' }]);
  gateway.readings([{ point: 'fridge.temperature', value: 5 }]);
  await waitFor('three messages', () => got.length === 3);
  const bad = got.filter(({ quality }) => quality === 'bad');
  assert.deepEqual(
    bad.map(({ payload, reason }) => [payload, reason]),
    [[null, 'timeout']],
  );
});

test('patterns with a part of a name get only what they match', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy } = await paletteBench(t);
  await deploy(tab(node({ points: ['fri*.temp*', '*.pressure'] })));
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  gateway.readings(
    ['fridge.temperature', 'fridge.setpoint', 'pump.pressure', 'frost.temp', 'frizz.temp'].map((point) => ({ point, value: 1 })),
  );
  await waitFor('three messages', () => got.length >= 3);
  assert.deepEqual(got.map(({ topic }) => topic).sort(), ['fridge.temperature', 'frizz.temp', 'pump.pressure']);
});

test('the mode "every" brings each reading in order, also more than fit on their way at once', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy } = await paletteBench(t);
  await deploy(tab(node({ mode: 'every' })));
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  for (let i = 0; i < 900; i++) gateway.readings([{ point: 'fridge.temperature', value: i }]);
  await waitFor('all messages', () => got.length === 900);
  assert.deepEqual(
    got.map(({ payload }) => payload),
    Array.from({ length: 900 }, (_, i) => i),
  );
  assert.ok(gateway.mostOut <= 16, `${gateway.mostOut} lines were out`);
  assert.deepEqual(gateway.faults, []);
});

test('it asks for the rate, and shows when the gateway left readings out', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, deploy, until } = await paletteBench(t);
  await deploy(tab(node({ mode: 'every', every: '2', everyUnit: 'min' })));
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  assert.equal(gateway.subscribed[0]?.every, 120_000);
  for (let i = 0; i < 3000; i++) gateway.readings([{ point: 'fridge.temperature', value: i }]);
  assert.equal((await until('n1', 'throttled')).fill, 'yellow');
  await until('n1', 'connected');
});

test('environment variables name points, as a whole and in parts', async (t) => {
  if (!nodeRedPeer(t)) return;
  process.env.SLUICE_TEST_DEVICE = 'fridge';
  process.env.SLUICE_TEST_POINT = 'pump.pressure';
  t.after(() => {
    delete process.env.SLUICE_TEST_DEVICE;
    delete process.env.SLUICE_TEST_POINT;
  });
  const { gateway, got, deploy } = await paletteBench(t);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as Node-RED writes variables
  await deploy(tab(node({ points: ['${SLUICE_TEST_DEVICE}.temperature', '${SLUICE_TEST_POINT}'] })));
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  gateway.readings(['fridge.temperature', 'pump.pressure'].map((point) => ({ point, value: 1 })));
  await waitFor('two messages', () => got.length === 2);
});

test('in a subflow each instance gets the points of its own variable', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy } = await paletteBench(t);
  const env = (value: string) => [{ name: 'DEVICE', type: 'str', value }];
  await deploy([
    {
      ...{ id: 'sub', type: 'subflow', name: 'one device', info: '', in: [], env: env('pump') },
      out: [{ x: 1, y: 1, wires: [{ id: 'inner', port: 0 }] }],
    },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as Node-RED writes variables
    { ...node({ id: 'inner', points: ['${DEVICE}.*'] }), z: 'sub', x: 100, y: 100, wires: [[]] },
    ...tab({ id: 'i1', type: 'subflow:sub', env: env('fridge') }, { id: 'i2', type: 'subflow:sub', env: [] }),
  ]);
  await waitFor('two subscriptions', () => gateway.subscriptions === 2);
  gateway.readings(['fridge.temperature', 'pump.pressure', 'tank.level'].map((point) => ({ point, value: 1 })));
  await waitFor('two messages', () => got.length === 2);
  assert.deepEqual(got.map(({ topic }) => topic).sort(), ['fridge.temperature', 'pump.pressure']);
});

test('the present reading comes first, also for a node that joins later, and to no other again', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy, until } = await paletteBench(t);
  gateway.latest = [{ point: 'fridge.temperature', value: 3 }];
  await deploy(tab(node(), node({ id: 'n2' }), node({ id: 'n3', initial: false })));
  await until('n1', 'connected');
  await waitFor('the present reading for two nodes', () => got.length >= 2);
  gateway.readings([{ point: 'fridge.temperature', value: 4 }]);
  await waitFor('three more', () => got.length >= 5);
  assert.deepEqual(got.map(({ payload, initial }) => [payload, initial]).sort(), [
    ...[
      [3, true],
      [3, true],
    ],
    ...[
      [4, undefined],
      [4, undefined],
      [4, undefined],
    ],
  ]);
});

test('after the gateway was gone it connects and subscribes again by itself', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, socket, got, deploy, until } = await paletteBench(t);
  await deploy(tab(node()));
  await until('n1', 'connected');
  await gateway.vanish();
  assert.deepEqual(await until('n1', 'disconnected'), { fill: 'red', shape: 'ring', text: 'disconnected' });
  await gateway.listen(socket);
  await until('n1', 'connected');
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  gateway.readings([{ point: 'fridge.temperature', value: 7 }]);
  await waitFor('a message', () => got.length === 1);
  assert.equal(connections.size, 1);
});

test('it starts before the gateway, and connects when the gateway is there', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, socket, deploy, until } = await paletteBench(t, { listening: false });
  await deploy(tab(node()));
  await until('n1', 'disconnected');
  await gateway.listen(socket);
  await until('n1', 'connected');
});

test('a point that was renamed is shown, keeps its subscription, and works when it is back', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy, until } = await paletteBench(t);
  const before = gateway.inventory;
  await deploy(tab(node()));
  await until('n1', 'connected');
  gateway.renew({ ...before, revision: 2, devices: { cooler: { bus: 'field', points: { temperature: {} } } } });
  assert.deepEqual(await until('n1', 'unknown point'), { fill: 'yellow', shape: 'ring', text: 'unknown point' });
  gateway.renew({ ...before, revision: 3 });
  await until('n1', 'connected');
  gateway.readings([{ point: 'fridge.temperature', value: 7 }]);
  await waitFor('a message', () => got.length === 1);
});

test('a node without a point, with a wrong one or with a wrong time says so and harms no other', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy, until, errors } = await paletteBench(t);
  await deploy(
    tab(
      node({ points: [] }),
      node({ id: 'n2', points: ['no point at all', 'Fridge.Temperature'] }),
      node({ id: 'n3', every: 'soon' }),
      node({ id: 'n4', points: ['nonsense', 'fridge.temperature'] }),
      { id: 'n5', type: 'sluice reading in' },
    ),
  );
  await until('n1', 'no point');
  await until('n2', 'wrong point');
  await until('n3', 'wrong property');
  await until('n5', 'no point');
  await until('n4', 'connected');
  assert.ok(errors().some((text) => String(text).includes('"soon" is no time')));
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  gateway.readings([{ point: 'fridge.temperature', value: 7 }]);
  await waitFor('a message', () => got.length === 1);
  assert.deepEqual(gateway.faults, []);
});

test('without a gateway in the settings it says that there is none', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { deploy, until } = await paletteBench(t, { sluice: undefined });
  await deploy(tab(node()));
  assert.deepEqual(await until('n1', 'no gateway'), { fill: 'red', shape: 'ring', text: 'no gateway' });
});

test('a config node with a socket and a token of its own is another connection', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, socket, got, deploy, until } = await paletteBench(t, {
    sluice: undefined,
    credentials: { g1: { token: 'right-token' }, g2: { token: 'wrong' } },
  });
  await deploy([
    ...tab(node({ gateway: 'g1' }), node({ id: 'n2', gateway: 'g2' }), node({ id: 'n3', gateway: 'g3' })),
    { id: 'g1', type: 'sluice-gateway', name: '', way: 'socket', socket },
    { id: 'g2', type: 'sluice-gateway', name: '', way: 'socket', socket },
  ]);
  await until('n1', 'connected');
  await until('n2', 'disconnected');
  await until('n3', 'no gateway');
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  gateway.readings([{ point: 'fridge.temperature', value: 7 }]);
  await waitFor('a message', () => got.length === 1);
});
