/**
 * The steps from a raw number to its value: sentinel, scale and offset, range, label. Each is left out where the point does
 * not ask for it, so that a plain register costs its reader and nothing else.
 */
import type { Value } from '../core/point.ts';
import { GOOD, reasonCode } from '../core/reasons.ts';
import type { Grid, Scaling } from './decimal.ts';
import { float16ToNumber, movePoint, scaling, shortest } from './decimal.ts';
import type { DeviceMemory } from './modbus-memory.ts';
import type { ModbusPoint } from './modbus-point.ts';
import { isScaled } from './modbus-point.ts';
import type { Reader } from './modbus-words.ts';

const NOT_A_NUMBER = reasonCode('not-a-number');
const INVALID = reasonCode('invalid');
const OUT_OF_RANGE = reasonCode('out-of-range');

/** Where a decoder leaves why its value is not good; GOOD is set before each call. */
export interface Verdict {
  reason: number;
}
export type Decoder = (bytes: Uint8Array, verdict: Verdict) => Value;

/** Sentinels as the reader of this type would give them: 0x8000 of an int16 is -32768, -1 of a uint16 is 0xFFFF. */
export function sentinels(point: ModbusPoint, bits: number, signed: boolean): ReadonlySet<bigint> | undefined {
  if (!point.invalid?.length) return undefined;
  return new Set(point.invalid.map((raw) => (signed ? BigInt.asIntN(bits, BigInt(raw)) : BigInt.asUintN(bits, BigInt(raw)))));
}

/** The sentinels of a float, each a number, or its bits in quotes and hexadecimal ('0x7F7FFFFF'). */
function floatSentinels(point: ModbusPoint, snap: (x: number) => number): ReadonlySet<number> | undefined {
  if (!point.invalid?.length) return undefined;
  return new Set(
    point.invalid.map((raw) => {
      if (typeof raw === 'number' || !/^0x/i.test(raw)) return snap(Number(raw));
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, BigInt(raw));
      if (point.type === 'float16') return float16ToNumber(view.getUint16(6));
      return point.type === 'float32' ? view.getFloat32(4) : view.getFloat64(0);
    }),
  );
}

/** The last steps of every number: range, and the labels of an enum. */
function finish(point: ModbusPoint): ((value: number | bigint, verdict: Verdict) => void) | undefined {
  const { min, max } = point.range ?? {};
  if (min === undefined && max === undefined) return undefined;
  const low = min ?? Number.NEGATIVE_INFINITY;
  const high = max ?? Number.POSITIVE_INFINITY;
  return (value, verdict) => {
    if ((value < low || value > high) && verdict.reason === GOOD) verdict.reason = OUT_OF_RANGE;
  };
}

/** @param decimals of a float: how many the raw number has */
type Step = (raw: number, verdict: Verdict, decimals: number) => number;

/**
 * Scale and offset; undefined where a point has none. A scale factor that is not known makes the reading bad.
 * @param largest magnitude of a raw number
 * @param decimal raw numbers are decimals themselves, and so is what becomes of them
 */
function scalingStep(point: ModbusPoint, largest: number, memory: DeviceMemory, decimal = false): Step | undefined {
  if (!isScaled(point)) return undefined;
  const { scale = 1, offset = 0, scaleFactor } = point;
  if (scaleFactor === undefined) {
    const { apply, applyDecimal } = scaling(scale, offset, largest);
    return decimal ? (raw, _, decimals) => applyDecimal(raw, decimals) : apply;
  }
  /** One for each power of ten that was met: at most 2 × LARGEST_FACTOR + 1. */
  const met = new Map<number, Scaling>();
  return (raw, verdict, decimals) => {
    const factor = memory.factor(scaleFactor);
    if (factor === undefined) {
      verdict.reason = INVALID;
      return 0;
    }
    let now = met.get(factor);
    if (now === undefined) {
      now = scaling(movePoint(scale, factor), offset, largest);
      met.set(factor, now);
    }
    return decimal ? now.applyDecimal(raw, decimals) : now.apply(raw);
  };
}

