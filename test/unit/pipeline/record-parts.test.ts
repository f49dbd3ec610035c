/** Points of a class that is kept for less form records of their own, and every reading is in exactly one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Interlocks } from '../../../src/control/actions/interlocks.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import { PRIVACY_CLASSES, type PrivacyClass } from '../../../src/core/privacy.ts';
import { RecordParts } from '../../../src/pipeline/record-parts.ts';
import { lookWithoutValue, withoutValue } from '../../../src/pipeline/withheld.ts';

const shape: Shape = {
  device: 'd',
  points: Array.from({ length: 5 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};

test('each reading is in one record, and classes with a time of their own are apart', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('d.p0', 'd.p1', 'd.p2', 'd.*'), fc.constantFrom<PrivacyClass>(...PRIVACY_CLASSES)),
      fc.dictionary(fc.constantFrom<PrivacyClass>(...PRIVACY_CLASSES), fc.constant(3_600_000)),
      fc.option(fc.array(fc.constantFrom(0, 1, 255), { minLength: 5, maxLength: 5 }), { nil: null }),
      (points, keep, reasons) => {
        const sample: Sample = { shape, at: 7, values: [0, 1, 2, 3, 4], reasons: reasons && Uint8Array.from(reasons) };
        const parts = new RecordParts({ points, keep }).of(sample);
        const seen: [string, unknown, number][] = [];
        for (const part of parts) {
          const classes = new Set(part.shape.points.map(({ privacy = 'technical' }) => privacy));
          const short = [...classes].filter((word) => keep[word] !== undefined);
          assert.ok(short.length === 0 || classes.size === 1, [...classes].join());
          assert.equal(part.at, 7);
          part.shape.points.forEach(({ name, privacy }, i) => {
            const now = points[`d.${name}`] ?? points['d.*'];
            assert.equal(privacy, now === 'technical' ? undefined : now);
            seen.push([name, part.values[i], part.reasons?.[i] ?? 0]);
          });
        }
        const expected = shape.points.map(({ name }, i) => [name, i, reasons?.[i] ?? 0] as const);
        const real = (all: readonly (readonly [string, unknown, number])[]) =>
          all.filter(([, , reason]) => reason !== 255).toSorted();
        assert.deepEqual(real(seen), real(expected));
      },
    ),
  );
});

test('without a class the sample is the record; a reload takes effect with the next one', () => {
  const sample: Sample = { shape, at: 0, values: [0, 1, 2, 3, 4], reasons: null };
  const parts = new RecordParts(undefined);
  assert.equal(parts.of(sample)[0], sample);
  parts.reload({ points: { 'd.p1': 'health' }, keep: { health: 1 } });
  assert.deepEqual(
    parts.of(sample).map((part) => part.shape.points.map(({ name }) => name)),
    [['p0', 'p2', 'p3', 'p4'], ['p1']],
  );
  assert.equal(parts.of(sample)[0]?.shape, parts.of(sample)[0]?.shape, 'one object for each shape');
});

test('an alarm about people has its state and no value, in its words neither', () => {
  const transition = {
    ...{ rule: 'racing', occurrence: 1, state: 'active-unacknowledged', severity: 'critical', point: 'd.p1' },
    ...{ value: 211, type: 'float64', at: 0, message: 'd.p1 is 211, above 200', cause: 'reading' },
  } as AlarmTransition;
  const rule = { name: 'racing', device: 'd', point: 'p0', inputs: ['d.p1'], message: 'Look after Amina' };
  const siteWith = (of: PrivacyClass, message?: string) =>
    ({
      privacy: { points: { 'd.p1': of }, keep: {}, upstream: {} },
      rules: new Map([['racing', { ...rule, message }]]),
    }) as never;
  const told = withoutValue(siteWith('health'), transition);
  assert.deepEqual(
    [told.value, told.type, told.message, told.state],
    [undefined, undefined, 'racing: active-unacknowledged', transition.state],
  );
  const own = { ...transition, message: 'Look after Amina' };
  assert.equal(withoutValue(siteWith('health', 'Look after Amina'), own).message, 'Look after Amina');
  assert.equal(withoutValue(siteWith('technical'), transition), transition);
  const first = { ...transition, point: 'd.p0' };
  assert.equal(withoutValue(siteWith('household'), first).value, undefined, 'one input is enough');
});

test('what acts on an alarm about people, and what refuses for it, has no value', () => {
  const rest = { rule: 'racing', state: 'active-unacknowledged', occurrence: 1, holds: true, owesReset: false } as const;
  const alarm = { ...rest, value: 211, message: 'd.p1 is 211, above 200' };
  const rule = { name: 'racing', device: 'd', point: 'p0', inputs: ['d.p1'], interlock: ['pump.run'] };
  const siteWith = (of: PrivacyClass) =>
    ({ privacy: { points: { 'd.p1': of }, keep: {}, upstream: {} }, rules: new Map([['racing', rule]]) }) as never;
  assert.deepEqual(lookWithoutValue(siteWith('health'), alarm), { ...rest, message: 'racing: active-unacknowledged' });
  assert.equal(lookWithoutValue(siteWith('technical'), alarm), alarm);
  assert.equal(lookWithoutValue(siteWith('health'), undefined), undefined);
  const interlocks = new Interlocks({
    rules: () => new Map([['racing', rule]]) as never,
    look: () => lookWithoutValue(siteWith('health'), alarm),
  });
  assert.throws(
    () => interlocks.assertFree('pump.run', { who: 'a', door: 'mqtt', role: 'operator' }),
    (error: Error) => /locked by the rule racing/.test(error.message) && !/211/.test(error.message),
  );
});
