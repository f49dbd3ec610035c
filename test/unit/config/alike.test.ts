/** Which two units a rule may compare as they are. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { unlikeFault } from '../../../src/config/alike.ts';

/** The same in both directions. */
function faultOf(a: string, b: string): string {
  const [one, other] = [
    unlikeFault({ point: 'd.a', unit: a }, { point: 'd.b', unit: b }),
    unlikeFault({ point: 'd.b', unit: b }, { point: 'd.a', unit: a }),
  ];
  const kind = (fault: string | undefined) =>
    fault === undefined ? 'none' : fault.includes('measure different things') ? 'different' : 'factor';
  assert.equal(kind(one), kind(other), `${a} ${b}`);
  return kind(one);
}

test('a scale of its own may stand beside a number without a dimension', () => {
  for (const [a, b] of [
    ['[pH]', '{pH}'],
    ['[pH]', '1'],
    ['[NTU]', '{NTU}'],
    ['[NTU]{turbidity}', '{NTU}'],
    ['dB', '{dB}'],
    ['dB[SPL]', '1'],
  ] as const)
    assert.equal(faultOf(a, b), 'none', `${a} ${b}`);
});

test('a level may stand beside the same level without what 0 dB is', () => {
  assert.equal(faultOf('dB', 'dB[SPL]'), 'none');
  assert.equal(faultOf('B', 'B[W]'), 'none');
  for (const [a, b] of [
    ['dB', 'B[SPL]'],
    ['dB[SPL]', 'dB[W]'],
    ['dB', 'B'],
  ] as const)
    assert.equal(faultOf(a, b), 'different', `${a} ${b}`);
});

test('what measures something else is refused as before, and so is another size', () => {
  for (const [a, b] of [
    ['[pH]', '[NTU]'],
    ['[pH]', 'kW'],
    ['[pH]', '%'],
    ['Cel', '1'],
    ['kW', '{kW}'],
    ['[CFU]/dL', '{CFU}'],
  ] as const)
    assert.equal(faultOf(a, b), 'different', `${a} ${b}`);
  assert.equal(faultOf('kW', 'W'), 'factor');
  assert.equal(faultOf('%', '1'), 'factor');
  assert.equal(faultOf('W', 'J/s'), 'none');
});
