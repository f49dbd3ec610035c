/** What an action may say of an alarm at a destination: the gate of its points, and no value beside it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayConfig, ResolvedRule } from '../../../src/config/kinds.ts';
import { outwardOf, resolvePrivacy } from '../../../src/config/privacy.ts';
import type { PrivacySettings } from '../../../src/config/privacy-keys.ts';
import { type PointClasses, type PrivacyClass, withoutWindows } from '../../../src/core/privacy.ts';
import { shownAt } from '../../../src/pipeline/withheld.ts';

const facts = {
  ...{ rule: 'high', point: 'meter.power', state: 'active-unacknowledged' as const, value: '1234.5' },
  message: 'meter.power is 1234.5, above 1000',
};
const TYPES: Readonly<Record<string, string>> = { 'meter.power': 'float32', 'meter.note': 'string', 'meter.other': 'float32' };

interface Around {
  readonly points?: PointClasses;
  readonly settings?: PrivacySettings;
  readonly purpose?: string;
  readonly rule?: Partial<ResolvedRule>;
  readonly before?: readonly PrivacyClass[];
  readonly broker?: true;
}

function shown(
  { points = {}, settings, purpose, rule = {}, before = [], broker }: Around,
  of: Partial<Record<'point' | 'value' | 'message', string>> = {},
) {
  const privacy = resolvePrivacy(settings, points);
  const rules = new Map([['high', { name: 'high', device: 'meter', point: 'power', ...rule } as ResolvedRule]]);
  const known = [...Object.values(points), ...before];
  return shownAt(
    { privacy, rules } as Pick<GatewayConfig, 'privacy' | 'rules'>,
    { ...facts, ...of },
    {
      outward: broker ? undefined : withoutWindows(outwardOf(privacy, { purpose }, known)),
      classes: () => new Set(before),
      typeOf: (device, point) => TYPES[`${device}.${point}`],
    },
  );
}

test('without a class everything is said', () => {
  assert.deepEqual(shown({}), facts);
  assert.deepEqual(shown({ points: { 'meter.power': 'technical' } }), facts);
});

test('a class that does not leave: no value, no name, and no words with a value', () => {
  for (const around of [
    { points: { 'meter.power': 'household' } },
    { points: { 'meter.power': 'household' }, purpose: 'billing' },
    { points: { 'meter.power': 'environmental' }, settings: { environmental: { upstream: 'never' } }, purpose: 'billing' },
    { points: { 'meter.power': 'environmental' }, settings: { environmental: { upstream: { aggregate: 900_000 } } } },
    { points: { 'meter.other': 'health' }, rule: { inputs: ['meter.other'] } },
    { points: {}, before: ['health'] },
  ] as Around[]) {
    const said = shown(around);
    assert.deepEqual([said.value, said.point], ['', ''], JSON.stringify(around));
    assert.doesNotMatch(JSON.stringify(said), /1234/);
  }
});

test('the own text of a rule stays: a person wrote it, and it has no value', () => {
  const said = shown(
    { points: { 'meter.power': 'household' }, rule: { message: 'Look at the meter' } },
    { message: 'Look at the meter' },
  );
  assert.deepEqual([said.message, said.value], ['Look at the meter', '']);
});

test('a class that leaves rounded: a rounded value, no words with it, and no text', () => {
  const settings: PrivacySettings = { technical: { upstream: { round: 100 } } };
  const said = shown({ points: { 'meter.power': 'technical' }, settings });
  assert.deepEqual([said.value, said.point], ['1200', 'meter.power']);
  assert.doesNotMatch(said.message, /1234/);
  const odd = shown({ points: { 'meter.power': 'technical' }, settings }, { value: 'about 1234.5' });
  assert.equal(odd.value, '');
  const note = shown({ points: { 'meter.note': 'technical' }, settings, rule: { point: 'note' } }, { point: 'meter.note' });
  assert.deepEqual([note.value, note.point], ['', '']);
  assert.equal(shown({ points: { 'meter.gone': 'technical' }, settings }, { point: 'meter.gone' }).value, '');
});

test('at the embedded broker only values about people are kept back', () => {
  assert.deepEqual(
    shown({ broker: true, points: { 'meter.power': 'technical' }, settings: { technical: { upstream: 'never' } } }),
    facts,
  );
  assert.equal(shown({ broker: true, points: { 'meter.power': 'location' } }).value, '');
});
