/**
 * Mean kinetic temperature, USP <1079.2>: the temperature at which a product ages as much as it did at the temperatures that it
 * had. Activation energy 83.144 kJ/mol, gas constant 8.3144 J/(mol·K). The formula was looked up (Tong and Lock 2015; Seeq, with
 * 83.14 kJ/mol). USP itself was not at hand.
 */
import { because, type Calculation, type Formula, fixed } from '../formula.ts';
import { overWindow } from './over-window.ts';

/** ΔH / R, K. */
const RATIO = 83_144 / 8.3144;
const ZERO = 273.15;

/** The speed of ageing. @param temperature °C */
export function ageing(temperature: number): number {
  return Math.exp(-RATIO / (temperature + ZERO));
}
/** °C */
export function kinetic(meanAgeing: number): number {
  return -RATIO / Math.log(meanAgeing) - ZERO;
}

export const mkt: Formula = {
  name: 'mkt',
  doc: 'Mean kinetic temperature over a window (USP <1079.2>, activation energy 83.144 kJ/mol).',
  roles: [fixed('temperature', 'Cel')],
  unit: 'Cel',
  decimals: 2,
  needs: ['over'],
  remembers: true,
  create: (settings): Calculation => {
    const window = overWindow(settings, ageing, kinetic);
    return {
      ...window,
      // The formula has no meaning there, and one such reading would outlast its window.
      step: (inputs, now) => {
        const temperature = inputs[0]?.value ?? 0;
        return temperature < -100 || temperature > 200 ? because('invalid') : window.step(inputs, now);
      },
    };
  },
};
