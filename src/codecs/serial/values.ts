/** From the field of a frame to the value of a point, and why not when it is none. */
import type { Value } from '../../core/point.ts';
import { ABSENT, GOOD, reasonCode } from '../../core/reasons.ts';
import { cleanText } from './text.ts';
import type { Field, PointConfig } from './types.ts';
import { INVALID, NOT_READY, UNPARSABLE } from './types.ts';

const BAD_NUMBER = reasonCode('not-a-number');
const BAD_TEXT = reasonCode('unparsable');
const BAD_VALUE = reasonCode('invalid');
const WARMING_UP = reasonCode('not-ready');
const OUT_OF_RANGE = reasonCode('out-of-range');

const NUMBER = /^[+-]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const NO_NUMBER = /^[+-]?(?:nan|inf|infinity)$/i;
const INTEGER = /^([+-]?)\s*(\d+)(?:\.0*)?$/;
const TRUE = /^(?:true|on|yes)$/i;
const FALSE = /^(?:false|off|no)$/i;
/** No instrument's number is longer. */
const MAX_NUMBER = 64;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

export interface Reading {
  /** 0 where the reason says that there is none. */
  readonly value: Value;
  /** GOOD, ABSENT or a code of REASONS. */
  readonly reason: number;
}

const none = (reason: number): Reading => ({ value: 0, reason });

/** `point.type` int64 without scale and offset gives a bigint. */
export function toReading(field: Field, point: PointConfig): Reading {
  if (field === undefined) return none(ABSENT);
  if (field === null) return none(BAD_NUMBER);
  if (field === UNPARSABLE) return none(BAD_TEXT);
  if (field === INVALID) return none(BAD_VALUE);
  if (field === NOT_READY) return none(WARMING_UP);
  if (point.invalid?.some((mark) => isMark(field, mark))) return none(BAD_VALUE);
  if (point.enum !== undefined) return toLabel(field, point.enum);
  if (point.type === 'string') return { value: cleanText(String(field)), reason: GOOD };
  const given = typeof field === 'string' ? field.trim() : field;
  if (given === '') return none(ABSENT);
  if (point.type === 'bool') return toBool(given);
  if (typeof given === 'string' && NO_NUMBER.test(given)) return none(BAD_NUMBER);
  if (point.type === 'int64' && !isScaled(point)) return toInteger(given, point);
  const number = toNumber(given);
  if (number === undefined) return none(BAD_TEXT);
  if (point.type === 'int64' && Number.isFinite(number) && !Number.isInteger(number)) return none(BAD_TEXT);
  const value = scaled(number, point);
  if (!Number.isFinite(value)) return none(BAD_NUMBER);
  return { value, reason: inRange(value, point) ? GOOD : OUT_OF_RANGE };
}

export function isScaled(point: PointConfig): boolean {
  return point.scale !== undefined || point.offset !== undefined;
}

/** raw × scale + offset. */
export function scaled(raw: number, point: PointConfig): number {
  return isScaled(point) ? tidySum(raw * (point.scale ?? 1), point.offset ?? 0) : raw;
}

/**
 * a + b without the dust of binary fractions (3 × 0.1 is 0.3, not 0.30000000000000004): a double holds 15 digits of a
 * decimal, counted from the larger of the two, since what cancels out takes the leading ones away.
 */
export function tidySum(a: number, b: number): number {
  const largest = Math.max(Math.abs(a), Math.abs(b));
  if (largest === 0 || !Number.isFinite(largest)) return a + b;
  const decimals = 14 - Math.floor(Math.log10(largest));
  // Adding 0 turns -0 into 0.
  return Number((a + b).toFixed(Math.min(Math.max(decimals, 0), 100))) + 0;
}

/** A number in the list is a number, however it is written; a text is this text. */
function isMark(field: string | number | bigint | boolean, mark: string | number): boolean {
  const text = String(field).trim();
  return text === String(mark) || (typeof mark === 'number' && typeof field !== 'boolean' && toNumber(field) === mark);
}

function toLabel(field: string | number | bigint | boolean, labels: Readonly<Record<string, string>>): Reading {
  const text = String(field).trim();
  if (text === '') return none(ABSENT);
  if (Object.hasOwn(labels, text)) return { value: labels[text] as string, reason: GOOD };
  return { value: cleanText(text), reason: OUT_OF_RANGE };
}

function inRange(value: number, { range }: PointConfig): boolean {
  return (range?.min === undefined || value >= range.min) && (range?.max === undefined || value <= range.max);
}

function toNumber(given: string | number | bigint | boolean): number | undefined {
  if (typeof given === 'number') return given;
  if (typeof given === 'bigint') return Number(given);
  if (typeof given === 'boolean' || given.length > MAX_NUMBER || !NUMBER.test(given)) return undefined;
  return Number(given.replaceAll(/\s/g, ''));
}

function toInteger(given: string | number | bigint | boolean, point: PointConfig): Reading {
  let value: bigint;
  if (typeof given === 'bigint') value = given;
  else if (typeof given === 'number') {
    if (!Number.isFinite(given)) return none(BAD_NUMBER);
    // A double has lost digits already beyond 2^53: better no value than a wrong one.
    if (!Number.isSafeInteger(given)) return none(BAD_TEXT);
    value = BigInt(given);
  } else {
    const [, sign, digits] = (typeof given === 'string' && given.length <= MAX_NUMBER && INTEGER.exec(given)) || [];
    if (digits === undefined) return none(BAD_TEXT);
    value = sign === '-' ? -BigInt(digits) : BigInt(digits);
  }
  if (value < INT64_MIN || value > INT64_MAX) return none(BAD_TEXT);
  return { value, reason: inRange(Number(value), point) ? GOOD : OUT_OF_RANGE };
}

function toBool(given: string | number | bigint | boolean): Reading {
  if (typeof given === 'boolean') return { value: given, reason: GOOD };
  if (typeof given === 'string') {
    if (TRUE.test(given)) return { value: true, reason: GOOD };
    if (FALSE.test(given)) return { value: false, reason: GOOD };
  }
  const number = toNumber(given);
  if (number === undefined) return none(BAD_TEXT);
  return Number.isFinite(number) ? { value: number !== 0, reason: GOOD } : none(BAD_NUMBER);
}
