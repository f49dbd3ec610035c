/** An expression in CEL over points, read and evaluated by the port of core. Values go in as they are read. */
import type { Expressions, NamedPoints } from '../../../core/expressions.ts';
import { AS_READ, because, type Formula, fixed, good } from '../formula.ts';

export const EXPRESSION = 'expression';
/** The bounds of the language have fewer. */
const MOST = 64;
/** What `check` has found before: any point, of a kind that readings show. */
const ANY: NamedPoints = { find: () => ({ storage: undefined }), all: () => [] };

/** @returns undefined where the text is none */
export function expressionFormula(text: string, expressions: Expressions): Formula | undefined {
  const read = expressions.read(text, ANY);
  if (!('inputs' in read)) return undefined;
  return {
    name: EXPRESSION,
    doc: 'An expression in CEL.',
    roles: { list: fixed('input', AS_READ), least: 1, most: MOST },
    inputs: read.inputs,
    create: () => ({
      step: (inputs) => {
        const value = read.evaluate(inputs.map(({ raw }) => raw));
        return typeof value === 'number' || typeof value === 'bigint' ? good(Number(value)) : because('not-a-number');
      },
    }),
  };
}
