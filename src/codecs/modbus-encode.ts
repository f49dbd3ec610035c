/**
 * The way back: a value as the registers (or the bit) that a device would hold. Used to serve simulated devices and to write.
 * A value that the type cannot hold is refused and never cut off: a number that is too large, a float that would become infinite.
 */
import { SluiceError } from '../core/errors.ts';
import type { Value } from '../core/point.ts';
import { float16ToNumber, movePoint, numberToFloat16, scaling } from './decimal.ts';
import type { ModbusPoint } from './modbus-point.ts';
import { INTEGERS, isBitTable, isScaled, sharesRegisters, widthOf } from './modbus-point.ts';
import { encodeTime } from './modbus-time.ts';

function refuse(point: ModbusPoint, value: Value, why: string): never {
  throw new SluiceError('request-invalid', `${point.name}: ${String(value)} cannot be written as ${point.type}: ${why}`);
}

/**
 * Registers 0..65535 in the order of the wire (one 0 or 1 for a coil or discrete input).
 * @param current what the registers hold now; of a point that shares them (`sharesRegisters`) only its own part changes.
 * @param factor the power of ten that `scaleFactor` of the point is now
 * @throws SluiceError `request-invalid` where the value does not fit the type
 */
export function encodePoint(from: ModbusPoint, value: Value, current: readonly number[] = [], factor?: number): number[] {
  const point = factor === undefined ? from : withFactor(from, factor);
  if (isBitTable(point.table)) return [truth(point, value) ? 1 : 0];
  if (!sharesRegisters(point)) return arrange(point, significantFirst(point, value));
  const size = widthOf(point) * 16;
  const [first, count, part] = partOf(point, value);
  const mask = ((1n << BigInt(count)) - 1n) << BigInt(first);
  const whole = (wholeOf(point, current, size) & ~mask) | ((part << BigInt(first)) & mask);
  const bytes = new Uint8Array(size / 8);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number((whole >> BigInt(size - 8 - i * 8)) & 255n);
  return arrange(point, bytes);
}

/** The point with what its scale factor says in its scale. */
export function withFactor(point: ModbusPoint, factor: number): ModbusPoint {
  if (point.scaleFactor === undefined) return point;
  return { ...point, scaleFactor: undefined, scale: movePoint(point.scale ?? 1, factor) };
}

/** Where a point that shares its registers lies in them, and what is to stand there. */
function partOf(point: ModbusPoint, value: Value): [first: number, count: number, part: bigint] {
  if (point.bit !== undefined) return [point.bit, 1, truth(point, value) ? 1n : 0n];
  const [bits, signed] = INTEGERS[point.type] ?? [16, false];
  const { first, count } = point.bits ?? { first: 0, count: bits };
  return [first, count, wholeNumber(point, value, count, signed)];
}

/** The present content of the registers as one unsigned number. */
function wholeOf(point: ModbusPoint, current: readonly number[], size: number): bigint {
  const words = Array.from({ length: size / 16 }, (_, i) => (current[i] ?? 0) & 0xffff);
  const bytes = Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255]));
  return arrange(point, bytes).reduce((whole, word) => (whole << 16n) | BigInt(word), 0n);
}

function truth(point: ModbusPoint, value: Value): boolean {
  const raw = unlabel(point, value);
  if (typeof raw === 'boolean') return raw;
  if (raw === 0 || raw === 1) return raw === 1;
  refuse(point, value, 'it takes true or false');
}

/** The raw number behind a label; a label that is a number stands for itself. */
function unlabel(point: ModbusPoint, value: Value): Value {
  if (!point.enum || typeof value !== 'string') return value;
  const found = Object.entries(point.enum).find(([, label]) => label === value);
  const raw = Number(found?.[0] ?? (value.trim() === '' ? Number.NaN : value));
  if (Number.isNaN(raw)) refuse(point, value, `it takes one of ${Object.values(point.enum).join(', ')}`);
  return raw;
}

