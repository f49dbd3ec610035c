/**
 * Air Quality Index of PM2.5, US EPA 2024: table 6 and equation 1 of EPA-454/B-24-002. The concentration is cut to 0.1 µg/m³, the
 * index is rounded to whole numbers.
 */
import { because, type Formula, fixed, plain, type Result } from '../formula.ts';

/** From and to: concentration, µg/m³, and index. */
const PM25: readonly (readonly [number, number, number, number])[] = [
  [0, 9, 0, 50],
  [9.1, 35.4, 51, 100],
  [35.5, 55.4, 101, 150],
  [55.5, 125.4, 151, 200],
  [125.5, 225.4, 201, 300],
  [225.5, 325.4, 301, 500],
];

/** @param concentration µg/m³ @returns above the table 500, which is uncertain */
export function aqi(concentration: number): Result | number {
  // 35.4 is 353.999… tenths as a double.
  const cut = Math.floor(Number((Math.max(0, concentration) * 10).toPrecision(12))) / 10;
  for (const [low, high, from, to] of PM25) if (cut <= high) return Math.round(((to - from) / (high - low)) * (cut - low) + from);
  return because('out-of-range', 500);
}

export const aqiFormula: Formula = {
  name: 'aqi',
  doc: 'Air Quality Index of PM2.5 (US EPA 2024, EPA-454/B-24-002). The input is a mean of 24 hours or a `nowcast`.',
  roles: [fixed('pm25', 'ug/m3')],
  unit: '1',
  decimals: 0,
  create: plain((concentration) => aqi(concentration as number)),
};
