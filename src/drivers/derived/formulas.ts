/** The table of formulas: a new one is one file in formulas/ and one line here. */
import type { Formula } from './formula.ts';
import { average, maximum, minimum, sum } from './formulas/across.ts';
import { aqiFormulas } from './formulas/aqi.ts';
import { dewPointFormula } from './formulas/dew-point.ts';
import { energy } from './formulas/energy.ts';
import { mkt } from './formulas/mkt.ts';
import { movingAverage } from './formulas/moving-average.ts';
import { nowcastFormula } from './formulas/nowcast.ts';
import { nowcastOzoneFormula } from './formulas/nowcast-ozone.ts';
import { rate } from './formulas/rate.ts';
import { tankVolume } from './formulas/tank-volume.ts';
import { sum3, unbalanceFormula } from './formulas/three-phase.ts';
import { vpd } from './formulas/vpd.ts';

export const FORMULAS: readonly Formula[] = [
  energy,
  rate,
  ...aqiFormulas,
  nowcastFormula,
  nowcastOzoneFormula,
  dewPointFormula,
  vpd,
  mkt,
  tankVolume,
  sum3,
  unbalanceFormula,
  sum,
  average,
  minimum,
  maximum,
  movingAverage,
];

const byName = new Map(FORMULAS.map((formula) => [formula.name, formula]));

export function formulaOf(name: string): Formula | undefined {
  return byName.get(name);
}
