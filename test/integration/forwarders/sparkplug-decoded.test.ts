/**
 * The encoder of `sparkplug-b` before a decoder that protoc makes of every message of the specification, and Python runs. A field
 * that it does not know, at any level, is a fault, and every value comes back bit for bit.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { LEAST_ALIAS, sparkplugBatch } from '../../../src/codecs/format-sparkplug-b.ts';
import { ProtoWriter } from '../../../src/codecs/protobuf.ts';
import { DATA_TYPES, type DataType, type Metric } from '../../../src/codecs/sparkplug.ts';
import type { Value } from '../../../src/core/point.ts';
import { death, encoded, payloadOf } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/births.ts';
import { formatCases } from '../../harness/format-case.ts';
import { batches, readingsOf } from '../../oracles/random-batch.ts';
import { decoder } from '../../peers/sparkplug-host.ts';

const SCRIPT = path.join(import.meta.dirname, '../../peers/sparkplug-read.py');

/** The name of its field, and its bits: whole numbers as text, doubles as hex. */
type Bits = readonly [field: string, bits: string | boolean];
interface Decoded {
  readonly strangers: readonly string[];
  readonly metrics: readonly {
    readonly name: string | null;
    readonly alias: number | null;
    readonly timestamp: number | null;
    readonly datatype: number | null;
    readonly historical: boolean | null;
    readonly null: boolean | null;
    readonly value: Bits | null;
    readonly properties: readonly (readonly [string, Bits | null])[];
  }[];
}

/** What the foreign decoder makes of each payload; undefined after a skip. */
function read(t: TestContext, payloads: readonly Uint8Array[]): Decoded[] | undefined {
  const made = decoder(t);
  if (made === undefined) return undefined;
  const input = payloads.map((payload) => Buffer.from(payload).toString('hex')).join('\n');
  const args = [SCRIPT, made.folder];
  const { stdout, stderr, status } = spawnSync(made.python, args, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Decoded);
  assert.equal(lines.length, payloads.length);
  return lines;
}

/** The field of a type in the specification, and the bits of a value in it. */
function bitsOf(value: Value, type: DataType): Bits {
  const { Int64, UInt64, Float, Double, Boolean: Bool, String: Words, DateTime, Text } = DATA_TYPES;
  const asDouble = (n: number): string => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(n);
    return bytes.toString('hex');
  };
  if (type === Float) return ['float_value', asDouble(value as number)];
  if (type === Double) return ['double_value', asDouble(Number(value))];
  if (type === Bool) return ['boolean_value', value as boolean];
  if (type === Words || type === Text) return ['string_value', String(value)];
  if (type === DateTime) return ['long_value', String(Date.parse(value as string))];
  if (type === Int64 || type === UInt64) return ['long_value', String(BigInt.asUintN(64, BigInt(value as number)))];
  return ['int_value', String(BigInt.asUintN(32, BigInt(Number(value))))];
}

