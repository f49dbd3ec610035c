import * as z from 'zod';
import type { Value } from '../../core/point.ts';
import type { Sentence } from '../../core/sentence.ts';
import { compile } from '../expression/evaluate.ts';
import { MOST_TEXT } from '../expression/language.ts';
import { type Expression, readExpression } from '../expression/read.ts';
import type { ConditionMemory, MemoryVerdict, RuleKind } from '../rule-kind.ts';
import { Known, sentenceOf } from '../several-words.ts';

/**
 * In alarm: the expression is true. Back: it is false. Where a bad input matters, and where it cannot be computed (a division by
 * zero), it says nothing: that begins no alarm and ends none. Bounds: expression/language.ts.
 */
export const expression: RuleKind = {
  key: 'expression',
  schema: z.string().max(MOST_TEXT, { message: `the expression is too long; at most ${MOST_TEXT} letters` }),
  doc: 'In alarm while this expression in CEL is true. The rule has no `point:`; the expression names its points.',
  needs: 'any',
  own: false,
  resolve(text, { points, fault }) {
    const result = readExpression(String(text), 'bool', points);
    if ('run' in result) return result;
    for (const { at, message } of result) fault([], message, at);
    return undefined;
  },
  inputs: (setting) => (setting as Expression).inputs.map(({ point }) => ({ point, at: [], needs: 'any' })),
  create: (setting) => ({ type: 'memory', keeps: false, start: () => new ExpressionMemory(setting as Expression) }),
};

/** Remembers the last value of each input, and nothing else. */
class ExpressionMemory implements ConditionMemory {
  readonly due = Number.POSITIVE_INFINITY;
  readonly words = '';
  readonly #evaluate: ReturnType<typeof compile>;
  readonly #values: (Value | undefined)[];
  /** Undefined: an input changed since. */
  #verdict: MemoryVerdict | undefined;
  readonly #known: readonly Known[];

  constructor(setting: Expression) {
    this.#evaluate = compile(setting);
    this.#values = setting.inputs.map(() => undefined);
    this.#known = setting.inputs.map(({ point }) => new Known(point));
  }

  know(input: number, unit: string | undefined): void {
    const known = this.#known[input];
    if (known !== undefined) known.unit = unit;
  }
  value(_at: number, value: Value, input: number): void {
    this.#change(input, value);
    this.#known[input]?.take(value);
  }
  bad(_at: number, input: number): void {
    this.#change(input, undefined);
    this.#known[input]?.take(undefined);
  }
  advance(): void {}
  save(): undefined {}

  /** An error of the language costs many times an evaluation, and a dead bus would have one with each reading. */
  #change(input: number, value: Value | undefined): void {
    if (this.#values[input] === value) return;
    this.#values[input] = value;
    this.#verdict = undefined;
  }

  get verdict(): MemoryVerdict {
    this.#verdict ??= verdictOf(this.#evaluate(this.#values));
    return this.#verdict;
  }

  get sentence(): Sentence {
    return sentenceOf(this.#known.map(({ words }) => words));
  }
}

function verdictOf(result: Value | undefined): MemoryVerdict {
  return result === true ? 'alarm' : result === false ? 'normal' : 'unknown';
}
