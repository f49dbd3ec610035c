/** What a node takes from its properties and from a message. A message may come from anywhere, so nothing of it is trusted. */
import { isPattern, isRulePattern } from './patterns.ts';
import type { Message, Red, RedNode } from './red.ts';

/** Characters of a text that is a value, as the gateway takes it. */
const LONGEST_VALUE = 250;
/** Points that one message may name. */
const MOST_POINTS = 1000;

/** What a person can mend. The text says how. */
export class InputError extends Error {
  readonly code = 'invalid';

  /** Node-RED shows this. */
  override toString(): string {
    return this.message;
  }
}

/** A property of a typed input: `value` as it was typed, `type` as it was chosen. */
export interface Typed {
  readonly value: string;
  readonly type: string;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
/** Longer times are mistakes. */
const LONGEST_TIME = 366 * 86_400_000;

/** @returns the text with the environment variables in it: `${ROOM}.temperature` */
export function expand(red: Red, node: RedNode, text: unknown): string {
  const given = typeof text === 'string' ? text : typeof text === 'number' ? String(text) : '';
  return given.includes('${') ? String(red.util.evaluateNodeProperty(given, 'env', node)) : given;
}

/** @throws what JSONata or the message threw */
export function evaluate(red: Red, node: RedNode, { value, type }: Typed, message: Message): Promise<unknown> {
  if (type === 'point' || type === 'rule' || type === 'str') return Promise.resolve(expand(red, node, value));
  return new Promise((resolve, reject) => {
    red.util.evaluateNodeProperty(value, type, node, message, (error, result) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}

/** @returns ms; 0 for an empty field. @throws InputError */
export function duration(text: unknown, unit: unknown, what: string): number {
  if (text === '' || text === undefined || text === null) return 0;
  const ms = Number(text) * (UNITS[String(unit)] ?? Number.NaN);
  if (Number.isFinite(ms) && ms >= 0 && ms <= LONGEST_TIME) return Math.round(ms);
  throw new InputError(`${what}: "${shorten(String(text))}" is no time; write a number and choose its unit`);
}

/** @returns patterns, those that are none apart */
export function patternsOf(texts: readonly string[]): { good: string[]; bad: string[] } {
  const all = texts
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .filter((text) => text !== '');
  return { good: all.filter(isPattern), bad: all.filter((text) => !isPattern(text)) };
}
export function rulesOf(texts: readonly string[]): { good: string[]; bad: string[] } {
  const all = texts.map((text) => text.trim()).filter((text) => text !== '');
  return { good: all.filter(isRulePattern), bad: all.filter((text) => !isRulePattern(text)) };
}

/** @param given a text, with commas between several, or an array of texts. @throws InputError */
export function pointsFrom(given: unknown): string[] {
  const texts = Array.isArray(given) ? given.slice(0, MOST_POINTS + 1) : [given];
  if (!texts.every((one) => typeof one === 'string'))
    throw new InputError(`no point is named; write device.point, such as fridge.temperature`);
  const { good, bad } = patternsOf(texts);
  if (bad[0] !== undefined)
    throw new InputError(`"${shorten(bad[0])}" is no point; write device.point, such as fridge.temperature`);
  if (good.length === 0) throw new InputError('no point is named; choose one in the node, or set it in the message');
  if (good.length > MOST_POINTS) throw new InputError(`more than ${MOST_POINTS} points are named; ask for fewer at a time`);
  return good;
}

/** @throws InputError */
export function pointFrom(given: unknown): string {
  const [point = '', ...more] = pointsFrom(given);
  if (more.length > 0 || point.includes('*'))
    throw new InputError(`"${shorten(point)}" is not one point; write device.point without *`);
  return point;
}

/** @returns a value that a point can have. @throws InputError */
export function valueFrom(given: unknown): number | string | boolean {
  if (typeof given === 'boolean') return given;
  if (typeof given === 'number' && Number.isFinite(given)) return given;
  if (typeof given === 'bigint') return given.toString().slice(0, LONGEST_VALUE);
  if (typeof given === 'string' && given.length <= LONGEST_VALUE) return given;
  if (typeof given === 'string')
    throw new InputError(`the value is a text of ${given.length} characters; at most ${LONGEST_VALUE} are allowed`);
  const kind =
    given === null ? 'null' : Array.isArray(given) ? 'an array' : typeof given === 'number' ? String(given) : typeof given;
  throw new InputError(`the value is ${kind}; a point takes a number, a text, true or false`);
}

/** @param given UTC ms, a Date or an ISO time. @returns UTC ms. @throws InputError */
export function timeFrom(given: unknown, what: string): number {
  const time =
    given instanceof Date
      ? given.getTime()
      : typeof given === 'string' && !/^-?\d+$/.test(given)
        ? Date.parse(given)
        : Number(given);
  if (Number.isSafeInteger(Math.round(time)) && given !== null && given !== '' && typeof given !== 'boolean')
    return Math.round(time);
  throw new InputError(`${what} is no time; write UTC milliseconds or an ISO time, such as 2026-11-26T10:00:00Z`);
}

export function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Anything may be thrown: JSONata throws objects, and a message with getters what it likes. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  try {
    const words = typeof thrown === 'object' && thrown !== null && 'message' in thrown ? thrown.message : thrown;
    if (typeof words === 'string' && words !== '') return new InputError(words.slice(0, 500));
  } catch {
    // A getter again.
  }
  return new InputError('the message cannot be read');
}
