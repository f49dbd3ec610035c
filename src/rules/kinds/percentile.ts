import * as z from 'zod';
import { duration } from '../../config/schema-parts.ts';
import { duration as lasting, phrase } from '../../core/sentence.ts';
import { limitFault, limitKeys, limitLines } from '../limit.ts';
import { ruleKind } from '../rule-kind.ts';
import { statistic } from '../statistic.ts';

/** Parts of the window; each keeps its newest reading, so a rule keeps at most so many. */
const PARTS = 240;

/**
 * The value that p percent of the readings do not exceed (nearest rank: the smallest of the sorted readings whose rank is at least p
 * percent of their number). Where readings come more often than PARTS a window, the newest one of each part counts.
 */
export const percentile = ruleKind({
  key: 'percentile',
  schema: z.strictObject({
    p: z.number().gt(0).max(100).describe('Percent of the readings that lie at or below the value. 50 is the median.'),
    ...limitKeys('the percentile'),
    over: duration({ min: 1000, max: 31 * 86_400_000 }).describe('The length of the window, which ends with the newest reading.'),
  }),
  doc: 'In alarm while the percentile `p` of the readings of a time is `above` or `below` a number.',
  needs: 'number',
  limits: limitLines,
  check: limitFault,
  create: ({ p, over, ...limits }, deadband) =>
    statistic(
      {
        ...{ over, parts: PARTS, fields: 1, words: phrase('percentile', { p, time: lasting(over) }) },
        add(data, value) {
          data[0] = value;
        },
        of: (parts) =>
          nearestRank(
            p,
            Float64Array.from(parts, ({ data }) => data[0] as number),
          ),
      },
      limits,
      deadband,
    ),
});

function nearestRank(p: number, values: Float64Array): number | undefined {
  values.sort();
  return values[Math.max(1, Math.ceil((p * values.length) / 100)) - 1];
}
