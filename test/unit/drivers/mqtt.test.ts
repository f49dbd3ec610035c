import assert from 'node:assert/strict';
import test from 'node:test';
import { mqttBench } from '../../fakes/mqtt-bench.ts';

const FRIDGE = `
  fridge:
    bus: radio
    topic: zigbee2mqtt/fridge
    availability: {topic: '{topic}/availability'}
    stamp: last_seen
    points:
      temperature: {unit: Cel, range: {min: -40, max: 60}, invalid: [-127]}
      door: {from: contact, enum: {'true': closed, 'false': open}}
      battery: {unit: '%', type: int64}`;

const NODE = `
  node:
    bus: radio
    topic: shed
    decode: {type: text}
    availability: {topic: '{topic}/status'}
    silentAfter: 5m
    points:
      temperature: {topic: '{topic}/sensor/temperature/state', unit: Cel}
      motion: {topic: '{topic}/binary_sensor/motion/state', type: bool}`;

const PLUG = `
  plug:
    bus: radio
    topic: plug
    availability: {topic: 'tele/{topic}/LWT'}
    points:
      power: {topic: 'tele/{topic}/SENSOR', from: ENERGY.Power, unit: W}
      energy: {topic: 'tele/{topic}/SENSOR', from: ENERGY.Total, unit: kW.h, counter: {modulus: 1000000}}
      relay: {topic: ['tele/{topic}/STATE', 'stat/{topic}/RESULT'], from: POWER, type: bool}
      signal: {topic: 'tele/{topic}/STATE', from: Wifi.Signal, unit: 'dB{mW}'}`;

test('a JSON message gives one record with the time of its arrival', async () => {
  const { clock, topics, samples, told, device } = mqttBench(FRIDGE);
  await clock.advance(1000);
  topics.say('zigbee2mqtt/fridge', { temperature: 4.25, contact: false, battery: 97, linkquality: 120, last_seen: 1 });
  assert.deepEqual(told(), ['fridge temperature=4.25 door=open battery=97']);
  assert.equal(samples[0]?.at, 1000);
  topics.say('zigbee2mqtt/fridge', { temperature: 99, contact: 'maybe', last_seen: 2 });
  topics.say('zigbee2mqtt/fridge', { temperature: -127, battery: null, last_seen: 3 });
  topics.say('zigbee2mqtt/fridge', { temperature: 'warm', battery: 97.5, last_seen: 4 });
  topics.say('zigbee2mqtt/other', { temperature: 1 });
  assert.deepEqual(told(), [
    'fridge temperature=99?out-of-range door=maybe?out-of-range',
    'fridge temperature!invalid battery!not-a-number',
    'fridge temperature!unparsable battery!unparsable',
  ]);
  const { state, counters, lastReply } = device();
  assert.deepEqual([state, counters.replies, counters.badReplies, lastReply], ['answering', 4, 0, 1000]);
});

test('each sensor of a node has its own topic, and all of them are signs of life', async () => {
  const { clock, topics, told, device } = mqttBench(NODE);
  topics.say('shed/sensor/temperature/state', '21.5');
  topics.say('shed/binary_sensor/motion/state', 'ON');
  topics.say('shed/sensor/temperature/state', 'nan');
  assert.deepEqual(told(), ['node temperature=21.5', 'node motion=true', 'node temperature!not-a-number']);
  for (let i = 0; i < 4; i++) {
    await clock.advance(200_000);
    topics.say('shed/sensor/temperature/state', '21.5');
  }
  assert.equal(told().length, 4);
  await clock.advance(299_999);
  assert.deepEqual(told(), []);
  await clock.advance(1);
  assert.deepEqual(told(), ['node temperature!timeout', 'node motion!timeout']);
  assert.equal(device().state, 'silent');
  assert.match(device().fault ?? '', /nothing arrives on shed\/sensor\/temperature\/state/);
  await clock.advance(3_600_000);
  assert.deepEqual(told(), []);
  topics.say('shed/binary_sensor/motion/state', 'OFF');
  assert.deepEqual(told(), ['node motion=false']);
  assert.equal(device().state, 'answering');
});

test('one point may come on two topics, and one topic may have points of two kinds', () => {
  const { topics, told, bus } = mqttBench(PLUG);
  topics.say('tele/plug/STATE', { Time: '2026-11-26T09:00:00', POWER: 'ON', Wifi: { Signal: -61 } });
  topics.say('stat/plug/RESULT', { POWER: 'OFF' });
  topics.say('stat/plug/RESULT', { Command: 'Unknown' });
  topics.say('tele/plug/SENSOR', { ENERGY: { Total: 12.345, Power: 740 } });
  assert.deepEqual(told(), [
    'plug relay=true',
    'plug signal=-61',
    'plug relay=false',
    'plug power=740 energy=12.345 energy-total=12.345',
  ]);
  assert.equal(bus.shapes.length, 3);
});

