/**
 * Vapour-pressure deficit of air. Saturation by equation 11 of FAO Irrigation and Drainage Paper 56 (Allen et al., 1998), over liquid
 * water. Looked up in the manual of NCAR's library (satvpr_temp_fao56), which repeats example 3 of that paper.
 */
import { because, type Formula, fixed, plain } from '../formula.ts';

/** @param temperature °C @returns kPa */
export function saturation(temperature: number): number {
  return 0.6108 * Math.exp((17.27 * temperature) / (temperature + 237.3));
}

export const vpd: Formula = {
  name: 'vpd',
  doc: 'Vapour-pressure deficit from air temperature and relative humidity (FAO-56, equation 11).',
  roles: [fixed('temperature', 'Cel'), fixed('humidity', '%')],
  unit: 'kPa',
  decimals: 3,
  create: plain((temperature, humidity) => {
    if (humidity < 0) return because('invalid');
    const value = saturation(temperature) * (1 - Math.min(humidity, 100) / 100);
    if (!Number.isFinite(value)) return because('not-a-number');
    return temperature < -45 || temperature > 60 || humidity > 105 ? because('out-of-range', value) : value;
  }),
};
