/**
 * Air Quality Index of single pollutants, US EPA, 2024: table 6 and equation 1 of EPA-454/B-24-002 (the same as table 2 of appendix G to
 * 40 CFR part 58). A concentration is cut to the digits of the table, an index is rounded to whole numbers. The index of a place is the
 * largest of its pollutants, for which the formula `maximum` is there.
 * - Ozone and sulphur dioxide have a second table for means of another length; the larger index counts. Where one mean is bad, the index
 *   is that of the other one (`aqiWithout`).
 * - The numbers were compared with copies of that table and with the worked examples of EPA's guide, not with the table itself.
 */
import { because, type Calculation, type Formula, fixed, good, plain, type Result, type Role } from '../formula.ts';

/** From and to: concentration in the last digit of the table, and index. */
type Row = readonly [low: number, high: number, from: number, to: number];
/** The table of means of one length. */
interface Table {
  readonly role: string;
  /** What the concentration is a mean of, in words. */
  readonly mean: string;
  readonly rows: readonly Row[];
}

export interface Pollutant extends Table {
  readonly formula: string;
  readonly name: string;
  readonly unit: string;
  /** g/mol of a gas. */
  readonly molarMass?: number;
  /** Digits behind the point that the tables have. */
  readonly digits: number;
  /** An input that may be left out. */
  readonly second?: Table;
  /** Above the first table, and below the second one, the guide holds the index at the end of the first. */
  readonly holds?: true;
}

const INDEXES = [
  [0, 50],
  [51, 100],
  [101, 150],
  [151, 200],
  [201, 300],
  [301, 500],
] as const;

/** @param highs the ends of the ranges; each begins one digit above the last one @param below the digit below the first range */
function rows(highs: readonly number[], indexes: readonly (readonly [number, number])[] = INDEXES, below = -1): readonly Row[] {
  return highs.map((high, i) => {
    const [from, to] = indexes[i] as readonly [number, number];
    return [(i === 0 ? below : (highs[i - 1] as number)) + 1, high, from, to];
  });
}

const PM25: Pollutant = {
  ...{ formula: 'aqi', role: 'pm25', name: 'PM2.5', unit: 'ug/m3', digits: 1, mean: 'a mean of 24 hours or a `nowcast`' },
  rows: rows([90, 354, 554, 1254, 2254, 3254]),
};

export const POLLUTANTS: readonly Pollutant[] = [
  PM25,
  {
    ...{ formula: 'aqi-pm10', role: 'pm10', name: 'PM10', unit: 'ug/m3', digits: 0, mean: 'a mean of 24 hours or a `nowcast`' },
    rows: rows([54, 154, 254, 354, 424, 604]),
  },
  {
    ...{ formula: 'aqi-ozone', role: 'ozone', name: 'ozone', unit: '[ppm]', digits: 3, mean: 'a mean of 8 hours' },
    molarMass: 48,
    rows: rows([54, 70, 85, 105, 200]),
    // A mean of one hour below 0.125 ppm has no index, and above 300 only a mean of one hour has one.
    second: { role: 'hour', mean: 'a mean of one hour', rows: rows([164, 204, 404, 604], INDEXES.slice(2), 124) },
  },
  {
    ...{ formula: 'aqi-co', role: 'co', name: 'carbon monoxide', unit: '[ppm]', digits: 1, mean: 'a mean of 8 hours' },
    molarMass: 28.01,
    rows: rows([44, 94, 124, 154, 304, 504]),
  },
  {
    ...{ formula: 'aqi-so2', role: 'so2', name: 'sulphur dioxide', unit: '[ppb]', digits: 0, mean: 'a mean of one hour' },
    molarMass: 64.07,
    rows: rows([35, 75, 185, 304]),
    second: { role: 'day', mean: 'a mean of 24 hours', rows: rows([604, 1004], INDEXES.slice(4), 304) },
    holds: true,
  },
  {
    ...{ formula: 'aqi-no2', role: 'no2', name: 'nitrogen dioxide', unit: '[ppb]', digits: 0, mean: 'a mean of one hour' },
    molarMass: 46.01,
    rows: rows([53, 100, 360, 649, 1249, 2049]),
  },
];

type Place = 'below' | 'above' | number;

function indexIn(rows: readonly Row[], concentration: number, digits: number): Place {
  // 35.4 is 353.999… tenths as a double.
  const cut = Math.floor(Number((Math.max(0, concentration) * 10 ** digits).toPrecision(12)));
  for (const [low, high, from, to] of rows) {
    if (cut < low) return 'below';
    if (cut <= high) return Math.round(((to - from) * (cut - low)) / (high - low) + from);
  }
  return 'above';
}

const lastOf = (rows: readonly Row[]): number => rows.at(-1)?.[3] ?? 0;

/**
 * @param concentration in the unit of the pollutant
 * @param other of the second table, where the pollutant has one; undefined: not measured
 * @returns the last index of its tables, which is uncertain, where they define none
 */
export function aqi(concentration: number, pollutant: Pollutant = PM25, other?: number): Result | number {
  const { rows, digits, second, holds } = pollutant;
  const first = indexIn(rows, concentration, digits);
  const last = lastOf(rows);
  const least = typeof first === 'number' ? first : last;
  if (second === undefined || other === undefined) return first === 'above' ? because('out-of-range', last) : least;
  const beside = indexIn(second.rows, other, digits);
  if (beside === 'above') return because('out-of-range', lastOf(second.rows));
  const index = beside === 'below' ? least : Math.max(least, beside);
  return first !== 'above' || index > last || holds ? index : because('out-of-range', last);
}

/**
 * The index while one of the two means is bad: the larger of those that can be computed. It is good where the other mean cannot raise
 * it, and uncertain, `partial`, where it could.
 * @param concentration the first mean; undefined: bad
 * @param other the second mean; undefined: bad or left out
 * @returns undefined where the mean that is left has no index
 */
export function aqiWithout(concentration: number | undefined, pollutant: Pollutant, other?: number): Result | number | undefined {
  const { rows, digits, second } = pollutant;
  if (concentration !== undefined) {
    const index = aqi(concentration, pollutant);
    return typeof index === 'number' ? because('partial', index) : index;
  }
  if (second === undefined || other === undefined) return undefined;
  const index = indexIn(second.rows, other, digits);
  if (index === 'below') return undefined;
  if (index === 'above') return because('out-of-range', lastOf(second.rows));
  return index > lastOf(rows) ? index : because('partial', index);
}

const roleOf = ({ unit, molarMass }: Pollutant, name: string): Role => ({ ...fixed(name, unit), molarMass });

export const aqiFormulas: readonly Formula[] = POLLUTANTS.map((pollutant) => {
  const { formula, name, role, mean, second } = pollutant;
  const calculation: Calculation = {
    ...plain((concentration, other) => aqi(concentration as number, pollutant, other))(),
    ...(second !== undefined && {
      without: ([concentration, other]) => {
        const index = aqiWithout(concentration?.value, pollutant, other?.value);
        return typeof index === 'number' ? good(index) : index;
      },
    }),
  };
  return {
    name: formula,
    doc: `Air Quality Index of ${name} (US EPA 2024, EPA-454/B-24-002). The input is ${mean}${second ? `; \`${second.role}\` is ${second.mean}, and may be left out` : ''}.`,
    roles: [
      roleOf(pollutant, role),
      ...(second === undefined ? [] : [{ ...roleOf(pollutant, second.role), optional: true as const }]),
    ],
    unit: '1',
    decimals: 0,
    create: () => calculation,
  };
});
