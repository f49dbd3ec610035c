/**
 * Turns a value given for a write (a number, a bool, or a text from a command line) into one that the point can have.
 *
 * - Nothing is guessed and nothing is rounded: a value between two steps of a scale, a label that is not in the list, a text
 *   that is no number is refused in words. What is written is what was asked for.
 * - Bounds are those of `write:`; of a label they are those of its raw number.
 */
import { SluiceError } from '../core/errors.ts';
import type { Value } from '../core/point.ts';
import { scaling } from './decimal.ts';
import type { ModbusPoint } from './modbus-point.ts';
import { isBitTable, isScaled, widthOf } from './modbus-point.ts';
import { encodeTime } from './modbus-time.ts';

/** Types whose raw number is whole: a value has to lie on a step of their scale. */
const FLOATS: readonly string[] = ['float16', 'float32', 'float64'];
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i;
const TRUE: readonly string[] = ['true', 'on', '1'];
const FALSE: readonly string[] = ['false', 'off', '0'];

/**
 * @returns the value as a reading of the point would have it
 * @throws SluiceError `write-refused`, without the name of the point
 */
export function valueToWrite(point: ModbusPoint, given: Value): Value {
  if (point.enum) return labelOf(point, point.enum, given);
  if (isBitTable(point.table) || point.bit !== undefined || point.type === 'bool') return truthOf(given);
  if (point.type === 'string') return textOf(point, given);
  if (point.type === 'datetime') return timeOf(point, given);
  if (/64$/.test(point.type) && point.type !== 'float64' && !isScaled(point)) return bounded(point, wholeOf(given));
  const value = numberOf(given);
  bounded(point, value);
  if (point.scaleFactor === undefined) assertOnStep(point, value);
  return value;
}

/**
 * The value is one that the raw number can be, and not between two of them.
 * @param point its `scale` already holds what a scale factor says
 * @throws SluiceError `write-refused`
 */
export function assertOnStep(point: ModbusPoint, value: Value): void {
  if (typeof value !== 'number' || FLOATS.includes(point.type)) return;
  const scale = point.scale ?? 1;
  const steps = scaling(scale, point.offset ?? 0, 2 ** 32);
  const raw = steps.invert(value);
  // A double that was computed (0.1 × 217) may miss its step by some of its last bits, and by no more.
  if (Math.abs(raw - Math.round(raw)) <= 1e-6 + Math.abs(raw) * 2 ** -50) return;
  const [one, other] = [steps.apply(Math.floor(raw)), steps.apply(Math.ceil(raw))].sort((a, b) => a - b);
  refuse(
    scale === 1
      ? `${value} is not a whole number, and ${point.type} holds only whole numbers; write ${one} or ${other}`
      : `${value} is between two steps of ${Math.abs(scale)}; write ${one} or ${other}`,
  );
}

function refuse(why: string): never {
  throw new SluiceError('write-refused', why);
}

function labelOf(point: ModbusPoint, labels: Readonly<Record<string, string>>, given: Value): Value {
  const entries = Object.entries(labels);
  const text = String(typeof given === 'boolean' ? Number(given) : given).trim();
  const [raw, label] = entries.find((e) => e[1] === given) ?? entries.find((e) => e[0] === text) ?? [];
  if (raw === undefined || label === undefined)
    return refuse(`${String(given)} is not one of its values: ${entries.map(([key, word]) => `${word} (${key})`).join(', ')}`);
  bounded(point, Number(raw));
  return label;
}

function truthOf(given: Value): boolean {
  const text = String(given).trim().toLowerCase();
  if (TRUE.includes(text)) return true;
  return FALSE.includes(text) ? false : refuse(`${String(given)} is neither true nor false`);
}

function textOf(point: ModbusPoint, given: Value): string {
  if (typeof given !== 'string') return refuse(`it is a text, and ${String(given)} is none; write it in quotes`);
  // Readings come as plain characters, and a device shows what it shows: nothing else can be read back.
  if (!/^[\x20-\x7e]*$/.test(given)) return refuse('it takes letters, digits and signs of ASCII only');
  const limit = widthOf(point) * 2;
  return given.length <= limit ? given : refuse(`it has room for ${limit} characters, this has ${given.length}`);
}

function timeOf(point: ModbusPoint, given: Value): string {
  if (typeof given === 'string' && encodeTime(given, widthOf(point)) !== undefined) return given;
  const sample = widthOf(point) === 2 ? '2026-01-31T08:00:00Z' : '2026-01-31T08:00:00';
  return refuse(`${String(given)} is not a time that it can hold; write it as ${sample}`);
}

function wholeOf(given: Value): bigint {
  if (typeof given === 'bigint') return given;
  if (typeof given === 'string' && /^\s*[+-]?\d{1,20}\s*$/.test(given)) return BigInt(given.trim().replace('+', ''));
  const number = numberOf(given);
  if (!Number.isInteger(number)) return refuse(`${String(given)} is not a whole number`);
  if (!Number.isSafeInteger(number)) return refuse(`${number} has more digits than a number can carry; give it as a text`);
  return BigInt(number);
}

function numberOf(given: Value): number {
  if (typeof given === 'boolean') return refuse(`${given} is not a number`);
  if (typeof given === 'string') {
    const text = given.trim();
    if (NUMBER.test(text) && Number.isFinite(Number(text))) return Number(text);
    if (/^[+-]?\d+,\d+$/.test(text)) return refuse(`${given} is not a number; write it with a point: ${text.replace(',', '.')}`);
    return refuse(`"${given}" is not a number`);
  }
  const number = Number(given);
  return Number.isFinite(number) ? number : refuse(`${number} is not a number`);
}

function bounded<T extends number | bigint>(point: ModbusPoint, value: T): T {
  const { min, max } = point.write ?? {};
  if (min !== undefined && value < min) refuse(`${value} is below ${min}, the lowest value that may be written`);
  if (max !== undefined && value > max) refuse(`${value} is above ${max}, the highest value that may be written`);
  return value;
}
