/**
 * NowCast of ozone, US EPA, 2019: the mean of the 8 hours around the newest whole hour, three of which are still to come. A regression
 * over two weeks of hours (partial least squares) predicts it from the last 96. Source: the white paper and the decision tree of
 * github.com/USEPA/O3-Nowcast.
 *
 * - Missing hours are filled with the mean of their neighbours. Each hour of distance halves the weight.
 * - The EPA takes a line through the newest hour (the surrogate) where two weeks have too few hours, or too many missing in a row.
 *   It does so too where too few hours have a mean of 8 hours around them: there the paper counts, and its code gives nothing.
 * - Without the newest hour the NowCast of the hour before counts, and without that one too that of two hours before. Here the code
 *   counts: the paper asks the regression for all three hours.
 * - Ours: an hour counts when readings cover 75 % of it. Means of hours are rounded to 0.01 ppb, and the result is cut to 0.1 ppb.
 *   All but the regression itself is uncertain.
 * - Ours too: a prediction is uncertain when the three hours to come would have to leave the range of the two weeks. The regression
 *   has 96 columns and 238 rows, and can go far astray where the days change their pattern.
 */
import { GOOD } from '../../../core/reasons.ts';
import { Buckets } from '../buckets.ts';
import {
  because,
  type Calculation,
  type CalculationSettings,
  type Formula,
  fieldOf,
  fixed,
  good,
  isNumber,
  type Result,
} from '../formula.ts';
import { predict } from '../partial-least-squares.ts';
import { Stretches } from '../stretches.ts';

const HOUR = 3_600_000;
/** Two weeks of hours are one window; the NowCast of two hours ago has one of its own. */
const WINDOW = 336;
const EARLIER = 2;
const HOURS = WINDOW + EARLIER;
/** What the regression looks back on, in hours. */
const INNER = 96;
const LEAST_HOURS = 252;
const LONGEST_MISSING = 7;
/** The mean of 8 hours is that of the hour itself, of 4 before it and 3 behind it. */
const [BEFORE, BEHIND] = [4, 3];
/** Present of each 8 hours, and the share of rows with such a mean. */
const LEAST_OF_8 = 6;
const LEAST_ROWS = 0.75;
/** Neighbours on each side that fill a missing hour; more where fewer than two of them are there. */
const NEIGHBOURS = 4;
/** ppb for each ppb of the newest hour, and ppb. */
const [SLOPE, INTERCEPT] = [0.85, 4.5];
const COVERED = 0.75;

/** An hourly mean, ppb; undefined: there is none. */
type Hour = number | undefined;

const cut = (value: number): number => Math.max(0, Math.floor(Number((value * 10).toPrecision(12))) / 10);

/** Missing hours filled. @param hours the oldest first, two of them present at least */
function filled(hours: readonly Hour[]): Float64Array {
  return Float64Array.from(hours, (hour, i) => {
    if (hour !== undefined) return hour;
    for (let reach = NEIGHBOURS; ; reach++) {
      let [sum, weights, present] = [0, 0, 0];
      for (let k = Math.max(0, i - reach); k <= Math.min(hours.length - 1, i + reach); k++) {
        const other = hours[k];
        if (other === undefined) continue;
        const weight = 0.5 ** Math.abs(k - i);
        sum += weight * other;
        weights += weight;
        present++;
      }
      if (present >= 2 || reach > hours.length) return sum / weights;
    }
  });
}

/** Means of 8 hours around each; undefined where too few of them are there. @param hours the oldest first */
function eights(hours: readonly Hour[]): Hour[] {
  return hours.map((_, i) => {
    if (i < BEFORE || i + BEHIND >= hours.length) return undefined;
    const there = hours.slice(i - BEFORE, i + BEHIND + 1).filter((hour) => hour !== undefined);
    return there.length < LEAST_OF_8 ? undefined : there.reduce((sum, hour) => sum + hour, 0) / there.length;
  });
}

function longestMissing(hours: readonly Hour[]): number {
  let [longest, missing] = [0, 0];
  for (const hour of hours) {
    missing = hour === undefined ? missing + 1 : 0;
    longest = Math.max(longest, missing);
  }
  return longest;
}

