/** The port of expressions: the rules room reads and evaluates them, and computed points use them. */
import type { Storage, Value } from './point.ts';

/** A point that an expression may name. */
export type NamedPoint =
  | { readonly fault: string }
  | {
      /** undefined: only readings show it. */
      readonly storage: Storage | undefined;
      /** UCUM code; undefined: it has none, or nobody knows it. */
      readonly unit?: string | undefined;
    };

export interface NamedPoints {
  find(point: string): NamedPoint;
  all(): Iterable<string>;
}

export interface ReadExpression {
  /** `device.point`, in the order in which the text names them first. */
  readonly inputs: readonly string[];
  /** @param values in the order of the inputs @returns undefined: it says nothing */
  readonly evaluate: (values: readonly Value[]) => Value | undefined;
}

export interface Expressions {
  /**
   * An expression that gives a number.
   * @param unit of its result; undefined: units are not compared
   * @returns what is wrong with it, in words, or how it is evaluated
   */
  read(text: string, points: NamedPoints, unit?: string): ReadExpression | readonly string[];
}
