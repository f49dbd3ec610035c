import { duration } from '../../config/schema-parts.ts';
import { ruleKind } from '../rule-kind.ts';

/** In alarm: no good or uncertain value for this long. Back: the next one. An onDelay adds to the duration. */
export const stale = ruleKind({
  key: 'stale',
  schema: duration({ min: 1, max: 365 * 86_400_000 }),
  doc: 'In alarm when the point had no value for this time. A bad reading is not a value.',
  needs: 'any',
  create: (after) => ({ type: 'silence', after }),
});
