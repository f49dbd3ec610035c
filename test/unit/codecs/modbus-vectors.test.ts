/** Decoder and encoder against test/cases/modbus-values/vectors.jsonl, which Python made; see make.py there for the columns. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { encodePoint } from '../../../src/codecs/modbus-encode.ts';
import type { ModbusPoint } from '../../../src/codecs/modbus-point.ts';
import { ordersOf, pointInfo, widthOf } from '../../../src/codecs/modbus-point.ts';
import { compileRequest } from '../../../src/codecs/modbus-registers.ts';
import type { Value } from '../../../src/core/point.ts';
import { POINT_TYPES, reasonAt } from '../../../src/core/point.ts';
import { reasonName } from '../../../src/core/reasons.ts';
import { pythonPeer } from '../../peers/peers.ts';

interface Vector {
  readonly point: Partial<ModbusPoint>;
  readonly wire?: string;
  readonly value?: Value;
  readonly reason?: string;
  /** What is written, where it is not `value`. */
  readonly write?: Value;
  readonly before?: string;
  readonly written?: string;
  readonly refused?: Value;
}

const folder = path.join(import.meta.dirname, '..', '..', 'cases', 'modbus-values');
const text = readFileSync(path.join(folder, 'vectors.jsonl'), 'utf8');
const vectors = text
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Vector);
const pointOf = (keys: Partial<ModbusPoint>): ModbusPoint => ({
  name: 'p',
  table: 'holding',
  address: 3,
  type: 'uint16',
  ...keys,
});
/** 64-bit integers stand as texts in JSON. */
const told = (point: ModbusPoint, value: Value): Value =>
  pointInfo(point).storage === 'integer64' ? BigInt(value as string) : value;
const wordsOf = (hex: string) => (hex.match(/.{4}/g) ?? []).map((word) => Number.parseInt(word, 16));

test('every vector is read as it should be', () => {
  for (const vector of vectors) {
    if (vector.wire === undefined) continue;
    const point = pointOf(vector.point);
    const line = JSON.stringify(vector);
    const registers = wordsOf(vector.wire);
    assert.equal(registers.length, widthOf(point), line);
    // Three registers of somebody else before it, and two behind it.
    const payload = Buffer.from(`BEEFBEEFBEEF${vector.wire}CAFECAFE`, 'hex');
    const sample = compileRequest({ device: 'd', points: [pointInfo(point)] }, [point], 0)(payload, 1);
    const reason = reasonAt(sample, 0);
    if (vector.reason !== undefined) assert.equal(reasonName(reason), vector.reason, line);
    else {
      assert.equal(reason, 0, line);
      assert.deepEqual(sample.values[0], told(point, vector.value as Value), line);
    }
  }
});

test('every vector is written as it should be', () => {
  for (const vector of vectors) {
    if (vector.value === undefined || vector.wire === undefined) continue;
    const point = pointOf(vector.point);
    const line = JSON.stringify(vector);
    const current = vector.before === undefined ? undefined : wordsOf(vector.before);
    const expected = wordsOf(vector.written ?? vector.wire);
    for (const value of [vector.write ?? told(point, vector.value), vector.write ?? vector.value])
      assert.deepEqual(encodePoint(point, value, current), expected, line);
  }
});

test('what a type cannot hold is refused', () => {
  const refused = vectors.filter((vector) => vector.refused !== undefined);
  assert.ok(refused.length > 30);
  for (const vector of refused)
    assert.throws(
      () => encodePoint(pointOf(vector.point), vector.refused as Value),
      { code: 'request-invalid' },
      JSON.stringify(vector),
    );
});

test('the vectors have every type in every order, read and written', () => {
  for (const type of POINT_TYPES) {
    const lengths = type === 'datetime' ? [2, 3, 4, 6] : [undefined];
    for (const length of lengths)
      for (const order of ordersOf({ table: 'holding', type, length })) {
        const found = vectors.filter(
          ({ point, wire, value }) =>
            point.type === type &&
            point.order === order &&
            wire !== undefined &&
            value !== undefined &&
            (type !== 'datetime' || (point.length ?? 2) === length),
        );
        assert.ok(found.length >= 4, `${type} ${length ?? ''} ${order}: ${found.length} vectors`);
      }
  }
});

test('the committed vectors are what Python makes', (t) => {
  const python = pythonPeer(t, 'struct', 'apt-get install -y python3');
  if (python === undefined) return;
  const made = spawnSync(python, [path.join(folder, 'make.py')], { encoding: 'utf8' });
  assert.equal(made.stderr, '');
  assert.equal(made.stdout, text);
});
