/**
 * Evaluates an expression that was read before (read.ts). It never throws: where CEL has an error (a bad input, a division by
 * zero, a whole number beyond 64 bits), and nothing else decides, the expression says nothing. Nor does it without any input.
 */
import type { Value } from '../../core/point.ts';
import { environment, variable } from './language.ts';
import type { Expression } from './read.ts';

/** @param values in the order of the inputs; undefined: bad, or none yet. @returns undefined: it says nothing */
export type Evaluate = (values: readonly (Value | undefined)[]) => Value | undefined;

export function compile({ run, inputs }: Expression): Evaluate {
  const names = inputs.map(({ type }, i) => variable(type, i));
  const values: Record<string, Value | undefined> = Object.create(null);
  const parsed = environment().run.parse(run);
  // Types are known from here on: the first evaluation would find them out once more.
  parsed.check();
  // Only these go on when a part of them says nothing.
  const tolerant = /&&|\|\||\?/.test(run);
  return (given) => {
    let missing = 0;
    for (let i = 0; i < names.length; i++) {
      const value = given[i];
      if (value === undefined) missing++;
      values[names[i] as string] = value;
    }
    // An error costs many times an evaluation, and a bus that fails makes all readings bad.
    if (missing > 0 && (!tolerant || missing === names.length)) return undefined;
    try {
      const result: unknown = parsed(values);
      if (typeof result === 'number') return Number.isFinite(result) ? result : undefined;
      return typeof result === 'boolean' || typeof result === 'bigint' || typeof result === 'string' ? result : undefined;
    } catch {
      return undefined;
    }
  };
}
