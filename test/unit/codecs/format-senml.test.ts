/** Golden files and properties of the payload format `senml`, in JSON and CBOR, resolved as RFC 8428 says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import fc from 'fast-check';
import { type Cbor, CborWriter } from '../../../src/codecs/cbor.ts';
import type { Batch } from '../../../src/codecs/format.ts';
import { senmlBatch } from '../../../src/codecs/format-senml.ts';
import { senmlUnit } from '../../../src/codecs/senml-units.ts';
import { formatCases } from '../../harness/format-case.ts';
import { batches, type Found, readingsOf } from '../../oracles/random-batch.ts';
import { type Resolved, resolve } from '../../oracles/senml.ts';
import { pythonPeer } from '../../peers/peers.ts';

for (const { name, batch, options, read } of formatCases('senml'))
  test(`format senml: ${name}`, () => {
    const payload = senmlBatch(batch, options);
    if (typeof payload === 'string') {
      assert.equal(payload, read('expected.json').trimEnd());
      resolve(JSON.parse(payload));
    } else assert.equal(Buffer.from(payload ?? []).toString('hex'), read('expected.hex').replace(/\s/g, ''));
  });

const jsonOf = (batch: Batch): Resolved[] => {
  const text = senmlBatch(batch, {}) as string | undefined;
  return text === undefined ? [] : resolve(JSON.parse(text));
};

/** Every reading of a batch, by number, device and point; values as SenML has them. */
function foundIn(records: readonly Resolved[]): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const { name, value, own } of records) {
    const [, device, point, kind] = name.split('/');
    const key = `${own.seq} ${device} ${point}`;
    const before = found.get(key);
    found.set(key, kind === undefined ? { ...before, value } : { ...before, [kind]: String(value) });
  }
  return found;
}
function expectedOf(batch: Batch, exact: boolean): Map<string, Found> {
  const points = new Map(
    batch.records.flatMap(({ sample }) => sample.shape.points.map((p) => [`${sample.shape.device} ${p.name}`, p])),
  );
  return new Map(
    [...readingsOf(batch)].map(([key, found]) => {
      const { storage, unit = '' } = points.get(key.replace(/^\d+ /, '')) ?? assert.fail();
      const { value } = found;
      if (typeof value === 'bigint') return [key, { ...found, value: exact ? value : `${value}` }];
      const converted = storage === 'number' && value !== undefined ? senmlUnit(unit, true)?.value(value as number) : undefined;
      return [key, Number.isFinite(converted) ? { ...found, value: converted as number } : found];
    }),
  );
}
/** JSON has no sign of zero. */
const signless = (map: Map<string, Found>) => new Map([...map].map(([key, f]) => [key, f.value === 0 ? { ...f, value: 0 } : f]));

test('senml: every reading comes back resolved, bad ones without a value', () => {
  fc.assert(
    fc.property(batches, (batch) => {
      const records = jsonOf(batch);
      assert.deepEqual(signless(foundIn(records)), signless(expectedOf(batch, false)));
      const times = new Map(batch.records.map(({ seq, sample }) => [seq, sample.at + batch.offset]));
      for (const { time, own, name } of records) {
        assert.equal(Math.round(time * 1000), times.get(own.seq as number));
        assert.ok(name.startsWith(`${batch.gateway}/`));
        assert.deepEqual([own.log, own.first, own.last], [batch.log, batch.records[0]?.seq, batch.records.at(-1)?.seq]);
      }
    }),
  );
});

test('senml: no pack is made of records without readings', () => {
  const shape = { device: 'd', points: [{ name: 'n', type: 'int16', storage: 'number' }] } as const;
  const head = { lane: 'data', gateway: 'g', log: 'l', boot: 'b', inventory: 1, sent: 0, offset: 5, estimated: false } as const;
  const records = [{ seq: 1, sample: { shape, at: 5, values: [0], reasons: Uint8Array.of(255) } }];
  assert.equal(senmlBatch({ ...head, records }, {}), undefined);
});

test('senml: secondary units come with version 26, and only with it', () => {
  fc.assert(
    fc.property(batches, fc.constantFrom('all', 'primary'), (batch, units) => {
      const text = senmlBatch(batch, { units }) as string | undefined;
      const pack = JSON.parse(text ?? '[]') as { u?: string; bver?: number }[];
      const secondary = pack.some(({ u }) => u === 'kWh' || u === '/100');
      assert.equal(pack[0]?.bver, secondary ? 26 : undefined);
      if (units === 'primary') assert.equal(secondary, false);
    }),
  );
});

test('senml: a scale of ten moves the point and leaves the digits', () => {
  assert.equal(senmlUnit('bar', true)?.value(1.1), 110_000);
  assert.equal(senmlUnit('uS/cm', true)?.value(1234.5), 0.123_45);
  assert.deepEqual([senmlUnit('kW.h', false)?.symbol, senmlUnit('kW.h', false)?.value(1.1)], ['J', 3_960_000]);
  assert.equal(senmlUnit('[kn_i]', true), undefined);
});

