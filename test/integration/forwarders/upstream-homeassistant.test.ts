/** examples/home-assistant as a user runs it: gateway, simulated controller and Mosquitto, before a counterpart of Home Assistant. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { HomeAssistant } from '../../peers/home-assistant.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

const EXAMPLE = path.join(import.meta.dirname, '../../../examples/home-assistant/gateway.yaml');

async function house(t: TestContext) {
  const broker = await Mosquitto.start(t);
  if (broker === undefined) return undefined;
  const port = await freePort();
  const gateway = makeGateway(t, ({ runtimeDir }) => {
    let yaml = readFileSync(EXAMPLE, 'utf8');
    for (const [from, to] of [
      ['port: 1502', `port: ${port}`],
      ['mqtt://127.0.0.1:1883', broker.url],
      ['stateDir: state ', `runtimeDir: ${runtimeDir}\n  stateDir: state `],
      ['interval: 1s', 'interval: 200ms'],
    ] as const) {
      assert.equal(yaml.split(from).length, 2, `${from} stands once in the example`);
      yaml = yaml.replace(from, to);
    }
    return yaml;
  });
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
  await simulator.line(/plant: modbus-tcp on/);
  simulator.write(
    'set room.temperature 21.5\nset room.setpoint 20\nset room.mode heat\nset room.fan false\nset room.window true',
  );
  const ha = await HomeAssistant.start(t, broker.port);
  return { broker, gateway, simulator, ha };
}

const POINTS = ['temperature', 'energy', 'pulses', 'pulses-total', 'window', 'setpoint', 'mode', 'fan', 'limit'];
const IDS = [...POINTS.map((point) => `house-1.room.${point}`), 'house-1.ALARM.too-warm', 'house-1.CONNECTED'].sort();

test('Home Assistant finds the device, shows it, sets it, and sees it go', async (t) => {
  const site = await house(t);
  if (site === undefined) return;
  const { gateway, simulator, ha } = site;
  await gateway.up();
  await ha.shows('house-1.room.temperature', '21.5');
  const at = (id: string) => ha.entities.get(`house-1.${id}`) ?? assert.fail(`no ${id}`);
  const all = () =>
    waitFor(
      () => `all entities; there are ${[...ha.entities.keys()].sort()}`,
      () => isDeepStrictEqual([...ha.entities.keys()].sort(), IDS),
    );
  await all();
  assert.deepEqual(
    POINTS.map((point) => at(`room.${point}`).platform),
    ['sensor', 'sensor', 'sensor', 'sensor', 'binary_sensor', 'number', 'select', 'switch', 'sensor'],
  );
  assert.deepEqual(
    [
      at('room.energy').config.state_class,
      at('room.pulses-total').config.state_class,
      at('room.pulses-total').config.device_class,
    ],
    ['total_increasing', 'total_increasing', 'volume'],
  );
  const { min, max, step } = at('room.setpoint').config;
  assert.deepEqual([min, max, step], [5, 30, 0.5]);
  await ha.shows('house-1.room.window', 'on');
  await ha.shows('house-1.room.mode', 'heat');
  await ha.shows('house-1.room.fan', 'off');
  await ha.shows('house-1.ALARM.too-warm', 'off');
  await ha.shows('house-1.CONNECTED', 'on');

  await ha.set('house-1.room.setpoint', '22.5');
  await ha.shows('house-1.room.setpoint', '22.5');
  await ha.set('house-1.room.mode', 'cool');
  await ha.shows('house-1.room.mode', 'cool');
  await ha.set('house-1.room.fan', 'ON');
  await ha.shows('house-1.room.fan', 'on');

  simulator.write('set room.temperature 35');
  await ha.shows('house-1.ALARM.too-warm', 'on');
  const { alarm_state, severity } = ha.attributes('house-1.ALARM.too-warm');
  assert.deepEqual([alarm_state, severity], ['active-unacknowledged', 'warning']);
  simulator.write('set room.temperature 21');
  await ha.shows('house-1.ALARM.too-warm', 'off');

  // Home Assistant comes back and has forgotten everything: it is told again, and the values are still there.
  await ha.restart();
  await ha.shows('house-1.room.temperature', '21');
  await all();

  await simulator.stop('SIGKILL');
  await ha.shows('house-1.room.temperature', 'unavailable');
  await ha.shows('house-1.ALARM.too-warm', 'off');
  await gateway.kill();
  await ha.shows('house-1.ALARM.too-warm', 'unavailable');
  await ha.shows('house-1.CONNECTED', 'off');
  assert.deepEqual(ha.faults, []);
});

test('what Home Assistant may not set, or nobody can mean, changes nothing', async (t) => {
  const site = await house(t);
  if (site === undefined) return;
  const { gateway, ha } = site;
  const root = 'homeassistant/sluice/house-1/set/room';
  // A broker keeps it: nobody asks for it when the gateway comes.
  await ha.say(`${root}/fan`, 'ON', true);
  await gateway.up();
  await ha.shows('house-1.room.setpoint', '20');
  assert.equal(ha.entities.get('house-1.room.limit')?.platform, 'sensor');
  const refused = () => gateway.logs().filter(({ msg }) => /refused|not allowed|no command/i.test(msg)).length;
  const before = refused();
  await ha.say(`${root}/limit`, '50');
  await ha.say(`${root}/setpoint`, '31');
  await ha.say(`${root}/setpoint`, 'warm');
  await ha.say(`${root}/setpoint`, '{"id":"x","do":"reload"}');
  await ha.say(`${root}/setpoint`, 'x'.repeat(60_000));
  await ha.say(`${root}/fan`, 'toggle');
  await ha.say(`${root}/mode`, 'melt');
  await ha.say(`${root}/__proto__`, '1');
  await ha.say(`homeassistant/sluice/house-1/set/nobody/x`, '1');
  for (let i = 0; i < 50; i++) await ha.say('homeassistant/status', 'online');
  await ha.set('house-1.room.setpoint', '23');
  await ha.shows('house-1.room.setpoint', '23');
  assert.deepEqual(
    [ha.state('house-1.room.fan'), ha.state('house-1.room.mode'), (await gateway.status()).forwarders[0]?.counters.connects],
    ['off', 'heat', 1],
  );
  await waitFor('the refusals in the log', () => refused() > before);
  assert.deepEqual(ha.faults, []);
});

test('points, rules and devices that go are removed there, also after a restart', async (t) => {
  const site = await house(t);
  if (site === undefined) return;
  const { gateway, simulator, ha } = site;
  await gateway.up();
  await ha.shows('house-1.room.mode', 'heat');
  const yaml = readFileSync(gateway.config, 'utf8');
  const without = (text: string, pattern: RegExp, to = ''): string => {
    assert.match(text, pattern);
    return text.replace(pattern, to);
  };
  // A filter takes points and rules away, and gives them back.
  await gateway.reload(`${yaml.trimEnd()}\n    filter: {points: [room.mode, '*.fan'], severities: [critical]}\n`);
  await ha.shows('house-1.room.energy', undefined);
  await ha.shows('house-1.ALARM.too-warm', undefined);
  const some = ['house-1.CONNECTED', 'house-1.room.fan', 'house-1.room.mode'];
  await waitFor('the rest to be gone', () => isDeepStrictEqual([...ha.entities.keys()].sort(), some));
  await ha.set('house-1.room.mode', 'cool');
  await ha.shows('house-1.room.mode', 'cool');
  simulator.write('set room.mode heat');
  await ha.shows('house-1.room.mode', 'heat');
  await gateway.reload(yaml);
  await waitFor('all of it', () => isDeepStrictEqual([...ha.entities.keys()].sort(), IDS));
  await ha.shows('house-1.room.temperature', '21.5');
  await ha.shows('house-1.ALARM.too-warm', 'off');

  // The fan is not granted any more: it becomes a binary sensor.
  const smaller = without(without(without(yaml, /^ +energy:.*\n/m), /^rules:\n.*\n/m), /, room\.fan\]/, ']');
  await gateway.reload(smaller);
  await ha.shows('house-1.room.energy', undefined);
  await ha.shows('house-1.ALARM.too-warm', undefined);
  await waitFor('the fan as a binary sensor', () => ha.entities.get('house-1.room.fan')?.platform === 'binary_sensor');
  await ha.shows('house-1.room.fan', 'off');

  // The device goes while the gateway is off.
  assert.equal(await gateway.stop(), 0);
  await ha.shows('house-1.CONNECTED', 'off');
  gateway.write(smaller.replace(/^ {2}room:$/m, '  hall:').replaceAll('room.', 'hall.'));
  await gateway.up();
  await ha.shows('house-1.hall.mode', 'heat');
  await waitFor('the room to be gone', () => [...ha.entities.keys()].every((id) => !id.startsWith('house-1.room.')));
  assert.deepEqual(ha.faults, []);
  // Nothing of it is retained either.
  await ha.restart();
  await ha.shows('house-1.hall.mode', 'heat');
  assert.ok([...ha.entities.keys()].every((id) => !id.startsWith('house-1.room.')));
});

test('the broker of the gateway itself serves Home Assistant, with an account for each side', async (t) => {
  const [plant, port] = [await freePort(), await freePort()];
  const gateway = makeGateway(t, ({ section }) => yamlOf(section));
  function yamlOf(section: string, more = ''): string {
    return `
${section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${plant}}}
devices:
  room:
    bus: plant
    unit: 1
    interval: 200ms
    points: {setpoint: {table: holding, address: 0, type: int16, unit: Cel, write: {min: 5, max: 30}}}
broker: {listen: [{host: 127.0.0.1, port: ${port}}]}
${more}`;
  }
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
  await simulator.line(/plant: modbus-tcp on/);
  simulator.write('set room.setpoint 20');
  await gateway.up();
  const at = ['--socket', gateway.socket];
  const password = path.join(gateway.folder, 'password');
  writeFileSync(password, 'correct horse battery');
  const admin = startChild(t, '/bin/sh', [
    '-c',
    'file=$1; shift; "$@" < "$file"',
    'sh',
    password,
    process.execPath,
    MAIN,
    'user',
    'add',
    'anna',
    '--role',
    'administrator',
    '--password-stdin',
    ...at,
  ]);
  assert.equal(await admin.ended, 0);
  const account = async (name: string): Promise<string> => {
    const filters = ['--publish', 'homeassistant/#', '--subscribe', 'homeassistant/#'];
    const { code, stdout, stderr } = await sluice(t, 'user', 'add', name, '--device', ...filters, ...at);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  writeFileSync(password, await account('home'));
  const ha = await HomeAssistant.start(t, port, { username: 'ha', password: await account('ha') });
  const forwarder = `forwarders: {home: {type: mqtt, url: 'mqtt://127.0.0.1:${port}', username: home, password: {file: ${password}}, format: homeassistant, commands: {write: ['*']}}}`;
  await gateway.reload(yamlOf(gateway.section, forwarder));
  await ha.shows('g1.room.setpoint', '20');
  await ha.set('g1.room.setpoint', '22');
  await ha.shows('g1.room.setpoint', '22');
  await ha.restart();
  await ha.shows('g1.room.setpoint', '22');
  assert.deepEqual(ha.faults, []);
});
