/** Keys of queries and bodies. `is` says in words what the value is; it is the description of the key and the error of a wrong value. */
import * as z from 'zod';
import { parseStep, parseTime, STEP_WORDS, TIME_WORDS } from '../../core/times.ts';
import { MAX_POINTS } from '../limits.ts';
import { knows } from '../request-words.ts';

const LONGEST_TEXT = 200;
/** What a Date can hold. */
const LAST_TIME = 8.64e15;

/** @param shape the keys; another key is refused with the list of these */
export function keys<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? knows(Object.keys(shape), issue.keys) : 'an object'),
  });
}

export function text(is: string, longest = LONGEST_TEXT) {
  return z.string({ error: is }).min(1, { error: is }).max(longest, { error: is }).describe(is);
}

export function whole(is: string, min: number, max: number) {
  const words = `${is}a whole number from ${min} to ${max}`;
  return z.int({ error: words }).min(min, { error: words }).max(max, { error: words }).describe(words);
}

/** In a query, where every value is a text. */
export function wholeText(min: number, max: number) {
  const words = `a whole number from ${min} to ${max}`;
  return z.coerce
    .number({ error: words })
    .int({ error: words })
    .min(min, { error: words })
    .max(max, { error: words })
    .describe(words);
}

export function flag(is: string) {
  return z.boolean({ error: 'true or false' }).describe(is);
}

const MOMENT_WORDS = 'a time in UTC milliseconds';
export function moment() {
  return z
    .number({ error: MOMENT_WORDS })
    .positive({ error: MOMENT_WORDS })
    .max(LAST_TIME, { error: MOMENT_WORDS })
    .describe(MOMENT_WORDS);
}

export function pattern(is: string, of: RegExp) {
  return z.string({ error: is }).regex(of, { error: is }).describe(is);
}

/** What may stand beside every command whose id acts once. */
export const asking = {
  id: pattern('1 to 64 of these: A-Z a-z 0-9 _ . -', /^[A-Za-z0-9_.-]{1,64}$/).optional(),
  expires: moment().optional(),
};

/** Still a text: what `24h` means depends on the clock of the gateway. */
export function time(is: string) {
  const words = `not a time: ${TIME_WORDS}`;
  const good = (asked: string) => Math.abs(parseTime(asked, 0) ?? Number.POSITIVE_INFINITY) <= LAST_TIME;
  return z.string({ error: words }).refine(good, { error: words }).describe(`${is}: ${TIME_WORDS}`);
}

/** Milliseconds. */
export function step(is: string) {
  const words = `not a width: ${STEP_WORDS}`;
  return z
    .string({ error: words })
    .refine((asked) => parseStep(asked) !== undefined, { error: words })
    .transform((asked) => parseStep(asked) ?? 0)
    .describe(`${is}: ${STEP_WORDS}`);
}

/** `device` or `device.point`, with commas; an empty list stands for all. */
export function points() {
  const words = `a list of at most ${MAX_POINTS} devices or points, with commas; leave it out for all`;
  return z
    .string({ error: words })
    .transform((list) => list.split(',').filter((one) => one !== ''))
    .refine((list) => list.length <= MAX_POINTS, { error: words })
    .transform((list) => (list.length === 0 ? undefined : list))
    .describe(words);
}
