/**
 * Modbus registers and bits <-> values.
 *
 * - Pure: bytes in, values out. A request's points are compiled once into a list of closures; decoding allocates the
 *   sample and its values, nothing else.
 * - The payload is what follows the byte count of a reply; its length was checked against the request by the driver.
 * - Raw sentinels (`invalid`) are compared before scale and offset, `range` after them.
 * - A number is told as the instrument would show it: see decimal.ts.
 */
import type { Sample, Shape, Value } from '../core/point.ts';
import { GOOD, reasonCode } from '../core/reasons.ts';
import type { Grid } from './decimal.ts';
import { float16ToNumber, scaling, shortest, snapToFloat16 } from './decimal.ts';
import type { ModbusPoint } from './modbus-point.ts';
import { isBitTable, isScaled, widthOf } from './modbus-point.ts';
import { decodeTime } from './modbus-time.ts';

const NOT_A_NUMBER = reasonCode('not-a-number');
const INVALID = reasonCode('invalid');
const OUT_OF_RANGE = reasonCode('out-of-range');

/** Where a decoder leaves why its value is not good; GOOD is set before each call. */
interface Verdict {
  reason: number;
}
type Reader<T> = (bytes: Uint8Array) => T;
type Decoder = (bytes: Uint8Array, verdict: Verdict) => Value;

/**
 * @param start the address that the first register (or bit) of the payload has
 * @param points in the order of `shape.points`
 */
