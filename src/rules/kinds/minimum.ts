import * as z from 'zod';
import { duration } from '../../config/schema-parts.ts';
import { duration as lasting, phrase } from '../../core/sentence.ts';
import { limitFault, limitKeys, limitLines } from '../limit.ts';
import { ruleKind } from '../rule-kind.ts';
import { statistic } from '../statistic.ts';

/** The least reading of a window. The window slides in steps of a sixtieth: 60 values a rule. */
export const minimum = ruleKind({
  key: 'minimum',
  schema: z.strictObject({
    ...limitKeys('the least value'),
    over: duration({ min: 1000, max: 31 * 86_400_000 }).describe('The length of the window, which ends with the newest reading.'),
  }),
  doc: 'In alarm while the least reading of a time is `above` or `below` a number.',
  needs: 'number',
  limits: limitLines,
  check: limitFault,
  create: ({ over, ...limits }, deadband) =>
    statistic(
      {
        ...{ over, parts: 60, fields: 1, sure: 'below', words: phrase('minimum', { time: lasting(over) }) },
        add(data, value, fresh) {
          data[0] = fresh ? value : Math.min(data[0] as number, value);
        },
        of: (parts) => Math.min(...parts.map(({ data }) => data[0] as number)),
      },
      limits,
      deadband,
    ),
});
