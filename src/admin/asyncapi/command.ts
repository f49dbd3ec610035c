/** The schema of a command as it travels. src/control/remote/message.ts checks commands; a test holds that it takes what this takes. */
import * as z from 'zod';
import { DURATION_PATTERN } from '../../config/schema-parts.ts';
import {
  ID,
  LOG,
  MOST_OUT_OF_SERVICE,
  MOST_POINTS,
  MOST_REASON,
  MOST_SHELVED,
  MOST_VALUE,
  NAME,
  POINT,
  SIGNATURE,
  type Word,
} from '../../control/remote/message.ts';
import { MOST_VERSION } from '../../core/configure-keys.ts';
import { parseDuration } from '../../core/units.ts';

/** The end of the calendar of JavaScript. */
const LATEST = 8.64e15;
const moment = (is: string) => z.number().positive().lt(LATEST).describe(`${is}, UTC milliseconds`);
const seq = (is: string) => z.int().min(1).describe(is);
const target = (pattern: RegExp, is: string) => ({ target: z.string().regex(pattern).describe(is) });

const isUpTo =
  (most: number) =>
  (length: string | null): boolean => {
    const ms = length === null ? 1 : (parseDuration(length) ?? 0);
    return ms > 0 && ms <= most;
  };

const points = z
  .array(z.union([z.string().regex(NAME), z.string().regex(POINT)]))
  .min(1)
  .max(MOST_POINTS)
  .describe('devices and points; all when absent')
  .optional();

type Keys = Readonly<Record<string, z.ZodType>>;
/** What a command has beside its head, and what its keys have to be to each other. */
type Way = readonly [word: Word, keys: Keys, fits?: (keys: Readonly<Record<string, number>>) => boolean];

const HEAD = { v: z.literal(1).optional(), expires: moment('the command does not begin after it').optional() };
const WAYS: readonly Way[] = [
  [
    'write',
    {
      ...target(POINT, 'a point'),
      value: z.union([z.number(), z.boolean(), z.string().max(MOST_VALUE)]).describe('the value; 64-bit integers as a text'),
    },
  ],
  ['read', target(NAME, 'a device')],
  ['ack', { ...target(NAME, 'a rule'), occurrence: seq('only this occurrence of the alarm').optional() }],
  [
    'shelve',
    {
      ...target(NAME, 'a rule'),
      for: z
        .string()
        .regex(DURATION_PATTERN)
        .nullable()
        .refine(isUpTo(MOST_SHELVED))
        .describe('a duration of at most a year; null ends the shelving'),
      reason: z.string().max(MOST_REASON).describe('why').optional(),
    },
  ],
  ['reset', { ...target(NAME, 'a rule'), occurrence: seq('only this occurrence of the alarm').optional() }],
  [
    'out-of-service',
    {
      ...target(NAME, 'a rule'),
      reason: z.string().regex(/\S/).max(MOST_REASON).describe('why'),
      for: z
        .string()
        .regex(DURATION_PATTERN)
        .refine(isUpTo(MOST_OUT_OF_SERVICE))
        .describe('a duration of at most 90 days; without it a person puts the alarm in service')
        .optional(),
    },
  ],
  ['in-service', target(NAME, 'a rule')],
  ['reload', {}],
  ['restart-flows', {}],
  [
    'configure',
    {
      version: z.int().min(1).max(MOST_VERSION).describe('a higher number than that of every configuration before'),
      yaml: z.string().min(1).describe('the configuration'),
      signature: z.string().regex(SIGNATURE).describe('Ed25519, see commands-over-mqtt.md; base64 or base64url'),
      expires: z
        .int()
        .positive()
        .lt(LATEST)
        .describe('the command does not begin after it, UTC milliseconds; the signature covers it')
        .optional(),
    },
  ],
  [
    'resend',
    {
      ...{
        log: z.string().regex(LOG).describe('the id of the log'),
        first: seq('the first number'),
        last: seq('the last number'),
      },
      points,
    },
    ({ first = 0, last = 0 }) => first <= last,
  ],
  ['resend', { from: moment('the start'), to: moment('the end'), points }, ({ from = 0, to = 0 }) => from <= to],
];

/** @param named what says which command it is */
function anyOf(named: (word: Word) => Keys): z.ZodType {
  const always = (): boolean => true;
  return z.union(
    WAYS.map(([word, keys, fits = always]) =>
      z.strictObject({ ...named(word), ...HEAD, ...keys }).refine((one) => fits(one as Readonly<Record<string, number>>)),
    ),
  );
}

export const commandMessage = anyOf((word) => ({
  id: z.string().regex(ID).describe('a new one for each command; one id acts once'),
  do: z.literal(word),
}));
/** The payload of a call whose name is the command, and whose id the gateway makes. */
export const callMessage = anyOf(() => ({}));
