/** Devices of other people's making publish to a running gateway: mosquitto_pub and paho with accounts of their own. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import mqtt from 'mqtt';
import { request, text } from '../../../src/admin/client.ts';
import type { TailItem, TailReading } from '../../../src/admin/target.ts';
import { type Child, startChild } from '../../harness/child.ts';
import { CLIENTS, Sub } from '../../harness/embedded-broker.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { attachedTail } from '../../harness/tail.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer, pythonPeer } from '../../peers/peers.ts';

const PAHO = 'apt-get install -y python3-paho-mqtt';
const DEVICE = path.join(import.meta.dirname, '../../peers/mqtt-device.py');
const PASSWORD = 'a long enough password';

const DEVICES = `
  fridge:
    bus: radio
    topic: zigbee2mqtt/fridge
    availability: {topic: '{topic}/availability'}
    stamp: last_seen
    points: {temperature: {unit: Cel}, battery: {unit: '%', type: int64}}
  socket:
    bus: radio
    topic: zigbee2mqtt/socket
    availability: {topic: '{topic}/availability'}
    points:
      state: {type: bool, write: {topic: '{topic}/set', on: 'ON', off: 'OFF'}}
      power: {unit: W}`;
const RULES = `
  warm: {point: fridge.temperature, above: 8}
  quiet: {point: fridge.temperature, stale: 2s}`;

interface Site {
  readonly gateway: Gateway;
  readonly tail: TailItem[];
  port(): Promise<number>;
  /** mosquitto_pub as the account `zigbee`. @returns its exit status */
  publish(topic: string, payload: string, ...more: string[]): Promise<number | string | undefined>;
  /** Adds an account for a device. @returns its password */
  account(name: string, publish: readonly string[], subscribe?: readonly string[]): Promise<string>;
  /** Values of a point in `tail`, in order; a bad reading is its reason. */
  seen(point: string): (TailReading['value'] | string | undefined)[];
}

async function mqttSite(t: TestContext): Promise<Site | undefined> {
  const program = peer(t, 'mosquitto_pub', CLIENTS);
  if (program === undefined) return undefined;
  const gateway = makeGateway(t, (g) =>
    [
      `${g.section}`,
      'broker: {listen: {port: 0}}',
      'buffer: {commitEvery: 1h}',
      'buses: {radio: {protocol: mqtt}}',
      `devices:${DEVICES}`,
      `rules:${RULES}`,
      '',
    ].join('\n'),
  );
  await gateway.up();
  const port = () => gateway.brokerPort();
  const account = async (name: string, publish: readonly string[], subscribe: readonly string[] = []) => {
    const body = { name, device: true, publish, subscribe };
    return ((await request(gateway.socket, 'POST', '/api/v1/users/add', body)) as { password: string }).password;
  };
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
  const password = await account('zigbee', ['zigbee2mqtt/#'], ['zigbee2mqtt/#']);
  const as = ['-u', 'zigbee', '-P', password];
  await port();
  const tail = await attachedTail(gateway);
  return {
    ...{ gateway, tail, port, account },
    publish: async (topic, payload, ...more) => {
      const args = ['-h', '127.0.0.1', '-p', String(await port()), ...as, '-q', '1', '-t', topic, '-m', payload, ...more];
      return startChild(t, program, args).ended;
    },
    seen: (point) =>
      tail.flatMap((item) =>
        item.type === 'reading' && `${item.device}.${item.point}` === point
          ? [item.quality === 'bad' ? item.reason : item.value]
          : [],
      ),
  };
}

async function exported(gateway: Gateway): Promise<string[]> {
  let csv = '';
  for await (const piece of text(gateway.socket, '/api/v1/export?format=csv')) csv += piece;
  return csv.trim().split('\n').slice(1);
}

