/** An action that is to be done, and its form in the log. What a damaged log says is bounded here before anything uses it. */
import * as z from 'zod';
import { MOST_ACTIONS, type ResolvedAction } from '../../config/actions.ts';
import type { ResolvedRule } from '../../config/kinds.ts';
import { ALARM_STATES, SEVERITIES } from '../../core/alarm.ts';
import type { Moment } from '../../rules/rule-state.ts';
import type { AlarmFacts } from './texts.ts';
import { LONGEST_TEXT, plain } from './texts.ts';

export interface Job {
  /** `do.0`, `escalate.2`, `do.0.else` */
  readonly at: string;
  readonly action: ResolvedAction;
  readonly facts: AlarmFacts;
  /** Monotonic ms after which it is not begun any more. */
  readonly due?: number | undefined;
}

/** Actions of one rule that wait. More than a rule has only pile up where its alarm comes again and again; the oldest go. */
export const MOST_JOBS = 2 * MOST_ACTIONS;

const text = (most: number) => z.string().max(most);
const jobSchema = z.object({
  at: z.string().regex(/^(?:do|escalate)\.\d{1,2}(?:\.else){0,2}$/),
  /** The action as it was: another one is not done in its place. */
  print: text(12_000),
  facts: z.object({
    ...{
      rule: text(64),
      point: text(140),
      occurrence: z.int().min(0),
      state: z.enum(ALARM_STATES),
      severity: z.enum(SEVERITIES),
    },
    ...{ value: text(LONGEST_TEXT), time: z.number(), message: text(LONGEST_TEXT) },
  }),
  /** When its time passes, UTC ms, and whether the clock was known. */
  until: z.object({ at: z.number(), known: z.boolean() }).optional(),
});
const YEAR = 366 * 86_400_000;
/** An alarm may stand for years. Of a longer wait, a year counts. */
const wait = z
  .number()
  .min(0)
  .transform((ms) => Math.min(ms, YEAR));
const bookSchema = z.object({
  state: z.enum(ALARM_STATES),
  ...{ acted: z.int().min(0), open: z.boolean(), holding: z.boolean() },
  jobs: z.array(jobSchema).max(MOST_JOBS),
  escalation: z
    .object({
      /** How long it has waited at `savedAt`, and how often it was acted on. */
      ...{ waited: wait, savedAt: z.number(), wallKnown: z.boolean(), done: z.int().min(0).max(1000) },
      /** How long it had waited when it was acted on last. */
      last: wait.optional(),
    })
    .optional(),
});

export type SavedJob = z.output<typeof jobSchema>;
export type SavedBook = z.output<typeof bookSchema>;
export type SavedEscalation = NonNullable<SavedBook['escalation']>;

/** undefined: no book, or a damaged one. */
export function parseBook(state: unknown): SavedBook | undefined {
  return bookSchema.safeParse(state).data;
}

export function saveJob({ at, action, facts, due }: Job, { at: now, wall, wallKnown }: Moment): SavedJob {
  return {
    ...{ at, print: printOf(action), facts: { ...facts, value: plain(facts.value), message: plain(facts.message) } },
    ...(due !== undefined && { until: { at: Math.round(wall + due - now), known: wallKnown } }),
  };
}

/** As `Job.due`. */
export function dueOf(action: ResolvedAction, now: number): { readonly due?: number } {
  return action.kind === 'publish' && action.within !== undefined ? { due: now + action.within } : {};
}

/** @returns undefined where the rule does something else now, or where the job is another rule's */
export function jobOf(saved: SavedJob, rule: ResolvedRule, start: Moment): Job | undefined {
  if (saved.facts.rule !== rule.name) return undefined;
  const action = actionAt(rule, saved.at);
  if (action === undefined || printOf(action) !== saved.print) return undefined;
  return { at: saved.at, action, facts: saved.facts, ...dueAgain(action, saved, start) };
}

/** The time that the gateway was off counts where the clock was known before and is now. Otherwise the whole time begins anew. */
function dueAgain(action: ResolvedAction, { until }: SavedJob, { at, wall, wallKnown }: Moment): { readonly due?: number } {
  const whole = dueOf(action, at);
  if (whole.due === undefined || until === undefined || !until.known || !wallKnown) return whole;
  return { due: Math.min(whole.due, at + Math.max(0, until.at - wall)) };
}

/** The rule does the same in this place. */
export function isOf({ at, action }: Job, rule: ResolvedRule): boolean {
  const now = actionAt(rule, at);
  return now !== undefined && printOf(now) === printOf(action);
}

/** @param at `do.0`, `escalate.2`, `do.0.else` */
export function actionAt({ actions = [], escalation }: ResolvedRule, at: string): ResolvedAction | undefined {
  const [list, index, ...rest] = at.split('.');
  let action = (list === 'do' ? actions : (escalation?.actions ?? []))[Number(index)];
  for (const _ of rest) action = action?.orElse;
  return action;
}

/** What it does, without when and without its fallback. A damaged one is longer than any of these. */
function printOf({ orElse: _, on: _on, ...action }: ResolvedAction): string {
  return JSON.stringify(action).slice(0, 12_000);
}

/** A word for people. */
export function nameOf(action: ResolvedAction): string {
  switch (action.kind) {
    case 'write':
      return `write ${action.point}`;
    case 'output':
      return `output ${action.point}`;
    case 'publish':
      return `publish ${action.topic}${action.to === undefined ? '' : ` to ${action.to}`}`;
    case 'hook':
      return `hook ${action.hook}`;
    case 'flow':
      return `flow ${action.flow}`;
  }
}
