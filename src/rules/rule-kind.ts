import type * as z from 'zod';
import type { RuleKindSchema } from '../config/kinds.ts';
import type { Value } from '../core/point.ts';

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
  readonly words: string;
}

/** A condition that holds when no value came for `after` milliseconds. */
export interface SilenceCondition {
  readonly type: 'silence';
  readonly after: number;
}

export type Condition = ValueCondition | SilenceCondition;

/** A number that a chart draws as a line. */
export interface Limit {
  readonly value: number;
  /** `above 8` */
  readonly words: string;
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
  create(setting: z.output<Schema>, deadband: number): Condition;
  check?(setting: z.output<Schema>, deadband: number): string | undefined;
  inputs?(setting: z.output<Schema>): readonly string[];
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
