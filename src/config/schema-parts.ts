/** Parts that every kind's schema is made of: durations, sizes, names, secrets. */
import * as z from 'zod';
import { SecretText } from '../core/secret.ts';
import { formatDuration, parseDuration, parseSize } from '../core/units.ts';

export const DURATION_PATTERN = /^\d+(\.\d+)?(ms|s|m|h|d)$/;
export const SIZE_PATTERN = /^\d+(\.\d+)?(B|kB|KB|MB|GB)$/;

/** A duration as people write it; the output is milliseconds. */
export function duration(options: { min?: number; max?: number } = {}) {
  const words = 'a duration is a number and a unit: 250ms, 10s, 5m, 24h, 30d';
  return z
    .string({ error: (issue) => wrongText(issue.input, words, 's') })
    .regex(DURATION_PATTERN, { error: (issue) => meantDuration(String(issue.input), words) })
    .transform((text, ctx) => {
      const ms = parseDuration(text);
      if (ms === undefined) return z.NEVER;
      if (options.min !== undefined && ms < options.min) {
        ctx.addIssue({ code: 'custom', message: `too short: at least ${formatDuration(options.min)}` });
        return z.NEVER;
      }
      if (options.max !== undefined && ms > options.max) {
        ctx.addIssue({ code: 'custom', message: `too long: at most ${formatDuration(options.max)}` });
        return z.NEVER;
      }
      return ms;
    });
}

const WRITTEN_OUT: readonly (readonly [RegExp, string])[] = [
  [/^(milliseconds?|millis|msecs?)$/i, 'ms'],
  [/^(s|secs?|seconds?)$/i, 's'],
  [/^(m|mins?|minutes?)$/i, 'm'],
  [/^(h|hrs?|hours?)$/i, 'h'],
  [/^(d|days?)$/i, 'd'],
];

/** `10 sec` -> `did you mean 10s?` */
function meantDuration(text: string, words: string): string {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim()) ?? [];
  const meant = WRITTEN_OUT.find(([pattern]) => pattern.test(unit))?.[1];
  return number === undefined || meant === undefined ? words : `did you mean ${number}${meant}? (${words})`;
}

/** A size as people write it; the output is bytes. */
export function size(options: { min?: number } = {}) {
  const words = 'a size is a number and a unit: 64MB, 1GB';
  return z
    .string({ error: (issue) => wrongText(issue.input, words, 'MB') })
    .regex(SIZE_PATTERN, words)
    .transform((text, ctx) => {
      const bytes = parseSize(text);
      if (bytes === undefined) return z.NEVER;
      if (options.min !== undefined && bytes < options.min) {
        ctx.addIssue({ code: 'custom', message: `too small: at least ${Math.ceil(options.min / 1024 ** 2)}MB` });
        return z.NEVER;
      }
      return bytes;
    });
}

/** A missing key is left to the general words; a bare number gets the unit that was probably meant. */
function wrongText(input: unknown, words: string, unit: string): string | undefined {
  if (input === undefined) return `this key is missing; ${words}`;
  return typeof input === 'number' ? `the unit is missing; did you mean ${input}${unit}? (${words})` : words;
}

export const NAME = /^[a-z0-9][a-z0-9_-]*$/;
export const NAME_WORDS = 'a name has small letters, digits, - and _, and starts with a letter or digit';
/** Gateway id, bus, device, point, rule, forwarder. */
export const name = () =>
  z
    .string({ error: (issue) => (issue.input === undefined ? `this key is missing; ${NAME_WORDS}` : undefined) })
    .max(64)
    .regex(NAME, NAME_WORDS);

/** A word written in the file, or where to find it: `{file: /run/secrets/x}`, `{env: MQTT_PASSWORD}`. */
export type Secret = string | { readonly file: string } | { readonly env: string };

/** A secret that has yet to be read; the loader replaces it by a SecretText before any kind sees it. */
export class SecretSource {
  readonly from: 'file' | 'env';
  readonly name: string;

  constructor(from: 'file' | 'env', name: string) {
    this.from = from;
    this.name = name;
  }
}

/** The output, once loaded, is a SecretText. What was written is never repeated in a fault. */
export const secret = () =>
  z
    .union([z.string(), z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().min(1) })], {
      error: (issue) =>
        issue.input === undefined
          ? undefined
          : 'write the secret in quotes, or where to find it: {file: /path/to/it} or {env: NAME}',
    })
    .transform((written: Secret): SecretText | SecretSource => {
      if (typeof written === 'string') return new SecretText(written);
      return 'file' in written ? new SecretSource('file', written.file) : new SecretSource('env', written.env);
    });
