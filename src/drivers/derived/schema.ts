/**
 * Points that the gateway computes from others. The bus has no wire, and there is one.
 *
 * ```yaml
 * buses:
 *   derived: {protocol: derived}
 * devices:
 *   room:
 *     bus: derived
 *     points:
 *       dew-point: {compute: dew-point, from: {temperature: hall.temperature, humidity: hall.humidity}}
 *       energy: {compute: energy, from: meter.power, unit: kW.h}
 * ```
 */
import * as z from 'zod';
import { privacyKey } from '../../config/privacy-keys.ts';
import { report } from '../../config/report.ts';
import { duration } from '../../config/schema-parts.ts';
import { rawNumber } from '../counter.ts';
import { MISSING } from './formula.ts';
import { FORMULAS } from './formulas.ts';
import { MOST_PAIRS } from './limits.ts';

const YEAR = 366 * 86_400_000;

export const derivedBus = z.strictObject({});

export const derivedDevice = z.strictObject({
  every: duration({ min: 100, max: 86_400_000 })
    .optional()
    .describe(
      'At most one record of the device in this time; a point that turns bad or good again is reported at once. Without it: one for each reading of an input.',
    ),
  staleAfter: duration({ min: 1000, max: 86_400_000 })
    .prefault('10m')
    .describe(
      'An input that is older makes its points bad, reason `timeout`. Readings further apart have a gap between them, which adds nothing.',
    ),
});

const POINT = /^[a-z0-9][a-z0-9_-]{0,63}\.[a-z0-9][a-z0-9_-]{0,63}$/;
const ref = () => z.string('write a point: device.point').max(129).regex(POINT, 'write a point: device.point');

const pair = z.tuple([z.number(), z.number()], 'write a pair: [level, volume]');

export const derivedPoint = z.strictObject({
  compute: z
    .enum(FORMULAS.map(({ name }) => name))
    .optional()
    .describe(
      'The formula. A point has this key or `expression`. [How to compute points](../how-to/compute-points.md) has a table of them.',
    ),
  expression: z
    .string()
    .max(1000)
    .optional()
    .describe(
      'A number in the language CEL instead of a formula: `tank.level * 3.14`. A name with - is `point("pump-1.speed")`. The values of points are used as they are read.',
    ),
  from: z
    .union([ref(), z.array(ref()).min(1).max(64), z.record(z.string().max(40), ref())])
    .optional()
    .describe(
      'The inputs as `device.point`: one point, a list, or a section with the names that the formula has. A derived point can be an input.',
    ),
  unit: z
    .string()
    .max(40)
    .optional()
    .describe('UCUM code of the result. Inputs are converted. Formulas with a unit of their own need none.'),
  over: duration({ min: 60_000, max: YEAR }).optional().describe('The window of `mkt` and `moving-average`.'),
  table: z
    .array(pair)
    .min(2)
    .max(MOST_PAIRS)
    .optional()
    .describe('For `tank-volume`: pairs of level and volume, with rising levels: `[[0, 0], [0.5, 310], [1, 700]]`.'),
  modulus: rawNumber.optional().describe('For `rate`: the number after which the counter is 0 again, in the unit of the input.'),
  maxPerSecond: z
    .number()
    .positive()
    .optional()
    .describe(
      'For `rate`: fastest growth, in the unit of the input for each second. A larger step is uncertain, reason `too-fast`.',
    ),
  missing: z
    .enum(MISSING)
    .optional()
    .describe(
      'For `average`, `minimum` and `maximum`. `skip`: a bad input is left out, and the result is uncertain, reason `partial`; without any good input the point is bad. An input that never had a reading is left out `staleAfter` after the first reading of another one. `bad`, the default: one bad input makes the point bad.',
    ),
  decimals: z.int().min(0).max(9).optional().describe('Digits behind the point that results are rounded to.'),
  range: z
    .strictObject({
      min: z.number().optional().describe('Smallest result that is good.'),
      max: z.number().optional().describe('Largest result that is good.'),
    })
    .optional()
    .describe('A result outside is uncertain, reason `out-of-range`.'),
  report: report(),
  privacy: privacyKey(),
  type: z.literal('float64').default('float64').describe('Results are numbers.'),
});

export type DerivedDeviceSettings = z.output<typeof derivedDevice>;
export type DerivedPointSettings = z.output<typeof derivedPoint>;
