import assert from 'node:assert/strict';
import test from 'node:test';
import { addressFault, manualNumbers, meantByNumber } from '../../../src/drivers/modbus/manual-numbers.ts';

const numbers = (points: Record<string, string>, table: 'holding' | 'input' | 'coil' = 'holding', model?: string) =>
  manualNumbers(
    Object.entries(points).map(([name, text]) => ({ name, table, address: Number(text), model })),
    (name) => points[name],
  );

test('a register number of a manual names its table and counts from 1', () => {
  assert.deepEqual(meantByNumber('40001'), { table: 'holding', address: 0 });
  assert.deepEqual(meantByNumber('49999'), { table: 'holding', address: 9998 });
  assert.deepEqual(meantByNumber('30011'), { table: 'input', address: 10 });
  assert.deepEqual(meantByNumber('10005'), { table: 'discrete', address: 4 });
  assert.deepEqual(meantByNumber('00017'), { table: 'coil', address: 16 });
  assert.deepEqual(meantByNumber('465536'), { table: 'holding', address: 65_535 });
  for (const none of ['40000', '400000', '465537', '20001', '50001', '4001', '4000001', '17'])
    assert.equal(meantByNumber(none), undefined, none);
});

test('a device with register numbers gets one warning, at the first of them', () => {
  const found = numbers({ low: '5', level: '40011', flow: '40013' });
  assert.deepEqual(
    found.map(({ point }) => point),
    ['level'],
  );
  assert.match(found[0]?.message ?? '', /and one more point.*write table: holding, address: 10\. .*write 0x9C4B/);
});

test('addresses that are meant are left alone', () => {
  assert.deepEqual(numbers({ a: '0', b: '9999' }), []);
  assert.deepEqual(numbers({ sunspec: '40000', model: '40002', power: '40084' }), [], 'SunSpec begins at 40000');
  assert.deepEqual(numbers({ a: '40011', b: '50010' }), []);
  assert.deepEqual(numbers({ a: '30775', b: '23001' }), []);
  assert.deepEqual(numbers({ a: '0x9C4B' }), []);
  assert.deepEqual(numbers({ a: '40011' }, 'holding', 'inverter'), [], 'counts from its model');
});

test('leading zeros are a coil number with five digits, else perhaps hexadecimal', () => {
  assert.match(
    numbers({ a: '00017' }, 'coil')[0]?.message ?? '',
    /counts from 00001; if so, write table: coil, address: 16\..*write 17,/,
  );
  assert.match(numbers({ a: '0017' })[0]?.message ?? '', /0017 is read as 17; write 17, or 0x17 if/);
  assert.deepEqual(numbers({ a: '0' }), []);
});

test('an address that no register has leads to what was meant', () => {
  assert.match(addressFault(400_011) ?? '', /400011 is a register number of a manual; write table: holding, address: 10$/);
  assert.match(addressFault('4x0011') ?? '', /write table: holding, address: 10$/);
  assert.match(addressFault('40011') ?? '', /write table: holding, address: 10$/);
  assert.match(addressFault('001AH') ?? '', /as 0x001A$/);
  assert.match(addressFault('10-11') ?? '', /first address only: 10;/);
  for (const other of [70_000, '', 'soon', undefined, null, []]) assert.equal(addressFault(other), undefined, String(other));
});