test('a last will makes every point bad at once, and what the device sends next is good', async () => {
  const { clock, topics, told, device } = mqttBench(PLUG);
  topics.say('tele/plug/LWT', 'Online');
  assert.equal(device().state, 'unknown');
  topics.say('tele/plug/SENSOR', { ENERGY: { Total: 1, Power: 5 } });
  told();
  topics.say('tele/plug/LWT', 'Offline');
  topics.say('tele/plug/LWT', 'Offline');
  assert.deepEqual(told(), [
    'plug power!disconnected energy!disconnected energy-total!disconnected',
    'plug relay!disconnected',
    'plug signal!disconnected',
  ]);
  assert.match(device().fault ?? '', /tele\/plug\/LWT says that it is gone/);
  await clock.advance(86_400_000);
  assert.deepEqual(told(), []);
  topics.say('tele/plug/LWT', 'Online');
  topics.say('tele/plug/SENSOR', { ENERGY: { Total: 2, Power: 6 } });
  assert.deepEqual(told(), ['plug power=6 energy=2 energy-total=2']);
  assert.equal(device().fault, undefined);
});

test('the words of availability are JSON or plain, of several topics, and others are refused', () => {
  const { topics, told, device } = mqttBench(
    FRIDGE.replace(
      "availability: {topic: '{topic}/availability'}",
      "availability: [{topic: '{topic}/availability'}, {topic: zigbee2mqtt/bridge/state}]",
    ),
  );
  topics.say('zigbee2mqtt/fridge', { temperature: 4 });
  told();
  topics.say('zigbee2mqtt/bridge/state', '{"state":"offline"}');
  assert.equal(told().length, 1);
  topics.say('zigbee2mqtt/fridge/availability', 'online');
  assert.match(device().fault ?? '', /zigbee2mqtt\/bridge\/state says that it is gone/);
  topics.say('zigbee2mqtt/bridge/state', '{"state":"online"}');
  topics.say('zigbee2mqtt/fridge/availability', '{"state":17}');
  assert.equal(device().counters.badReplies, 1);
  topics.say('zigbee2mqtt/fridge', { temperature: 5 });
  assert.deepEqual(told(), ['fridge temperature=5']);
});

test('what the broker had kept is no reading, and a last will that it had kept counts', () => {
  const { topics, told, device } = mqttBench(FRIDGE);
  topics.say('zigbee2mqtt/fridge', { temperature: 4, last_seen: 1 }, { retained: true });
  topics.say('zigbee2mqtt/fridge/availability', 'online', { retained: true });
  assert.deepEqual([told(), device().state, device().counters.repeats], [[], 'unknown', 1]);
  topics.say('zigbee2mqtt/fridge/availability', '{"state":"offline"}', { retained: true });
  assert.deepEqual(told(), ['fridge temperature!disconnected door!disconnected battery!disconnected']);
});

test('a bridge that repeats what it remembers gives no fresh reading', () => {
  const { topics, told, device } = mqttBench(FRIDGE);
  topics.say('zigbee2mqtt/fridge', { temperature: 4, last_seen: '2026-11-25T01:00:00Z' }, { retained: true });
  // What Zigbee2MQTT publishes when it starts: the state it remembers, as if it were new.
  topics.say('zigbee2mqtt/fridge', { temperature: 4, last_seen: '2026-11-25T01:00:00Z' });
  assert.deepEqual([told(), device().state], [[], 'unknown']);
  topics.say('zigbee2mqtt/fridge', { temperature: 4, last_seen: '2026-11-25T02:00:00Z' });
  // Another value under the old stamp is news: an answer to a command.
  topics.say('zigbee2mqtt/fridge', { temperature: 5, last_seen: '2026-11-25T02:00:00Z' });
  topics.say('zigbee2mqtt/fridge', { temperature: 5 });
  topics.say('zigbee2mqtt/fridge', { temperature: 5 });
  assert.deepEqual(told(), ['fridge temperature=4', 'fridge temperature=5', 'fridge temperature=5', 'fridge temperature=5']);
  assert.equal(device().counters.repeats, 2);
});

test('with retained: uncertain it is an uncertain reading until the device sends', () => {
  const { topics, told } = mqttBench(PLUG.replace('topic: plug', 'topic: plug\n    retained: uncertain'));
  topics.say('tele/plug/SENSOR', { ENERGY: { Total: 90, Power: 740 } }, { retained: true });
  assert.deepEqual(told(), ['plug power=740?retained energy=90?retained energy-total!invalid']);
  topics.say('tele/plug/SENSOR', { ENERGY: { Total: 100, Power: 1 } });
  topics.say('tele/plug/SENSOR', { ENERGY: { Total: 95, Power: 740 } }, { retained: true });
  topics.say('tele/plug/SENSOR', { ENERGY: { Total: 101, Power: 1 } });
  assert.deepEqual(told(), ['plug power=1 energy=100 energy-total=100', 'plug power=1 energy=101 energy-total=101']);
});

test('a message that is sent again (DUP) counts once, and the same value again is a reading', async () => {
  const { clock, topics, told, device } = mqttBench(PLUG);
  const say = (total: number, again = false) => topics.say('tele/plug/SENSOR', { ENERGY: { Total: total } }, { again });
  say(1);
  say(2);
  say(1, true);
  say(2, true);
  say(2);
  say(3, true);
  assert.deepEqual(told(), [
    'plug energy=1 energy-total=1',
    'plug energy=2 energy-total=2',
    'plug energy=2 energy-total=2',
    'plug energy=3 energy-total=3',
  ]);
  assert.equal(device().counters.repeats, 2);
  await clock.advance(600_001);
  say(3, true);
  assert.equal(told().length, 1);
});

