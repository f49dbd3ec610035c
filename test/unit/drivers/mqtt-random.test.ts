/** Whatever a client publishes, the driver stays whole, its bounds hold, and the next good message is read. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isFilter, matches, overlap } from '../../../src/core/topic-filter.ts';
import { mqttBench } from '../../fakes/mqtt-bench.ts';

const DEVICES = `
  json: {bus: radio, topic: d/json, stamp: last_seen, availability: {topic: d/json/a}, points: {a: {}, b: {from: x.y.0, type: int64}, c: {from: __proto__.polluted, type: string}, e: {from: constructor.name, enum: {on: yes-it-is}}}}
  text: {bus: radio, topic: d/text, decode: {type: text}, points: {v: {counter: {modulus: 1000}}}}
  csv: {bus: radio, topic: d/csv, decode: {type: csv}, points: {v: {from: 1}}}
  pairs: {bus: radio, topic: d/pairs, decode: {type: key-value}, points: {v: {type: bool}}}
  pattern: {bus: radio, topic: d/pattern, decode: {type: regex, pattern: '(?<v>[0-9.]+)'}, points: {v: {}}}
  bytes: {bus: radio, topic: d/bytes, decode: {type: binary, fields: {v: {offset: 2, type: uint32}}}, points: {v: {invalid: [0]}}}`;
const TOPICS = ['d/json', 'd/json/a', 'd/text', 'd/csv', 'd/pairs', 'd/pattern', 'd/bytes'];

const texts = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 200 }).map((text) => Buffer.from(text)),
  fc.json({ maxDepth: 6 }).map((text) => Buffer.from(text)),
  fc
    .constantFrom(
      '{"a":1e999,"x":{"y":[1e308]}}',
      '{"a":-0,"x":{"y":[123456789012345678901234567890]}}',
      '{"__proto__":{"polluted":"x"},"constructor":{"name":"on"},"last_seen":{}}',
      '{"a":"NaN","last_seen":null}',
      '\ufeff{"a":1}',
      '{"a":1}\0',
      '{"state":"OFFLINE"}',
      'offline',
      '1e400',
      `${'9'.repeat(400)}`,
    )
    .map((text) => Buffer.from(text)),
);

test('random messages never throw and give at most one record of each shape', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...TOPICS), texts, fc.boolean(), fc.boolean()), { maxLength: 60 }),
      (messages) => {
        const { topics, samples, bus } = mqttBench(DEVICES);
        for (const [topic, payload, retained, again] of messages) {
          const before = samples.length;
          topics.say(topic, payload, { retained, again });
          assert.ok(samples.length - before <= 1);
        }
        for (const { shape, values, reasons } of samples) {
          assert.equal(values.length, shape.points.length);
          for (const [i, value] of values.entries())
            if ((reasons?.[i] ?? 0) === 0) {
              assert.ok(typeof value !== 'number' || Number.isFinite(value));
              assert.ok(typeof value !== 'string' || value.length <= 256);
            }
        }
        topics.say('d/csv', 'x,7.25');
        assert.equal(samples.at(-1)?.values[0], 7.25);
        JSON.stringify(bus.status());
      },
    ),
    { numRuns: 150 },
  );
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
});

test('JSON that is nested as deep as a message may be is refused or read, and nothing breaks', () => {
  const { topics, samples, device } = mqttBench(DEVICES);
  for (const [open, close] of [
    ['[', ']'],
    ['{"x":', '}'],
  ] as const)
    for (const depth of [100, 1000, 2300, 8000, 100_000]) {
      topics.say('d/json', `${open.repeat(depth)}1${close.repeat(depth)}`);
      topics.say('d/json', open.repeat(depth));
    }
  topics.say('d/json', { a: 5 });
  assert.equal(samples.at(-1)?.values[0], 5);
  assert.ok(device('json').counters.badReplies >= 14);
});

const level = fc.constantFrom('a', 'b', '', '+', '#', '$x', 'sluice');
const filter = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const topic = fc.array(fc.constantFrom('a', 'b', '', '$x', 'sluice'), { minLength: 1, maxLength: 5 }).map((l) => l.join('/'));

test('two filters overlap when some topic matches both', () => {
  fc.assert(
    fc.property(filter, filter, fc.array(topic, { maxLength: 40 }), (one, other, some) => {
      fc.pre(isFilter(one, 256, 16) && isFilter(other, 256, 16));
      assert.equal(overlap(one, other), overlap(other, one));
      assert.ok(overlap(one, one));
      const both = some.filter((name) => matches(one, name) && matches(other, name));
      if (both.length > 0) assert.ok(overlap(one, other), `${one} ${other} ${both[0]}`);
    }),
    { numRuns: 2000 },
  );
});

test('filters that do not overlap have no topic in common, of all short topics', () => {
  const words = ['a', 'b', '', '$x', 'sluice'];
  const short = words.flatMap((x) => [x, ...words.flatMap((y) => [`${x}/${y}`, ...words.map((z) => `${x}/${y}/${z}`)])]);
  fc.assert(
    fc.property(filter, filter, (one, other) => {
      fc.pre(isFilter(one, 256, 16) && isFilter(other, 256, 16));
      const shared = short.some((name) => matches(one, name) && matches(other, name));
      // Filters of up to three levels have a topic of up to three levels in common, or none.
      if (one.split('/').length <= 3 && other.split('/').length <= 3)
        assert.equal(overlap(one, other), shared, `${one} ${other}`);
    }),
    { numRuns: 2000 },
  );
});
