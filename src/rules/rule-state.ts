/**
 * The state of a rule that survives a restart: plain JSON. Monotonic times mean nothing to another run, so every time is kept
 * as "this long ago" at `savedAt`; the next run adds the time that the gateway was off when both wall clocks were known.
 */
import * as z from 'zod';
import type { ResolvedRule } from '../config/kinds.ts';
import { POINT } from '../config/point-name.ts';
import { NAME } from '../config/schema-parts.ts';
import { ALARM_STATES, SEVERITIES } from '../core/alarm.ts';
import type { Value } from '../core/point.ts';
import { readSentence } from '../core/saved-sentence.ts';

/** One instant on both clocks. */
export interface Moment {
  /** Monotonic milliseconds of this run. */
  readonly at: number;
  /** UTC milliseconds. */
  readonly wall: number;
  /** False: `wall` cannot be trusted yet. */
  readonly wallKnown: boolean;
}

/** A hundred years, ms: longer ago than anything that a gateway has saved. */
const LONGEST_AGO = 100 * 366 * 86_400_000;
/** The end of the calendar of JavaScript, UTC ms. */
const LAST_TIME = 8.64e15;
/** Letters of a value that is a text, and digits of a whole number of 64 bits. */
const LONGEST_VALUE = 1000;
const DIGITS = 20;
/** Activations that a gateway may count: one more each millisecond stays a whole number for 280,000 years. */
const MOST_COUNTED = 2 ** 52;
const ago = z.number().min(0).max(LONGEST_AGO);
/** Words are worth less than the state that they stand in: those that are too long, or unknown, are cut. */
const words = z.unknown().transform((saved) => (saved === undefined ? undefined : readSentence(saved)));
/** What a damaged file says too much of is brought to its bound: the state beside it is worth more than the number. */
const count = z
  .int()
  .min(0)
  .transform((n) => Math.min(n, MOST_COUNTED));
const savedAt = z
  .number()
  .min(0)
  .transform((ms) => Math.min(ms, LAST_TIME));
export const savedValue = z.union([
  z.number(),
  z.boolean(),
  z.string().transform((text) => text.slice(0, LONGEST_VALUE)),
  z.strictObject({ int: z.string().regex(new RegExp(`^-?\\d{1,${DIGITS}}$`)) }),
]);
/** A name becomes a part of topics: another text than a name of the configuration must not. */
const name = z.string().max(64).regex(NAME);
const schema = z.object({
  rule: name,
  /** The quantity that the rule measures, as text; another one means that the rule was changed. */
  fingerprint: z.string(),
  point: z.string().max(129).regex(POINT),
  severity: z.enum(SEVERITIES),
  state: z.enum(ALARM_STATES),
  /** Activations so far. */
  occurrence: count,
  /** Wall milliseconds at which the times below were taken. */
  savedAt,
  wallKnown: z.boolean(),
  /** The same by the clock of an earlier run, for the memory of a condition; only where `savedAt` is of no known clock. */
  memoryAt: savedAt.optional(),
  /** A delay that runs, and for how long it has. */
  pending: z.object({ kind: z.enum(['on', 'off']), elapsed: ago }).optional(),
  /** Whether the condition holds; absent: as long as the alarm stands. */
  holds: z.boolean().optional(),
  /** How long the alarm has stood. */
  activeFor: ago.optional(),
  /** The rest of the shelving, and its words. */
  shelved: z.object({ left: ago, message: words.transform((said) => said ?? '') }).optional(),
  /** The words of what keeps the alarm from people: out of service, or suppressed. */
  away: words.optional(),
  /** Nobody has acknowledged the alarm, or reset it, since it was shown. */
  unseen: z.boolean().optional(),
  tripped: z.boolean().optional(),
  /** It was the first of its group. */
  firstOut: z.boolean().optional(),
  /** How long the point had no value; only of rules that watch for silence. */
  silentFor: ago.optional(),
  value: savedValue.optional(),
  /** The words with which the active alarm began. */
  message: words.optional(),
  /** Figures of a rule that is only observed: for how long, how often its alarm would have begun, and the longest one. */
  observed: z.object({ for: ago, count, longest: ago }).optional(),
  /** The memory of a condition. Its kind validates it (watch.ts bounds it). */
  memory: z.unknown().optional(),
});

export type RuleState = z.output<typeof schema>;

/** A saved state from its JSON text; undefined when it is none (the rule then starts anew). */
export function parseRuleState(json: string): RuleState | undefined {
  try {
    return schema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

export function saveValue(value: Value): NonNullable<RuleState['value']> {
  return typeof value === 'bigint' ? { int: value.toString() } : value;
}

export function restoreValue(saved: RuleState['value']): Value | undefined {
  return typeof saved === 'object' ? BigInt(saved.int) : saved;
}

/**
 * The text that tells whether a rule is still the same: what it measures. Message and severity are not part of it, so that
 * correcting a word does not throw away nine hours of a ten-hour delay. A rule that is no longer only observed begins anew.
 */
export function fingerprint(rule: ResolvedRule): string {
  return JSON.stringify([
    rule.device,
    rule.point,
    rule.kind,
    sorted(rule.setting),
    rule.deadband,
    rule.onDelay,
    rule.offDelay,
    ...(rule.observe ? ['observe'] : []),
    ...(rule.hold === undefined ? [] : [{ hold: rule.hold }]),
    ...(rule.quality === undefined ? [] : [sorted(rule.quality)]),
  ]);
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sorted(part)]),
  );
}