test('the numbers of types are those of the specification', (t) => {
  const made = decoder(t);
  if (made === undefined) return;
  const script =
    'import json, sys; sys.path.insert(0, sys.argv[1]); import sparkplug_b_pb2 as pb; print(json.dumps(dict(pb.DataType.items())))';
  const { stdout, stderr, status } = spawnSync(made.python, ['-c', script, made.folder], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const all = JSON.parse(stdout) as Record<string, number>;
  assert.equal(Object.keys(all).length, 35);
  for (const [name, number] of Object.entries(DATA_TYPES)) assert.equal(all[name], number, name);
});

test('python finds no stranger in golden payloads and in a death', (t) => {
  const payloads = formatCases('sparkplug-b').flatMap(({ batch }) =>
    sparkplugBatch(batch).map(({ payload }) => payload as Uint8Array),
  );
  const all = read(t, [...payloads, death(255)]);
  if (all === undefined) return;
  assert.deepEqual(
    all.flatMap(({ strangers }) => strangers),
    [],
  );
  assert.deepEqual(all.at(-1)?.metrics, [
    {
      ...{ name: 'bdSeq', alias: null, timestamp: null, datatype: DATA_TYPES.Int64, historical: null, null: null },
      ...{ value: ['long_value', '255'], properties: [] },
    },
  ]);
});

const anyValue: fc.Arbitrary<Value> = fc.oneof(
  fc.boolean(),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n),
  fc.double({ noNaN: true }),
  fc.float({ noNaN: true }),
  fc.integer(),
  fc.constantFrom(0, -0, 127, 128, -128, -129, 255, 256, 2 ** 31, -(2 ** 31), 2 ** 32 - 1, 2 ** 32, 2 ** 53),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') }).map((d) => d.toISOString()),
);
interface Given {
  readonly metric: Metric;
  readonly value: Bits | null;
}
const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const given: fc.Arbitrary<Given> = fc
  .record({
    name: fc.option(text, { nil: undefined }),
    alias: fc.option(fc.oneof(fc.nat(), fc.integer({ min: 2 ** 31, max: 2 ** 53 - 1 })), { nil: undefined }),
    timestamp: fc.integer({ min: 0, max: 253_402_300_799_999 }),
    datatype: fc.constantFrom(...Object.values(DATA_TYPES)),
    historical: fc.boolean(),
    value: fc.option(anyValue, { nil: undefined }),
    properties: fc.array(fc.tuple(text, fc.oneof(fc.nat(), text)), { maxLength: 4 }),
  })
  .map(({ name, alias, value, datatype, ...rest }) => {
    const bytes = value === undefined ? undefined : encoded(value, datatype);
    const named = { ...(name === undefined ? {} : { name }), ...(alias === undefined ? {} : { alias }) };
    return {
      metric: { ...rest, ...named, datatype, value: bytes },
      value: bytes === undefined ? null : bitsOf(value as Value, datatype),
    };
  });

test('python reads every metric as it was given: all types, nulls, names and properties', (t) => {
  const all = fc.sample(
    fc.tuple(fc.array(given, { maxLength: 8 }), fc.option(fc.nat({ max: 255 }), { nil: undefined }), fc.nat()),
    1500,
  );
  const payloads = all.map(([metrics, seq, time]) =>
    payloadOf(
      time,
      seq,
      metrics.map(({ metric }) => metric),
    ),
  );
  const lines = read(t, payloads);
  if (lines === undefined) return;
  const seen = new Map<string, number>();
  for (const [i, [metrics]] of all.entries()) {
    const { strangers, metrics: found } = lines[i] as Decoded;
    assert.deepEqual(strangers, []);
    const expected = metrics.map(({ metric, value }) => ({
      name: metric.name ?? null,
      alias: metric.alias ?? null,
      timestamp: metric.timestamp,
      datatype: metric.datatype,
      historical: metric.historical === true ? true : null,
      null: value === null ? true : null,
      value,
      properties: (metric.properties ?? []).map(([key, of]) => [key, bitsOf(of, typeof of === 'number' ? 3 : 12)]),
    }));
    assert.deepEqual(found, expected);
    for (const { value, datatype } of expected) if (value !== null) seen.set(`${datatype}`, (seen.get(`${datatype}`) ?? 0) + 1);
  }
  // Each type was met with a value.
  assert.deepEqual(
    [...seen.keys()].map(Number).sort((a, b) => a - b),
    Object.values(DATA_TYPES),
  );
});

