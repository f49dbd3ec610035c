/** One number of several inputs alike. */
import { because, type Calculation, type Formula, plain, same } from '../formula.ts';

/** Inputs of one point. */
const MOST = 64;

const across = (name: string, doc: string, compute: (values: readonly number[]) => number): Formula => ({
  ...{ name, doc },
  roles: { list: same('from'), least: 1, most: MOST },
  create: plain((...values) => compute(values)),
});

/** A formula that says something about some of its inputs, too: what is missing could change it, so it is uncertain then. */
function ofSome(name: string, doc: string, compute: (values: readonly number[]) => number): Formula {
  const whole = across(name, doc, compute);
  return {
    ...whole,
    takes: ['missing'],
    create: (settings): Calculation => {
      const calculation = whole.create(settings);
      if (settings.missing !== 'skip') return calculation;
      return {
        ...calculation,
        without: (inputs) => {
          const values = inputs.flatMap((input) => (input === undefined ? [] : [input.value]));
          return values.length === 0 ? undefined : because('partial', compute(values));
        },
      };
    },
  };
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

export const sum = across('sum', 'Sum of several inputs.', total);
export const average = ofSome('average', 'Mean of several inputs.', (values) => total(values) / values.length);
export const minimum = ofSome('minimum', 'The smallest of several inputs.', (values) => Math.min(...values));
export const maximum = ofSome('maximum', 'The largest of several inputs.', (values) => Math.max(...values));
