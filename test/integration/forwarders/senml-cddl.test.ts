/** Packs of `senml`, in JSON and CBOR, before a foreign engine of CDDL that runs the rules of RFC 8428 (test/oracles/senml.cddl). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { type Cbor, CborWriter } from '../../../src/codecs/cbor.ts';
import type { Batch, FormatOptions, Payload } from '../../../src/codecs/format.ts';
import { senmlBatch } from '../../../src/codecs/format-senml.ts';
import { MOVED, PRIMARY, SECONDARY } from '../../../src/codecs/senml-units.ts';
import type { Shape, Value } from '../../../src/core/point.ts';
import { formatCases } from '../../harness/format-case.ts';
import { batches, readingsOf } from '../../oracles/random-batch.ts';
import { pythonPeer } from '../../peers/peers.ts';

const INSTALL = 'apt-get install -y python3-pycddl python3-cbor2';
const SCRIPT = path.join(import.meta.dirname, '../../peers/senml-check.py');
const RULES = path.join(import.meta.dirname, '../../oracles/senml.cddl');

/** What is wrong with each pack; empty: nothing. undefined after a skip. */
function faultsOf(t: TestContext, packs: readonly Payload[]): string[] | undefined {
  const python = pythonPeer(t, 'pycddl, cbor2', INSTALL);
  if (python === undefined) return undefined;
  const input = packs
    .map((pack) => JSON.stringify(typeof pack === 'string' ? { json: pack } : { cbor: Buffer.from(pack).toString('hex') }))
    .join('\n');
  const { stdout, stderr, status } = spawnSync(python, [SCRIPT, RULES], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  const lines = stdout.split('\n').slice(0, -1);
  assert.equal(lines.length, packs.length);
  return lines;
}
/** Holds that all of them are packs. */
function valid(t: TestContext, made: readonly (readonly [name: string, pack: Payload | undefined])[]): void {
  const faults = faultsOf(
    t,
    made.map(([name, pack]) => pack ?? assert.fail(`${name} has no pack`)),
  );
  if (faults === undefined) return;
  for (const [i, [name, pack]] of made.entries())
    assert.equal(faults[i], '', `${name}: ${typeof pack === 'string' ? pack : Buffer.from(pack ?? []).toString('hex')}`);
}
const FORMS: readonly FormatOptions[] = [{}, { units: 'primary' }, { encoding: 'cbor' }, { encoding: 'cbor', units: 'primary' }];

test('each golden pack is one of RFC 8428, in both encodings and with both sets of units', (t) => {
  const cases = formatCases('senml');
  assert.ok(cases.length >= 8);
  valid(t, [
    ...cases.map(({ name, batch, options }) => [name, senmlBatch(batch, options)] as const),
    ...cases.flatMap(({ name, batch }) =>
      FORMS.map((options) => [`${name} ${JSON.stringify(options)}`, senmlBatch(batch, options)] as const),
    ),
  ]);
});

test('random batches are packs of RFC 8428: names, base values, strings, booleans, numbers', (t) => {
  const all = fc
    .sample(
      fc.tuple(
        batches,
        fc.option(fc.constantFrom('mean', 'min', 'max', 'last'), { nil: undefined }),
        fc.option(fc.constant(true), { nil: undefined }),
      ),
      150,
    )
    .filter(([batch]) => readingsOf(batch).size > 0);
  assert.ok(all.length > 80);
  valid(
    t,
    all.flatMap(([batch, as, filtered], i) => {
      const whole: Batch = { ...batch, filtered, ...(as === undefined ? {} : { thinning: { every: 60_000, as, last: [] } }) };
      return [FORMS[i % 2], FORMS[2 + (i % 2)]].map((options = {}) => [`batch ${i}`, senmlBatch(whole, options)] as const);
    }),
  );
});

test('each unit that the gateway knows is of the registry of SenML', (t) => {
  const codes = [...PRIMARY.keys(), ...SECONDARY.keys(), ...MOVED.keys(), '{particles}', '[kn_i]', '[degF]'];
  const values: readonly Value[] = [0, -0, 1.5, -1e300, 5e-324, 2 ** 53];
  const shape: Shape = {
    device: 'd',
    points: codes.map((unit, i) => ({ name: `p${i}`, type: 'float64', storage: 'number', unit })),
  };
  const records = values.map((value, i) => ({
    seq: 1 + i,
    sample: { shape, at: i, values: codes.map(() => value), reasons: null },
  }));
  const head = {
    lane: 'data',
    gateway: 'g',
    log: 'l',
    boot: 'b',
    inventory: 1,
    sent: 0,
    offset: 1.8e12,
    estimated: false,
  } as const;
  valid(
    t,
    FORMS.map((options) => [JSON.stringify(options), senmlBatch({ ...head, records }, options)] as const),
  );
});

test('the engine refuses what is no pack', (t) => {
  const marks = '"log":"a","boot":"b","inventory":1,"first":1,"last":1';
  const json = (rest: string): string => `[{${rest},${marks}}]`;
  const good = '"bn":"g/d/","bt":1800000000,"n":"t","v":1';
  const cbor = (change: Readonly<Record<string, Cbor | undefined>>): Uint8Array => {
    const own: Record<string, Cbor | undefined> = { log: 'a', boot: 'b', inventory: 1, first: 1, last: 1 };
    const all = { '-2': 'g/d/', '-3': 1_800_000_000, '0': 't', '2': 1, ...own, ...change };
    const entries = Object.entries(all).flatMap(([label, value]): [number | string, Cbor][] =>
      value === undefined ? [] : [[/^-?\d+$/.test(label) ? Number(label) : label, value]],
    );
    return new CborWriter().write([new Map(entries)]).take();
  };
  valid(t, [
    ['json', json(good)],
    ['cbor', cbor({})],
    ['a secondary unit', json('"bver":26,"n":"t","u":"kWh","v":1e5')],
    ['a secondary unit in CBOR', cbor({ '-1': 26, '1': 'kWh' })],
    ['a base name holds', `[{${good},${marks}},{"n":"-","v":1}]`],
  ]);
  const wrong: Readonly<Record<string, Payload>> = {
    'no record': '[]',
    'no list': `{${good},${marks}}`,
    'no value': json('"bn":"g/d/","bt":1,"n":"t"'),
    'two values': json(`${good},"vs":"x"`),
    'a text as number': json('"n":"t","v":"1"'),
    'a number as text': json('"n":"t","vs":1'),
    'a number as boolean': json('"n":"t","vb":1'),
    null: json('"n":"t","v":null'),
    NaN: json('"n":"t","v":NaN'),
    Infinity: json('"n":"t","v":-Infinity'),
    'a time as text': json('"bt":"1","n":"t","v":1'),
    'no name': json('"bn":"g/d/t","v":1'),
    'a name with a space': json('"bn":"g/d/","n":"a b","v":1'),
    'a base name with a space': json('"bn":"g/a b/","n":"t","v":1'),
    'a name that begins with a dash': json('"n":"-a","v":1'),
    'an empty name': json('"n":"","v":1'),
    'a base name that is a number': json('"bn":1,"n":"t","v":1'),
    'a unit of UCUM': json('"n":"t","u":"[degF]","v":1'),
    'a secondary unit in version 10': json('"n":"t","u":"kWh","v":1'),
    'a secondary unit in version 10 of CBOR': cbor({ '1': 'kWh' }),
    'a version behind the first record': `[{${good},${marks}},{"bver":26,"n":"t","v":1}]`,
    'a large E': json('"n":"t","v":1E5'),
    'a version that is none': json('"bver":11,"n":"t","v":1'),
    'a version as text': json('"bver":"26","n":"t","v":1'),
    'a label that nobody knows': json(`${good},"value":1`),
    'a label that must be understood': json(`${good},"x_":1`),
    'a label twice': json(`${good},"v":2`),
    'no marks': `[{${good}}]`,
    'marks in another record': `[{${good},${marks}},{${good},${marks}}]`,
    'labels of JSON in CBOR': cbor({ '2': undefined, v: 1 }),
    'no value in CBOR': cbor({ '2': undefined }),
    'two values in CBOR': cbor({ '4': true }),
    'a text as number in CBOR': cbor({ '2': '1' }),
    'a number as text in CBOR': cbor({ '2': undefined, '3': 1 }),
    'a time as text in CBOR': cbor({ '-3': '1' }),
    'a label that nobody knows in CBOR': cbor({ '9': 1 }),
    'no list in CBOR': new CborWriter().write(1).take(),
    'half a pack in CBOR': cbor({}).subarray(0, -1),
    // 0x9f … 0xff around the only record, in the place of 0x81.
    'a list without a length in CBOR': Buffer.concat([Uint8Array.of(0x9f), cbor({}).subarray(1), Uint8Array.of(0xff)]),
  };
  const faults = faultsOf(t, Object.values(wrong));
  if (faults === undefined) return;
  assert.deepEqual(
    Object.keys(wrong).filter((_, i) => faults[i] === ''),
    [],
    'packs that it took',
  );
});
