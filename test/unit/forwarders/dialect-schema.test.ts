/** What a person may write of dialects: one word, and the keys of that dialect alone. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { jsonDialect } from '../../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { mqttForwarder } from '../../../src/forwarders/mqtt/kind.ts';
import { DIALECTS } from '../../../src/gateway/registry.ts';
import { TEST_DIALECTS } from '../../fakes/parcel-dialect.ts';

const { forwarder, destination } = mqttForwarder([jsonDialect, ...TEST_DIALECTS]);
const url = 'mqtt://broker';
const faults = (settings: object) =>
  forwarder.safeParse({ url, ...settings }).error?.issues.map((i) => `${i.path.join('.')}: ${i.message}`) ?? [];

test('json is what is written without a word', () => {
  assert.equal(forwarder.parse({ url }).format, 'json');
});

test('the options of a dialect stand under its name, and nowhere else', () => {
  assert.deepEqual(faults({ format: 'parcels', parcels: { group: 'g' } }), []);
  assert.deepEqual(faults({ format: 'glance' }), []);
  assert.match(faults({ format: 'parcels' }).join(), /^format: format: parcels needs more; write parcels: beside it$/);
  assert.match(faults({ parcels: { group: 'g' } }).join(), /^parcels: this belongs to format: parcels/);
  assert.match(faults({ format: 'parcels', parcels: { group: 'g', x: 1 } }).join(), /^parcels: .*x/);
  assert.match(faults({ format: 'else' }).join(), /^format: /);
});

test('two dialects may share a broker, two forwarders of one dialect may not', () => {
  const of = (format: string) => destination({ url, format });
  assert.notDeepEqual(of('json'), of('parcels'));
  assert.deepEqual(of('json'), destination({ url: 'mqtt://BROKER:1883/', format: 'json' }));
});

const product = mqttForwarder(DIALECTS).forwarder;
const faultsOf = (settings: object) =>
  product.safeParse({ url, ...settings }).error?.issues.map((i) => `${i.path.join('.')}: ${i.message}`) ?? [];

test('a dialect that can be compressed may be, others are refused with what to write', () => {
  for (const format of ['json', 'line-protocol', 'senml'])
    for (const compress of ['none', 'gzip', 'brotli', 'zstd']) assert.deepEqual(faultsOf({ format, compress }), []);
  assert.deepEqual(faultsOf({ format: 'columns', compress: 'none' }), []);
  assert.match(faultsOf({ format: 'columns', compress: 'gzip' }).join(), /^compress: format: columns cannot be .* remove it$/);
  assert.match(faultsOf({ compress: 'lz4' }).join(), /^compress: /);
});

test('an hour of readings is one batch of columns, and of no other dialect', () => {
  assert.deepEqual(faultsOf({ format: 'columns', batch: { maxReadings: 360_000 } }), []);
  assert.match(faultsOf({ format: 'columns', batch: { maxReadings: 360_001 } }).join(), /^batch.maxReadings: /);
  assert.match(faultsOf({ format: 'senml', batch: { maxReadings: 10_001 } }).join(), /^batch.maxReadings: .* 10000 readings/);
});

test('what line protocol cannot write, or a database keeps for itself, is refused', () => {
  const of = (options: object) => faultsOf({ format: 'line-protocol', 'line-protocol': options });
  assert.deepEqual(of({ measurement: 'cold room', tags: { site: 'north, wet' } }), []);
  for (const options of [
    { measurement: '' },
    { measurement: '_x' },
    { measurement: 'a\\b' },
    { measurement: 'a\nb' },
    { tags: { time: 'x' } },
    { tags: { device: 'x' } },
    { tags: { site: 'a\\' } },
    { tags: { site: '' } },
    { tags: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`t${i}`, 'x'])) },
  ])
    assert.ok(of(options).length > 0, JSON.stringify(options));
});

test('two formats on the topics of the gateway would mix on one broker', () => {
  const { destination } = mqttForwarder(DIALECTS);
  const all = ['json', 'line-protocol', 'senml', 'columns'].map((format) => destination({ url, format }));
  assert.equal(new Set(all.flat()).size, 1);
});

const firstOf = (settings: object) => faultsOf(settings).join('; ');

test('AWS IoT Core is refused without TLS, and without a certificate or a user name', () => {
  const aws = { url: 'mqtts://x-ats.iot.eu-central-1.amazonaws.com', format: 'aws-iot', tls: { cert: 'a', key: 'b' } };
  assert.deepEqual(faultsOf(aws), []);
  assert.deepEqual(faultsOf({ ...aws, protocol: 5, 'aws-iot': { basicIngest: 'my_rule', retain: false } }), []);
  assert.deepEqual(faultsOf({ ...aws, tls: undefined, username: 'authorizer' }), []);
  assert.match(
    firstOf({ ...aws, url: 'mqtt://x', tls: undefined }),
    /^url: AWS IoT Core takes connections with TLS only; write mqtts:/,
  );
  assert.match(firstOf({ ...aws, tls: { ca: 'x' } }), /^format: AWS IoT Core knows a gateway by its certificate; write tls: /);
  assert.match(firstOf({ ...aws, clientId: 'ü'.repeat(65) }), /^clientId: a client id has at most 128 bytes/);
  assert.match(firstOf({ ...aws, 'aws-iot': { basicIngest: 'a/b' } }), /^aws-iot.basicIngest: write the name of a rule/);
});

test('Azure IoT Hub is refused without TLS, in MQTT 5, and with a log-in that is not its own', () => {
  const options = { device: 'ghat-1', key: { file: 'k' } };
  const azure = { url: 'mqtts://contoso.azure-devices.net', format: 'azure-iot-hub', 'azure-iot-hub': options };
  const device = { 'azure-iot-hub': { device: 'ghat-1' } };
  assert.deepEqual(faultsOf(azure), []);
  assert.deepEqual(faultsOf({ ...azure, url: 'wss://contoso.azure-devices.net/$iothub/websocket' }), []);
  assert.deepEqual(faultsOf({ ...azure, tls: { cert: 'a', key: 'b' }, ...device }), []);
  assert.match(firstOf({ ...azure, url: 'mqtt://contoso' }), /^url: Azure IoT Hub takes connections with TLS only/);
  assert.match(firstOf({ ...azure, protocol: 5 }), /^protocol: Azure IoT Hub takes MQTT 3\.1\.1 only/);
  for (const key of ['username', 'password', 'clientId'])
    assert.match(firstOf({ ...azure, [key]: 'x' }), new RegExp(`^${key}: .*azure-iot-hub.device; remove this`));
  assert.match(firstOf({ ...azure, ...device }), /^azure-iot-hub: a device logs in with a key or with a certificate; write key/);
  assert.match(firstOf({ ...azure, tls: { cert: 'a', key: 'b' } }), /^azure-iot-hub.key: .* not both; remove one/);
  assert.match(firstOf({ ...azure, 'azure-iot-hub': undefined }), /needs more; write azure-iot-hub: beside it/);
  for (const bad of [
    { device: 'a/b' },
    { device: '' },
    { device: 'a+b' },
    { validity: '1m' },
    { perSecond: 0 },
    { perSecond: 101 },
    { hub: 'a/b' },
  ])
    assert.ok(faultsOf({ ...azure, 'azure-iot-hub': { ...options, ...bad } }).length > 0, JSON.stringify(bad));
});

test('two devices may share a hub, one device may not have two forwarders', () => {
  const kind = mqttForwarder(DIALECTS);
  const of = (device: string) => kind.destination({ url: 'mqtts://h', format: 'azure-iot-hub', 'azure-iot-hub': { device } });
  assert.deepEqual(of('a'), of('a'));
  assert.notDeepEqual(of('a'), of('b'));
});