/** Bytes of the value, most significant first; text in reading order. */
function significantFirst(point: ModbusPoint, value: Value): Uint8Array {
  const bytes = new Uint8Array(widthOf(point) * 2);
  const view = new DataView(bytes.buffer);
  switch (point.type) {
    case 'string': {
      const encoded = new TextEncoder().encode(String(value));
      if (encoded.length > bytes.length) refuse(point, value, `it has room for ${bytes.length} bytes`);
      bytes.set(encoded);
      return bytes;
    }
    case 'datetime': {
      const words = encodeTime(String(value), widthOf(point));
      if (!words) refuse(point, value, 'it takes a time such as 2026-01-31T08:00:00Z');
      for (const [i, word] of words.entries()) view.setUint16(i * 2, word);
      return bytes;
    }
    case 'bool':
      view.setUint16(0, truth(point, value) ? 1 : 0);
      return bytes;
    case 'float16':
      view.setUint16(0, numberToFloat16(unscale(point, value)));
      return finite(point, value, bytes, float16ToNumber(view.getUint16(0)));
    case 'float32':
      view.setFloat32(0, unscale(point, value));
      return finite(point, value, bytes, view.getFloat32(0));
    case 'float64':
      view.setFloat64(0, unscale(point, value));
      return finite(point, value, bytes, view.getFloat64(0));
    case 'bcd16':
    case 'bcd32': {
      const digits = point.type === 'bcd16' ? 4 : 8;
      const text = String(Math.round(unscale(point, unlabel(point, value)))).padStart(digits, '0');
      if (!/^\d+$/.test(text) || text.length > digits) refuse(point, value, `it takes 0 to ${'9'.repeat(digits)}`);
      for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
      return bytes;
    }
    default: {
      const [bits, signed] = INTEGERS[point.type] ?? [16, false];
      const whole = wholeNumber(point, value, bits, signed);
      if (bits === 64) view.setBigUint64(0, BigInt.asUintN(64, whole));
      else if (bits === 32) view.setUint32(0, Number(BigInt.asUintN(32, whole)));
      else view.setUint16(0, Number(BigInt.asUintN(16, whole)));
      return bytes;
    }
  }
}

function finite(point: ModbusPoint, value: Value, bytes: Uint8Array, stored: number): Uint8Array {
  if (!Number.isFinite(stored)) refuse(point, value, 'it is too large');
  return bytes;
}

/** The raw number, if `bits` bits can hold it. */
function wholeNumber(point: ModbusPoint, value: Value, bits: number, signed: boolean): bigint {
  const raw = unlabel(point, value);
  const whole = exactly(point, raw) ?? BigInt(Math.round(unscale(point, raw)));
  const low = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const high = low + 2n ** BigInt(bits) - 1n;
  if (whole < low || whole > high) refuse(point, value, `raw ${whole} is outside ${low} to ${high}`);
  return whole;
}

/** A whole number that no double may round: int64 and uint64 come as bigints, from JSON as texts. */
function exactly(point: ModbusPoint, raw: Value): bigint | undefined {
  if (isScaled(point)) return undefined;
  if (typeof raw === 'bigint') return raw;
  return typeof raw === 'string' && /^\s*[+-]?\d{1,30}\s*$/.test(raw) ? BigInt(raw) : undefined;
}

function unscale(point: ModbusPoint, value: Value): number {
  const number = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value);
  if (!Number.isFinite(number)) refuse(point, value, 'it is not a number');
  if (point.scaleFactor !== undefined)
    refuse(point, value, `its scale factor ${point.scaleFactor} is not known; the device has to be read first`);
  const raw = isScaled(point) ? scaling(point.scale ?? 1, point.offset ?? 0, 2 ** 32).invert(number) : number;
  if (!Number.isFinite(raw)) refuse(point, value, 'it is too large');
  return raw;
}

/** Bytes in the order of the value -> registers in the order of the wire. The same way back: each order undoes itself. */
function arrange(point: ModbusPoint, bytes: Uint8Array): number[] {
  const order = point.order ?? 'ABCD';
  const swapBytes = order === 'BA' || order === 'BADC' || order === 'DCBA';
  const words: number[] = [];
  for (let i = 0; i < bytes.length; i += 2) {
    const [a = 0, b = 0] = [bytes[i], bytes[i + 1]];
    words.push(swapBytes ? (b << 8) | a : (a << 8) | b);
  }
  return order === 'CDAB' || order === 'DCBA' ? words.reverse() : words;
}
