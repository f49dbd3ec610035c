import * as z from 'zod';
import { decimalSum } from '../../codecs/decimal.ts';
import { boundsFault } from '../../config/schema-parts.ts';
import { isNumeric, ruleKind } from '../rule-kind.ts';

/** `{min, max}`, written like `range:` of a point. */
export function rangeSchema(lowest: string, highest: string) {
  return z
    .strictObject(
      { min: z.number().describe(lowest), max: z.number().describe(highest) },
      { error: ({ input }) => boundsFault(input) },
    )
    .refine((range) => range.min <= range.max, { message: 'min is greater than max; exchange them', path: ['min'] });
}

/** In alarm: value < min or value > max. Back: min + deadband <= value <= max - deadband. */
export const outside = ruleKind({
  key: 'outside',
  schema: rangeSchema('The lowest normal value.', 'The highest normal value.'),
  doc: 'In alarm while the value is less than `min` or greater than `max` (equal is not enough).',
  needs: 'number',
  limits: ({ min, max }) => [
    { value: min, words: `below ${min}` },
    { value: max, words: `above ${max}` },
  ],
  create({ min, max }, deadband) {
    const low = decimalSum(min, deadband);
    const high = decimalSum(max, -deadband);
    return {
      type: 'value',
      words: `outside ${min} to ${max}`,
      judge: (value) =>
        !isNumeric(value)
          ? 'between'
          : value < min || value > max
            ? 'alarm'
            : low <= value && value <= high
              ? 'normal'
              : 'between',
    };
  },
  check({ min, max }, deadband) {
    if (decimalSum(min, deadband) <= decimalSum(max, -deadband)) return undefined;
    return `with a deadband of ${deadband} no value between ${min} and ${max} would end the alarm; write at most ${(max - min) / 2}`;
  },
});
