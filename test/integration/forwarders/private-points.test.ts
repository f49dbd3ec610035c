/**
 * Readings about people and two foreign brokers, with forwarders of several formats. Without a purpose no byte that a subscriber gets has
 * a value or the name of such a point, whatever it asks for. With a purpose the readings come.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import mqtt from 'mqtt';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** In registers, two letters each. */
const TEXT = 'QZXPULSE';
const NUMBER = 48_613;
const NAME = 'heartbeat';
const words = Array.from({ length: 4 }, (_, i) => (TEXT.charCodeAt(2 * i) << 8) | TEXT.charCodeAt(2 * i + 1));

test('no byte of a health point leaves without a purpose, and it leaves with one', { timeout: 120_000 }, async (t) => {
  const one = await Mosquitto.start(t);
  const two = await Mosquitto.start(t);
  const device = await SettableDevice.start(t);
  const atOne = one && (await Subscriber.start(t, one.port, ['#'], { id: 'one' }));
  const atTwo = two && (await Subscriber.start(t, two.port, ['#'], { id: 'two' }));
  if (one === undefined || two === undefined || device === undefined || !atOne || !atTwo) return;
  await device.set(10, NUMBER, 7);
  await device.set(20, ...words);
  const yaml = (purpose: string) => (g: { readonly section: string }) =>
    `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 500ms, retries: 0}}
devices:
  band:
    bus: plant
    unit: 1
    interval: 200ms
    points:
      ${NAME}: {table: holding, address: 10, type: uint16, privacy: health, write: {min: 0, max: 65535}}
      load: {table: holding, address: 11, type: uint16, write: {min: 0, max: 9}}
      diary: {table: holding, address: 20, type: string, length: 4, privacy: health}
rules:
  racing: {point: band.${NAME}, above: 200, severity: critical, interlock: [band.load]}
  written: {point: band.diary, equals: ${TEXT}}
buffer: {commitEvery: 200ms}
forwarders:
  plain:
    type: mqtt
    url: '${one.url}'
    batch: {maxAge: 50ms}
    commands: {read: [band], write: [band.${NAME}, band.load], ack: ['*'], resend: true}
${purpose}
  spark: {type: mqtt, url: '${one.url}', format: sparkplug-b, sparkplug-b: {group: hills}, clientId: spark, batch: {maxAge: 50ms}}
  house: {type: mqtt, url: '${one.url}', format: homeassistant, clientId: house}
  lines: {type: mqtt, url: '${two.url}', format: line-protocol, batch: {maxAge: 50ms}}
`;
  const gateway = makeGateway(t, yaml(''));
  const all = () => [...atOne.messages(), ...atTwo.messages()];
  const topics = () => new Set(all().map(({ topic }) => topic));
  await gateway.up();
  await waitFor(
    'readings in every format',
    () =>
      ['sluice/g1/data', 'sluice/g1/alarm/racing', 'sluice/g1/alarm/written', 'sluice/g1/inventory'].every((topic) =>
        topics().has(topic),
      ) &&
      [...topics()].some((topic) => topic.includes('/DDATA/') || topic.includes('/DBIRTH/')) &&
      [...topics()].some((topic) => topic.startsWith('homeassistant/')) &&
      atTwo.messages().some(({ payload }) => payload.includes('load=')),
  );
  const client = await mqtt.connectAsync(one.url, { clientId: 'asker' });
  t.after(() => client.endAsync(true));
  const ask = async (id: string, command: object) => {
    await client.publishAsync('sluice/g1/command', JSON.stringify({ id, ...command }), { qos: 1 });
    return waitFor(`the result of ${id}`, () => all().find(({ topic }) => topic === `sluice/g1/result/${id}`)?.payload);
  };
  assert.match(await ask('r1', { do: 'read', target: 'band' }), /"load":7/);
  assert.match(await ask('w1', { do: 'write', target: `band.${NAME}`, value: NUMBER }), /"readBack":/);
  assert.match(await ask('w2', { do: 'write', target: 'band.load', value: 3 }), /locked by the rule racing/);
  assert.match(await ask('a1', { do: 'ack', target: 'racing' }), /"ok":true/);
  assert.match(await ask('s1', { do: 'resend', from: Date.now() - 3_600_000, to: Date.now() }), /"ok":true/);
  await waitFor('records again', () => topics().has('sluice/g1/resend/s1'));
  await waitFor('the event of the write', () =>
    all().some(({ topic, payload }) => topic.endsWith('/event') && payload.includes('"write"')),
  );
  await gateway.kill();
  await gateway.up();
  const before = all().length;
  await waitFor('what follows a restart', () => all().length > before + 10);

  // Names of commands and of their own answers are the asker's.
  const own = /\/(?:command|result\/w1)$/;
  for (const { topic, payload, bytes } of all()) {
    if (own.test(topic)) {
      if (topic.endsWith('w1')) assert.doesNotMatch(payload, new RegExp(String(NUMBER)));
      continue;
    }
    for (const secret of [TEXT, String(NUMBER), 'diary'])
      assert.ok(!bytes.includes(secret) && !topic.includes(secret), `${topic} has ${secret}: ${payload.slice(0, 300)}`);
    // The audit names the point that somebody wrote to.
    if (!payload.includes('"event":"write"')) assert.ok(!bytes.includes(NAME), `${topic}: ${payload.slice(0, 300)}`);
  }
  const alarm = all().findLast(({ topic }) => topic === 'sluice/g1/alarm/racing');
  const { value, state } = JSON.parse(alarm?.payload ?? '{}') as { value: unknown; state: string };
  assert.deepEqual([value, state.split('-')[0]], [null, 'active']);

  await gateway.reload(yaml('    purpose: care by the nurse of the village')(gateway));
  await waitFor('readings with a purpose', () =>
    all().some(({ topic, payload }) => topic === 'sluice/g1/data' && payload.includes(TEXT) && payload.includes(String(NUMBER))),
  );
  assert.ok(!atTwo.messages().some(({ payload }) => payload.includes(TEXT)), 'the other forwarders still have none');
  await waitFor('an inventory with the names', () =>
    all().some(({ topic, payload }) => topic === 'sluice/g1/inventory' && payload.includes(NAME)),
  );
});
