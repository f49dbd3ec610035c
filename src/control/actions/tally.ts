/**
 * How actions ended since the start: by kind, and for each action of a rule. Bounds: MOST_ACTIONS_KEPT actions have figures of their
 * own; those beyond are counted by kind only.
 */
import { ACTION_KEYS, type ResolvedAction } from '../../config/actions.ts';
import type { Job } from './job.ts';
import { nameOf } from './job.ts';

/** `superseded`: a newer word about the same point, or another configuration, took its place. `dropped`: too many waited. */
export const RESULTS = ['done', 'failed', 'superseded', 'dropped'] as const;
export type ActionResult = (typeof RESULTS)[number];
type Kind = ResolvedAction['kind'];

export const MOST_ACTIONS_KEPT = 500;
/** Letters of an error. */
const LONGEST_ERROR = 300;

/** Since the start. */
export interface ActionCounts {
  /** Tries that began. */
  readonly started: number;
  readonly done: number;
  readonly failed: number;
  readonly superseded: number;
  readonly dropped: number;
}

/** One action of a rule. Times are monotonic. */
export interface ActionFigures extends ActionCounts {
  readonly rule: string;
  /** `write pump.run` */
  readonly action: string;
  /** Its place in the rule: `do.0`, `escalate.1`, `do.0.else`. An output has none. */
  readonly place?: string | undefined;
  /** How it ended last, and when. */
  readonly last?: { readonly result: ActionResult; readonly at: number } | undefined;
  /** The last failure, also when it has been done since. */
  readonly error?: { readonly message: string; readonly at: number } | undefined;
}

/** It did not come about when it was to be done last. */
export const isFailing = ({ last }: ActionFigures): boolean => last?.result === 'failed' || last?.result === 'dropped';

/** An action that is counted; an output is no job. */
export interface Counted extends Pick<Job, 'action'>, Partial<Pick<Job, 'at'>> {
  readonly facts: { readonly rule: string };
}

const NONE: ActionCounts = { started: 0, done: 0, failed: 0, superseded: 0, dropped: 0 };

export class ActionTally {
  readonly #now: () => number;
  readonly #kinds = new Map<Kind, ActionCounts>();
  #own = new Map<string, ActionFigures>();

  /** @param now monotonic */
  constructor(now: () => number) {
    this.#now = now;
  }

  started(job: Counted): void {
    this.#count(job, 'started', (figures) => figures);
  }

  /** @param error of one that failed */
  ended(job: Counted, result: ActionResult, error?: Error): void {
    const at = this.#now();
    this.#count(job, result, (figures) => ({
      ...figures,
      last: { result, at },
      ...(error !== undefined && { error: { message: error.message.slice(0, LONGEST_ERROR), at } }),
    }));
  }

  of(kind: Kind, result: keyof ActionCounts): number {
    return this.#kinds.get(kind)?.[result] ?? 0;
  }

  kinds(): (ActionCounts & { readonly kind: Kind })[] {
    return ACTION_KEYS.map((kind) => ({ kind, ...(this.#kinds.get(kind) ?? NONE) }));
  }

  /** What failed last comes first, then what ended last. */
  actions(): ActionFigures[] {
    return [...this.#own.values()].sort(
      (a, b) => Number(isFailing(b)) - Number(isFailing(a)) || (b.last?.at ?? 0) - (a.last?.at ?? 0),
    );
  }

  /** Other rules are in force: figures of actions that are gone go too. */
  keep(exists: (figures: ActionFigures) => boolean): void {
    this.#own = new Map([...this.#own].filter(([, figures]) => exists(figures)));
  }

  #count({ action, facts, at }: Counted, what: keyof ActionCounts, change: (figures: ActionFigures) => ActionFigures): void {
    const kind = this.#kinds.get(action.kind) ?? NONE;
    this.#kinds.set(action.kind, { ...kind, [what]: kind[what] + 1 });
    // The same output may have several rules; it is one action.
    const key = action.kind === 'output' ? `output ${action.point}` : `${facts.rule} ${at}`;
    const before = this.#own.get(key);
    if (before === undefined && this.#own.size >= MOST_ACTIONS_KEPT) return;
    // Another action of the rule stands in its place by now.
    if (before !== undefined && before.action !== nameOf(action)) return;
    const named = { rule: facts.rule, action: nameOf(action), ...(at !== undefined && { place: at }) };
    this.#own.set(key, change({ ...NONE, ...before, ...named, [what]: (before?.[what] ?? 0) + 1 }));
  }
}
