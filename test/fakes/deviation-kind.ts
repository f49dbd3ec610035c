/** A rule kind of two inputs, as a newcomer would write it: one file. In alarm while the points differ by more than `by`. */
import * as z from 'zod';
import { isNumeric, ruleKind } from '../../src/rules/rule-kind.ts';

export const deviation = ruleKind({
  key: 'deviation',
  schema: z.strictObject({ from: z.string().describe('device.point'), by: z.number().describe('The largest difference.') }),
  doc: 'In alarm while the value differs from that of another point by more than `by`.',
  needs: 'number',
  inputs: ({ from }) => [{ point: from, at: ['from'], needs: 'number' }],
  create: ({ from, by }, deadband) => ({
    type: 'value',
    words: `more than ${by} from ${from}`,
    judge(value, [other]) {
      if (!isNumeric(value) || other === undefined || !isNumeric(other)) return 'between';
      const difference = Math.abs(Number(value) - Number(other));
      return difference > by ? 'alarm' : difference <= by - deadband ? 'normal' : 'between';
    },
  }),
});
