/** Every complaint of the schema library in the words of the file's author. Values are echoed only where no secret can stand. */
import type * as z from 'zod';
import { hint } from './suggest.ts';

/** What `explain` says of a union; the checker then looks into its branches. */
export const UNION = '\0union';

/** How the sentence about a number begins that has to be a text; the checker puts it as the file has it. */
export const IN_QUOTES = 'write text here, in quotes: ';

/** How every sentence about a missing key begins. */
export const MISSING = 'this key is missing';

const EXPECTED: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a section (keys indented under this one, or {key: value})',
  record: 'a section (keys indented under this one, or {key: value})',
  array: 'a list: [a, b, c]',
  tuple: 'a list: [a, b]',
  null: 'nothing',
};

/** Keys under which other programs keep people and their passwords, in their sections and beside an address. */
const ACCOUNTS = /^(users?|user_?names?|accounts?|passwords?|logins?|roles?|auth|authentication|credentials|tokens?)$/i;
const ACCOUNTS_ELSEWHERE =
  'users and passwords are not in this file; run "sluice user add NAME --role ROLE" on the board, or with --device for an MQTT client';

export function isAccounts(key: string): boolean {
  return ACCOUNTS.test(key);
}

export function unknownKey(key: string, known: Iterable<string>): string {
  const all = [...known];
  if (isAccounts(key) && all.some((word) => word === 'listen' || word === 'gateway')) return ACCOUNTS_ELSEWHERE;
  // `{scale: 0,1}` is read as the keys "scale" and "1".
  if (/^\d+$/.test(key)) return `a comma ended the value before this; write decimals with a point, for example 0.${key}`;
  // `{host: 127.0.0.1, port:1883}` is read as one word.
  const [, glued, value] = /^([A-Za-z][\w-]*):(\S{1,40})$/.exec(key) ?? [];
  if (glued !== undefined) return `a space is missing after the colon; write "${glued}: ${value}"`;
  return `${quote(key)} is not a key of this section${hint(key, all, 16)}`;
}

export function explain(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return invalidType(String(issue.expected), issue.input);
    case 'invalid_value': {
      const values = (issue.values as unknown[]).map(String);
      if (issue.input === undefined) return `${MISSING}; write ${choice(values)}`;
      if (values.length === 1) return `write ${values[0]} here`;
      const word = typeof issue.input === 'object' ? undefined : String(issue.input);
      if (word === undefined) return `write ${choice(values)}`;
      return `${quote(word)} is not known here${hint(word, values, 24)}`;
    }
    case 'unrecognized_keys':
      // One line a key: the checker takes them apart again.
      return (issue.keys as string[]).map((key) => unknownKey(key, keysOf(issue.inst))).join('\n');
    case 'too_small':
      return tooSmall(String(issue.origin), Number(issue.minimum), issue.inclusive === true, issue.input);
    case 'too_big':
      return tooBig(String(issue.origin), Number(issue.maximum), issue.inclusive === true, issue.input);
    case 'not_multiple_of':
      return `write a multiple of ${String(issue.divisor)}; this is ${found(issue.input)}`;
    case 'invalid_union':
      if (Array.isArray(issue.options) && typeof issue.discriminator === 'string')
        return discriminator(issue.discriminator, issue.options.map(String), issue.input);
      return UNION;
    case 'invalid_format':
      return issue.format === 'url'
        ? 'write an address such as mqtt://host:1883'
        : 'this text does not have the form that is needed here';
    case 'invalid_key':
      return 'this key is not written as it should be';
    case 'invalid_element':
      return 'this entry is not written as it should be';
    default:
      return 'this is not allowed here';
  }
}

function invalidType(expected: string, input: unknown): string {
  const what = EXPECTED[expected] ?? `a value of another kind (${expected})`;
  if (input === undefined) return `${MISSING}; write ${what}`;
  if (input === null) return `nothing is written here; write ${what}`;
  if (expected === 'number' || expected === 'int') {
    if (typeof input === 'number')
      return expected === 'int' && Number.isFinite(input) ? `write a whole number; this is ${input}` : 'write an ordinary number';
    if (typeof input === 'string') {
      const text = input.trim();
      if (/^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(text)) return `write the number without quotes: ${text}`;
      if (/^[-+]?\d+,\d+$/.test(text)) return `write the number with a point: ${text.replace(',', '.')}`;
      if (/^0x[0-9a-f]+$/i.test(text)) return `write the number without quotes: ${text}`;
      const bare = /^[<>=≤≥~]*\s*([-+]?\d+(?:\.\d+)?)\s*[^\d.,]*$/.exec(text);
      if (bare) return `write the number alone: ${bare[1]}`;
      const [, over, under] = /^(\d+(?:\.\d+)?)\s*[/:÷]\s*(\d+)$/.exec(text) ?? [];
      const part = Number(over) / Number(under);
      if (Number.isFinite(part) && String(part).length <= 12) return `write the number itself: ${part}`;
    }
  }
  if (expected === 'string' && (typeof input === 'number' || typeof input === 'boolean')) return `${IN_QUOTES}"${String(input)}"`;
  // `unit: [ppm]`: the brackets belong to the text.
  const [only] = expected === 'string' && Array.isArray(input) && input.length === 1 ? input : [];
  if (typeof only === 'string' && only.length <= 60) return `brackets make a list; write the text in quotes: '[${only}]'`;
  if (expected === 'boolean' && typeof input === 'string') {
    if (/^(yes|on|y|enabled?)$/i.test(input.trim())) return `write true; this is ${found(input)}`;
    if (/^(no|off|n|disabled?)$/i.test(input.trim())) return `write false; this is ${found(input)}`;
    return `write true or false; this is ${found(input)}`;
  }
  return `write ${what}; this is ${found(input)}`;
}

function tooSmall(origin: string, min: number, inclusive: boolean, input: unknown): string {
  if (origin === 'string')
    return min === 1 ? 'the text is empty; write something' : `the text is too short; at least ${min} letters`;
  if (origin === 'array' || origin === 'set' || origin === 'map' || origin === 'object')
    return min === 1 ? 'the list is empty; write at least one entry' : `at least ${min} entries are needed`;
  return `too small: write ${inclusive ? 'at least' : 'more than'} ${min}; this is ${found(input)}`;
}

function tooBig(origin: string, max: number, inclusive: boolean, input: unknown): string {
  if (origin === 'string') return `the text is too long; at most ${max} letters`;
  if (origin === 'array' || origin === 'set' || origin === 'map' || origin === 'object')
    return `too many entries; at most ${max}`;
  return `too big: write ${inclusive ? 'at most' : 'less than'} ${max}; this is ${found(input)}`;
}

function discriminator(key: string, options: string[], input: unknown): string {
  const given = typeof input === 'object' && input !== null ? (input as Record<string, unknown>)[key] : undefined;
  if (typeof given !== 'string') return `"${key}" is missing; write ${choice(options)}`;
  return `${quote(given)} is not known here${hint(given, options, 24)}`;
}

/** What stands in the file, in words. */
export function found(input: unknown): string {
  if (input === undefined || input === null) return 'nothing';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a section';
  if (typeof input === 'string') return `the text ${quote(input)}`;
  return String(input);
}

export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text);
}

function choice(values: readonly string[]): string {
  return values.length < 2 ? (values[0] ?? 'something else') : `one of: ${values.join(', ')}`;
}

function keysOf(schema: unknown): string[] {
  const shape = (schema as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape;
  return shape === undefined ? [] : Object.keys(shape);
}