test('python finds each reading of random batches once, at its time, with its reason', (t) => {
  const all = fc.sample(batches, 400);
  const messages = all.map((batch) => sparkplugBatch(batch));
  const lines = read(
    t,
    messages.flatMap((one) => one.map(({ payload }) => payload as Uint8Array)),
  );
  if (lines === undefined) return;
  let at = 0;
  for (const [i, batch] of all.entries()) {
    const found: string[] = [];
    for (const { to } of messages[i] ?? []) {
      const [, device, ...names] = to.split(' ');
      const { strangers, metrics } = lines[at++] as Decoded;
      assert.deepEqual(strangers, []);
      for (const { alias, timestamp, null: none, value, properties } of metrics) {
        const [point] = (names[Number(alias) - LEAST_ALIAS] ?? '').split(':');
        const reason = properties.find(([key]) => key === 'reason')?.[1]?.[1] ?? 'good';
        assert.equal(value === null, none === true);
        found.push(`${device} ${point} ${timestamp} ${String(reason)} ${value === null ? 'null' : 'value'}`);
      }
    }
    const times = new Map(batch.records.map(({ seq, sample }) => [seq, sample.at + batch.offset]));
    const expected = [...readingsOf(batch)].map(([key, { value, bad, uncertain }]) => {
      const [seq, device, point] = key.split(' ');
      return `${device} ${point} ${times.get(Number(seq))} ${bad ?? uncertain ?? 'good'} ${value === undefined ? 'null' : 'value'}`;
    });
    assert.deepEqual(found.sort(), expected.sort());
  }
});

test('a field in a wrong place is named, at every level', (t) => {
  const bytes = (fill: (out: ProtoWriter) => void): Uint8Array => {
    const out = new ProtoWriter();
    fill(out);
    return out.take();
  };
  const metric = (fill: (out: ProtoWriter) => void): Uint8Array => bytes((out) => void out.bytes(2, bytes(fill)));
  const property = (fill: (out: ProtoWriter) => void): Uint8Array =>
    metric(
      (out) =>
        void out.bytes(
          9,
          bytes((set) => void set.text(1, 'a').bytes(2, bytes(fill))),
        ),
    );
  const cases: readonly (readonly [words: string, payload: Uint8Array])[] = [
    ['6 is a field that Payload does not have', bytes((out) => void out.uint(6, 1))],
    ['metrics[0].20 is a field that Metric does not have', metric((out) => void out.uint(20, 1))],
    // The number of a name, with the kind of a whole number.
    ['metrics[0].1 is a field that Metric does not have', metric((out) => void out.uint(1, 1))],
    [
      'metrics[0].properties.3 is a field that PropertySet does not have',
      metric(
        (out) =>
          void out.bytes(
            9,
            bytes((set) => void set.uint(3, 1)),
          ),
      ),
    ],
    [
      'metrics[0].properties.values[0].12 is a field that PropertyValue does not have',
      property((out) => void out.uint(1, 3).uint(3, 0).uint(12, 1)),
    ],
    [
      'metrics[0].properties.values[0].long_value is a field of PropertyValue that no edge node of Sluice says',
      property((out) => void out.uint(1, 4).uint(4, 0)),
    ],
    ['metrics[0].properties.values[0].int_value is no value of the type 12', property((out) => void out.uint(1, 12).uint(3, 0))],
    [
      'metrics[0].properties.keys and values differ in number',
      metric(
        (out) =>
          void out.bytes(
            9,
            bytes((set) => void set.text(1, 'a')),
          ),
      ),
    ],
    ['metrics[0].is_transient is a field of Metric that no edge node of Sluice says', metric((out) => void out.flag(6, true))],
    [
      'metrics[0].metadata.9 is a field that MetaData does not have',
      metric(
        (out) =>
          void out.bytes(
            8,
            bytes((of) => void of.uint(9, 1)),
          ),
      ),
    ],
    [
      'metrics[0].dataset_value.rows[0].elements[0].9 is a field that DataSetValue does not have',
      metric(
        (out) =>
          void out.bytes(
            17,
            bytes(
              (set) =>
                void set.bytes(
                  4,
                  bytes(
                    (row) =>
                      void row.bytes(
                        1,
                        bytes((of) => void of.uint(9, 1)),
                      ),
                  ),
                ),
            ),
          ),
      ),
    ],
    ['uuid is a field of Payload that no edge node of Sluice says', bytes((out) => void out.text(4, 'x'))],
  ];
  const lines = read(
    t,
    cases.map(([, payload]) => payload),
  );
  if (lines === undefined) return;
  for (const [i, [words]] of cases.entries()) assert.ok(lines[i]?.strangers.includes(words), `${words}: ${lines[i]?.strangers}`);
});
