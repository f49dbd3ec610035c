/**
 * A private text and every format of upstream brokers. The table has each dialect of the registry: a new one fails this test until it has
 * its line here. Each forwarder delivers what is not private, and no byte of what leaves has the private text or its name.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { inflateRawSync, inflateSync } from 'node:zlib';
import { DIALECTS } from '../../../src/gateway/registry.ts';
import { callAll } from '../../harness/api-call.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const TEXT = 'QZXPULSE';
const NAME = 'heartbeat';
const words = Array.from({ length: 4 }, (_, i) => (TEXT.charCodeAt(2 * i) << 8) | TEXT.charCodeAt(2 * i + 1));

/** Further keys of the forwarder of each format. `false`: its cloud takes TLS only; the test of the format shows what it gets. */
const FORMATS: Readonly<Record<string, string | false>> = {
  json: '',
  'line-protocol': '',
  senml: '',
  columns: '',
  thingsboard: '',
  'aws-iot': false,
  'azure-iot-hub': false,
  'sparkplug-b': ', sparkplug-b: {group: hills}',
  homeassistant: '',
};

const OWN = ['json', 'line-protocol', 'senml', 'columns'];

/** As it is, and what is compressed in it. */
function* readings(bytes: Buffer): Generator<Buffer> {
  yield bytes;
  for (let at = 0; at < Math.min(bytes.length, 64); at++)
    for (const inflate of [inflateRawSync, inflateSync])
      try {
        yield inflate(bytes.subarray(at));
      } catch {
        // Nothing compressed begins here.
      }
}

test('no format lets a byte of a private text out, and each delivers the rest', { timeout: 180_000 }, async (t) => {
  assert.deepEqual(Object.keys(FORMATS).sort(), DIALECTS.map(({ name }) => name).sort());
  // Formats with the same topics deliver to a broker of their own.
  const brokers = await Promise.all(OWN.map(() => Mosquitto.start(t)));
  const subs = await Promise.all(
    brokers.map((broker, i) => broker && Subscriber.start(t, broker.port, ['#'], { id: `all-${i}` })),
  );
  const device = await SettableDevice.start(t);
  if (device === undefined || subs.some((sub) => sub === undefined)) return;
  const urlOf = (format: string): string => brokers[Math.max(0, OWN.indexOf(format))]?.url ?? '';
  const messages = () => subs.flatMap((sub) => sub?.messages() ?? []);
  await device.set(11, 7);
  await device.set(20, ...words);
  const sent = Object.entries(FORMATS).filter(([, keys]) => keys !== false);
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 500ms, retries: 0}}
devices:
  band:
    bus: plant
    unit: 1
    interval: 200ms
    points:
      load: {table: holding, address: 11, type: uint16}
      ${NAME}: {table: holding, address: 20, type: string, length: 4, privacy: health}
rules:
  written: {point: band.${NAME}, equals: ${TEXT}}
buffer: {commitEvery: 200ms}
forwarders:
${sent.map(([format, keys]) => `  f-${format}: {type: mqtt, url: '${urlOf(format)}', clientId: c-${format}, format: ${format}${String(keys)}${format === 'homeassistant' ? '' : ', batch: {maxAge: 50ms}'}}`).join('\n')}
`,
  );
  await gateway.up();
  await waitFor('what each forwarder delivers', async () => {
    const { forwarders } = await gateway.status();
    return (
      forwarders.length === sent.length &&
      forwarders.every(
        ({ state, type, name, counters }) =>
          state === 'connected' && (counters.acked > 0 || `${type} ${name}`.includes('homeassistant')),
      )
    );
  });
  const count = messages().length;
  await waitFor('more of it', () => messages().length > count + 20);
  for (const { topic, payload, bytes } of messages())
    for (const secret of [TEXT, NAME])
      for (const found of readings(Buffer.from(bytes)))
        assert.ok(!found.includes(secret) && !topic.includes(secret), `${topic} has ${secret}: ${payload.slice(0, 300)}`);
  // Figures for programs have no value either.
  const [metrics] = await callAll({ socketPath: gateway.socket }, [{ method: 'GET', path: '/metrics' }]);
  assert.match(metrics?.text ?? '', /^sluice_readings|^sluice_uptime_seconds /m);
  assert.doesNotMatch(metrics?.text ?? '', new RegExp(TEXT));
});
