import assert from 'node:assert/strict';
import test from 'node:test';
import { mqttBench } from '../../fakes/mqtt-bench.ts';

const SOCKET = `
  socket:
    bus: radio
    topic: zigbee2mqtt/socket
    availability: {topic: '{topic}/availability'}
    points:
      state: {type: bool, write: {topic: '{topic}/set', on: 'ON', off: 'OFF', safe: {value: false, onStop: true}}}
      limit: {from: settings.limit, unit: W, scale: 0.1, write: {topic: '{topic}/set', min: 0, max: 2300}}
      mode: {enum: {eco: saving, max: full}, write: {topic: '{topic}/set'}}
      power: {unit: W}`;

test('a write is a message to the device, done when the device shows the value', async () => {
  const { clock, topics, bus, told } = mqttBench(SOCKET);
  const done = bus.write('socket', 'state', 'on');
  await clock.advance(0);
  assert.deepEqual(topics.published, [['zigbee2mqtt/socket/set', '{"state":"ON"}']]);
  await clock.advance(300);
  topics.say('zigbee2mqtt/socket', { state: 'OFF' });
  topics.say('zigbee2mqtt/socket', { power: 3 });
  await clock.advance(300);
  topics.say('zigbee2mqtt/socket', { state: 'ON' });
  assert.deepEqual(await done, { value: true, at: 600, readBack: true });
  assert.deepEqual(told(), ['socket state=false', 'socket power=3', 'socket state=true']);
  const limit = bus.write('socket', 'limit', 120);
  await clock.advance(0);
  assert.deepEqual(topics.published[1], ['zigbee2mqtt/socket/set', '{"settings":{"limit":1200}}']);
  topics.say('zigbee2mqtt/socket', { settings: { limit: 1200 } });
  assert.equal((await limit).value, 120);
  const mode = bus.write('socket', 'mode', 'full');
  await clock.advance(0);
  assert.deepEqual(topics.published[2], ['zigbee2mqtt/socket/set', '{"mode":"max"}']);
  topics.say('zigbee2mqtt/socket', { mode: 'max' });
  assert.equal((await mode).value, 'full');
});

test('a device that shows another value, or nothing, did not take it', async () => {
  const { clock, topics, bus } = mqttBench(SOCKET);
  const other = assert.rejects(bus.write('socket', 'limit', 100), {
    code: 'write-failed',
    message: /socket\.limit: 100 was sent, and within 5s the device shows 50; read the point/,
  });
  await clock.advance(0);
  topics.say('zigbee2mqtt/socket', { settings: { limit: 500 } });
  await clock.advance(5000);
  await other;
  const none = assert.rejects(bus.write('socket', 'state', true), { message: /no message with this point came/ });
  await clock.advance(5000);
  await none;
});

test('a whole number with a scale is sent as it was asked for, or refused: never rounded', async () => {
  const { clock, topics, bus } = mqttBench(`
  valve:
    bus: radio
    topic: valve
    points:
      setpoint: {type: int64, scale: 0.1, write: {topic: '{topic}/set', min: 0, max: 100, every: 0ms}}
      step: {type: int64, scale: 2, offset: 1, write: {topic: '{topic}/set', min: 0, max: 100, every: 0ms}}
      pulses: {type: int64, write: {topic: '{topic}/set', min: 0, max: 9.2e18, every: 0ms}}`);
  const sent = async (point: string, value: number | string) => {
    const refused = bus.write('valve', point, value).catch((thrown: Error) => thrown.message);
    await clock.advance(0);
    const [, message] = topics.published.pop() ?? [];
    await clock.advance(5000);
    return message ?? refused;
  };
  assert.equal(await sent('setpoint', 21.5), '{"setpoint":215}');
  assert.equal(await sent('step', 7), '{"step":3}');
  assert.equal(await sent('step', 6), 'valve.step: 6 is between two steps of 2');
  assert.equal(await sent('setpoint', 21.55), 'valve.setpoint: 21.55 is between two steps of 0.1');
  assert.equal(await sent('pulses', '9007199254740993001'), '{"pulses":9007199254740993001}');
  assert.equal(await sent('pulses', '9.007e16'), 'valve.pulses: 9.007e16 is not a whole number');
});

