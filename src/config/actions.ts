/** What a rule does: the keys `do`, `escalate` and `interlock` of a rule, and the section `hooks`. actions-check.ts says what they may name. */
import * as z from 'zod';
import { POINT, POINT_WORDS } from './point-name.ts';
import { duration, name } from './schema-parts.ts';

/** What happens to an alarm, as an action is bound to it. */
export const TRIGGERS = ['active', 'acknowledged', 'returned', 'shelved', 'normal', 'firstOut', 'escalated'] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** The keys that say what an action does; an action has exactly one. */
export const ACTION_KEYS = ['write', 'publish', 'hook', 'flow', 'output'] as const;

export type PlainValue = number | boolean | string;
interface Base {
  readonly on: readonly Trigger[];
  /** What is done when it failed for good. */
  readonly orElse?: ResolvedAction | undefined;
}
export type ResolvedAction =
  | (Base & { readonly kind: 'write'; readonly point: string; readonly value: PlainValue; readonly retries: number })
  | (Base & {
      readonly kind: 'publish';
      readonly topic: string;
      readonly payload: string;
      /** The forwarder that sends it. Absent: the embedded broker. */
      readonly to?: string | undefined;
      /** With `to`: milliseconds that it may wait. */
      readonly within?: number | undefined;
    })
  | (Base & {
      readonly kind: 'hook';
      readonly hook: string;
      readonly with: Readonly<Record<string, string>>;
      readonly retries: number;
    })
  | (Base & { readonly kind: 'flow'; readonly flow: string })
  | (Base & {
      readonly kind: 'output';
      readonly point: string;
      readonly set: PlainValue;
      readonly clear: PlainValue;
      /** `unacknowledged`: off as soon as a person has acknowledged the alarm. */
      readonly while: 'active' | 'unacknowledged';
    });

export interface ResolvedEscalation {
  /** Milliseconds. */
  readonly after: number;
  /** Milliseconds; absent: once. */
  readonly repeat?: number | undefined;
  readonly actions: readonly ResolvedAction[];
}

/** A program that rules may start. */
export interface ResolvedHook {
  readonly name: string;
  /** The program, by its absolute path, and its arguments with places for texts. */
  readonly run: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  /** Runs as a child of the gateway, with its rights. */
  readonly unsafeSameUser: boolean;
}

/** Actions of a rule, and of its escalation; fallbacks of an action, one after the other. */
export const MOST_ACTIONS = 16;
const MOST_FALLBACKS = 2;
export const MOST_RETRIES = 10;
/** Milliseconds that a message may wait for its forwarder. */
export const DEFAULT_WITHIN = 300_000;
const DAY = 86_400_000;

const text = (most: number, what: string) => z.string().max(most, `${what} has at most ${most} characters`);
const value = () => z.union([z.number(), z.boolean(), z.string().max(250)], { error: 'write a number, true, false, or a text' });
const point = () => z.string().regex(POINT, POINT_WORDS);

