import * as z from 'zod';
import { duration } from '../../config/schema-parts.ts';
import { duration as lasting, phrase } from '../../core/sentence.ts';
import { limitFault, limitKeys, limitLines } from '../limit.ts';
import { ruleKind } from '../rule-kind.ts';
import { rounded, statistic } from '../statistic.ts';

/** The mean of the readings of a window; each counts the same. The window slides in steps of a sixtieth: 60 sums and counts a rule. */
export const average = ruleKind({
  key: 'average',
  schema: z.strictObject({
    ...limitKeys('the average'),
    over: duration({ min: 1000, max: 31 * 86_400_000 }).describe('The length of the window, which ends with the newest reading.'),
  }),
  doc: 'In alarm while the average of the readings of a time is `above` or `below` a number.',
  needs: 'number',
  limits: limitLines,
  check: limitFault,
  create: ({ over, ...limits }, deadband) =>
    statistic(
      {
        ...{ over, parts: 60, fields: 2, words: phrase('average', { time: lasting(over) }) },
        add(data, value) {
          data[0] = (data[0] as number) + value;
          data[1] = (data[1] as number) + 1;
        },
        of(parts) {
          let [sum, count] = [0, 0];
          for (const { data } of parts) {
            sum += data[0] as number;
            count += data[1] as number;
          }
          return rounded(sum / count);
        },
      },
      limits,
      deadband,
    ),
});
