/** Parts that every kind's schema is made of: durations, sizes, names, secrets. */
import { z } from 'zod';
import { parseDuration, parseSize } from '../core/units.ts';

/** A duration as people write it; the output is milliseconds. */
export function duration(options: { min?: number; max?: number } = {}) {
  return z
    .string()
    .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, 'a duration is a number and a unit: 250ms, 10s, 5m, 24h, 30d')
    .transform((text, ctx) => {
      const ms = parseDuration(text);
      if (ms === undefined) return z.NEVER;
      if (options.min !== undefined && ms < options.min) {
        ctx.addIssue({ code: 'custom', message: `too short: at least ${options.min}ms` });
        return z.NEVER;
      }
      if (options.max !== undefined && ms > options.max) {
        ctx.addIssue({ code: 'custom', message: `too long: at most ${options.max}ms` });
        return z.NEVER;
      }
      return ms;
    });
}

/** A size as people write it; the output is bytes. */
export function size(options: { min?: number } = {}) {
  return z
    .string()
    .regex(/^\d+(\.\d+)?(B|kB|KB|MB|GB)$/, 'a size is a number and a unit: 64MB, 1GB')
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

export const NAME = /^[a-z0-9][a-z0-9_-]*$/;
/** Gateway id, bus, device, point, rule, forwarder. */
export const name = () =>
  z.string().max(64).regex(NAME, 'a name has small letters, digits, - and _, and starts with a letter or digit');

/** A word written in the file, or where to find it: `{file: /run/secrets/x}`, `{env: MQTT_PASSWORD}`. */
export type Secret = string | { readonly file: string } | { readonly env: string };
export const secret = () => z.union([z.string(), z.strictObject({ file: z.string() }), z.strictObject({ env: z.string() })]);