/** Reads hex from lines, prints what cbor2 made of them: integers and doubles apart, bit for bit. */
const READER = `
import sys, json, struct, cbor2
def plain(v):
    if isinstance(v, bool): return ["bool", v]
    if isinstance(v, int): return ["int", str(v)]
    if isinstance(v, float): return ["float", struct.pack(">d", v).hex()]
    if isinstance(v, str): return ["text", v]
    if isinstance(v, list): return ["list", [plain(x) for x in v]]
    return ["map", [[plain(k), plain(x)] for k, x in v.items()]]
for line in sys.stdin: print(json.dumps(plain(cbor2.loads(bytes.fromhex(line.strip())))))
`;
type Plain = [string, unknown];
function plainOf(v: Cbor): Plain {
  if (typeof v === 'boolean') return ['bool', v];
  if (typeof v === 'bigint') return ['int', `${v}`];
  if (typeof v === 'string') return ['text', v];
  if (typeof v === 'number') {
    if (Number.isSafeInteger(v) && !Object.is(v, -0)) return ['int', `${v}`];
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(v);
    return ['float', bytes.toString('hex')];
  }
  if (v instanceof Map) return ['map', [...v].map(([k, x]) => [plainOf(k as Cbor), plainOf(x as Cbor)])];
  return ['list', (v as readonly Cbor[]).map(plainOf)];
}

test('cbor: the encoder of senml writes what cbor2 of Python reads', (t) => {
  const python = pythonPeer(t, 'cbor2', 'apt-get install -y python3-cbor2');
  if (python === undefined) return;
  const leaf = fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.float({ noNaN: true }),
    fc.bigInt(-(2n ** 64n), 2n ** 64n - 1n),
    fc.boolean(),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom(0, -0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, -24, -25, 65_504, 1.5, 1e300, 2 ** 53),
  ) as fc.Arbitrary<Cbor>;
  const { tree } = fc.letrec<{ tree: Cbor }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie('tree'), { maxLength: 30 }),
      fc.uniqueArray(fc.tuple(fc.oneof(fc.string(), fc.integer()), tie('tree')), { selector: ([k]) => k }).map((e) => new Map(e)),
    ),
  }));
  const samples = fc.sample(tree, 2000);
  const input = samples.map((v) => Buffer.from(new CborWriter().write(v).take()).toString('hex')).join('\n');
  const { stdout, stderr, status } = spawnSync(python, ['-c', READER], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  const read = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(read.length, samples.length);
  for (const [i, value] of samples.entries()) assert.deepEqual(read[i], plainOf(value));
});

test('senml: a pack in CBOR says the same as in JSON, in the labels of RFC 8428', (t) => {
  const python = pythonPeer(t, 'cbor2', 'apt-get install -y python3-cbor2');
  if (python === undefined) return;
  const labels = { '-1': 'bver', '-2': 'bn', '-3': 'bt', '0': 'n', '1': 'u', '2': 'v', '3': 'vs', '4': 'vb' };
  const all = fc.sample(batches, 100).filter((batch) => readingsOf(batch).size > 0);
  const input = all.map((batch) => Buffer.from(senmlBatch(batch, { encoding: 'cbor' }) as Uint8Array).toString('hex')).join('\n');
  const { stdout, stderr, status } = spawnSync(python, ['-c', READER], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  const scalar = ([kind, value]: Plain): number | bigint | boolean | string => {
    if (kind === 'int') return Number.isSafeInteger(Number(value)) ? Number(value) : BigInt(value as string);
    return kind === 'float' ? Buffer.from(value as string, 'hex').readDoubleBE() : (value as string | boolean);
  };
  for (const [i, line] of stdout.trimEnd().split('\n').entries()) {
    const batch = all[i] ?? assert.fail();
    const [, records] = JSON.parse(line) as [string, [string, [Plain, Plain][]][]];
    const pack = records.map(([, entries]) =>
      Object.fromEntries(entries.map(([[, k], v]) => [labels[k as keyof typeof labels] ?? k, scalar(v)])),
    );
    const expected = [...expectedOf(batch, true)].map(([key, f]): [string, Found] => {
      const small = typeof f.value === 'bigint' && Number.isSafeInteger(Number(f.value));
      return [key, small ? { ...f, value: Number(f.value) } : f];
    });
    const found = foundIn(resolve(pack));
    const big = (f: Found | undefined) =>
      typeof f?.value === 'number' && Number.isInteger(f.value) && !Number.isSafeInteger(f.value)
        ? { ...f, value: BigInt(f.value) }
        : f;
    assert.equal(found.size, expected.length);
    for (const [key, f] of expected) assert.deepEqual(big(found.get(key)), big(f), key);
  }
});
