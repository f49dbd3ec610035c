/** Means over a window of time that slides in steps of a 48th of it. */
import { Buckets } from '../buckets.ts';
import { because, type Calculation, type CalculationSettings, fieldOf, good, type Result } from '../formula.ts';
import { Stretches } from '../stretches.ts';

const PARTS = 48;
/** With readings for less than this part of the window its mean is uncertain. */
const COVERED = 0.75;

/** @param into what is averaged over time @param back what it is in the unit of the formula */
export function overWindow(
  { staleAfter, over = 0 }: CalculationSettings,
  into: (value: number) => number,
  back: (mean: number) => number,
): Calculation {
  const buckets = new Buckets(over / PARTS, PARTS);
  const stretches = new Stretches(staleAfter);
  const result = (): Result => {
    const { sum, time } = buckets.total;
    if (time === 0) return because('not-ready');
    const value = back(sum / time);
    return time < COVERED * over ? because('partial', value) : good(value);
  };
  return {
    step: ([input], now) => {
      const stretch = stretches.take(into(input?.value ?? 0), now.at);
      if (stretch !== undefined && stretch !== 'gap') buckets.add(stretch, now);
      else buckets.roll(now);
      return result();
    },
    gap: (now) => {
      buckets.roll(now);
      return result();
    },
    save: (at) => ({ buckets: buckets.save(at), last: stretches.save(at) }),
    restore: (saved, now, savedAt) => {
      buckets.restore(fieldOf(saved, 'buckets'), savedAt ?? now.at);
      stretches.restore(fieldOf(saved, 'last'), savedAt);
    },
    placed: (off, since) => buckets.shift(off, since),
  };
}
