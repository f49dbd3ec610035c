/** What of classified readings leaves: random filters and classes, against the rules said once more in plain words. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { coarse, Selection } from '../../../src/codecs/record-filter.ts';
import { WindowScan } from '../../../src/codecs/windows.ts';
import { outwardOf } from '../../../src/config/privacy.ts';
import type { PointInfo, Shape, Value } from '../../../src/core/point.ts';
import { onlyWhole, PRIVACY_CLASSES, type PrivacyClass, roundTo, withoutWindows } from '../../../src/core/privacy.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const aClass = fc.constantFrom<PrivacyClass>(...PRIVACY_CLASSES);
const rule = fc.oneof(
  fc.constant(undefined),
  fc.constant('never' as const),
  fc.record({
    aggregate: fc.option(fc.constant(900_000), { nil: undefined }),
    round: fc.option(fc.constantFrom(0.5, 1, 10), { nil: undefined }),
  }),
);
const anySite = fc.record({
  now: fc.dictionary(fc.constantFrom(...NAMES.map((name) => `dev.${name}`), 'dev.*'), aClass),
  tags: fc.array(fc.option(aClass, { nil: undefined }), { minLength: 5, maxLength: 5 }),
  types: fc.array(fc.constantFrom('float64', 'string', 'bool'), { minLength: 5, maxLength: 5 }),
  upstream: fc.record(Object.fromEntries(PRIVACY_CLASSES.map((word) => [word, rule]))),
  purpose: fc.option(fc.constant('care'), { nil: undefined }),
  every: fc.option(fc.constantFrom(60_000, 900_000, 3_600_000), { nil: undefined }),
  as: fc.constantFrom('mean' as const, 'max' as const),
  points: fc.option(
    fc.subarray(
      NAMES.map((name) => `dev.${name}`),
      { minLength: 1 },
    ),
    { nil: undefined },
  ),
});

test('a reading leaves only where each of its classes lets it, with the coarser step', () => {
  fc.assert(
    fc.property(anySite, ({ now, tags, types, upstream, purpose, every, as, points }) => {
      const storage = { float64: 'number', string: 'string', bool: 'boolean' } as const;
      const shape: Shape = {
        device: 'dev',
        points: NAMES.map((name, i) => {
          const type = types[i] as 'float64' | 'string' | 'bool';
          return { name, type, storage: storage[type], ...(tags[i] === undefined ? {} : { privacy: tags[i] }) } as PointInfo;
        }),
      };
      const filter = { points, every, as };
      const outward = outwardOf({ points: now, keep: {}, upstream } as never, { purpose, filter }, PRIVACY_CLASSES);
      const secret = 123.4567;
      const values: Value[] = NAMES.map((_, i) => (types[i] === 'float64' ? secret : types[i] === 'string' ? 'secret' : true));
      const taken = new Selection({ points, outward }).take({ seq: 1, sample: { shape, at: 0, values, reasons: null } });
      const got = new Map(taken?.sample.shape.points.map((p, i) => [p.name, taken.sample.values[i]] as const));
      for (const [i, name] of NAMES.entries()) {
        // A point without a class is technical.
        const classes = [tags[i], now[`dev.${name}`] ?? now['dev.*'] ?? 'technical'].filter((word) => word !== undefined);
        let open = points === undefined || points.includes(`dev.${name}`);
        let step = 0;
        for (const word of classes) {
          const said = upstream[word] as 'never' | { aggregate?: number; round?: number } | undefined;
          if (['household', 'location', 'health'].includes(word) && purpose === undefined) open = false;
          if (said === 'never') open = false;
          if (said === undefined || said === 'never') continue;
          if (said.aggregate !== undefined && !(every !== undefined && every >= said.aggregate && as === 'mean')) open = false;
          if ((said.aggregate !== undefined || said.round !== undefined) && types[i] !== 'float64') open = false;
          step = Math.max(step, said.round ?? 0);
        }
        const expected = types[i] === 'float64' && step > 0 ? Math.round(secret / step) * step : values[i];
        assert.deepEqual([name, got.has(name), got.get(name)], [name, open, open ? expected : undefined]);
      }
    }),
    { numRuns: 2000 },
  );
});

test('single readings have no class that leaves as means, whole ones none that is rounded', () => {
  const outward = outwardOf(
    { points: { 'h.power': 'household' }, keep: {}, upstream: { household: { aggregate: 900_000 }, technical: { round: 1 } } },
    { purpose: 'billing', filter: { every: 900_000 } },
    PRIVACY_CLASSES,
  );
  const wants = (of: typeof outward, name: string): boolean =>
    new Selection({ outward: of }).wants('h', { name, type: 'float64' });
  assert.deepEqual([wants(outward, 'power'), wants(withoutWindows(outward), 'power')], [true, false]);
  const rounded: Shape = { device: 'h', points: [{ name: 'rpm', type: 'float64', storage: 'number', privacy: 'technical' }] };
  assert.notEqual(new Selection({ outward }).of(rounded), undefined);
  assert.equal(new Selection({ outward: onlyWhole(outward) }).of(rounded), undefined);
});

test('a mean is rounded, not what it is made of', () => {
  const shape: Shape = { device: 'h', points: [{ name: 'p', type: 'float64', storage: 'number', privacy: 'household' }] };
  const outward = outwardOf(
    { points: {}, keep: {}, upstream: { household: { aggregate: 60_000, round: 10 } } },
    { purpose: 'billing', filter: { every: 60_000 } },
    PRIVACY_CLASSES,
  );
  const selection = new Selection({ outward });
  const scan = new WindowScan({ every: 60_000, as: 'mean', last: [] }, { from: 1, to: 100, maxReadings: 100 });
  for (const [i, value] of [14, 14, 16, 18].entries()) {
    const record = { seq: i + 1, sample: { shape, at: i * 10_000, values: [value], reasons: null } };
    scan.add(record, 0, selection.of(shape));
  }
  scan.end();
  const [made] = scan.result(100).records;
  assert.deepEqual(made?.sample.values, [20], 'the mean 15.5; of rounded numbers it would be 15');
});

test('rounding gives the nearest multiple, without noise and without a minus before zero', () => {
  assert.deepEqual(
    [
      roundTo(0.12345, 0.01),
      roundTo(-0.2, 1),
      roundTo(25n, 10),
      roundTo(-25n, 10),
      roundTo(7n, 0.5),
      roundTo('text', 1),
      roundTo(true, 1),
    ],
    [0.12, 0, 30n, -20n, 7n, 'text', true],
  );
  fc.assert(
    fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.constantFrom(0.01, 0.5, 1, 7, 100), (value, step) => {
      const rounded = Number(roundTo(value / 10, step));
      assert.ok(Math.abs(rounded - value / 10) <= step / 2 + 1e-9, `${value / 10} ${step} ${rounded}`);
      assert.ok(Math.abs(rounded / step - Math.round(rounded / step)) < 1e-6);
      assert.ok(!Object.is(rounded, -0));
    }),
  );
  const shape: Shape = { device: 'd', points: [{ name: 'n', type: 'float64', storage: 'number' }] };
  const bad = { seq: 1, sample: { shape, at: 0, values: [3.3], reasons: Uint8Array.of(1) } };
  assert.deepEqual(coarse(bad, [1]).sample.values, [3.3], 'a bad reading has no value');
});
