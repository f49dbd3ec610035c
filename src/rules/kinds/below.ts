import { phrase } from '../../core/sentence.ts';
import { movingCondition } from '../moving-limit.ts';
import { isNumeric, ruleKind, type ValueCondition } from '../rule-kind.ts';
import { boundSum, isFixed, setpointInputs, setpointSchema } from '../setpoint.ts';

/** In alarm: value < setpoint. Back: value >= setpoint + deadband. */
export const below = ruleKind({
  key: 'below',
  schema: setpointSchema(),
  doc: 'In alarm while the value is less than this number (equal is not enough). A point or a schedule may give the number.',
  needs: 'number',
  inputs: (setpoint) => setpointInputs(setpoint),
  limits: (setpoint) => (isFixed(setpoint) ? [{ value: setpoint, words: `below ${setpoint}` }] : []),
  create(setpoint, deadband) {
    if (isFixed(setpoint)) return belowNumber(setpoint, deadband);
    return movingCondition([{ setpoint, strict: 'highest' }], ([number = 0]) => belowNumber(number, deadband));
  },
});

function belowNumber(setpoint: number | bigint, deadband: number): ValueCondition {
  const back = boundSum(setpoint, deadband);
  return {
    type: 'value',
    words: phrase('below', { limit: setpoint }),
    judge: (value) => (!isNumeric(value) ? 'between' : value < setpoint ? 'alarm' : value >= back ? 'normal' : 'between'),
  };
}
