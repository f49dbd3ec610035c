import { decimalSum } from '../../codecs/decimal.ts';
import { phrase } from '../../core/sentence.ts';
import { movingCondition } from '../moving-limit.ts';
import { rangeInputs, rangeSchema, withinBand } from '../range.ts';
import { isNumeric, ruleKind, type ValueCondition } from '../rule-kind.ts';
import { boundSum, isFixed } from '../setpoint.ts';

/** In alarm: value < min or value > max. Back: min + deadband <= value <= max - deadband. */
export const outside = ruleKind({
  key: 'outside',
  schema: rangeSchema('The lowest normal value.', 'The highest normal value.'),
  doc: 'In alarm while the value is less than `min` or greater than `max` (equal is not enough). Points or schedules may give the numbers.',
  needs: 'number',
  inputs: rangeInputs,
  limits: ({ min, max }) => [
    ...(isFixed(min) ? [{ value: min, words: `below ${min}` }] : []),
    ...(isFixed(max) ? [{ value: max, words: `above ${max}` }] : []),
  ],
  create({ min, max }, deadband) {
    if (isFixed(min) && isFixed(max)) return outsideOf(min, max, deadband);
    return movingCondition(
      [
        { setpoint: min, strict: 'highest' },
        { setpoint: max, strict: 'lowest' },
      ],
      // Setpoints that come near each other must leave a value that ends the alarm.
      ([low = 0, high = 0]) => outsideOf(low, high, withinBand(low, high, deadband)),
    );
  },
  check({ min, max }, deadband) {
    if (!isFixed(min) || !isFixed(max) || decimalSum(min, deadband) <= decimalSum(max, -deadband)) return undefined;
    return `with a deadband of ${deadband} no value between ${min} and ${max} would end the alarm; write at most ${(max - min) / 2}`;
  },
});

function outsideOf(min: number | bigint, max: number | bigint, deadband: number): ValueCondition {
  const low = boundSum(min, deadband);
  const high = boundSum(max, -deadband);
  return {
    type: 'value',
    words: phrase('outside', { min, max }),
    judge: (value) =>
      !isNumeric(value) ? 'between' : value < min || value > max ? 'alarm' : low <= value && value <= high ? 'normal' : 'between',
  };
}
