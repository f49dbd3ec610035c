/** Parts that every kind's schema is made of: durations, sizes, names, secrets. */
import * as z from 'zod';
import { SecretText } from '../core/secret.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../core/units.ts';

const DAY = 86_400_000;

export const DURATION_PATTERN = /^\d+(\.\d+)?(ms|s|m|h|d)$/;
export const SIZE_PATTERN = /^\d+(\.\d+)?(B|kB|KB|MB|GB)$/;

/** A duration as people write it; the output is milliseconds. */
export function duration(options: { min?: number; max?: number } = {}) {
  const words = 'a duration is a number and a unit: 250ms, 10s, 5m, 24h, 30d';
  return z
    .string({
      error: ({ input }) => (typeof input === 'number' ? bareDuration(input, options.max, words) : wrongText(input, words)),
    })
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

const WRITTEN_OUT: readonly (readonly [RegExp, number])[] = [
  [/^(ms|milliseconds?|millis|msecs?)$/i, 1],
  [/^(s|secs?|seconds?)$/i, 1000],
  [/^(m|mins?|minutes?)$/i, 60_000],
  [/^(h|hrs?|hours?)$/i, 3_600_000],
  [/^(d|days?)$/i, DAY],
  [/^(w|weeks?|wks?)$/i, 7 * DAY],
  [/^(mo|months?)$/i, 30 * DAY],
  [/^(y|years?|yrs?|a)$/i, 365 * DAY],
];

/** `10 sec` -> `did you mean 10s?`; also `4w`, `1h30m` and `00:00:10`. */
function meantDuration(text: string, words: string): string {
  const ms = clockTime(text.trim()) ?? addedUp(text.trim());
  return ms === undefined || ms > 10_000 * DAY ? words : `did you mean ${formatDuration(ms)}? (${words})`;
}

function clockTime(text: string): number | undefined {
  const [, hours, minutes, seconds] = /^(\d{1,3}):(\d\d):(\d\d)$/.exec(text) ?? [];
  return hours === undefined ? undefined : (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
}

function addedUp(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?\s*[a-z]+[\s,]*){1,4}$/i.test(text.slice(0, 60))) return undefined;
  let sum = 0;
  for (const [, number, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/gi)) {
    const size = WRITTEN_OUT.find(([pattern]) => pattern.test(unit))?.[1];
    if (size === undefined) return undefined;
    sum += Number(number) * size;
  }
  return Math.round(sum);
}

/** A number without its unit: seconds, or milliseconds as other programs have them. */
function bareDuration(number: number, max: number | undefined, words: string): string {
  const inSeconds = max === undefined || number * 1000 <= max ? `${number}s` : undefined;
  const inMilliseconds = number >= 100 && Number.isInteger(number) ? `${number}ms` : undefined;
  const meant = [inMilliseconds, inSeconds].filter((text) => text !== undefined);
  if (number < 0 || !Number.isFinite(number) || meant.length === 0) return `the unit is missing (${words})`;
  return `the unit is missing; did you mean ${meant.join(' or ')}? (${words})`;
}

/** A size as people write it; the output is bytes. */
export function size(options: { min?: number; max?: number } = {}) {
  const words = 'a size is a number and a unit: 64MB, 1GB';
  return z
    .string({
      error: ({ input }) =>
        typeof input === 'number' && input > 0 && Number.isFinite(input)
          ? `the unit is missing; did you mean ${input}MB? (${words})`
          : wrongText(input, words),
    })
    .regex(SIZE_PATTERN, { error: ({ input }) => meantSize(String(input), words) })
    .transform((text, ctx) => {
      const bytes = parseSize(text);
      if (bytes === undefined) return z.NEVER;
      if (options.min !== undefined && bytes < options.min) {
        ctx.addIssue({ code: 'custom', message: `too small: at least ${formatSize(options.min)}` });
        return z.NEVER;
      }
      if (options.max !== undefined && bytes > options.max) {
        ctx.addIssue({ code: 'custom', message: `too large: at most ${formatSize(options.max)}` });
        return z.NEVER;
      }
      return bytes;
    });
}

/** `256 M` -> `did you mean 256MB?` */
function meantSize(text: string, words: string): string {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg])i?b?(?:ytes?)?$/i.exec(text.trim()) ?? [];
  if (number === undefined) return words;
  return `did you mean ${number}${{ k: 'kB', m: 'MB', g: 'GB' }[unit.toLowerCase()]}? (${words})`;
}

function wrongText(input: unknown, words: string): string {
  return input === undefined ? `this key is missing; ${words}` : words;
}

export const NAME = /^[a-z0-9][a-z0-9_-]*$/;
export const NAME_WORDS = 'a name has small letters, digits, - and _, and begins with a letter or digit';

/** What is wrong with a name, and the name that comes nearest to it. */
export function nameFault(text: string): string {
  const near = text
    .slice(0, 200)
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .replaceAll(/^[-_]+|-+$/g, '')
    .slice(0, 64);
  return `${NAME_WORDS} (at most 64)${NAME.test(near) && near !== text ? `; write ${near}` : ''}`;
}

/** Gateway id, bus, device, point, rule, forwarder. */
export const name = () =>
  z
    .string({ error: (issue) => (issue.input === undefined ? `this key is missing; ${NAME_WORDS}` : undefined) })
    .max(64)
    .regex(NAME, { error: ({ input }) => nameFault(String(input)) });

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

/** A file that is named and read later; the loader replaces it by its absolute path before any kind sees it. */
export class FileName {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** The path of a file; a relative one starts at the folder of the configuration. The output, once loaded, is an absolute path. */
export const fileName = () =>
  z
    .string()
    .min(1)
    .max(4096)
    .transform((text): FileName | string => new FileName(text));

/** A text that is no secret, and may stand in a file or the environment as one does. The output, once loaded, is a text or a SecretText. */
export const textOrSource = (most: number) =>
  z
    .union(
      [
        z.string().min(1).max(most),
        z.strictObject({ file: z.string().min(1).describe('File that holds it.') }),
        z.strictObject({ env: z.string().min(1).describe('Variable of the environment that holds it.') }),
      ],
      {
        error: (issue) =>
          issue.input === undefined || (typeof issue.input === 'string' && issue.input !== '')
            ? undefined
            : 'write it in quotes, or where to find it: {file: /path/to/it} or {env: NAME}',
      },
    )
    .transform((written): string | SecretText | SecretSource => {
      if (typeof written === 'string') return written;
      return 'file' in written ? new SecretSource('file', written.file) : new SecretSource('env', written.env);
    });

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

/** What to write for `{min: …, max: …}`, where a person wrote `0-100` or `[0, 100]`. */
export function boundsFault(input: unknown): string | undefined {
  const text = Array.isArray(input) ? input.slice(0, 3).join(' ') : typeof input === 'string' ? input : undefined;
  if (text === undefined) return undefined;
  const [, low, high] = /^\s*(-?\d+(?:\.\d+)?)\s*(?:-|–|\.\.+|to|,|\s)\s*(-?\d+(?:\.\d+)?)\s*$/.exec(text.slice(0, 60)) ?? [];
  if (low === undefined || high === undefined) return 'write {min: …, max: …}';
  return `write {min: ${Math.min(Number(low), Number(high))}, max: ${Math.max(Number(low), Number(high))}}`;
}