export function compileRequest(
  shape: Shape,
  points: readonly ModbusPoint[],
  start: number,
): (payload: Uint8Array, at: number) => Sample {
  const decoders = points.map((point) => compilePoint(point, point.address - start));
  const n = decoders.length;
  const verdict: Verdict = { reason: GOOD };
  return (payload, at) => {
    const values = new Array<Value>(n);
    let reasons: Uint8Array | null = null;
    for (let i = 0; i < n; i++) {
      verdict.reason = GOOD;
      values[i] = (decoders[i] as Decoder)(payload, verdict);
      if (verdict.reason !== GOOD) {
        reasons ??= new Uint8Array(n);
        reasons[i] = verdict.reason;
      }
    }
    return { shape, at, values, reasons };
  };
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

function compilePoint(point: ModbusPoint, offset: number): Decoder {
  if (isBitTable(point.table)) {
    const byte = offset >> 3;
    const mask = 1 << (offset & 7);
    return labelled(point, (b) => ((b[byte] as number) & mask) !== 0);
  }
  const at = positions(point, offset);
  const word = word16(at);
  if (point.bit !== undefined) {
    const mask = 1 << point.bit;
    return labelled(point, (b) => (word(b) & mask) !== 0);
  }
  switch (point.type) {
    case 'bool':
      return labelled(point, (b) => word(b) !== 0);
    case 'uint8':
      return integer(point, (b) => word(b) & 0xff, 8, false);
    case 'int8':
      return integer(point, (b) => (word(b) << 24) >> 24, 8, true);
    case 'uint16':
      return integer(point, word, 16, false);
    case 'int16':
      return integer(point, (b) => (word(b) << 16) >> 16, 16, true);
    case 'uint32': {
      const signed = word32(at);
      return integer(point, (b) => signed(b) >>> 0, 32, false);
    }
    case 'int32':
      return integer(point, word32(at), 32, true);
    case 'uint64':
    case 'int64':
      return integer64(point, word32(at), word32(at.slice(4)), point.type === 'int64');
    case 'bcd16':
      return bcd(point, word, 4);
    case 'bcd32':
      return bcd(point, word32(at), 8);
    case 'float16':
      return float(point, (b) => float16ToNumber(word(b)), snapToFloat16);
    case 'float32': {
      const bits = word32(at);
      return float(
        point,
        (b) => {
          scratchBits[0] = bits(b);
          return scratch32[0] as number;
        },
        Math.fround,
      );
    }
    case 'float64': {
      const high = word32(at);
      const low = word32(at.slice(4));
      return float(point, (b) => {
        scratchBits[LOW] = low(b);
        scratchBits[1 - LOW] = high(b);
        return scratch64[0] as number;
      });
    }
    case 'string':
      return (b) => text(b, at);
    case 'datetime': {
      const words = Array.from({ length: widthOf(point) }, (_, i) => word16(at.slice(i * 2)));
      return (b, verdict) => {
        const time = decodeTime(words.map((read) => read(b)));
        if (time === undefined) verdict.reason = INVALID;
        return time ?? 0;
      };
    }
  }
}

const scratchBits = new Int32Array(2);
const scratch32 = new Float32Array(scratchBits.buffer);
const scratch64 = new Float64Array(scratchBits.buffer);
/** Which half of a double the machine stores first. */
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;

function word16(at: readonly number[]): Reader<number> {
  const [a = 0, b = 0] = at;
  return (bytes) => ((bytes[a] as number) << 8) | (bytes[b] as number);
}

/** As a signed 32-bit number. */
function word32(at: readonly number[]): Reader<number> {
  const [a = 0, b = 0, c = 0, d = 0] = at;
  return (x) => ((x[a] as number) << 24) | ((x[b] as number) << 16) | ((x[c] as number) << 8) | (x[d] as number);
}

/** Sentinels as the reader of this type would give them: 0x8000 of an int16 is -32768. */
function sentinels(point: ModbusPoint, bits: number, signed: boolean): ReadonlySet<bigint> | undefined {
  if (!point.invalid?.length) return undefined;
  return new Set(point.invalid.map((raw) => (signed ? BigInt.asIntN(bits, BigInt(raw)) : BigInt(raw))));
}

/** The last steps of every number: range, and the labels of an enum. */
function finish(point: ModbusPoint): ((value: number | bigint, verdict: Verdict) => void) | undefined {
  const { min, max } = point.range ?? {};
  if (min === undefined && max === undefined) return undefined;
  const low = min ?? Number.NEGATIVE_INFINITY;
  const high = max ?? Number.POSITIVE_INFINITY;
  return (value, verdict) => {
    if (value < low || value > high) verdict.reason = OUT_OF_RANGE;
  };
}

function integer(point: ModbusPoint, read: Reader<number>, bits: number, signed: boolean): Decoder {
  if (point.enum) return labelled(point, read, sentinels(point, bits, signed));
  const set = sentinels(point, bits, signed);
  const invalid = set && new Set([...set].map(Number));
  const { apply } = scaling(point.scale ?? 1, point.offset ?? 0, 2 ** bits);
  const scaled = isScaled(point);
  const check = finish(point);
  if (!invalid && !check) return scaled ? (b) => apply(read(b)) : read;
  return (b, verdict) => {
    const raw = read(b);
    if (invalid?.has(raw)) {
      verdict.reason = INVALID;
      return 0;
    }
    const value = scaled ? apply(raw) : raw;
    check?.(value, verdict);
    return value;
  };
}

function integer64(point: ModbusPoint, high: Reader<number>, low: Reader<number>, signed: boolean): Decoder {
  const invalid = sentinels(point, 64, signed);
  const check = finish(point);
  const { apply } = scaling(point.scale ?? 1, point.offset ?? 0, 2 ** 64);
  const scaled = isScaled(point);
  return (b, verdict) => {
    const top = signed ? high(b) : high(b) >>> 0;
    const raw = (BigInt(top) << 32n) | BigInt(low(b) >>> 0);
    if (invalid?.has(raw)) {
      verdict.reason = INVALID;
      return 0;
    }
    const value = scaled ? apply(Number(raw)) : raw;
    check?.(value, verdict);
    return value;
  };
}

function bcd(point: ModbusPoint, read: Reader<number>, digits: number): Decoder {
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
  const digitsOnly = integer({ ...point, type: 'uint32' }, () => current, 32, false);
  let current = 0;
  return (b, verdict) => {
    current = number(read(b));
    if (!Number.isNaN(current)) return digitsOnly(b, verdict);
    verdict.reason = INVALID;
    return 0;
  };
}

function float(point: ModbusPoint, read: Reader<number>, snap?: (x: number) => number): Decoder {
  const invalid = point.invalid?.length ? new Set(point.invalid.map((raw) => (snap ?? Number)(Number(raw)))) : undefined;
  const check = finish(point);
  const scaled = isScaled(point);
  const { applyDecimal, apply } = scaling(point.scale ?? 1, point.offset ?? 0, Number.MAX_VALUE);
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
    if (scaled) value = snap ? applyDecimal(value, grid.decimals) : apply(value);
    check?.(value, verdict);
    return value;
  };
}

/** An enum gives its label; a number without one is told as it is, as an uncertain reading. */
function labelled(point: ModbusPoint, read: Reader<number | boolean>, invalid?: ReadonlySet<bigint>): Decoder {
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

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Up to the first NUL, without padding at the end. Bytes that are no UTF-8 are taken as Latin-1, and control characters
 * become spaces, so that a name from the field cannot reach a terminal as a command.
 */
function text(bytes: Uint8Array, at: readonly number[]): string {
  const raw: number[] = [];
  for (const position of at) {
    const byte = bytes[position] as number;
    if (byte === 0) break;
    raw.push(byte);
  }
  const array = Uint8Array.from(raw);
  let decoded: string;
  try {
    decoded = utf8.decode(array);
  } catch {
    decoded = String.fromCharCode(...array);
  }
  return decoded.replace(/[\p{Cc}]/gu, ' ').trimEnd();
}
