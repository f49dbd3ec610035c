/** What a person may write of dialects: one word, and the keys of that dialect alone. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { jsonDialect } from '../../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { mqttForwarder } from '../../../src/forwarders/mqtt/kind.ts';
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
  assert.notEqual(of('json'), of('parcels'));
  assert.equal(of('json'), destination({ url: 'mqtt://BROKER:1883/', format: 'json' }));
});
