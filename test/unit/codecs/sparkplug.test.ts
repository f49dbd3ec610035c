/** Encoder and decoder of Sparkplug B: properties, golden files, and everything that may come from outside. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import test from 'node:test';
import fc from 'fast-check';
import { LEAST_ALIAS, sparkplugBatch } from '../../../src/codecs/format-sparkplug-b.ts';
import { ProtoWriter, protoFields } from '../../../src/codecs/protobuf.ts';
import { DATA_TYPES, type DataType, dataTypeOf, writeMetric, writeValue, writtenTypeOf } from '../../../src/codecs/sparkplug.ts';
import { hear, heardOf, heardValue, MOST_HEARD } from '../../../src/codecs/sparkplug-heard.ts';
import { POINT_TYPES, type Value } from '../../../src/core/point.ts';
import { formatCases } from '../../harness/format-case.ts';
import { batches, type Found, readingsOf } from '../../oracles/random-batch.ts';

for (const { name, batch, read, file } of formatCases('sparkplug-b'))
  test(`format sparkplug-b: ${name}`, () => {
    const lines = sparkplugBatch(batch).map(
      ({ to, payload }) => `${to}\t${Buffer.from(payload as Uint8Array).toString('hex')}\n`,
    );
    if (process.env.SLUICE_GOLDEN === 'write') writeFileSync(file('expected.txt'), lines.join(''));
    assert.equal(lines.join(''), read('expected.txt'));
  });

interface Raw {
  readonly alias: number;
  readonly time: number;
  readonly historical: boolean;
  readonly value: Value | undefined;
  readonly reason: string | undefined;
}
/** The metrics of a payload, with the types that its `to` names. */
function metricsOf(to: string, payload: Uint8Array): { point: string; metric: Raw }[] {
  const [, , ...names] = to.split(' ');
  return [...protoFields(payload, 100_000)].map((field) => {
    assert.ok(field.field === 2 && field.wire === 2);
    const heard = heardOf(field.bytes);
    const fields = [...protoFields(field.bytes, 100)];
    const bits = (of: number) => fields.find((f) => f.field === of && f.wire === 0);
    const time = bits(3);
    assert.ok(time?.wire === 0 && heard.alias !== undefined);
    const [point = '', type] = (names[Number(heard.alias) - LEAST_ALIAS] ?? '').split(':');
    const { value } = heard;
    const properties = fields.find((f) => f.field === 9);
    const texts = properties === undefined || properties.wire === 0 ? [] : textsOf(properties.bytes);
    const raw: Raw = {
      alias: Number(heard.alias),
      time: Number(time.bits),
      historical: bits(5) !== undefined,
      value:
        value === undefined
          ? undefined
          : 'number' in value
            ? value.number
            : 'text' in value
              ? value.text
              : heardValue(heard, Number(type)),
      reason: texts[0],
    };
    return { point, metric: raw };
  });
}
/** Texts among the values of a property set. */
function textsOf(set: Uint8Array): string[] {
  return [...protoFields(set, 100)].flatMap((f) =>
    f.field === 2 && f.wire === 2
      ? [...protoFields(f.bytes, 10)].flatMap((v) => (v.field === 8 && v.wire === 2 ? [Buffer.from(v.bytes).toString()] : []))
      : [],
  );
}

test('sparkplug-b: every reading is a metric of its device, once, with its time', () => {
  fc.assert(
    fc.property(batches, fc.constantFrom('data' as const, 'history' as const), (random, lane) => {
      const batch = { ...random, lane };
      const seqs = new Map(batch.records.map(({ seq, sample }) => [sample.at + batch.offset, seq]));
      fc.pre(seqs.size === batch.records.length);
      const found = new Map<string, Found>();
      for (const { to, payload } of sparkplugBatch(batch)) {
        const [, device] = to.split(' ');
        for (const { point, metric } of metricsOf(to, payload as Uint8Array)) {
          const { time, value, reason, historical } = metric;
          assert.equal(historical, lane === 'history');
          const key = `${seqs.get(time)} ${device} ${point}`;
          assert.ok(!found.has(key), key);
          const word = reason === 'estimated' ? undefined : reason;
          if (value === undefined) found.set(key, { bad: word ?? '' });
          else found.set(key, word === undefined ? { value } : { value, uncertain: word });
        }
      }
      const types = new Map(
        batch.records.flatMap(({ sample: { shape } }) => shape.points.map((p) => [`${shape.device} ${p.name}`, p] as const)),
      );
      const expected = [...readingsOf(batch)].map(([key, f]): [string, Found] => {
        const [, device, point] = key.split(' ');
        const info = types.get(`${device} ${point}`);
        const date = info?.type === 'datetime' && typeof f.value === 'string' ? iso(f.value) : undefined;
        return [key, date === undefined ? f : { ...f, value: date }];
      });
      assert.deepEqual(found, new Map(expected));
    }),
  );
});
function iso(text: string): string | undefined {
  const out = new ProtoWriter();
  return writeValue(out, text, DATA_TYPES.DateTime)
    ? new Date(Date.parse(text.endsWith('Z') ? text : `${text}Z`)).toISOString()
    : undefined;
}

const TYPES = Object.values(DATA_TYPES);
const anyValue: fc.Arbitrary<Value> = fc.oneof(
  fc.boolean(),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.bigInt(-(2n ** 64n), 2n ** 65n),
  fc.double(),
  fc.integer(),
  fc.constantFrom(0, -0, 127, 128, -128, -129, 255, 256, 2 ** 31, -(2 ** 31), 2 ** 32 - 1, 2 ** 32, 2 ** 53),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') }).map((d) => d.toISOString()),
);