test('mosquitto_pub as a device: tail, batches, rules, stale, and the account decides', { timeout: 400_000 }, async (t) => {
  const s = await mqttSite(t);
  if (s === undefined) return;
  const { gateway } = s;
  const reader = await Sub.start(t, await s.port(), ['-u', 'anna', '-P', PASSWORD, '-t', 'sluice/g1/#', '-i', 'reader']);
  if (reader === undefined) return;
  assert.equal(await s.publish('zigbee2mqtt/fridge', '{"temperature":4.2,"battery":97,"last_seen":1}'), 0);
  await waitFor('the reading', () => s.seen('fridge.temperature').length > 0);
  const batch = await reader.message('sluice/g1/data', ({ payload }) => payload.includes('"temperature":4.2'));
  const { records } = JSON.parse(batch.payload) as { records: { device: string; values: object }[] };
  assert.deepEqual(
    records.map(({ device, values }) => [device, values]),
    [['fridge', { temperature: 4.2, battery: '97' }]],
  );
  await reader.message('sluice/g1/value/fridge/temperature', ({ payload }) => JSON.parse(payload).value === 4.2);
  await s.publish('zigbee2mqtt/fridge', '{"temperature":9.5,"last_seen":2}');
  await reader.message('sluice/g1/alarm/warm', ({ payload }) => /"state":"active/.test(payload));
  await reader.message('sluice/g1/alarm/quiet', ({ payload }) => /"state":"active/.test(payload));
  const inventory = await reader.message('sluice/g1/inventory');
  assert.deepEqual(JSON.parse(inventory.payload).devices.socket.points, {
    state: { type: 'bool', writable: true },
    power: { type: 'float64', unit: 'W', writable: false },
  });
  // An account with other topics cannot speak for the fridge.
  const other = await s.account('other', ['tele/other/#']);
  await s.publish('zigbee2mqtt/fridge', '{"temperature":-40,"last_seen":3}', '-u', 'other', '-P', other);
  await s.publish('zigbee2mqtt/fridge', '{"temperature":5,"last_seen":4}');
  await waitFor('the next reading', () => s.seen('fridge.temperature').includes(5));
  assert.deepEqual(s.seen('fridge.temperature').filter(Number.isFinite), [4.2, 9.5, 5]);
  const { buses } = await gateway.status();
  assert.deepEqual(
    buses.map(({ name, protocol, state, devices }) => [
      name,
      protocol,
      state,
      devices.map((d) => [d.name, d.state, d.counters.replies]),
    ]),
    [
      [
        'radio',
        'mqtt',
        'open',
        [
          ['fridge', 'answering', 3],
          ['socket', 'unknown', 0],
        ],
      ],
    ],
  );
  const page = await sluice(t, 'status', '--socket', gateway.socket, '--verbose');
  assert.match(page.stdout, /fridge answering: 3 messages/);
});

test('a restart after SIGKILL: nothing acknowledged is lost, and nothing that was kept is fresh', {
  timeout: 400_000,
}, async (t) => {
  const s = await mqttSite(t);
  if (s === undefined) return;
  const { gateway } = s;
  for (let i = 1; i <= 5; i++)
    assert.equal(await s.publish('zigbee2mqtt/fridge', JSON.stringify({ temperature: i, last_seen: i }), '-r'), 0);
  await s.publish('zigbee2mqtt/socket', '{"state":"ON","power":3}', '-r');
  await s.publish('zigbee2mqtt/socket/availability', '{"state":"offline"}', '-r');
  await waitFor('the last will', () => s.seen('socket.power').includes('disconnected'));
  const before = s.seen('fridge.temperature');
  assert.deepEqual(before, [1, 2, 3, 4, 5]);
  await gateway.kill();
  await gateway.up();
  await waitFor('what the broker had kept', async () => {
    const { buses } = await gateway.status();
    const [fridge, socket] = buses[0]?.devices ?? [];
    return fridge?.counters.repeats === 1 && socket?.state === 'silent';
  });
  const rows = (await exported(gateway)).filter((row) => row.includes('fridge') && row.includes('temperature'));
  assert.equal(rows.length, 5, rows.join('\n'));
  // What the bridge remembers, published again when it starts, is not fresh either.
  const again = JSON.stringify({ temperature: 5, last_seen: 5 });
  await s.publish('zigbee2mqtt/fridge', again);
  await s.publish('zigbee2mqtt/fridge', JSON.stringify({ temperature: 6, last_seen: 6 }));
  await waitFor('a fresh reading', async () => (await exported(gateway)).some((row) => /fridge.*temperature.*\b6\b/.test(row)));
  assert.equal((await exported(gateway)).filter((row) => row.includes('fridge') && row.includes('temperature')).length, 6);
});

test('paho as a device: a last will after SIGKILL, writes that it shows, and refusals', { timeout: 400_000 }, async (t) => {
  const python = pythonPeer(t, 'paho.mqtt.client', PAHO);
  const s = python === undefined ? undefined : await mqttSite(t);
  if (s === undefined || python === undefined) return;
  const { gateway } = s;
  const password = await s.account('socket', ['zigbee2mqtt/socket/#'], ['zigbee2mqtt/socket/set']);
  const start = async (): Promise<Child> => {
    const topics = ['zigbee2mqtt/socket', 'zigbee2mqtt/socket/set', 'zigbee2mqtt/socket/availability'];
    const child = startChild(t, python, [DEVICE, String(await s.port()), 'socket', password, ...topics], { stdin: true });
    await child.line(/^ready$/);
    return child;
  };
  const write = (...args: string[]) => sluice(t, 'write', '-c', gateway.config, ...args);
  const early = await write('socket.state', 'on');
  assert.match(early.stderr, /nothing was sent, since no client has subscribed to zigbee2mqtt\/socket\/set/);
  const device = await start();
  device.write('zigbee2mqtt/socket\t{"state":"OFF","power":1.5}');
  await waitFor('its state', () => s.seen('socket.state').at(-1) === false);
  const done = await write('socket.state', 'on');
  assert.equal(done.code, 0, done.stderr);
  // Both come by ways of their own, beside the answer.
  await waitFor('the command at the device', () => device.stdout.includes('command {"state":"ON"}'));
  await waitFor('the new state', () => s.seen('socket.state').length > 1);
  assert.deepEqual(s.seen('socket.state'), [false, true]);
  await device.stop('SIGKILL');
  await waitFor('the last will', () => s.seen('socket.power').at(-1) === 'disconnected');
  const { buses } = await gateway.status();
  assert.match(buses[0]?.devices[1]?.fault ?? '', /zigbee2mqtt\/socket\/availability says that it is gone/);
  const gone = await write('socket.state', 'off');
  assert.match(gone.stderr, /says that the device is gone/);
  await start();
  await s.publish('zigbee2mqtt/socket', '{"power":2}');
  await waitFor('it is back', () => s.seen('socket.power').at(-1) === 2);
});

test('a reload adds a device, and its topics are heard from then on', { timeout: 400_000 }, async (t) => {
  const s = await mqttSite(t);
  if (s === undefined) return;
  const { gateway } = s;
  const line = '  room: {bus: radio, topic: zigbee2mqtt/room, points: {temperature: {unit: Cel}}}';
  await s.publish('zigbee2mqtt/room', '{"temperature":20}');
  const yaml = readFileSync(gateway.config, 'utf8');
  assert.deepEqual(await gateway.reload(yaml.replace('rules:', `${line}\nrules:`)), ['buses.radio']);
  await s.publish('zigbee2mqtt/room', '{"temperature":21}');
  await waitFor('the reading', () => s.seen('room.temperature').length > 0);
  assert.deepEqual(s.seen('room.temperature'), [21]);
});

test('simulated devices publish, and take what is written to them', { timeout: 400_000 }, async (t) => {
  const s = await mqttSite(t);
  if (s === undefined) return;
  const { gateway } = s;
  const password = await s.account('simulated', ['zigbee2mqtt/#'], ['zigbee2mqtt/#']);
  const url = `mqtt://simulated@127.0.0.1:${await s.port()}`;
  const options = { stdin: true, env: { SLUICE_SIMULATE_PASSWORD: password } };
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config, '--mqtt', `radio=${url}`], options);
  await simulator.line(/radio: mqtt on mqtt:/);
  await waitFor('both devices', () => s.seen('fridge.temperature').length > 0 && s.seen('socket.power').length > 0);
  simulator.write('set fridge.temperature 9.5');
  await waitFor('the value', () => s.seen('fridge.temperature').includes(9.5));
  const written = await sluice(t, 'write', '-c', gateway.config, 'socket.state', 'on');
  assert.equal(written.code, 0, written.stderr);
  await waitFor('the state', () => s.seen('socket.state').at(-1) === true);
  const wrong = await sluice(t, 'simulate', gateway.config, '--mqtt', 'radio=mqtt://a:b@127.0.0.1:1');
  assert.match(wrong.stderr, /a command line shows its passwords to every user/);
});

