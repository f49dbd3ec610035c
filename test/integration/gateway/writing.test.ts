/** Writing through a running gateway, and without one: the command, its words and exit status, the event, safe values. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { SluiceError } from '../../../src/core/errors.ts';
import type { Peek } from '../../harness/mqtt-peek.ts';
import { type Site, type SiteConfig, site } from '../../harness/site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/**
 * The fridge has all the time that a busy machine takes, and `dead` costs a time-out of the bus.
 * @param safe of the setpoint, for example `, safe: {value: 2}`
 */
const devices = (safe = '', interval = '100ms') => `
  fridge:
    bus: plant
    unit: 1
    timeout: 10s
    interval: ${interval}
    points:
      setpoint: {table: holding, address: 0, type: int16, scale: 0.1, unit: Cel, write: {min: -10, max: 10, every: 0ms${safe}}}
      id: {table: holding, address: 1, type: uint64, write: {min: 0, max: 1e19, every: 0ms}}
      temperature: {table: holding, address: 5, type: int16}
  dead: {bus: plant, unit: 9, interval: 200ms, points: {p: {table: holding, address: 0, type: uint16, write: {min: 0, max: 9}}}}`;

async function bench(t: TestContext, parts: SiteConfig = {}, safe = '') {
  const bus = 'timeout: 300ms, retries: 0';
  const s = await site(t, { device: SettableDevice.start, bus, devices: devices(safe), buffer: '', ...parts });
  if (s === undefined) return undefined;
  const write = (...args: string[]) => sluice(t, 'write', '-c', s.gateway.config, ...args);
  return { ...s, write };
}

/** Events of one word, in order. */
function events(peek: Peek, word: string): { severity: string; message: string; data: Record<string, unknown> }[] {
  return peek.messages
    .filter((m) => m.topic === 'sluice/g1/event')
    .map((m) => JSON.parse(m.text))
    .filter((e) => e.event === word);
}

async function started({ gateway, peek }: Site<SettableDevice>): Promise<Peek> {
  await gateway.up();
  await waitFor('the bus', async () => (await gateway.status()).buses[0]?.devices[0]?.state === 'answering');
  return peek();
}

test('sluice write: value, words, exit status, event and log line', async (t) => {
  const b = await bench(t, { broker: true });
  if (b === undefined) return;
  const { device, gateway, write } = b;
  const peek = await started(b);
  const inventory = await waitFor('the inventory', () => peek.last(/inventory$/));
  const points = JSON.parse(inventory.text).devices.fridge.points as Record<string, { writable: boolean }>;
  assert.deepEqual(
    Object.entries(points).map(([name, { writable }]) => [name, writable]),
    [
      ['setpoint', true],
      ['id', true],
      ['temperature', false],
    ],
  );

  assert.deepEqual(await write('fridge.setpoint', '-4.5'), { code: 0, stdout: 'fridge.setpoint is -4.5 °C now', stderr: '' });
  assert.deepEqual(await device.get('holding', 0), [65_491]);
  const json = await write('fridge.id', '9007199254740993', '--json');
  const { time, ...reply } = JSON.parse(json.stdout);
  assert.deepEqual(reply, { point: 'fridge.id', value: '9007199254740993', readBack: true });
  assert.ok(typeof time === 'number');

  for (const [point, value, code, words] of [
    ['fridge.setpoint', '11', 1, /^sluice: fridge\.setpoint: 11 is above 10, the highest value that may be written$/],
    ['fridge.setpoint', '1.23', 1, /between two steps of 0\.1; write 1\.2 or 1\.3/],
    ['fridge.setpoint', 'cold', 1, /"cold" is not a number/],
    ['fridge.temperature', '3', 1, /it may not be written; a point that may has `write:`/],
    ['fridge.nothing', '3', 1, /fridge has no point nothing; it has: fridge.setpoint, fridge.id, fridge.temperature/],
    ['ghost.p', '3', 1, /there is no device ghost; the devices are: fridge, dead/],
    ['dead.p', '3', 1, /unit 9 .* does not answer/],
    ['fridge', '3', 2, /fridge is not a point; write device\.point/],
  ] as const) {
    const told = await write(point, value);
    assert.deepEqual([told.code, told.stdout], [code, ''], `${point} ${value}: ${told.stderr}`);
    assert.match(told.stderr, words);
  }
  assert.equal((await write('fridge.setpoint')).code, 2, 'a value is missing');
  assert.deepEqual(await device.get('holding', 0), [65_491]);

  const told = await waitFor('nine events', () => (events(peek, 'write').length >= 9 ? events(peek, 'write') : undefined));
  assert.equal(told.length, 9, 'what never reached the gateway is not told');
  assert.deepEqual(
    told.map(({ data }) => [data.point, data.result, data.code]),
    [
      ['fridge.setpoint', 'done', undefined],
      ['fridge.id', 'done', undefined],
      ...[1, 2, 3].map(() => ['fridge.setpoint', 'refused', 'write-refused']),
      ['fridge.temperature', 'refused', 'write-refused'],
      ['fridge.nothing', 'refused', 'not-found'],
      ['ghost.p', 'refused', 'not-found'],
      ['dead.p', told[8]?.data.result, 'timeout'],
    ],
  );
  assert.ok(told.every(({ data }) => data.via === 'socket' && typeof data.who === 'string' && data.who !== ''));
  await gateway.waitForLog(/^fridge\.setpoint was set to -4\.5 on this board/);
});

