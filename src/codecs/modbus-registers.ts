/**
 * Modbus registers and bits <-> values.
 *
 * - Pure: bytes in, values out. A request's points are compiled once into a list of closures; decoding allocates the
 *   sample and its values, nothing else.
 * - The payload is what follows the byte count of a reply; its length was checked against the request by the driver.
 * - Raw sentinels (`invalid`) are compared before scale and offset, `range` after them.
 * - A scale factor in the same reply is learnt before the values that it scales; one in another reply is the last that came.
 * - The cumulative value of a counter stands beside it, in the same sample.
 * - A number is given as the instrument would show it: see decimal.ts.
 */
import type { Sample, Shape, Value } from '../core/point.ts';
import { GOOD, reasonCode } from '../core/reasons.ts';
import { float16ToNumber, snapToFloat16 } from './decimal.ts';
import { compileTotal } from './modbus-counter.ts';
import { DeviceMemory } from './modbus-memory.ts';
import { bcd, type Decoder, float, integer, integer64, labelled, sentinels, type Verdict } from './modbus-numbers.ts';
import type { ModbusPoint } from './modbus-point.ts';
import { INTEGERS, isBitTable, widthOf } from './modbus-point.ts';
import { decodeTime } from './modbus-time.ts';
import { floatFrom, text, word16, word32 } from './modbus-words.ts';
import { fillTotals } from './totals.ts';

const INVALID = reasonCode('invalid');
const NOT_THERE = reasonCode('not-there');

/**
 * @param start the address that the first register (or bit) of the payload has
 * @param points in the order of `shape.points` (shapeOf), which the cumulative values of their counters follow
 * @param memory what this request shares with others of its device
 * @param lacks points that the device does not have: its reply ends before them
 */
export function compileRequest(
  shape: Shape,
  points: readonly ModbusPoint[],
  start: number,
  memory = new DeviceMemory(points),
  lacks: (point: ModbusPoint) => boolean = () => false,
): (payload: Uint8Array, at: number) => Sample {
  const decoders = points.map((point) => (lacks(point) ? notThere : compilePoint(point, point.address - start, memory)));
  const n = decoders.length;
  const verdict: Verdict = { reason: GOOD };
  const factors = points.flatMap(({ name }, i) => (memory.isFactor(name) ? [{ name, decode: decoders[i] as Decoder }] : []));
  const totals = points
    .flatMap((point, index) => (point.counter === undefined ? [] : [{ index, read: compileTotal(point, memory) }]))
    .map((total, k) => ({ ...total, slot: n + k }));
  const size = n + totals.length;
  return (payload, at) => {
    for (const { name, decode } of factors) {
      verdict.reason = GOOD;
      const factor = decode(payload, verdict);
      memory.learn(name, verdict.reason === GOOD ? Number(factor) : undefined);
    }
    const values = new Array<Value>(size);
    let reasons: Uint8Array | null = null;
    for (let i = 0; i < n; i++) {
      verdict.reason = GOOD;
      values[i] = (decoders[i] as Decoder)(payload, verdict);
      if (verdict.reason !== GOOD) {
        reasons ??= new Uint8Array(size);
        reasons[i] = verdict.reason;
      }
    }
    return { shape, at, values, reasons: fillTotals(totals, values, reasons, at) };
  };
}

function notThere(_: Uint8Array, verdict: Verdict): Value {
  verdict.reason = NOT_THERE;
  return 0;
}

/** Positions in the payload of a value's bytes, most significant first. */
function positions(point: ModbusPoint, offset: number): number[] {
  const order = point.order ?? 'ABCD';
  const words = widthOf(point);
  const swapBytes = order === 'BA' || order === 'BADC' || order === 'DCBA' ? 1 : 0;
  const swapWords = order === 'CDAB' || order === 'DCBA';
  return Array.from({ length: words * 2 }, (_, k) => {
    const word = k >> 1;
    return offset * 2 + (swapWords ? words - 1 - word : word) * 2 + ((k & 1) ^ swapBytes);
  });
}

function compilePoint(point: ModbusPoint, offset: number, memory: DeviceMemory): Decoder {
  if (isBitTable(point.table)) {
    const byte = offset >> 3;
    const mask = 1 << (offset & 7);
    return labelled(point, (b) => ((b[byte] as number) & mask) !== 0);
  }
  const at = positions(point, offset);
  if (point.bit !== undefined || point.bits !== undefined) return partOfRegister(point, at, memory);
  const word = word16(at);
  switch (point.type) {
    case 'bool':
      return labelled(point, (b) => word(b) !== 0);
    case 'uint8':
      return integer(point, (b) => word(b) & 0xff, 8, false, memory);
    case 'int8':
      return integer(point, (b) => (word(b) << 24) >> 24, 8, true, memory);
    case 'uint16':
      return integer(point, word, 16, false, memory);
    case 'int16':
      return integer(point, (b) => (word(b) << 16) >> 16, 16, true, memory);
    case 'uint32': {
      const signed = word32(at);
      return integer(point, (b) => signed(b) >>> 0, 32, false, memory);
    }
    case 'int32':
      return integer(point, word32(at), 32, true, memory);
    case 'uint64':
    case 'int64':
      return integer64(point, word32(at), word32(at.slice(4)), point.type === 'int64', memory);
    case 'bcd16':
      return bcd(point, word, 4, memory);
    case 'bcd32':
      return bcd(point, word32(at), 8, memory);
    case 'float16':
      return float(point, (b) => float16ToNumber(word(b)), memory, snapToFloat16);
    case 'float32':
      return float(point, floatFrom(word32(at)), memory, Math.fround);
    case 'float64':
      return float(point, floatFrom(word32(at), word32(at.slice(4))), memory);
    case 'string':
      return (b) => text(b, at);
    case 'datetime':
      return datetime(point, at);
  }
}

/** `bit` and `bits`; `invalid` is what the whole register holds. */
function partOfRegister(point: ModbusPoint, at: readonly number[], memory: DeviceMemory): Decoder {
  const size = at.length * 8;
  const whole = size === 16 ? word16(at) : word32(at);
  const signed = INTEGERS[point.type]?.[1] ?? false;
  const { first, count } = point.bits ?? { first: point.bit ?? 0, count: 1 };
  const [up, down] = [32 - first - count, 32 - count];
  const decode =
    point.bit !== undefined
      ? labelled(point, (b) => ((whole(b) >>> first) & 1) !== 0)
      : signed
        ? integer({ ...point, invalid: undefined }, (b) => (whole(b) << up) >> down, count, true, memory)
        : integer({ ...point, invalid: undefined }, (b) => (whole(b) << up) >>> down, count, false, memory);
  const invalid = sentinels(point, size, false);
  if (!invalid) return decode;
  return (b, verdict) => {
    if (!invalid.has(BigInt(whole(b) >>> 0))) return decode(b, verdict);
    verdict.reason = INVALID;
    return 0;
  };
}

function datetime(point: ModbusPoint, at: readonly number[]): Decoder {
  const words = Array.from({ length: widthOf(point) }, (_, i) => word16(at.slice(i * 2)));
  const invalid = sentinels(point, 32, false);
  return (b, verdict) => {
    const read = words.map((word) => word(b));
    const [high = 0, low = 0] = read;
    const time = invalid?.has(BigInt(high * 65536 + low)) ? undefined : decodeTime(read);
    if (time === undefined) verdict.reason = INVALID;
    return time ?? 0;
  };
}
