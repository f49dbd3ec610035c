/**
 * Dew point by the Magnus formula over water, with the coefficients of Sonntag (1990) that WMO-No. 8 (Guide to Instruments and
 * Methods of Observation, 2023, annex 4.B) recommends over liquid water: 17.62 and 243.12 °C, from -45 to 60 °C. Looked up in the manual of
 * pvlib (atmosphere.tdew_from_rh), which cites it.
 */
import { because, type Formula, fixed, plain, type Result } from '../formula.ts';

const A = 17.62;
const B = 243.12;

/** @param temperature °C @param humidity relative, % @returns °C */
export function dewPoint(temperature: number, humidity: number): number {
  const gamma = Math.log(humidity / 100) + (A * temperature) / (B + temperature);
  return (B * gamma) / (A - gamma);
}

export const dewPointFormula: Formula = {
  name: 'dew-point',
  doc: 'Dew point from air temperature and relative humidity (Magnus formula, coefficients of WMO-No. 8).',
  roles: [fixed('temperature', 'Cel'), fixed('humidity', '%')],
  unit: 'Cel',
  decimals: 2,
  create: plain((temperature, humidity): Result | number => {
    if (humidity <= 0) return because('invalid');
    // Sensors show a little above 100 % in fog.
    const value = dewPoint(temperature, Math.min(humidity, 100));
    if (!Number.isFinite(value)) return because('not-a-number');
    return temperature < -45 || temperature > 60 || humidity > 105 ? because('out-of-range', value) : value;
  }),
};
