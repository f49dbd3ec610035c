/** `report:` of a point, for every kind of driver: how much of what is read the log keeps. */
import * as z from 'zod';
import type { Report } from '../core/point.ts';
import { duration } from './schema-parts.ts';

export const report = () =>
  z
    .strictObject({
      change: z.number().min(0).optional().describe('Keep a value that differs by this much or more, in the unit of the point.'),
      percent: z
        .number()
        .positive()
        .max(1000)
        .optional()
        .describe('Keep a value that differs by this many per cent of the last kept one, or more.'),
      atLeast: duration({ min: 1 }).optional().describe('Keep one reading in this time, even without a change.'),
      atMost: duration({ min: 1 }).optional().describe('Keep at most one reading in this time.'),
    })
    .optional()
    .describe(
      'Which readings the log keeps, compared with the last kept one. A change of quality is kept at once. Rules, `value/…` topics and `sluice tail` see every reading. Without this key all readings are kept.',
    );

/** What the schema cannot say. @param numeric the point's value is a number */
export function* reportFaults(
  limits: Report | undefined,
  numeric: boolean,
): Generator<[key: keyof Report | undefined, message: string]> {
  if (limits === undefined) return;
  const { change, percent, atLeast, atMost } = limits;
  if (change === undefined && percent === undefined && atLeast === undefined && atMost === undefined)
    yield [undefined, 'write change, percent, atLeast or atMost, or leave report out: then every reading is kept'];
  for (const key of ['change', 'percent'] as const)
    if (!numeric && limits[key] !== undefined)
      yield [key, `only numbers have ${key}; of this point every other value is a change: write atLeast or atMost`];
  if (atLeast !== undefined && atMost !== undefined && atLeast < atMost)
    yield ['atLeast', 'atLeast is shorter than atMost: both cannot hold'];
}
