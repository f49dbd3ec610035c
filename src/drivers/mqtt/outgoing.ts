/** A value for a writable point, and the message that brings it to the device. Pure. */
import { jsonText, rawNumber, rawOf } from '../../codecs/serial/encode.ts';
import { isScaled } from '../../codecs/serial/values.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Value } from '../../core/point.ts';
import type { Writable } from './plan.ts';

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i;
const TRUE: readonly string[] = ['true', 'on', '1'];
const FALSE: readonly string[] = ['false', 'off', '0'];
const LONGEST_TEXT = 256;

/**
 * Nothing is guessed and nothing is rounded.
 * @returns the value as a reading of the point has it. @throws SluiceError `write-refused`, without the name of the point
 */
export function valueToWrite({ point, write }: Writable, given: Value): Value {
  if (point.enum !== undefined) return labelOf(point.enum, write, given);
  switch (point.type) {
    case 'bool':
      return truthOf(given);
    case 'string':
      return textOf(given);
    case 'int64':
    case 'float64':
      return numberOf(point, write, given);
  }
}

/** @param value one that `valueToWrite` gave */
export function messageOf({ point, from, json, write }: Writable, value: Value): string {
  const raw = typeof value === 'boolean' && point.enum === undefined ? truthWord(value, json, write) : rawOf(value, point);
  if (write.payload !== undefined) {
    const text = String(raw);
    // What stands between quotes of JSON must not end them.
    return write.payload.replaceAll('{value}', () => (json ? JSON.stringify(text).slice(1, -1) : text));
  }
  return json ? jsonText(new Map([[from, raw]])) : String(raw);
}

function truthWord(value: boolean, json: boolean, { on, off }: Writable['write']): Value {
  const word = value ? on : off;
  if (word !== undefined) return word;
  return json ? value : value ? 'ON' : 'OFF';
}

function refuse(why: string): never {
  throw new SluiceError('write-refused', why, { data: { sent: false } });
}

function labelOf(labels: Readonly<Record<string, string>>, write: Writable['write'], given: Value): string {
  const entries = Object.entries(labels);
  const text = String(given).trim();
  const [raw, label] = entries.find((e) => e[1] === text) ?? entries.find((e) => e[0] === text) ?? [];
  if (raw === undefined || label === undefined)
    return refuse(
      `${text.slice(0, 64)} is not one of its values: ${entries.map(([key, word]) => `${word} (${key})`).join(', ')}`,
    );
  const { min, max } = write;
  if (min !== undefined || max !== undefined) inBounds(Number(raw), write);
  return label;
}

function truthOf(given: Value): boolean {
  const text = String(given).trim().toLowerCase();
  if (TRUE.includes(text)) return true;
  return FALSE.includes(text) ? false : refuse(`${text.slice(0, 64)} is neither true nor false`);
}

function textOf(given: Value): string {
  if (typeof given !== 'string') return refuse(`it is a text, and ${String(given)} is none; write it in quotes`);
  // Readings come as clean text, and what is written must be shown again.
  if (!/^[^\p{Cc}\p{Cs}\u2028\u2029]*$/u.test(given) || given !== given.trim()) return refuse('it takes plain characters only');
  return given.length > LONGEST_TEXT ? refuse(`it takes at most ${LONGEST_TEXT} characters`) : given;
}

function numberOf(point: Writable['point'], write: Writable['write'], given: Value): Value {
  const text = String(given).trim();
  if (typeof given === 'boolean' || !NUMBER.test(text)) return refuse(`${text.slice(0, 64)} is not a number`);
  const number = Number(text);
  inBounds(number, write);
  if (point.type !== 'int64') return number;
  if (isScaled(point)) {
    // The device holds whole numbers: what lies between two of them would be rounded.
    if (Number.isInteger(rawNumber(number, point))) return number;
    return refuse(`${text.slice(0, 64)} is between two steps of ${Math.abs(point.scale ?? 1)}`);
  }
  const plain = /^[+-]?\d{1,19}$/.test(text);
  if (!plain && !Number.isSafeInteger(number)) return refuse(`${text.slice(0, 64)} is not a whole number`);
  return BigInt(plain ? text.replace(/^\+/, '') : number);
}

function inBounds(number: number, { min, max }: Writable['write']): void {
  if (min !== undefined && number < min) refuse(`${number} is below ${min}, the lowest value that may be written`);
  if (max !== undefined && number > max) refuse(`${number} is above ${max}, the highest value that may be written`);
}