test('a capture shows messages, and writes them for an analyser', { timeout: 400_000 }, async (t) => {
  const s = await mqttSite(t);
  const tshark = s && peer(t, 'tshark', 'apt-get install -y tshark');
  if (s === undefined || tshark === undefined) return;
  const { gateway } = s;
  await s.publish('zigbee2mqtt/fridge/availability', 'online', '-r');
  const file = path.join(gateway.folder, 'radio.pcapng');
  const shown = startChild(t, process.execPath, [MAIN, 'capture', 'radio', '-c', gateway.config]);
  const written = startChild(t, process.execPath, [MAIN, 'capture', 'radio', '-c', gateway.config, '-o', file]);
  const payload = '{"temperature":4.5,"last_seen":1}';
  let last = 1;
  await waitFor('both captures', async () => {
    await s.publish('zigbee2mqtt/fridge', payload.replace('1}', `${++last}}`));
    return shown.stdout.length > 0 && existsSync(file) && statSync(file).size > 400;
  });
  assert.match(shown.stdout[0] ?? '', / ← zigbee2mqtt\/fridge \{"temperature":4\.5,"last_seen":\d+\}$/);
  await Promise.all([shown.stop('SIGTERM'), written.stop('SIGTERM')]);
  const dissected = startChild(t, tshark, ['-r', file, '-T', 'fields', '-e', 'mqtt.topic', '-e', '_ws.col.Info']);
  await dissected.ended;
  assert.match(dissected.stdout.join('\n'), /^zigbee2mqtt\/fridge\tPublish Message/m, dissected.stderr.join('\n'));
  const refused = await sluice(t, 'capture', 'radio', '-c', gateway.config, '--replay', path.join(gateway.folder, 'x'));
  assert.match(refused.stderr, /messages of radio cannot be played back/);
  const scan = await sluice(t, 'scan', 'radio', '-c', gateway.config);
  assert.equal(scan.code, 2);
  assert.match(scan.stderr, /the devices of radio send by themselves, so nothing can be asked/);
});

