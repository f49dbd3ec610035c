import * as z from 'zod';
import { decimalSum } from '../../codecs/decimal.ts';
import { isNumeric, ruleKind } from '../rule-kind.ts';

/** In alarm: value > setpoint. Back: value <= setpoint - deadband. */
export const above = ruleKind({
  key: 'above',
  schema: z.number(),
  doc: 'In alarm while the value is greater than this number (equal is not enough).',
  needs: 'number',
  limits: (setpoint) => [{ value: setpoint, words: `above ${setpoint}` }],
  create(setpoint, deadband) {
    const back = decimalSum(setpoint, -deadband);
    return {
      type: 'value',
      words: `above ${setpoint}`,
      judge: (value) => (!isNumeric(value) ? 'between' : value > setpoint ? 'alarm' : value <= back ? 'normal' : 'between'),
    };
  },
});
