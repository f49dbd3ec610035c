/** Golden files of the payload format `json`: `expected.json` is written by hand, from the contract. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { jsonBatch } from '../../../src/codecs/format-json.ts';
import { plainValue, type Shape, type Value } from '../../../src/core/point.ts';
import { formatCases } from '../../harness/format-case.ts';

for (const { name, batch, read } of formatCases('json'))
  test(`format json: ${name}`, () => {
    const text = jsonBatch(batch);
    assert.equal(text, read('expected.json').trimEnd());
    assert.doesNotThrow(() => JSON.parse(text));
  });

test('numbers and booleans that are all good are written as they are beside others', () => {
  const shape: Shape = {
    device: 'd',
    points: [
      { name: 'n', type: 'float32', storage: 'number' },
      { name: 'b', type: 'bool', storage: 'boolean' },
      { name: 'c', type: 'bool', storage: 'boolean' },
      { name: 'm', type: 'int16', storage: 'number' },
    ],
  };
  const head = { lane: 'data', gateway: 'g', log: 'l', boot: 'b', inventory: 1, sent: 0, offset: 0, estimated: false } as const;
  const text = (values: Value[], reasons: Uint8Array | null) =>
    jsonBatch({ ...head, records: [{ seq: 1, sample: { shape, at: 5, values, reasons } }] });
  for (const values of [
    [1.5, true, false, -3],
    [Number.NaN, true, false, 0],
    [1e21, false, true, Number.POSITIVE_INFINITY],
  ])
    assert.equal(text(values, null), text(values, new Uint8Array(4)));
  assert.match(text([1.5, true, false, -3], null), /"values":\{"n":1.5,"b":true,"c":false,"m":-3\}\}/);
});

test('64-bit integers are texts, scaled ones too', () => {
  assert.deepEqual(
    [
      plainValue(3n, 'int64'),
      plainValue(1.5, 'uint64'),
      plainValue(1.5, 'int32'),
      plainValue(true, 'bool'),
      plainValue('x', 'string'),
    ],
    ['3', '1.5', 1.5, true, 'x'],
  );
});