test('messages that are not understood are counted, and the next good one ends the fault', () => {
  const { topics, told, device } = mqttBench(FRIDGE);
  topics.say('zigbee2mqtt/fridge', '{"temperature":');
  topics.say('zigbee2mqtt/fridge', Buffer.alloc(20_000, 0x20));
  topics.say('zigbee2mqtt/fridge', '');
  assert.deepEqual([told(), device().counters.badReplies], [[], 2]);
  assert.match(device().fault ?? '', /a message on zigbee2mqtt\/fridge has 20000 bytes, and more than 16384 are not read/);
  topics.say('zigbee2mqtt/fridge', { temperature: 4 });
  assert.equal(device().fault, undefined);
  assert.equal(device().recovery?.replies, 1);
});

test('a flood costs its own device messages, and nobody else', async () => {
  const { clock, topics, told, device, events } = mqttBench(`${FRIDGE}${NODE}`);
  for (let i = 1; i <= 5000; i++) topics.say('zigbee2mqtt/fridge', { temperature: i / 1000 });
  topics.say('shed/sensor/temperature/state', '21.5');
  const before = told();
  assert.equal(before.length, 201);
  assert.equal(before.at(-1), 'node temperature=21.5');
  assert.equal(device('fridge').counters.leftOut, 4799);
  assert.match(device('fridge').fault ?? '', /it sends more than 50 messages a second/);
  assert.deepEqual(
    events.map(({ event, data }) => [event, data?.device]),
    [['overload', 'fridge']],
  );
  await clock.advance(20);
  assert.deepEqual(told(), ['fridge temperature=5']);
  await clock.advance(60_000);
  assert.equal(device('fridge').fault, undefined);
});

test('of a flood on many topics the newest of 64 topics waits', async () => {
  const { clock, topics, told, device } = mqttBench(`
  all: {bus: radio, topic: farm/+/level, decode: {type: text}, points: {level: {type: int64}}}`);
  for (let i = 0; i < 10_000; i++) topics.say(`farm/${i}/level`, String(i));
  assert.equal(told().length, 200);
  await clock.advance(10_000);
  const late = told();
  assert.equal(late.length, 64);
  assert.deepEqual([late[0], late.at(-1)], ['all level=9936', 'all level=9999']);
  assert.equal(device().counters.leftOut, 10_000 - 264);
});

test('a read by hand waits for the next messages', async () => {
  const { clock, topics, bus } = mqttBench(NODE);
  const both = bus.read('node');
  topics.say('shed/sensor/temperature/state', '20');
  topics.say('shed/binary_sensor/motion/state', 'OFF');
  assert.deepEqual(
    (await both).map(({ values }) => values[0]),
    [20, false],
  );
  const one = bus.read('node');
  topics.say('shed/sensor/temperature/state', '21');
  await clock.advance(5000);
  assert.equal((await one).length, 1);
  const none = assert.rejects(bus.read('node'), { code: 'timeout', message: /no message within 5s: nothing arrives on shed/ });
  await clock.advance(5000);
  await none;
  await assert.rejects(bus.read('other'), { code: 'not-found' });
  topics.open = false;
  await assert.rejects(bus.read('node'), { code: 'bus-closed' });
  assert.deepEqual(
    [bus.status().state, bus.status().fault],
    ['opening', 'the embedded broker does not run yet; devices cannot publish'],
  );
});

test('a capture has every message of the devices as a PUBLISH packet', async () => {
  const { topics, bus } = mqttBench(NODE);
  const seen: string[] = [];
  let ended = false;
  bus.capture(
    (way, bytes) => seen.push(`${way} ${Buffer.from(bytes).toString('latin1')}`),
    () => {
      ended = true;
    },
  );
  topics.say('shed/status', 'online', { retained: true });
  topics.say('shed/sensor/temperature/state', '21.5');
  topics.say('shed/debug', 'nothing of ours');
  assert.deepEqual(seen, ['in \x31\x13\x00\x0bshed/statusonline', 'in \x30\x23\x00\x1dshed/sensor/temperature/state21.5']);
  await bus.stop();
  assert.ok(ended);
});

test('a bus that was stopped hears nothing', async () => {
  const { clock, topics, bus, told } = mqttBench(NODE);
  topics.say('shed/sensor/temperature/state', '1');
  await bus.stop();
  topics.say('shed/sensor/temperature/state', '2');
  await clock.advance(3_600_000);
  assert.deepEqual(told(), ['node temperature=1']);
  assert.equal(bus.status().state, 'closed');
});

test('without a broker section no device can publish, and `check` says so', () => {
  assert.throws(
    () => mqttBench(FRIDGE, { broker: '' }),
    /there is no broker: section, so no device can publish; add "broker:" to the file/,
  );
});
