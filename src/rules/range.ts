/** `{min, max}` of a rule: two setpoints. */
import * as z from 'zod';
import type { RuleInput } from '../config/kinds.ts';
import { boundsFault } from '../config/schema-parts.ts';
import { isFixed, type Setpoint, setpointInputs, setpointSchema } from './setpoint.ts';

/** Written like `range:` of a point. */
export function rangeSchema(lowest: string, highest: string) {
  return z
    .strictObject(
      { min: setpointSchema().describe(lowest), max: setpointSchema().describe(highest) },
      { error: ({ input }) => boundsFault(input) },
    )
    .refine(({ min, max }) => !isFixed(min) || !isFixed(max) || min <= max, {
      message: 'min is greater than max; exchange them',
      path: ['min'],
    });
}

export function rangeInputs({ min, max }: { readonly min: Setpoint; readonly max: Setpoint }): readonly RuleInput[] {
  return [...setpointInputs(min, ['min']), ...setpointInputs(max, ['max'])];
}

/** A deadband that leaves a value between two setpoints that is normal. */
export function withinBand(min: number | bigint, max: number | bigint, deadband: number): number {
  return Math.max(0, Math.min(deadband, (Number(max) - Number(min)) / 2));
}
