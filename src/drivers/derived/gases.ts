/**
 * Gases in air: a mass in a volume (`ug/m3`) becomes a share of the air (`[ppb]`) only by a temperature and a pressure. The limits of
 * the US EPA are written for 25 °C and 1 atm, so the gateway takes those, whatever the weather is.
 */
import { type Conversion, conversion } from '../../core/dimensions.ts';
import type { Role } from './formula.ts';

/** Litres that one mole of an ideal gas fills at 25 °C and 1 atm, with the four digits that tables of air quality use. */
export const LITRES_A_MOLE = 24.45;

/** @returns how a value in one unit becomes what the role asks for; undefined where it does not */
export function conversionFor({ molarMass }: Pick<Role, 'molarMass'>, from: string, wanted: string): Conversion | undefined {
  const alike = conversion(from, wanted);
  if (alike !== undefined || molarMass === undefined) return alike;
  const grams = conversion(from, 'g/L');
  const share = conversion('1', wanted);
  if (grams === undefined || share === undefined) return undefined;
  return { scale: Number(((grams.scale / molarMass) * LITRES_A_MOLE * share.scale).toPrecision(15)), offset: 0 };
}
