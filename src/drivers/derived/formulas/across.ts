/** One number of several inputs alike. */
import { type Formula, plain, same } from '../formula.ts';

/** Inputs of one point. */
const MOST = 64;

const across = (name: string, doc: string, compute: (values: readonly number[]) => number): Formula => ({
  ...{ name, doc },
  roles: { list: same('from'), least: 1, most: MOST },
  create: plain((...values) => compute(values)),
});

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

export const sum = across('sum', 'Sum of several inputs.', total);
export const average = across('average', 'Mean of several inputs.', (values) => total(values) / values.length);
export const minimum = across('minimum', 'The smallest of several inputs.', (values) => Math.min(...values));
export const maximum = across('maximum', 'The largest of several inputs.', (values) => Math.max(...values));
