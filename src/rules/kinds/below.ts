import * as z from 'zod';
import { decimalSum } from '../../codecs/decimal.ts';
import { isNumeric, ruleKind } from '../rule-kind.ts';

/** In alarm: value < setpoint. Back: value >= setpoint + deadband. */
export const below = ruleKind({
  key: 'below',
  schema: z.number(),
  doc: 'In alarm while the value is less than this number (equal is not enough).',
  needs: 'number',
  limits: (setpoint) => [{ value: setpoint, words: `below ${setpoint}` }],
  create(setpoint, deadband) {
    const back = decimalSum(setpoint, deadband);
    return {
      type: 'value',
      words: `below ${setpoint}`,
      judge: (value) => (!isNumeric(value) ? 'between' : value < setpoint ? 'alarm' : value >= back ? 'normal' : 'between'),
    };
  },
});