test('a value is written as its type has it and read as it was, or it is not written', () => {
  fc.assert(
    fc.property(anyValue, fc.constantFrom(...TYPES), (value, type) => {
      const out = new ProtoWriter(1);
      const wrote = writeValue(out, value, type);
      assert.equal(out.length > 0, wrote);
      if (!wrote) return;
      const read = heardValue(heardOf(out.take()), type);
      const text = type === DATA_TYPES.String || type === DATA_TYPES.Text;
      if (typeof value === 'number' && !Number.isFinite(value) && !text) return assert.equal(read, undefined);
      assert.equal(typeof read === 'object', false);
      if (text) assert.equal(read, String(value));
      else if (type === DATA_TYPES.DateTime) assert.equal(Date.parse(String(read)), Date.parse(String(value)));
      else if (typeof value === 'boolean') assert.equal(Number(read), Number(value));
      else if (typeof read === 'bigint' || typeof value === 'bigint')
        assert.equal(BigInt(read as number), BigInt(value as number));
      else assert.ok(Object.is(read, value), `${String(read)} is ${String(value)}`);
    }),
    { numRuns: 2000 },
  );
});

test('every type of a point has one type here, and a scaled number is a Double', () => {
  for (const type of POINT_TYPES) {
    const words = type === 'bool' || type === 'string' || type === 'datetime';
    assert.equal(dataTypeOf(type, false) === DATA_TYPES.Double, !words, type);
    assert.equal(writtenTypeOf({ type, storage: 'integer64' }), dataTypeOf(type, true));
  }
  assert.equal(dataTypeOf('bcd32', true), DATA_TYPES.UInt32);
  assert.equal(writtenTypeOf({ type: 'int64', storage: 'number' }), DATA_TYPES.Double);
});

test('a metric is heard as it was written', () => {
  const metric = fc.record({
    name: fc.option(fc.string({ unit: 'grapheme', maxLength: 60 }), { nil: undefined }),
    alias: fc.option(fc.integer({ min: 0, max: 2 ** 53 - 1 }), { nil: undefined }),
    datatype: fc.option(fc.constantFrom(...TYPES), { nil: undefined }),
    timestamp: fc.integer({ min: 0, max: 2 ** 53 - 1 }),
    value: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: undefined }),
    properties: fc.array(fc.tuple(fc.string({ maxLength: 10 }), fc.oneof(fc.nat(), fc.string({ maxLength: 10 }))), {
      maxLength: 3,
    }),
  });
  fc.assert(
    fc.property(fc.array(metric, { maxLength: 40 }), (metrics) => {
      const [out, scratch] = [new ProtoWriter(8), new ProtoWriter(8)];
      for (const { name, alias, datatype, value, ...rest } of metrics) {
        const bytes = new ProtoWriter();
        if (value !== undefined) writeValue(bytes, value, DATA_TYPES.Double);
        const given = {
          ...(name === undefined ? {} : { name }),
          ...(alias === undefined ? {} : { alias }),
          ...(datatype === undefined ? {} : { datatype: datatype as DataType }),
        };
        writeMetric(out, scratch, { ...rest, ...given, value: value === undefined ? undefined : bytes.take() });
      }
      const heard = hear(out.take());
      assert.deepEqual(
        heard.map((h) => [h.name, h.alias, h.datatype, heardValue(h, DATA_TYPES.Double), h.isNull]),
        metrics.map((m) => [
          m.name,
          m.alias === undefined ? undefined : BigInt(m.alias),
          m.datatype,
          m.value,
          m.value === undefined,
        ]),
      );
    }),
  );
});

test('bytes from outside are read or refused, and never anything else', () => {
  const valid = () => {
    const [out, scratch] = [new ProtoWriter(), new ProtoWriter()];
    for (let i = 0; i < 5; i++)
      writeMetric(out, scratch, { name: `n${i}`, alias: i, timestamp: 1, datatype: 10, value: undefined });
    return out.take();
  };
  const one = (bytes: Uint8Array): void => {
    try {
      for (const heard of hear(bytes)) for (const type of [...TYPES, 0, 99]) heardValue(heard, type);
    } catch (thrown) {
      assert.ok(thrown instanceof RangeError || thrown instanceof TypeError, String(thrown));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), one), { numRuns: 3000 });
  fc.assert(
    fc.property(fc.nat(), fc.nat(255), (at, byte) => {
      const bytes = valid();
      bytes[at % bytes.length] = byte;
      one(bytes);
      one(bytes.subarray(0, at % bytes.length));
    }),
    { numRuns: 3000 },
  );
});

test('lengths and counts from outside are bounded before they are used', () => {
  const refused = (hex: string, words: RegExp) =>
    assert.throws(() => hear(Buffer.from(hex, 'hex')), { name: 'RangeError', message: words });
  refused('12ffffffff07', /within a field/);
  refused('12ffffffffffffffff7f', /within a field/);
  refused('12ffffffffffffffffffff01', /64 bits/);
  refused('1280', /within a number/);
  refused('0200', /no such number/);
  refused('0b', /kind 3/);
  refused('1203620000', /another length/);
  refused('0900', /within a field/);
  const metric = '12021001';
  assert.equal(hear(Buffer.from(metric.repeat(MOST_HEARD), 'hex')).length, MOST_HEARD);
  refused(metric.repeat(MOST_HEARD + 1), /more than 256 metrics/);
  refused('0801'.repeat(10_000), /more than \d+ fields/);
  const long = new ProtoWriter().text(1, 'x'.repeat(1025)).take();
  assert.throws(() => hear(new ProtoWriter().bytes(2, long).take()), /more than 1024 bytes/);
  // 2^64 - 1 is the largest number there is.
  assert.equal(hear(Buffer.from('120b10ffffffffffffffffff01', 'hex'))[0]?.alias, 2n ** 64n - 1n);
});
