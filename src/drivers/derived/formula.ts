/** What a formula is. Each is one file of formulas/, and formulas.ts lists them. All is pure: time comes in with each step. */
import type { Instant } from '../../core/derived-points.ts';
import type { Value } from '../../core/point.ts';
import { GOOD, type ReasonName, reasonCode } from '../../core/reasons.ts';

/** An input with its value, good or uncertain. */
export interface Input {
  /** In the unit that the formula asks for. */
  readonly value: number;
  /** As it was read. */
  readonly raw: Value;
  /** Factor from the unit of `raw` to that of `value`. */
  readonly scale: number;
}

/** `value` counts only where the reason is not bad. In the unit of the formula. */
export interface Result {
  readonly value: number;
  /** GOOD or a code of REASONS. */
  readonly reason: number;
}

/** One point at work. */
export interface Calculation {
  /** All inputs have values, and one of them is new. @param inputs in the order of the formula's roles */
  step(inputs: readonly Input[], now: Instant): Result;
  /**
   * Some inputs are bad or too old, or never had a reading. Absent, or without a result: the point is then bad for the reason of the first of them.
   * @param inputs in the order of the formula's roles; undefined: that one is bad
   */
  without?(inputs: readonly (Input | undefined)[]): Result | undefined;
  /** An input is bad. Absent: the point is then bad for the same reason. */
  gap?(now: Instant): Result;
  /** Plain JSON; times are milliseconds before `at`. Absent: it remembers nothing. */
  save?(at: number): unknown;
  /**
   * Takes up what an earlier run saved, after checking it.
   * @param savedAt the monotonic time of the save; undefined: nobody knows how long ago it was
   */
  restore?(saved: unknown, now: Instant, savedAt: number | undefined): void;
  /** The time off is known now. @param off ms that are to be inserted before `since` */
  placed?(off: number, since: number): void;
  /** The log has a newer value than what was restored, in the unit of the point. */
  resume?(value: number): void;
}

/** One input of a formula. */
export interface Role {
  readonly name: string;
  /** Its unit, where the point has this one: a UCUM code. */
  unit(own: string): string;
  /** It may be left out. Such roles stand behind the others. */
  readonly optional?: true;
  /** g/mol of a gas: masses in a volume of air are converted as well (gases.ts). */
  readonly molarMass?: number | undefined;
}

export interface CalculationSettings {
  /** Milliseconds. Two readings further apart than that have a gap between them. */
  readonly staleAfter: number;
  readonly over?: number | undefined;
  readonly table?: readonly (readonly [number, number])[] | undefined;
  readonly modulus?: number | string | undefined;
  readonly maxPerSecond?: number | undefined;
  /** What a bad input does: it makes the point bad, or it is left out. Absent: `bad`. */
  readonly missing?: Missing | undefined;
}
export const MISSING = ['bad', 'skip'] as const;
export type Missing = (typeof MISSING)[number];
/** Settings that a formula may have beside its inputs. */
export type FormulaKey = 'over' | 'table' | 'modulus' | 'maxPerSecond' | 'missing';

export interface Formula {
  /** The word under `compute`. */
  readonly name: string;
  /** A sentence for people. */
  readonly doc: string;
  /** `list`: any number of inputs alike. */
  readonly roles: readonly Role[] | { readonly list: Role; readonly least: number; readonly most: number };
  /** The unit of its results, and of the point where that writes none. Absent: the point has to say its unit, and results are in it. */
  readonly unit?: string | undefined;
  /** Absent: results keep 12 digits. */
  readonly decimals?: number | undefined;
  readonly needs?: readonly FormulaKey[];
  readonly takes?: readonly FormulaKey[];
  /** The inputs, where the formula itself names them. */
  readonly inputs?: readonly string[];
  /** It adds up over time, so a restart must not lose it. */
  readonly remembers?: true;
  /** A result of it may take tens of milliseconds on a small board, now and then. */
  readonly heavy?: true;
  create(settings: CalculationSettings): Calculation;
}

/** In place of a unit of a role: as the input has it, and any unit that all inputs measure the same in. */
export const AS_READ = '=';
export const ALIKE = '*';

export const fixed = (name: string, unit: string): Role => ({ name, unit: () => unit });
export const same = (name: string): Role => ({ name, unit: (own) => own });

export const good = (value: number): Result => ({ value, reason: GOOD });
export const because = (reason: ReasonName, value = 0): Result => ({ value, reason: reasonCode(reason) });

/** A formula whose result follows from its inputs alone. */
export function plain(compute: (...values: number[]) => number | Result): () => Calculation {
  const calculation: Calculation = {
    step: (inputs) => {
      const result = compute(...inputs.map(({ value }) => value));
      return typeof result === 'number' ? good(result) : result;
    },
  };
  return () => calculation;
}

/** For what a saved state says: numbers of JSON are finite. */
export function isNumber(value: unknown, least = Number.NEGATIVE_INFINITY): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= least;
}
export function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}
