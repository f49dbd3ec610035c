/** Checks a request against the schema of its route, and says in words what is wrong with it. */
import type * as z from 'zod';
import { HttpError } from './respond.ts';

type Raw = Readonly<Record<string, unknown>>;

/** Letters of a key that a message repeats. */
const LONGEST_KEY = 40;

/** The value as the schema gives it. Without a schema nothing is looked at. @throws HttpError request-invalid */
export function parsed(schema: z.ZodType | undefined, raw: Raw, where: 'query' | 'body'): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalid(issue === undefined ? `the ${where} is not what this call takes` : wordsOf(issue, raw, where));
}

export function invalid(message: string): HttpError {
  return new HttpError(400, 'request-invalid', message);
}

/** The words about keys that are not known. */
export function knows(known: readonly string[], unknown: readonly string[]): string {
  const [first = ''] = unknown;
  const key = JSON.stringify(first.length > LONGEST_KEY ? `${first.slice(0, LONGEST_KEY)}…` : first);
  return known.length === 0 ? `knows no keys, so leave out ${key}` : `knows ${listed(known)}, not ${key}`;
}

function wordsOf({ path, code, message }: z.core.$ZodIssue, raw: Raw, where: 'query' | 'body'): string {
  const name = path.join('.');
  const key = where === 'query' ? name : JSON.stringify(name);
  if (code === 'unrecognized_keys') return path.length === 0 ? `the ${where} ${message}` : `${key} ${message}`;
  // Words about several keys together.
  if (path.length === 0) return message;
  return valueAt(raw, path) === undefined ? `the ${where} needs ${key}: ${message}` : `${key} is ${message}`;
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let at = raw;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[key];
  }
  return at;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