test('the socket takes numbers, bools and texts, and nothing else; HTTP takes no writes', async (t) => {
  const b = await bench(t, { broker: true });
  if (b === undefined) return;
  const { device, gateway } = b;
  await started(b);
  const post = (body: object) => request(gateway.socket, 'POST', '/api/v1/write', body) as Promise<{ value: unknown }>;
  assert.equal((await post({ point: 'fridge.setpoint', value: 3.5 })).value, 3.5);
  assert.deepEqual(await device.get('holding', 0), [35]);
  for (const [body, code] of [
    [{ point: 'fridge.setpoint' }, 'request-invalid'],
    [{ point: 'fridge.setpoint', value: null }, 'request-invalid'],
    [{ point: 'fridge.setpoint', value: [1] }, 'request-invalid'],
    [{ value: 1 }, 'request-invalid'],
    [{ point: 'fridge.setpoint', value: true }, 'write-refused'],
    [{ point: 'a.b.c', value: 1 }, 'not-found'],
  ] as const)
    await assert.rejects(post(body), (error: SluiceError) => error.code === code, JSON.stringify(body));
});

test('without a running gateway the bus is opened for the write', async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { device, gateway, write } = b;
  const unkept = 'sluice: no gateway runs, so this went straight to the bus: neither the log nor an event shows it';
  assert.deepEqual(await write('fridge.setpoint', '4.2'), { code: 0, stdout: 'fridge.setpoint is 4.2 °C now', stderr: unkept });
  assert.deepEqual(await device.get('holding', 0), [42]);
  const dead = await write('dead.p', '3');
  assert.equal(dead.code, 1);
  assert.match(dead.stderr, /unit 9 .* does not answer/);
  assert.ok(dead.stderr.includes(unkept), 'nobody knows what the device did');
  const refused = await write('fridge.setpoint', '99');
  assert.deepEqual([refused.code, refused.stderr.includes(unkept)], [1, false], 'nothing was sent');
  const named = await write('--socket', gateway.socket, 'fridge.setpoint', '1');
  assert.equal(named.code, 1);
  assert.match(named.stderr, /no gateway is running here/, 'who names a socket means that gateway');
  gateway.write('gateway: {id: 7}');
  assert.equal((await write('fridge.setpoint', '1')).code, 78);
  assert.deepEqual(await device.get('holding', 0), [42]);
});

test('at a stop the safe value is written, and at a reload not', async (t) => {
  const b = await bench(t, { broker: true }, ', safe: {value: 2, onStop: true}');
  if (b === undefined) return;
  const { device, gateway, write } = b;
  await started(b);
  assert.equal((await write('fridge.setpoint', '7')).code, 0);
  gateway.write(b.yaml({ broker: false, devices: devices(', safe: {value: 3, onStop: true}', '90ms') }));
  gateway.signal('SIGHUP');
  await gateway.waitForLog(/^Reloaded\.$/);
  assert.deepEqual(await device.get('holding', 0), [70], 'the reload made a new bus and wrote nothing');
  assert.equal(await gateway.stop(), 0);
  assert.deepEqual(await device.get('holding', 0), [30]);
  assert.ok(gateway.logs().some(({ msg }) => msg === 'fridge.setpoint was set to its safe value 3: the gateway stops.'));
});

test('without upstream the safe value is written once, and nothing is written back', async (t) => {
  const broker = await Mosquitto.create(t);
  if (broker === undefined) return;
  const more = `forwarders: {cloud: {type: mqtt, url: "mqtt://127.0.0.1:${broker.port}"}}`;
  const b = await bench(t, { broker: true, more }, ', safe: {value: -2, offline: 1s}');
  if (b === undefined) return;
  const { device, gateway, write } = b;
  const peek = await started(b);
  await waitFor('the safe value', async () => (await device.get('holding', 0))[0] === 65_516);
  await waitFor('the event', () => events(peek, 'safe-state').length === 1);
  assert.deepEqual(events(peek, 'safe-state')[0]?.data, {
    ...{ point: 'fridge.setpoint', value: -2, why: 'offline', result: 'done' },
  });
  assert.equal((await write('fridge.setpoint', '5')).code, 0, 'somebody on the spot may');
  await broker.start();
  await waitFor('upstream', async () => (await gateway.status()).forwarders[0]?.state === 'connected');
  const told = await waitFor('the end of it', () => events(peek, 'safe-state')[1]);
  assert.deepEqual(told.data, { result: 'back', done: 1, failed: 0 });
  assert.deepEqual(await device.get('holding', 0), [50]);
  await broker.stop();
  await waitFor('the next outage', async () => (await device.get('holding', 0))[0] === 65_516);
});
