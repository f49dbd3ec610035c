import { phrase } from '../../core/sentence.ts';
import { movingCondition } from '../moving-limit.ts';
import { rangeInputs, rangeSchema } from '../range.ts';
import { isNumeric, ruleKind, type ValueCondition } from '../rule-kind.ts';
import { boundSum, isFixed } from '../setpoint.ts';

/** In alarm: min <= value <= max. Back: value < min - deadband or value > max + deadband. */
export const inside = ruleKind({
  key: 'inside',
  schema: rangeSchema('The lowest value in alarm.', 'The highest value in alarm.'),
  doc: 'In alarm while the value lies between `min` and `max` (equal is enough). Points or schedules may give the numbers.',
  needs: 'number',
  inputs: rangeInputs,
  limits: ({ min, max }) => [
    ...(isFixed(min) ? [{ value: min, words: `at least ${min}` }] : []),
    ...(isFixed(max) ? [{ value: max, words: `at most ${max}` }] : []),
  ],
  create({ min, max }, deadband) {
    if (isFixed(min) && isFixed(max)) return insideOf(min, max, deadband);
    return movingCondition(
      [
        { setpoint: min, strict: 'lowest' },
        { setpoint: max, strict: 'highest' },
      ],
      ([low = 0, high = 0]) => insideOf(low, high, deadband),
    );
  },
});

function insideOf(min: number | bigint, max: number | bigint, deadband: number): ValueCondition {
  const low = boundSum(min, -deadband);
  const high = boundSum(max, deadband);
  return {
    type: 'value',
    words: phrase('between', { min, max }),
    judge: (value) =>
      !isNumeric(value) ? 'between' : value >= min && value <= max ? 'alarm' : value < low || value > high ? 'normal' : 'between',
  };
}
