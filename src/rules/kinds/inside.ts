import { decimalSum } from '../../codecs/decimal.ts';
import { isNumeric, ruleKind } from '../rule-kind.ts';
import { rangeSchema } from './outside.ts';

/** In alarm: min <= value <= max. Back: value < min - deadband or value > max + deadband. */
export const inside = ruleKind({
  key: 'inside',
  schema: rangeSchema('The lowest value in alarm.', 'The highest value in alarm.'),
  doc: 'In alarm while the value lies between `min` and `max` (equal is enough).',
  needs: 'number',
  limits: ({ min, max }) => [
    { value: min, words: `at least ${min}` },
    { value: max, words: `at most ${max}` },
  ],
  create({ min, max }, deadband) {
    const low = decimalSum(min, -deadband);
    const high = decimalSum(max, deadband);
    return {
      type: 'value',
      words: `between ${min} and ${max}`,
      judge: (value) =>
        !isNumeric(value)
          ? 'between'
          : value >= min && value <= max
            ? 'alarm'
            : value < low || value > high
              ? 'normal'
              : 'between',
    };
  },
});