export function integer(point: ModbusPoint, read: Reader<number>, bits: number, signed: boolean, memory: DeviceMemory): Decoder {
  const set = sentinels(point, bits, signed);
  if (point.enum) return labelled(point, read, set);
  const invalid = set && new Set([...set].map(Number));
  const step = scalingStep(point, 2 ** bits, memory);
  const check = finish(point);
  if (!invalid && !check) return step ? (b, verdict) => step(read(b), verdict, 0) : read;
  return (b, verdict) => {
    const raw = read(b);
    if (invalid?.has(raw)) {
      verdict.reason = INVALID;
      return 0;
    }
    const value = step ? step(raw, verdict, 0) : raw;
    check?.(value, verdict);
    return value;
  };
}

export function integer64(
  point: ModbusPoint,
  high: Reader<number>,
  low: Reader<number>,
  signed: boolean,
  memory: DeviceMemory,
): Decoder {
  const invalid = sentinels(point, 64, signed);
  const check = finish(point);
  const step = scalingStep(point, 2 ** 64, memory);
  return (b, verdict) => {
    const top = signed ? high(b) : high(b) >>> 0;
    const raw = (BigInt(top) << 32n) | BigInt(low(b) >>> 0);
    if (invalid?.has(raw)) {
      verdict.reason = INVALID;
      return 0;
    }
    const value = step ? step(Number(raw), verdict, 0) : raw;
    check?.(value, verdict);
    return value;
  };
}

export function bcd(point: ModbusPoint, read: Reader<number>, digits: number, memory: DeviceMemory): Decoder {
  const number = (raw: number) => {
    let value = 0;
    for (let shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
      const digit = (raw >>> shift) & 15;
      if (digit > 9) return Number.NaN;
      value = value * 10 + digit;
    }
    return value;
  };
  // A sentinel with letters (0xFFFF) is no number in BCD and is refused below anyway.
  const digitsOnly = integer({ ...point, type: 'uint32' }, () => current, 32, false, memory);
  let current = 0;
  return (b, verdict) => {
    current = number(read(b));
    if (!Number.isNaN(current)) return digitsOnly(b, verdict);
    verdict.reason = INVALID;
    return 0;
  };
}

/** @param snap rounds a double to the narrower format; without it the double is given as it is */
export function float(point: ModbusPoint, read: Reader<number>, memory: DeviceMemory, snap?: (x: number) => number): Decoder {
  const invalid = floatSentinels(point, snap ?? Number);
  const check = finish(point);
  const step = scalingStep(point, Number.MAX_VALUE, memory, snap !== undefined);
  const grid: Grid = { decimals: 1 };
  return (b, verdict) => {
    const raw = read(b);
    if (!Number.isFinite(raw)) {
      verdict.reason = NOT_A_NUMBER;
      return 0;
    }
    if (invalid?.has(raw)) {
      verdict.reason = INVALID;
      return 0;
    }
    let value = snap ? shortest(raw, snap, grid) : raw;
    if (step) value = step(value, verdict, grid.decimals);
    check?.(value, verdict);
    return value;
  };
}

/** An enum gives its label; a number without one is given as it is, as an uncertain reading. */
export function labelled(point: ModbusPoint, read: Reader<number | boolean>, invalid?: ReadonlySet<bigint>): Decoder {
  if (!point.enum) return read;
  const labels = new Map(Object.entries(point.enum).map(([raw, label]) => [Number(raw), label]));
  return (b, verdict) => {
    const raw = Number(read(b));
    if (invalid?.has(BigInt(raw))) {
      verdict.reason = INVALID;
      return 0;
    }
    const label = labels.get(raw);
    if (label === undefined) verdict.reason = OUT_OF_RANGE;
    return label ?? String(raw);
  };
}
