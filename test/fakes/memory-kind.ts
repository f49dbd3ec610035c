/** A rule kind with memory, as a newcomer would write it: in alarm once `times` readings were greater than zero, until `for` after the last. */
import * as z from 'zod';
import { isNumeric, ruleKind } from '../../src/rules/rule-kind.ts';

const saved = z.object({ count: z.int().min(0).max(1000), quiet: z.number().min(0) });

export const counted = ruleKind({
  key: 'counted',
  schema: z.strictObject({ times: z.int(), for: z.number() }),
  doc: 'In alarm after so many readings above zero.',
  needs: 'number',
  create: (setting) => ({
    type: 'memory',
    start({ at: start, saved: before }) {
      const known = saved.safeParse(before).data;
      let count = known?.count ?? 0;
      let last = known === undefined ? start : start - known.quiet;
      return {
        value(at, value) {
          if (!isNumeric(value) || value <= 0) return;
          count = Math.min(count + 1, 1000);
          last = at;
        },
        bad() {},
        advance() {
          count = 0;
        },
        get verdict() {
          return count >= setting.times ? 'alarm' : 'normal';
        },
        get due() {
          return count === 0 ? Number.POSITIVE_INFINITY : last + setting.for;
        },
        save: (at) => ({ count, quiet: at - last }),
        words: `${setting.times} times`,
        get measured() {
          return { words: 'the count', value: count };
        },
      };
    },
  }),
});