test('no acknowledged message is lost while reloads exchange the bus', { timeout: 400_000 }, async (t) => {
  const s = await mqttSite(t);
  if (s === undefined) return;
  const { gateway } = s;
  const password = await s.account('meter', ['zigbee2mqtt/#']);
  const client = mqtt.connect({ host: '127.0.0.1', port: await s.port(), username: 'meter', password, reconnectPeriod: 0 });
  t.after(() => client.end(true));
  await new Promise<void>((resolve, reject) => client.once('connect', () => resolve()).once('error', reject));
  let sent = 0;
  let over = false;
  const publishing = (async () => {
    for (; !over; sent++) {
      await client.publishAsync('zigbee2mqtt/fridge', JSON.stringify({ temperature: sent % 8, battery: sent, last_seen: sent }), {
        qos: 1,
      });
      // Below the rate of one device, so that nothing is left out as a flood.
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  })();
  const yaml = readFileSync(gateway.config, 'utf8');
  for (let round = 0; round < 5; round++) {
    const line = `  room${round}: {bus: radio, topic: zigbee2mqtt/room${round}, points: {temperature: {unit: Cel}}}`;
    assert.deepEqual(await gateway.reload(yaml.replace('rules:', `${line}\nrules:`)), ['buses.radio']);
    const before = sent;
    await waitFor('messages behind the reload', () => sent > before + 3);
  }
  over = true;
  await publishing;
  const numbers = async () =>
    (await exported(gateway)).filter((row) => row.includes('fridge') && row.includes('battery')).map((row) => row.split(','));
  await waitFor(
    () => `${sent} readings`,
    async () => (await numbers()).length >= sent,
  );
  const rows = await numbers();
  assert.equal(rows.length, sent);
  assert.equal((await gateway.status()).broker?.dropped.exchange, 0);
});
