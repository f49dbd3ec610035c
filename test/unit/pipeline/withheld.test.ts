/** Events and texts on their way out: no value of a point that is withheld, and no name of one that does not leave. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { outwardOf, type ResolvedPrivacy, resolvePrivacy } from '../../../src/config/privacy.ts';
import type { PrivacySettings } from '../../../src/config/privacy-keys.ts';
import { type PointClasses, withoutNames } from '../../../src/core/privacy.ts';
import { eventWithoutValue, isUnnamed, isWithheld } from '../../../src/pipeline/withheld.ts';
import { brokenEvent } from '../../../src/reports/broken-config.ts';

const privacy: ResolvedPrivacy = {
  points: { 'band.pulse': 'health', 'band.air': 'environmental', 'band.place': 'location', 'cuff.*': 'household' },
  keep: {},
  upstream: { environmental: 'never', location: { round: 0.01 }, technical: { round: 10 } },
};
const site = { privacy };
const event = (message: string, data: Record<string, string | number> = {}, bare?: string) => ({
  ...{ event: 'write', severity: 'info' as const, message, data },
  ...(bare === undefined ? {} : { bare }),
});

test('values of personal and of coarser classes are withheld, names of some', () => {
  const of = (point: string) => [isWithheld(site, point), isUnnamed(site, point)];
  assert.deepEqual(of('band.pulse'), [true, true]);
  assert.deepEqual(of('cuff.anything'), [true, true]);
  assert.deepEqual(of('band.air'), [true, true]);
  assert.deepEqual(of('band.load'), [true, false], 'a point without a class is technical');
  assert.deepEqual(
    [isWithheld({ privacy: { ...privacy, upstream: {} } }, 'band.load'), isWithheld({} as never, 'band.pulse')],
    [false, false],
  );
});

test('an event about such a point has its bare words and no key that may be a value', () => {
  const made = event(
    'band.pulse was set to 48613.',
    { point: 'band.pulse', value: 48_613, other: '48613', result: 'done' },
    'band.pulse was set.',
  );
  assert.deepEqual(eventWithoutValue(site, made), {
    ...made,
    message: 'band.pulse was set.',
    data: { point: 'band.pulse', result: 'done' },
  });
  const failed = eventWithoutValue(
    site,
    event('The action failed: the device shows 48613', { of: 'write cuff.x', result: 'failed', code: 'write-failed' }),
  );
  assert.equal(failed.message, 'write of cuff.x: failed: write-failed. Values of this point are not shown.');
  const other = event('history.db was mended after 48613 rows', { file: 'history.db', value: 3 });
  assert.equal(eventWithoutValue(site, other), other);
  assert.equal(eventWithoutValue({} as never, made), made);
});

test('a text names no point that does not leave there, apart from the one asked for', () => {
  const plain = outwardOf(privacy, {});
  const cleared = outwardOf(privacy, { purpose: 'care by a nurse' });
  const text =
    '{"point":"band.pulse","of":"write cuff.x","file":"gateway.yaml","n":3.25,"message":"devices.band.points.air.privacy: band.load"}';
  assert.equal(
    withoutNames(plain, text),
    '{"point":"a private point","of":"write a private point","file":"gateway.yaml","n":3.25,"message":"a private point.privacy: band.load"}',
  );
  assert.equal(withoutNames(plain, text, 'band.pulse'), withoutNames(plain, text).replace('a private point', 'band.pulse'));
  assert.equal(withoutNames(cleared, text), text.replace('devices.band.points.air', 'a private point'));
  assert.equal(withoutNames(undefined, text), text);
});

test('a number is no name, and a device of digits leaves JSON what it is', () => {
  const all = [
    { device: '101', name: 'pulse', type: 'uint16' },
    { device: '102', name: '7', type: 'uint16' },
  ];
  const numbered = resolvePrivacy({}, { '101.*': 'health', '102.*': 'health' }, all);
  const outward = outwardOf(numbered, {});
  const json = '{"value":101.5,"102.7":102.7,"message":"101.5 degrees, 102.7, 101.pulse","n":12345678901234567890}';
  assert.equal(
    withoutNames(outward, json),
    '{"value":101.5,"a private point":102.7,"message":"101.5 degrees, a private point, a private point","n":12345678901234567890}',
  );
  const told = event('the bus was silent for 101.5 s', { seconds: 102.7 });
  assert.equal(eventWithoutValue({ privacy: numbered } as never, told), told);
});

test('an escape before a name, words before it and a full stop after it hide nothing', () => {
  const outward = outwardOf(privacy, {});
  for (const text of ['a\nband.pulse', 'x.band.pulse', 'devices.band.pulse', '\tband.pulse.', '--devices.band.points.pulse']) {
    const shown = withoutNames(outward, JSON.stringify({ text, [text]: 1 }));
    assert.doesNotMatch(shown, /pulse/);
    assert.match(shown, /a private point/);
  }
  const [harmless, long] = ['The readings of cuff. They are old: cuff.. 10.0.0.7', `"${'a'.repeat(1e6)}\\n"`];
  assert.equal(withoutNames(outward, JSON.stringify(harmless)), JSON.stringify(harmless));
  assert.equal(withoutNames(outward, long), long);
});

test('whatever JSON it is: it parses, its numbers stay, and no private name does', () => {
  const outward = outwardOf({ ...privacy, points: { ...privacy.points, '101.*': 'health', 'n.1': 'health' } }, {});
  const secret = fc.constantFrom('band.pulse', 'cuff.x-1', 'devices.cuff.points.b', '101.pulse', 'n.1');
  const glue = fc.constantFrom('', ' ', '\n', '"', '\\', '\t', ', ', '. ', '{"a":101.5,', '}');
  const text = fc
    .array(
      fc.oneof(
        fc.string(),
        fc
          .tuple(
            glue,
            secret,
            glue.filter((one) => one !== ''),
          )
          .map((all) => all.join('')),
      ),
      { maxLength: 5 },
    )
    .map((all) => all.join(' '));
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constant(101.5),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('json'), { maxLength: 4 }),
      fc.dictionary(text, tie('json'), { maxKeys: 4 }),
    ),
  }));
  const numbersIn = (value: unknown): unknown[] =>
    typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(numbersIn)
      : typeof value === 'number'
        ? [value]
        : [];
  const stringsIn = (value: unknown): string[] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, one]) => [key, ...stringsIn(one)])
      : typeof value === 'string'
        ? [value]
        : [];
  fc.assert(
    fc.property(fc.array(json, { maxLength: 3 }), fc.array(text, { maxLength: 3 }), (values, keys) => {
      // Two keys may become the same one, so numbers stand outside of them.
      const rows = [...values, ...keys.map((key, i) => ({ [key]: i + 0.5 }))].filter((row) => !isDeep(row));
      const written = JSON.stringify(rows);
      const shown: unknown = JSON.parse(withoutNames(outward, written));
      assert.deepEqual(numbersIn(shown), numbersIn(JSON.parse(written)));
      for (const one of stringsIn(shown))
        assert.doesNotMatch(
          one,
          /(?<![a-z0-9_-])(?:band\.pulse|cuff\.x-1|devices\.cuff\.points\.b|101\.pulse|n\.1)(?![a-z0-9_-])/,
        );
    }),
    { numRuns: 300 },
  );
});

/** An object with more than one key. */
function isDeep(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return (!Array.isArray(value) && Object.keys(value).length > 1) || Object.values(value).some(isDeep);
}