/** @param hours a whole window, the oldest first @returns undefined where too few hours have a mean of 8 hours around them */
function regression(hours: readonly Hour[]): Result | undefined {
  const series = filled(hours);
  const means = eights(hours);
  const rows: Float64Array[] = [];
  const y: number[] = [];
  for (let end = INNER; end <= WINDOW; end++) {
    const mean = means[end - 1];
    if (mean === undefined) continue;
    rows.push(series.subarray(end - INNER, end));
    y.push(mean);
  }
  if (rows.length < LEAST_ROWS * (WINDOW - INNER + 1)) return undefined;
  const value = predict(rows, Float64Array.from(y), series.subarray(WINDOW - INNER));
  // Five of the eight hours are known.
  const five = series.subarray(WINDOW - 1 - BEFORE).reduce((sum, hour) => sum + hour, 0);
  const [least, most] = [Math.min(...series), Math.max(...series)].map((hour) => (five + BEHIND * hour) / (BEFORE + 1 + BEHIND));
  const isPossible = value >= (least ?? value) && value <= (most ?? value);
  return isPossible ? good(cut(value)) : because('out-of-range', cut(value));
}

/**
 * @param hours means in ppb, the newest first; undefined, and hours beyond the end: no such mean
 * @returns ppb; undefined without one of the newest three hours
 */
export function nowcastOzone(hours: readonly Hour[], earlier = EARLIER): Result | undefined {
  const window = Array.from({ length: WINDOW }, (_, i) => hours[WINDOW - 1 - i]);
  const there = window.filter((hour) => hour !== undefined);
  const surrogate = (): Result | undefined => {
    const newest = hours.slice(0, EARLIER + 1).find((hour) => hour !== undefined);
    return newest === undefined ? undefined : because('partial', cut(SLOPE * newest + INTERCEPT));
  };
  if (there.length < LEAST_HOURS || longestMissing(window) > LONGEST_MISSING) return surrogate();
  if (there.every((hour) => hour === 0)) return good(0);
  if (hours[0] === undefined) {
    const before = earlier > 0 ? nowcastOzone(hours.slice(1), earlier - 1) : undefined;
    return before && (before.reason === GOOD ? because('partial', before.value) : before);
  }
  return regression(window) ?? surrogate();
}

/** Means as they count. */
function meansOf(hours: Buckets): Hour[] {
  return hours.whole.map(({ mean, share }) => (share >= COVERED ? Math.round(mean * 100) / 100 : undefined));
}

/** The bucket that fills and the newest whole one as they are, then one mean for each hour: a fifth of the bytes. */
function saved(hours: Buckets, at: number): unknown {
  const all = hours.save(at);
  return [
    Array.isArray(all) ? all.slice(0, 2) : [],
    meansOf(hours)
      .map((mean) => mean ?? null)
      .slice(1),
  ];
}

function unpacked(state: unknown): unknown {
  const [newest, means] = Array.isArray(state) ? state : [];
  if (!Array.isArray(newest) || !Array.isArray(means)) return undefined;
  const last: unknown = newest.at(-1);
  const ago: unknown = Array.isArray(last) ? last[0] : undefined;
  if (!isNumber(ago)) return undefined;
  const older = means
    .slice(0, HOURS)
    .map((mean: unknown, i) => [ago + (i + 1) * HOUR, ...(isNumber(mean) ? [mean * HOUR, HOUR] : [0, 0])]);
  return [...newest, ...older];
}

export const nowcastOzoneFormula: Formula = {
  name: 'nowcast-ozone',
  doc: 'NowCast of ozone: the mean of 8 hours around the newest whole hour, predicted from two weeks of hours (US EPA 2019).',
  roles: [{ ...fixed('ozone', '[ppb]'), molarMass: 48 }],
  unit: '[ppb]',
  decimals: 1,
  remembers: true,
  heavy: true,
  create: ({ staleAfter }: CalculationSettings): Calculation => {
    const hours = new Buckets(HOUR, HOURS);
    const stretches = new Stretches(staleAfter);
    let known: { readonly start: number | undefined; readonly result: Result } | undefined;
    /** Once an hour: only a new bucket changes what is whole. */
    const result = (): Result => {
      const start = hours.filling?.start;
      if (known?.start !== start || known === undefined)
        known = { start, result: nowcastOzone(meansOf(hours)) ?? because('not-ready') };
      return known.result;
    };
    return {
      step: ([input], now) => {
        const stretch = stretches.take(input?.value ?? 0, now.at);
        if (stretch !== undefined && stretch !== 'gap') hours.add(stretch, now);
        else hours.roll(now);
        return result();
      },
      gap: (now) => {
        hours.roll(now);
        return result();
      },
      save: (at) => ({ hours: saved(hours, at), last: stretches.save(at) }),
      restore: (state, now, savedAt) => {
        hours.restore(unpacked(fieldOf(state, 'hours')), savedAt ?? now.at);
        stretches.restore(fieldOf(state, 'last'), savedAt);
        known = undefined;
      },
      placed: (off, since) => {
        hours.shift(off, since);
        known = undefined;
      },
    };
  },
};
