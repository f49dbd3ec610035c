/** What stands in a cell of a table, or at a key of a JSON line: a time, a value, a quality. */
import type { Value } from '../../core/point.ts';
import { GOOD, REASONS, type ReasonName, reasonCode } from '../../core/reasons.ts';
import { isoTime } from '../../core/times.ts';
import { atLine } from './lines.ts';
import type { WantedPoint } from './recording.ts';

const OFFSET = /(?:z|[+-]\d{2}:?\d{2})$/i;
const ISO = /^\d{4}-\d{2}-\d{2}(?:[t ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?/i;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const COMMA_NUMBER = /^[+-]?\d*,\d+(?:e[+-]?\d+)?$/i;
const BAD_WORDS = new Set(['nan', 'inf', '-inf', '+inf', 'infinity', '-infinity', 'null', '#n/a', 'n/a']);
const TRUE = new Set(['true', 'on', '1', 'yes']);
const FALSE = new Set(['false', 'off', '0', 'no']);
const REASON_NAMES: ReadonlySet<string> = new Set(REASONS.map(({ name }) => name));
/** Milliseconds of 2001 and of the year 5138: anything else is seconds, microseconds or a typing error. */
const LEAST_MS = 1e12;
const MOST_MS = 1e14;

export interface TimeCell {
  readonly time: number;
  /** `?` behind it: the gateway did not know the time. */
  readonly estimated: boolean;
}

/**
 * ISO 8601 with an offset, or UTC milliseconds.
 * @param offset of times that have none, for example `+06:00`
 * @throws SluiceError recording
 */
export function timeCell(cell: string, line: number, offset: string | undefined): TimeCell {
  const estimated = cell.endsWith('?');
  const text = (estimated ? cell.slice(0, -1) : cell).trim();
  if (/^\d+(?:\.0*)?$/.test(text)) {
    const time = Number(text);
    if (time >= LEAST_MS && time < MOST_MS) return { time, estimated };
    const words =
      time >= 1e9 && time < 1e11 ? 'seconds; write UTC milliseconds (multiply by 1000)' : 'no UTC milliseconds of our time';
    throw atLine(line, `the time ${shown(text)} is ${words}`);
  }
  if (!ISO.test(text)) throw atLine(line, `"${shown(cell)}" is not a time: write 2026-11-25T10:00:00+06:00, or UTC milliseconds`);
  const whole = text.replace(' ', 'T').replace(',', '.').replaceAll(' ', '');
  const date = whole.length <= 10;
  if (!date && !OFFSET.test(whole) && offset === undefined)
    throw atLine(
      line,
      `the time ${shown(text)} does not say its zone: write it with an offset (${shown(text)}+06:00), or give --offset +06:00 for all`,
    );
  const time = isoTime(date ? `${whole}T00:00${offset ?? 'Z'}` : OFFSET.test(whole) ? whole : `${whole}${offset}`);
  if (time === undefined) throw atLine(line, `"${shown(cell)}" is not a time that exists`);
  return { time, estimated };
}

export interface ValueCell {
  readonly value: Value | undefined;
  readonly reason: number;
}
const bad = (reason: ReasonName): ValueCell => ({ value: undefined, reason: reasonCode(reason) });

/** @param comma a number may have a decimal comma @throws SluiceError recording */
export function valueCell(cell: string, point: WantedPoint, line: number, comma: boolean): ValueCell {
  const text = cell.trim();
  const word = text.toLowerCase();
  switch (point.typed ? point.storage : undefined) {
    case 'string':
      return good(unescaped(cell));
    case 'boolean':
      if (TRUE.has(word)) return good(true);
      if (FALSE.has(word)) return good(false);
      break;
    case 'integer64':
      if (/^[+-]?\d+$/.test(text)) return good(BigInt(text));
      break;
    default: {
      const number = numberOf(text, comma);
      if (number !== undefined) return Number.isFinite(number) ? good(number) : bad('not-a-number');
      if (!point.typed && (word === 'true' || word === 'false')) return good(word === 'true');
    }
  }
  if (BAD_WORDS.has(word)) return bad('not-a-number');
  if (REASON_NAMES.has(word) && reasonCode(word as ReasonName) < 128) return bad(word as ReasonName);
  if (!point.typed && !COMMA_NUMBER.test(text)) return good(unescaped(cell));
  const hint = COMMA_NUMBER.test(text)
    ? 'write a decimal point, or separate the columns with ";"'
    : 'leave the cell empty where there is no reading, or write a reason such as timeout';
  throw atLine(
    line,
    `"${shown(text)}" is no value of ${point.device}.${point.name} (${point.storage === 'boolean' ? 'true or false' : 'a number'}): ${hint}`,
  );
}

/** The value of a JSON line. @throws SluiceError recording */
export function jsonValue(found: unknown, point: WantedPoint, line: number): ValueCell {
  if (typeof found === 'number') {
    if (!Number.isFinite(found)) return bad('not-a-number');
    if (point.typed && point.storage === 'boolean') return good(found !== 0);
    return good(point.typed && point.storage === 'integer64' && Number.isSafeInteger(found) ? BigInt(found) : found);
  }
  if (typeof found === 'boolean') return good(found);
  if (typeof found === 'string') {
    if (point.typed && point.storage === 'string') return good(found);
    return point.typed ? valueCell(found, point, line, false) : good(found);
  }
  if (found === null) return bad('not-a-number');
  throw atLine(line, `the value of ${point.device}.${point.name} is neither a number nor a text, nor true or false`);
}

/** @param quality good, uncertain, bad or empty @param reason a code of the table, or empty @throws SluiceError recording */
export function qualityCell(quality: string, reason: string, line: number): number {
  const word = reason.trim().toLowerCase();
  const code = REASON_NAMES.has(word) ? reasonCode(word as ReasonName) : undefined;
  if (word !== '' && code === undefined)
    throw atLine(line, `"${shown(reason)}" is no reason; write one of ${[...REASON_NAMES].join(', ')}`);
  switch (quality.trim().toLowerCase()) {
    case '':
    case 'good':
      return code ?? GOOD;
    case 'uncertain':
      return code !== undefined && code >= 128 ? code : reasonCode('out-of-range');
    case 'bad':
      return code !== undefined && code < 128 ? code : reasonCode('invalid');
    default:
      throw atLine(line, `"${shown(quality)}" is no quality; write good, uncertain or bad`);
  }
}

function good(value: Value): ValueCell {
  return { value, reason: GOOD };
}

function numberOf(text: string, comma: boolean): number | undefined {
  if (NUMBER.test(text)) return Number(text);
  return comma && COMMA_NUMBER.test(text) ? Number(text.replace(',', '.')) : undefined;
}

/** Takes off the apostrophe by which an export keeps a spreadsheet from running a text. */
function unescaped(cell: string): string {
  return /^'[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell;
}

/** A text from outside in a message. */
export function shown(text: string): string {
  const one = text.replace(/[\p{Cc}\p{Cf}]/gu, '\ufffd');
  return one.length > 60 ? `${one.slice(0, 59)}…` : one;
}
