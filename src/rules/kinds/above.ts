import { phrase } from '../../core/sentence.ts';
import { movingCondition } from '../moving-limit.ts';
import { isNumeric, ruleKind, type ValueCondition } from '../rule-kind.ts';
import { boundSum, isFixed, setpointInputs, setpointSchema } from '../setpoint.ts';

/** In alarm: value > setpoint. Back: value <= setpoint - deadband. */
export const above = ruleKind({
  key: 'above',
  schema: setpointSchema(),
  doc: 'In alarm while the value is greater than this number (equal is not enough). A point or a schedule may give the number.',
  needs: 'number',
  inputs: (setpoint) => setpointInputs(setpoint),
  limits: (setpoint) => (isFixed(setpoint) ? [{ value: setpoint, words: `above ${setpoint}` }] : []),
  create(setpoint, deadband) {
    if (isFixed(setpoint)) return aboveNumber(setpoint, deadband);
    return movingCondition([{ setpoint, strict: 'lowest' }], ([number = 0]) => aboveNumber(number, deadband));
  },
});

function aboveNumber(setpoint: number | bigint, deadband: number): ValueCondition {
  const back = boundSum(setpoint, -deadband);
  return {
    type: 'value',
    words: phrase('above', { limit: setpoint }),
    judge: (value) => (!isNumeric(value) ? 'between' : value > setpoint ? 'alarm' : value <= back ? 'normal' : 'between'),
  };
}
