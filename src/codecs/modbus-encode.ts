/** The way back: a value as the registers (or the bit) that a device would hold. Used to serve simulated devices and to write. */
import { SluiceError } from '../core/errors.ts';
import type { Value } from '../core/point.ts';
import { numberToFloat16, scaling } from './decimal.ts';
import type { ModbusPoint } from './modbus-point.ts';
import { isBitTable, isScaled, widthOf } from './modbus-point.ts';
import { encodeTime } from './modbus-time.ts';

/** Bits and signedness of the integer types. */
const INTEGERS: Readonly<Record<string, readonly [bits: number, signed: boolean]>> = {
  int8: [8, true],
  uint8: [8, false],
  int16: [16, true],
  uint16: [16, false],
  int32: [32, true],
  uint32: [32, false],
  int64: [64, true],
  uint64: [64, false],
};

function refuse(point: ModbusPoint, value: Value, why: string): never {
  throw new SluiceError('request-invalid', `${point.name}: ${String(value)} cannot be written as ${point.type}: ${why}`);
}

/**
 * Registers 0..65535 in the order of the wire (one 0 or 1 for a coil or discrete input).
 * @param current what the registers hold now; a `bit` changes only its own bit of it.
 * @throws SluiceError `request-invalid` where the value does not fit the type
 */
export function encodePoint(point: ModbusPoint, value: Value, current: readonly number[] = []): number[] {
  if (isBitTable(point.table)) return [truth(point, value) ? 1 : 0];
  if (point.bit !== undefined) {
    const swapped = (current[0] ?? 0) & 0xffff;
    const word = point.order === 'BA' ? ((swapped & 255) << 8) | (swapped >> 8) : swapped;
    return arrange(point, wordBytes(truth(point, value) ? word | (1 << point.bit) : word & ~(1 << point.bit)));
  }
  return arrange(point, significantFirst(point, value));
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

function wordBytes(word: number): Uint8Array {
  return Uint8Array.of((word >> 8) & 255, word & 255);
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
      return bytes;
    case 'float32':
      view.setFloat32(0, unscale(point, value));
      return bytes;
    case 'float64':
      view.setFloat64(0, unscale(point, value));
      return bytes;
    case 'bcd16':
    case 'bcd32': {
      const digits = point.type === 'bcd16' ? 4 : 8;
      const text = String(Math.round(unscale(point, value))).padStart(digits, '0');
      if (!/^\d+$/.test(text) || text.length > digits) refuse(point, value, `it takes 0 to ${'9'.repeat(digits)}`);
      for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
      return bytes;
    }
    default:
      return integerBytes(point, value, bytes, view);
  }
}

function integerBytes(point: ModbusPoint, value: Value, bytes: Uint8Array, view: DataView): Uint8Array {
  const [bits, signed] = INTEGERS[point.type] ?? [16, false];
  const raw = unlabel(point, value);
  const whole = typeof raw === 'bigint' && !isScaled(point) ? raw : BigInt(Math.round(unscale(point, raw)));
  const low = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const high = low + 2n ** BigInt(bits) - 1n;
  if (whole < low || whole > high) refuse(point, value, `raw ${whole} is outside ${low} to ${high}`);
  if (bits === 64) view.setBigUint64(0, BigInt.asUintN(64, whole));
  else if (bits === 32) view.setUint32(0, Number(BigInt.asUintN(32, whole)));
  else view.setUint16(0, Number(BigInt.asUintN(bits, whole)));
  return bytes;
}

function unscale(point: ModbusPoint, value: Value): number {
  const number = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value);
  if (!Number.isFinite(number)) refuse(point, value, 'it is no number');
  return isScaled(point) ? scaling(point.scale ?? 1, point.offset ?? 0, 2 ** 32).invert(number) : number;
}

/** Bytes in the order of the value -> registers in the order of the wire. */
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