/** A topic below the root of the rule, or a topic of a device: levels without wildcards. */
const TOPIC = /^[^+#\0/]+(?:\/[^+#\0/]+){0,9}$/;

const keys = {
  on: z
    .array(z.enum(TRIGGERS))
    .min(1)
    .max(TRIGGERS.length)
    .optional()
    .describe(
      'When it is done. `active`: the alarm begins. `acknowledged`: a person has acknowledged it. `returned`: its condition is over. `normal`: the alarm is over. `shelved`: a person has shelved it. `firstOut`: it is the first of its group. `escalated`: nobody has acknowledged it. Default `[active]`. An output has no `on`.',
    ),
  write: point().optional().describe('The point that is written, as device.point. The bounds of the point hold.'),
  value: value().optional().describe('With `write`: the value.'),
  retries: z
    .int()
    .min(0)
    .max(MOST_RETRIES)
    .optional()
    .describe(
      'With `write` and `hook`: how often a failed action is tried again, after 1 s, 2 s, 4 s and so on up to 30 s. Default 3 for a write and 1 for a hook.',
    ),
  publish: z
    .string()
    .max(200)
    .regex(TOPIC, 'write a topic of one to ten levels, without + and #: siren/state')
    .optional()
    .describe(
      'A message is published on `sluice/<gateway>/action/<rule>/` and this topic, at the embedded broker or by the forwarder under `to`.',
    ),
  to: name()
    .optional()
    .describe(
      'With `publish`: the forwarder that sends the message to its broker. Default the embedded broker. Formats with topics of a platform take none.',
    ),
  within: duration({ min: 1000, max: 7 * DAY })
    .optional()
    .describe('With `to`: a message that has waited longer is not sent, and the action has failed. Default 5m.'),
  payload: text(4096, 'a payload').optional().describe('With `publish`: the text of the message. Default `{message}`.'),
  hook: name().optional().describe('The hook that is run, by its name in the section `hooks`.'),
  with: z
    .record(
      z.string().regex(/^[a-z][a-zA-Z0-9]{0,31}$/, 'a name has letters and digits, and begins with a small letter'),
      text(4096, 'a text'),
    )
    .optional()
    .describe('With `hook`: texts for further places in the arguments of the hook.'),
  flow: name().optional().describe('The flow of Node-RED that is triggered: the name in its node “alarm in”.'),
  output: point()
    .optional()
    .describe(
      'A point that follows the alarm, such as a lamp, a relay or a buzzer. It is on as long as one of the rules that name it is in alarm.',
    ),
  set: value().optional().describe('With `output`: the value while the alarm is active. Default true.'),
  clear: value().optional().describe('With `output`: the value while it is not. Default false.'),
  while: z
    .enum(['active', 'unacknowledged'])
    .optional()
    .describe('With `output`: `active`, or `unacknowledged` for one that a person silences by acknowledging. Default `active`.'),
};

/** @param fallbacks how many may follow it */
const action = (fallbacks: number): z.ZodObject =>
  z.strictObject({
    ...keys,
    ...(fallbacks > 0 && {
      else: action(fallbacks - 1)
        .optional()
        .describe('Another action, which is done when this one has failed for good. It has the same keys without `on`.'),
    }),
  });

const actions = () => z.array(action(MOST_FALLBACKS)).min(1).max(MOST_ACTIONS);

export const ruleActionKeys = {
  do: actions().optional().describe('The list of actions that the gateway does when something happens to the alarm.'),
  escalate: z
    .strictObject({
      after: duration({ min: 1000, max: 30 * DAY }).describe('How long an alarm may wait for a person to acknowledge it.'),
      do: actions().describe('The list of actions that the gateway does then.'),
      repeat: duration({ min: 60_000, max: 30 * DAY })
        .optional()
        .describe('How often it does so again until the alarm is acknowledged or over, at most 100 times. Without it once.'),
    })
    .optional()
    .describe('The escalation: actions for an alarm that nobody acknowledges.'),
  interlock: z
    .array(point())
    .min(1)
    .max(32)
    .optional()
    .describe(
      'Points that nobody may write while the condition of the rule holds, or its alarm is latched. Only the actions of this rule and safe values may.',
    ),
};

/** Keys of one action, for the reference page. */
export const actionSchema = action(MOST_FALLBACKS);

const MOST_ARGUMENTS = 32;

export const hookSchema = z.strictObject({
  run: z
    .array(z.string().min(1).max(1024))
    .min(1)
    .max(MOST_ARGUMENTS)
    .describe(
      'The program with its absolute path, and its arguments. No shell reads them. `{message}`, `{rule}`, `{point}`, `{value}`, `{severity}`, `{state}`, `{time}`, `{occurrence}`, `{gateway}` and the names under `with` are places for texts.',
    ),
  timeout: duration({ min: 100, max: 300_000 })
    .prefault('10s')
    .describe('The gateway ends the program and everything that it started after this time.'),
  unsafeSameUser: z
    .boolean()
    .prefault(false)
    .describe(
      'The program runs as the user of the gateway, with its rights. For a trial without systemd only. Without it the service `sluice-hook` runs the program under a user of its own.',
    ),
});
export const MOST_HOOKS = 64;
