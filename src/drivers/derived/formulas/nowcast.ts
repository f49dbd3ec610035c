/**
 * NowCast of particulate matter, US EPA (EPA-454/B-24-002): a mean of the last 12 whole hours, in which hour i counts w^i with
 * w = max(min / max, 0.5). Two of the last three hours are required. The result is cut to 0.1 µg/m³.
 * Ours: an hour counts when readings cover 75 % of it.
 */
import { Buckets } from '../buckets.ts';
import {
  because,
  type Calculation,
  type CalculationSettings,
  type Formula,
  fieldOf,
  fixed,
  good,
  type Result,
} from '../formula.ts';
import { Stretches } from '../stretches.ts';

const HOUR = 3_600_000;
const HOURS = 12;
const COVERED = 0.75;

/** @param hours means, the newest first; undefined: no such mean @returns undefined without two of the newest three */
export function nowcast(hours: readonly (number | undefined)[]): number | undefined {
  const all = hours.slice(0, HOURS);
  const there = all.filter((mean) => mean !== undefined);
  if (all.slice(0, 3).filter((mean) => mean !== undefined).length < 2) return undefined;
  const most = Math.max(...there);
  const weight = most > 0 ? Math.max(Math.min(...there) / most, 0.5) : 1;
  let [sum, weights] = [0, 0];
  all.forEach((mean, i) => {
    if (mean === undefined) return;
    sum += weight ** i * mean;
    weights += weight ** i;
  });
  return Math.floor(Number(((sum / weights) * 10).toPrecision(12))) / 10;
}

export const nowcastFormula: Formula = {
  name: 'nowcast',
  doc: 'NowCast of PM2.5 or PM10: a weighted mean of the last 12 whole hours (US EPA). Two of the last three hours are required.',
  roles: [fixed('concentration', 'ug/m3')],
  unit: 'ug/m3',
  decimals: 1,
  remembers: true,
  create: ({ staleAfter }: CalculationSettings): Calculation => {
    const hours = new Buckets(HOUR, HOURS);
    const stretches = new Stretches(staleAfter);
    const result = (): Result => {
      const value = nowcast(hours.whole.map(({ mean, share }) => (share >= COVERED ? mean : undefined)));
      return value === undefined ? because('not-ready') : good(value);
    };
    return {
      step: ([input], now) => {
        const stretch = stretches.take(Math.max(0, input?.value ?? 0), now.at);
        if (stretch !== undefined && stretch !== 'gap') hours.add(stretch, now);
        else hours.roll(now);
        return result();
      },
      gap: (now) => {
        hours.roll(now);
        return result();
      },
      save: (at) => ({ hours: hours.save(at), last: stretches.save(at) }),
      restore: (saved, now, savedAt) => {
        hours.restore(fieldOf(saved, 'hours'), savedAt ?? now.at);
        stretches.restore(fieldOf(saved, 'last'), savedAt);
      },
      placed: (off, since) => hours.shift(off, since),
    };
  },
};
