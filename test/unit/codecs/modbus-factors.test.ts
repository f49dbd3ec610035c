/** Scale factors that stand in registers (SunSpec sunssf): value = raw × 10^factor. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { encodePoint } from '../../../src/codecs/modbus-encode.ts';
import { DeviceMemory } from '../../../src/codecs/modbus-memory.ts';
import type { ModbusPoint } from '../../../src/codecs/modbus-point.ts';
import { pointInfo, widthOf } from '../../../src/codecs/modbus-point.ts';
import { compileRequest } from '../../../src/codecs/modbus-registers.ts';
import type { PointType, Value } from '../../../src/core/point.ts';
import { reasonAt } from '../../../src/core/point.ts';
import { reasonName } from '../../../src/core/reasons.ts';

const point = (name: string, address: number, type: PointType, keys: Partial<ModbusPoint> = {}): ModbusPoint => ({
  ...{ name, table: 'holding', address, type },
  ...keys,
});
const request = (points: readonly ModbusPoint[], start: number, memory?: DeviceMemory) => {
  const decode = compileRequest({ device: 'd', points: points.map(pointInfo) }, points, start, memory);
  return (...words: number[]): (Value | string)[] => {
    const sample = decode(Uint8Array.from(words.flatMap((w) => [(w >> 8) & 255, w & 255])), 1);
    return sample.values.map((value, i) => {
      const reason = reasonAt(sample, i);
      return reason === 0 ? value : reason >= 128 ? `${value} ${reasonName(reason)}` : reasonName(reason);
    });
  };
};

test('a factor in the same reply holds for that very reply, wherever it stands', () => {
  const read = request(
    [
      point('before', 0, 'int16', { scaleFactor: 'sf' }),
      point('sf', 1, 'int16'),
      point('behind', 2, 'uint16', { scaleFactor: 'sf' }),
    ],
    0,
  );
  assert.deepEqual(read(2345, -2, 7), [23.45, -2, 0.07]);
  assert.deepEqual(read(2345, 0, 7), [2345, 0, 7]);
  assert.deepEqual(read(-2345, 3, 7), [-2_345_000, 3, 7000]);
  assert.deepEqual(read(1, -10, 65535), [1e-10, -10, 0.0000065535]);
});

test('a factor that is a sentinel, an impossible power or not good gives no value', () => {
  const read = request([point('v', 0, 'int16', { scaleFactor: 'sf' }), point('sf', 1, 'int16')], 0);
  assert.deepEqual(read(2345, 0x8000), ['invalid', -32768]);
  assert.deepEqual(read(2345, 11), ['invalid', 11]);
  assert.deepEqual(read(2345, -11), ['invalid', -11]);
  assert.deepEqual(read(2345, 1), [23450, 1]);
  const marked = request(
    [point('v', 0, 'int16', { scaleFactor: 'sf' }), point('sf', 1, 'int16', { invalid: [0], range: { max: 5 } })],
    0,
  );
  assert.deepEqual(marked(2345, 0), ['invalid', 'invalid']);
  assert.deepEqual(marked(2345, 6), ['invalid', '6 out-of-range']);
});

test('a factor in another reply is the last good one; before it, readings are bad', () => {
  const points = [point('v', 0, 'int16', { scaleFactor: 'sf' }), point('sf', 100, 'int16')];
  const memory = new DeviceMemory(points);
  const values = request(points.slice(0, 1), 0, memory);
  const factors = request(points.slice(1), 100, memory);
  assert.deepEqual(values(2345), ['invalid']);
  factors(-1);
  assert.deepEqual(values(2345), [234.5]);
  assert.deepEqual(values(2346), [234.6]);
  factors(-2);
  assert.deepEqual(values(2346), [23.46]);
  factors(0x8000);
  assert.deepEqual(values(2346), ['invalid']);
  factors(-2);
  assert.deepEqual(values(2346), [23.46]);
});

test('sentinel first, then factor, scale and offset, then range', () => {
  const read = request(
    [
      point('v', 0, 'int16', { scaleFactor: 'sf', scale: 0.001, offset: -1, invalid: [0x8000], range: { max: 10 } }),
      point('sf', 1, 'int16'),
    ],
    0,
  );
  assert.deepEqual(read(0x8000, 0x8000), ['invalid', -32768]);
  assert.deepEqual(read(1234, 1), ['11.34 out-of-range', 1]);
  assert.deepEqual(read(1234, 0), [0.234, 0]);
  // A value that is not known is not out of range as well.
  assert.deepEqual(read(32767, 0x8000), ['invalid', -32768]);
});

test('property: exact in decimals for every type, and what is written reads back', () => {
  const types = fc.constantFrom<PointType>('int16', 'uint16', 'int32', 'uint32', 'bcd16', 'int8');
  fc.assert(
    fc.property(types, fc.integer({ min: 0, max: 127 }), fc.integer({ min: -10, max: 10 }), (type, raw, factor) => {
      const p = point('v', 0, type, { scaleFactor: 'sf' });
      const width = widthOf(p);
      const read = request([p, point('sf', width, 'int16')], 0);
      const words = encodePoint({ ...p, scaleFactor: undefined }, raw);
      const value = Number(`${raw}e${factor}`);
      assert.deepEqual(read(...words, factor), [value, factor]);
      assert.deepEqual(encodePoint(p, value, [], factor), words);
    }),
  );
  const float = request([point('v', 0, 'float32', { scaleFactor: 'sf' }), point('sf', 2, 'int16')], 0);
  assert.deepEqual(float(0x41bb, 0x3333, -1), [2.34, -1]);
  const wide = request([point('v', 0, 'uint64', { scaleFactor: 'sf' }), point('sf', 4, 'int16')], 0);
  assert.deepEqual(wide(0, 0, 0, 1234, -3), [1.234, -3]);
  assert.equal(pointInfo(point('v', 0, 'uint64', { scaleFactor: 'sf' })).storage, 'number');
});

test('a point with a scale factor is not written before the factor is known', () => {
  const p = point('limit', 0, 'uint16', { scaleFactor: 'sf' });
  assert.throws(() => encodePoint(p, 50), /its scale factor sf is not known; the device has to be read first/);
  assert.deepEqual(encodePoint(p, 50.5, [], -1), [505]);
  assert.throws(() => encodePoint(p, 7000, [], -1), /raw 70000 is outside 0 to 65535/);
});
