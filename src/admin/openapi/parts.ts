/** Parts of the schemas of answers. A schema has every key of its type; the compiler refuses one that lacks a key. */
import * as z from 'zod';

/** @param shape a schema for each key of T, also for the keys that may be absent */
export function shape<T extends object>(keys: { readonly [K in keyof T]-?: z.ZodType<T[K]> }): z.ZodType<T> {
  return z.strictObject(keys) as unknown as z.ZodType<T>;
}

export const text = (is: string) => z.string().describe(is);
export const number = (is: string) => z.number().describe(is);
/** A whole number, 0 or more. */
export const count = (is: string) => z.int().min(0).describe(is);
export const flag = (is: string) => z.boolean().describe(is);
/** UTC milliseconds. */
export const moment = (is: string) => z.number().describe(`${is}, UTC milliseconds`);
export const list = <T>(of: z.ZodType<T>, is: string): z.ZodType<readonly T[]> => z.array(of).describe(is);
export const word = <const W extends readonly string[]>(words: W, is: string) => z.enum(words).describe(is);
/** Numbers, booleans and texts as they are, 64-bit integers as texts, null for a bad reading. */
export const value = (is: string) => z.union([z.number(), z.boolean(), z.string(), z.null()]).describe(is);
export const fault = () => text('what is wrong, in words; absent while nothing is').optional();
export const messages = () =>
  z
    .strictObject({ en: z.string().optional(), bn: z.string().optional() })
    .describe('the words in other languages; a language is absent where its words are those of `message`')
    .optional();
