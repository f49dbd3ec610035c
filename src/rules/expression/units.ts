/**
 * The unit of what an expression gives. A number in the text may stand for a quantity of any unit where it is added or compared, and
 * for a conversion where it is a factor: the result is then of the same kind, and its size is left to the author.
 */
import type { ASTNode } from '@marcbachmann/cel-js';
import { type Dimension, dimensionOf, isAlike, product } from '../../core/dimensions.ts';
import { partsOf } from './language.ts';
import { referenceOf } from './read.ts';

interface Measure {
  readonly dimension: Dimension;
  /** As a person would write it. */
  readonly words: string;
  /** No factor of the text has changed its size. */
  readonly exact: boolean;
}
/** `any`: a number of the text; undefined: nobody knows, and nothing is said. */
type Kind = Measure | 'any' | undefined;

/** @param unitOf the unit of a point @returns what is wrong, in words; undefined when all is well or nothing can be said */
export function unitFault(tree: ASTNode, unitOf: (point: string) => string | undefined, unit: string): string | undefined {
  const faults: string[] = [];
  const found = measure(tree, unitOf, faults);
  const wanted = dimensionOf(unit);
  if (faults.length > 0 || found === undefined || found === 'any' || wanted === undefined) return faults[0];
  if (!isAlike(found.dimension, wanted)) return `the expression gives ${found.words}, and the unit of the point is ${unit}`;
  if (!found.exact || isSame(found.dimension, wanted)) return undefined;
  return `the expression gives ${found.words}, and the unit of the point is ${unit}: they differ by a factor; multiply with it, or write the other unit`;
}

function measure(node: ASTNode, unitOf: (point: string) => string | undefined, faults: string[]): Kind {
  const reference = referenceOf(node);
  if (reference !== undefined) {
    const unit = unitOf(reference);
    const dimension = unit === undefined ? undefined : dimensionOf(unit);
    return unit === undefined || dimension === undefined ? undefined : { dimension, words: unit, exact: true };
  }
  const parts = partsOf(node).map((part) => measure(part, unitOf, faults));
  const [a, b, c] = parts;
  switch (node.op) {
    case 'value':
      return typeof node.args === 'number' || typeof node.args === 'bigint' ? 'any' : undefined;
    case '-_':
      return a;
    case '+':
    case '-':
    case '%':
      return like(a, b, node.op === '+' ? 'added' : node.op === '-' ? 'subtracted' : 'divided with a rest', faults);
    case '<':
    case '<=':
    case '>':
    case '>=':
    case '==':
    case '!=':
      like(a, b, 'compared', faults);
      return undefined;
    case '?:':
      return like(b, c, 'alternatives of one result', faults);
    case '*':
      return times(a, b, 1);
    case '/':
      return times(a, b, -1);
    case 'call':
      if (node.args[0] === 'min' || node.args[0] === 'max') return like(a, b, 'compared', faults);
      return node.args[0] === 'size' ? undefined : a;
    default:
      return undefined;
  }
}

function like(a: Kind, b: Kind, done: string, faults: string[]): Kind {
  if (a === undefined || b === undefined) return undefined;
  if (a === 'any') return b;
  if (b === 'any') return a;
  if (!isAlike(a.dimension, b.dimension)) {
    faults.push(`${a.words} and ${b.words} cannot be ${done}`);
    return undefined;
  }
  if (a.exact && b.exact && !isSame(a.dimension, b.dimension)) {
    faults.push(`${a.words} and ${b.words} differ by a factor, so they cannot be ${done}; multiply one of them with it`);
    return undefined;
  }
  return { ...a, exact: a.exact && b.exact };
}

function times(a: Kind, b: Kind, sign: 1 | -1): Kind {
  if (a === undefined || b === undefined) return undefined;
  if (a === 'any') return b === 'any' ? 'any' : sign === 1 ? { ...b, exact: false } : undefined;
  if (b === 'any') return { ...a, exact: false };
  const dimension = product(a.dimension, b.dimension, sign);
  return { dimension, words: `${a.words}${sign === 1 ? '.' : '/'}${b.words}`, exact: a.exact && b.exact };
}

function isSame(a: Dimension, b: Dimension): boolean {
  return Math.abs(a.size / b.size - 1) < 1e-9 && a.zero === b.zero;
}
