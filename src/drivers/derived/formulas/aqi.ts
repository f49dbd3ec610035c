/**
 * Air Quality Index of single pollutants, US EPA, 2024: table 6 and equation 1 of EPA-454/B-24-002 (the same as table 2 of appendix G to
 * 40 CFR part 58). A concentration is cut to the digits of the table, an index is rounded to whole numbers. The index of a place is the
 * largest of its pollutants, for which the formula `maximum` is there.
 * The numbers were compared with copies of that table and with the worked examples of EPA's guide, not with the table itself.
 */
import { because, type Formula, fixed, plain, type Result } from '../formula.ts';

/** From and to: concentration in the last digit of the table, and index. */
type Row = readonly [low: number, high: number, from: number, to: number];

export interface Pollutant {
  readonly formula: string;
  readonly role: string;
  /** What the concentration is a mean of, in words. */
  readonly mean: string;
  readonly name: string;
  readonly unit: string;
  /** Digits behind the point that the table has. */
  readonly digits: number;
  readonly rows: readonly Row[];
}

/** @param highs the ends of the ranges; each begins one digit above the last one */
function rows(highs: readonly number[], indexes: readonly (readonly [number, number])[]): readonly Row[] {
  return highs.map((high, i) => {
    const [from, to] = indexes[i] as readonly [number, number];
    return [i === 0 ? 0 : (highs[i - 1] as number) + 1, high, from, to];
  });
}

const INDEXES = [
  [0, 50],
  [51, 100],
  [101, 150],
  [151, 200],
  [201, 300],
  [301, 500],
] as const;

const PM25: Pollutant = {
  ...{ formula: 'aqi', role: 'pm25', name: 'PM2.5', unit: 'ug/m3', digits: 1, mean: 'a mean of 24 hours or a `nowcast`' },
  rows: rows([90, 354, 554, 1254, 2254, 3254], INDEXES),
};

export const POLLUTANTS: readonly Pollutant[] = [
  PM25,
  {
    ...{ formula: 'aqi-pm10', role: 'pm10', name: 'PM10', unit: 'ug/m3', digits: 0, mean: 'a mean of 24 hours or a `nowcast`' },
    rows: rows([54, 154, 254, 354, 424, 604], INDEXES),
  },
  {
    // Means of 8 hours have no index above 300; the table goes on with means of one hour.
    ...{ formula: 'aqi-ozone', role: 'ozone', name: 'ozone', unit: '[ppm]', digits: 3, mean: 'a mean of 8 hours' },
    rows: rows([54, 70, 85, 105, 200], INDEXES),
  },
  {
    ...{ formula: 'aqi-co', role: 'co', name: 'carbon monoxide', unit: '[ppm]', digits: 1, mean: 'a mean of 8 hours' },
    rows: rows([44, 94, 124, 154, 304, 504], INDEXES),
  },
  {
    // From 305 ppb on the table asks for a mean of 24 hours; a mean of one hour then stands for 200.
    ...{ formula: 'aqi-so2', role: 'so2', name: 'sulphur dioxide', unit: '[ppb]', digits: 0, mean: 'a mean of one hour' },
    rows: rows([35, 75, 185, 304], INDEXES),
  },
  {
    ...{ formula: 'aqi-no2', role: 'no2', name: 'nitrogen dioxide', unit: '[ppb]', digits: 0, mean: 'a mean of one hour' },
    rows: rows([53, 100, 360, 649, 1249, 2049], INDEXES),
  },
];

/** @param concentration in the unit of the pollutant @returns above the table its last index, which is uncertain */
export function aqi(concentration: number, { rows, digits }: Pollutant = PM25): Result | number {
  // 35.4 is 353.999… tenths as a double.
  const cut = Math.floor(Number((Math.max(0, concentration) * 10 ** digits).toPrecision(12)));
  for (const [low, high, from, to] of rows) if (cut <= high) return Math.round(((to - from) * (cut - low)) / (high - low) + from);
  return because('out-of-range', rows.at(-1)?.[3]);
}

export const aqiFormulas: readonly Formula[] = POLLUTANTS.map((pollutant) => ({
  name: pollutant.formula,
  doc: `Air Quality Index of ${pollutant.name} (US EPA 2024, EPA-454/B-24-002). The input is ${pollutant.mean}.`,
  roles: [fixed(pollutant.role, pollutant.unit)],
  unit: '1',
  decimals: 0,
  create: plain((concentration) => aqi(concentration as number, pollutant)),
}));
