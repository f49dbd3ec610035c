/** Expressions that give a number, for computed points: the port of core, implemented. */
import type { Expressions } from '../../core/expressions.ts';
import { compile } from './evaluate.ts';
import { environment } from './language.ts';
import { readExpression } from './read.ts';
import { unitFault } from './units.ts';

export const numberExpressions: Expressions = {
  read: (text, points, unit) => {
    const read = readExpression(text, 'number', points);
    if (!('run' in read)) return read.map(({ message }) => message);
    const unitOf = (point: string): string | undefined => {
      const found = points.find(point);
      return 'fault' in found ? undefined : found.unit;
    };
    const fault = unit === undefined ? undefined : unitFault(environment().read.parse(text).ast, unitOf, unit);
    if (fault !== undefined) return [fault];
    // Most configurations that are read are never run.
    let made: ReturnType<typeof compile> | undefined;
    const evaluate: ReturnType<typeof compile> = (values) => {
      made ??= compile(read);
      return made(values);
    };
    return { inputs: read.inputs.map(({ point }) => point), evaluate };
  },
};