const POINTS = [
  { device: 'meter', name: 'volts', type: 'float32' },
  { device: 'meter', name: 'serial', type: 'string' },
  { device: 'flow', name: '*', type: '' },
];
const withRules = (settings: PrivacySettings, points: PointClasses = {}) => resolvePrivacy(settings, points, POINTS);

test('a rule for technical points holds in texts for points without a class', () => {
  const never = withRules({ technical: { upstream: 'never' } });
  const text = '{"message":"meter.volts, flow.mean and gateway.yaml"}';
  assert.equal(withoutNames(outwardOf(never, {}), text), '{"message":"a private point, a private point and gateway.yaml"}');
  const rounded = { privacy: withRules({ technical: { upstream: { round: 10 } } }) };
  const made = event('The output of pump failed: meter.volts is 48613', { of: 'output 4', value: 48_613 });
  assert.deepEqual(eventWithoutValue(rounded as never, made).data, { of: 'output 4' });
  assert.doesNotMatch(eventWithoutValue(rounded as never, made).message, /48613/);
  assert.equal(eventWithoutValue({ privacy: withRules({ technical: { keep: 4e6 } }) } as never, made), made);
});

test('a text of a class that leaves rounded has no name outside', () => {
  const text = '{"a":"meter.volts","b":"meter.serial"}';
  for (const privacy of [
    withRules({ household: { upstream: { round: 10 } } }, { 'meter.*': 'household' }),
    withRules({ technical: { upstream: { round: 10 } } }),
  ])
    assert.equal(withoutNames(outwardOf(privacy, { purpose: 'billing' }), text), '{"a":"meter.volts","b":"a private point"}');
});

test('a configuration that was refused has bare words where a site has private points', () => {
  const made = {
    ...event('no point hartbeat; did you mean "heartbeat"?', { do: 'reload', code: 'config-invalid' }, 'bare.'),
    event: 'command',
  };
  assert.equal(eventWithoutValue(site as never, made).message, 'bare.');
  assert.equal(eventWithoutValue({} as never, made), made);
  const broken = brokenEvent({ file: 'gateway.yaml', faults: ['did you mean "heartbeat"?'], kept: 0 } as never);
  assert.match(broken.message, /heartbeat/);
  assert.match(eventWithoutValue(site as never, broken).message, /kept on 1970-01-01\. It has one fault\. Correct/);
});