test('what was never sent says so', async () => {
  const { clock, topics, bus } = mqttBench(SOCKET);
  const refused = (write: Promise<unknown>, code: string, message: RegExp) =>
    assert.rejects(write, (thrown: { code: string; message: string; data: { sent?: boolean } }) => {
      assert.equal(thrown.code, code);
      assert.match(thrown.message, message);
      assert.equal(thrown.data.sent, false);
      return true;
    });
  await refused(bus.write('socket', 'power', 5), 'write-refused', /socket\.power: it may not be written/);
  await refused(bus.write('socket', 'limit', 2300.5), 'write-refused', /2300\.5 is above 2300, the highest value/);
  await refused(bus.write('socket', 'limit', 'much'), 'write-refused', /much is not a number/);
  await refused(
    bus.write('socket', 'mode', 'turbo'),
    'write-refused',
    /turbo is not one of its values: saving \(eco\), full \(max\)/,
  );
  await refused(bus.write('socket', 'state', 'perhaps'), 'write-refused', /perhaps is neither true nor false/);
  await assert.rejects(bus.write('socket', 'colour', 1), { code: 'not-found' });
  topics.taken = false;
  await refused(bus.write('socket', 'state', true), 'write-failed', /no client has subscribed to zigbee2mqtt\/socket\/set/);
  topics.taken = true;
  topics.say('zigbee2mqtt/socket/availability', 'offline', { retained: true });
  await refused(
    bus.write('socket', 'state', true),
    'write-failed',
    /zigbee2mqtt\/socket\/availability says that the device is gone/,
  );
  topics.say('zigbee2mqtt/socket/availability', 'online');
  const first = bus.write('socket', 'state', true);
  await clock.advance(0);
  topics.say('zigbee2mqtt/socket', { state: 'ON' });
  await first;
  await refused(bus.write('socket', 'state', true), 'write-refused', /written just now: it may be written once in 1s/);
  topics.open = false;
  await refused(bus.write('socket', 'state', true), 'bus-closed', /the embedded broker does not run/);
  assert.equal(topics.published.length, 1);
});

test('writes to one device go one after the other, and a safe value goes first', async () => {
  const { clock, topics, bus } = mqttBench(SOCKET);
  assert.deepEqual(bus.safePoints, [{ device: 'socket', point: 'state', value: false, onStop: true, offline: undefined }]);
  const limit = bus.write('socket', 'limit', 10);
  const mode = bus.write('socket', 'mode', 'saving');
  const overtaken = assert.rejects(bus.write('socket', 'state', true), { message: /being set to its safe value/ });
  await clock.advance(0);
  assert.deepEqual(
    topics.published.map(([, payload]) => payload),
    ['{"settings":{"limit":100}}'],
  );
  const safe = bus.write('socket', 'state', false, { safe: true });
  await clock.advance(0);
  topics.say('zigbee2mqtt/socket', { settings: { limit: 100 }, state: 'OFF' });
  await Promise.all([limit, safe, overtaken]);
  await clock.advance(0);
  topics.say('zigbee2mqtt/socket', { mode: 'eco' });
  await mode;
  assert.deepEqual(
    topics.published.map(([, payload]) => payload),
    ['{"settings":{"limit":100}}', '{"state":"OFF"}', '{"mode":"eco"}'],
  );
});

test('eight writes wait at most', async () => {
  const { clock, bus } = mqttBench(SOCKET);
  const waiting = Array.from({ length: 8 }, () => assert.rejects(bus.write('socket', 'mode', 'full')));
  await assert.rejects(bus.write('socket', 'mode', 'full'), { message: /8 writes wait on this bus already/ });
  await clock.advance(60_000);
  await Promise.all(waiting);
});

test('a text message, one of a template, and one that nobody reads back', async () => {
  const { clock, topics, bus } = mqttBench(`
  relay:
    bus: radio
    topic: shed
    decode: {type: text}
    points:
      pump: {topic: '{topic}/switch/pump/state', type: bool, write: {topic: '{topic}/switch/pump/command'}}
      speed: {topic: '{topic}/speed/state', type: int64, write: {topic: '{topic}/cmd', payload: 'speed={value};', min: 0, max: 9}}
      name: {topic: '{topic}/name', type: string, write: {topic: '{topic}/set', readBack: false}}
  tasmota:
    bus: radio
    topic: plug
    points:
      power: {topic: ['tele/{topic}/STATE', 'stat/{topic}/RESULT'], from: POWER, type: bool,
        write: {topic: 'cmnd/{topic}/POWER', payload: '{value}', on: 'ON', off: 'OFF'}}
      label: {type: string, topic: 'tele/{topic}/STATE', write: {topic: 'cmnd/{topic}/x', payload: '{"a": "{value}"}', readBack: false}}`);
  const pump = bus.write('relay', 'pump', true);
  const power = bus.write('tasmota', 'power', false);
  await clock.advance(0);
  topics.say('shed/switch/pump/state', 'ON');
  topics.say('stat/plug/RESULT', { POWER: 'OFF' });
  await Promise.all([pump, power]);
  const speed = bus.write('relay', 'speed', '7');
  const label = await bus.write('tasmota', 'label', 'say "$&" \\');
  await clock.advance(0);
  topics.say('shed/speed/state', '7');
  assert.equal((await speed).value, 7n);
  assert.equal((await bus.write('relay', 'name', 'north')).readBack, false);
  assert.equal(label.readBack, false);
  assert.deepEqual(topics.published, [
    ['shed/switch/pump/command', 'ON'],
    ['cmnd/plug/POWER', 'OFF'],
    ['shed/cmd', 'speed=7;'],
    ['cmnd/plug/x', JSON.stringify({ a: 'say "$&" \\' }).replace(':', ': ')],
    ['shed/set', 'north'],
  ]);
});
