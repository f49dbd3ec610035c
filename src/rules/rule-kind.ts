import type * as z from 'zod';
import type { RuleInput, RuleKindSchema } from '../config/kinds.ts';
import type { Value } from '../core/point.ts';
import type { Sentence } from '../core/sentence.ts';
import type { WallClock } from './wall-clock.ts';

/** `between` lies inside the deadband: it neither begins an alarm nor ends one. */
export type Verdict = 'alarm' | 'between' | 'normal';

/** A condition that the last values of its inputs decide. */
export interface ValueCondition {
  readonly type: 'value';
  /**
   * Pure. Never called with NaN or an infinity.
   * @param others the last values of the further inputs, in the order of `RuleKind.inputs`; none of them is bad
   */
  judge(value: Value, others: readonly Value[]): Verdict;
  /** Follows the value in a message: `above 8`. Empty where the value says it all. */
  readonly words: Sentence;
}

/** A condition that holds when no value came for `after` milliseconds. */
export interface SilenceCondition {
  readonly type: 'silence';
  readonly after: number;
}

/**
 * A condition that needs more than the last values: a window, a total, a time that adds up. Every rule has a memory of its own.
 * What a restart may lose: readings since the memory was last saved (delay.ts, MEMORY_RESAVE; a clean stop saves all).
 */
export interface MemoryCondition {
  readonly type: 'memory';
  /** `false`: it has nothing to keep over a restart, so nothing of it is ever saved. */
  readonly keeps?: false | undefined;
  start(from: MemoryStart): ConditionMemory;
}

export interface MemoryStart {
  /** Monotonic ms. Nothing comes before it. */
  readonly at: number;
  /**
   * What `save` of an earlier run gave, as JSON brought it back; undefined: nothing. Anything may have happened to it on the
   * way: validate it, and bound it before it sizes anything.
   */
  readonly saved: unknown;
  /** Ms between `save` and `at`; undefined: not known. `clockChanged` may bring it. */
  readonly off: number | undefined;
  readonly clock: WallClock;
  /**
   * Whether another rule says that something is wrong with the point: its condition holds, whatever its delays. Rules that only
   * advise do not count. All of them have seen a reading before a rule that advises does.
   */
  suspect(): boolean;
}

/** Nobody will ever know how long the gateway was off: the clock is known now, and was not before. */
export function isOffLost({ at, off, clock }: MemoryStart): boolean {
  return off === undefined && clock.wall(at) !== undefined;
}

/** `unknown`: too little was observed to say anything. It begins nothing and ends nothing, as a bad reading. */
export type MemoryVerdict = Verdict | 'unknown';

/**
 * Pure: times come in, all monotonic ms, and they never go back. A reading older than the newest one of its input does not
 * arrive; one older than `advance` arrives as if it came then. The memory is bounded, and its kind says by what.
 */
export interface ConditionMemory {
  /** A reading with a value; never NaN nor an infinity. @param input 0: the point of the rule, from 1 on: a further input */
  value(at: number, value: Value, input: number): void;
  bad(at: number, input: number): void;
  /** As of the last call of any of these. */
  readonly verdict: MemoryVerdict;
  /** When time alone may change the verdict: `advance` comes then. Infinity: never. Not later than the last call: never. */
  readonly due: number;
  /** The time is `at` now, which is at or after `due`: a call that comes late must find what a call in time would have. */
  advance(at: number): void;
  /** A person acknowledged the alarm. Absent: that changes nothing. */
  acknowledged?(at: number): void;
  /**
   * Small JSON (its text at most MOST_MEMORY long), times as "so long before `at`"; undefined: there is nothing to keep. While `off` is
   * not known, times are saved as if it were 0: the state keeps the clock of the run before, so a later run learns of both times off.
   */
  save(at: number): unknown;
  /** How often a memory that only grew is saved, ms; never more often than MEMORY_RESAVE. Absent: as often. */
  readonly resave?: number | undefined;
  /** The wall clock became known or stepped. @param off as in MemoryStart, where this run learns it only now; undefined: it never will */
  clockChanged?(at: number, off: number | undefined): void;
  /** The unit of an input, once a shape named it. */
  know?(input: number, unit: string | undefined): void;
  /** What its points say, of a rule without a point of its own: `tank.level is 0.3 m and pump.running is true`. */
  readonly sentence?: Sentence | undefined;
  /** Follows the value in a message: `above 8`. */
  readonly words: Sentence;
  /** As `words`, with the unit of the point (UCUM). A rule's own message does not replace it: it stands behind it. */
  explain?(unit: string | undefined): Sentence;
  /** What a message says instead of `back to normal`, where that would be wrong. */
  readonly ended?: Sentence | undefined;
  /** What is compared, where that is not the last reading. */
  readonly measured?: Measured | undefined;
}

/** `the average of 15m` and 8.3: a message then says `fridge.temperature: the average of 15m is 8.3 °C, above 8`. */
export interface Measured {
  readonly words: Sentence;
  /** In the unit of the point. */
  readonly value: number;
}

export type Condition = ValueCondition | SilenceCondition | MemoryCondition;

/** A number that a chart draws as a line. */
export interface Limit {
  readonly value: number;
  /** `above 8` */
  readonly words: string;
  /** `device.point`; absent: the point of the rule. */
  readonly point?: string | undefined;
}

export interface RuleKind extends RuleKindSchema {
  /** @param setting the output of `schema`; @param deadband in the unit of the point, at least 0. */
  create(setting: unknown, deadband: number): Condition;
  /** A rule that the schema of one key cannot express, as a sentence; undefined when all is well. */
  check?(setting: unknown, deadband: number): string | undefined;
  /** Absent: it compares with no number. */
  limits?(setting: unknown): readonly Limit[];
}

/** Gives a kind's functions the type that its schema puts out. */
export function ruleKind<Schema extends z.ZodType>(kind: {
  key: string;
  schema: Schema;
  doc: string;
  needs: RuleKind['needs'];
  advisory?: true;
  create(setting: z.output<Schema>, deadband: number): Condition;
  check?(setting: z.output<Schema>, deadband: number): string | undefined;
  inputs?(setting: z.output<Schema>): readonly RuleInput[];
  limits?(setting: z.output<Schema>): readonly Limit[];
}): RuleKind {
  const { check, inputs, limits, ...rest } = kind;
  return {
    ...rest,
    create: (setting, deadband) => kind.create(setting as z.output<Schema>, deadband),
    ...(inputs === undefined ? {} : { inputs: (setting) => inputs(setting as z.output<Schema>) }),
    ...(limits === undefined ? {} : { limits: (setting) => limits(setting as z.output<Schema>) }),
    ...(check === undefined ? {} : { check: (setting, deadband) => check(setting as z.output<Schema>, deadband) }),
  };
}

/** Comparing a bigint with a number is exact in JavaScript, so int64 points need no conversion. */
export function isNumeric(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}
