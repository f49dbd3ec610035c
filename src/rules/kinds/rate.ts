import * as z from 'zod';
import { duration } from '../../config/schema-parts.ts';
import { duration as lasting, phrase } from '../../core/sentence.ts';
import { limitFault, limitKeys } from '../limit.ts';
import { ruleKind } from '../rule-kind.ts';
import type { Part } from '../slots.ts';
import { rounded, statistic } from '../statistic.ts';

/**
 * How fast the value changes: the slope of the straight line that fits a window best (least squares), so that the noise of single
 * readings does not count. The line runs through the means of 60 parts of the window, each with the weight of its readings.
 */
export const rate = ruleKind({
  key: 'rate',
  schema: z.strictObject({
    ...limitKeys('the change'),
    per: duration({ min: 1000, max: 31 * 86_400_000 }).describe(
      'The time to which `above` and `below` belong: `above: 2` with `per: 1h` is 2 an hour.',
    ),
    over: duration({ min: 1000, max: 31 * 86_400_000 }).describe('The length of the window, which ends with the newest reading.'),
  }),
  doc: 'In alarm while the value changes faster than `above`, or slower than `below`. A falling value has a negative change.',
  needs: 'number',
  check: limitFault,
  create: ({ per, over, ...limits }, deadband) =>
    statistic(
      {
        ...{ over, parts: 60, fields: 3, words: phrase('rate', { per: lasting(per), time: lasting(over) }) },
        add(data, value, _fresh, age) {
          data[0] = (data[0] as number) + value;
          data[1] = (data[1] as number) + age;
          data[2] = (data[2] as number) + 1;
        },
        of: (parts) => slope(parts, per),
      },
      limits,
      deadband,
    ),
});

function slope(parts: readonly Part[], per: number): number | undefined {
  const first = parts[0];
  if (first === undefined || parts.length < 2) return undefined;
  // Around the middle, so that no digits are lost to large times and values.
  let [n, meanT, meanV] = [0, 0, 0];
  for (const { from, data } of parts) {
    const [sum, ages, count] = data as [number, number, number];
    n += count;
    meanT += count * (from - first.from) + ages;
    meanV += sum;
  }
  meanT /= n;
  meanV /= n;
  let [tt, tv] = [0, 0];
  for (const { from, data } of parts) {
    const [sum, ages, count] = data as [number, number, number];
    const t = from - first.from + ages / count - meanT;
    tt += count * t * t;
    tv += count * t * (sum / count - meanV);
  }
  return tt === 0 ? undefined : rounded((tv / tt) * per);
}
