/**
 * Points that flows make: a mean of some points, a value from the internet, a device that only Node-RED speaks to. The bus is the
 * socket for flows, and there is one.
 *
 * ```yaml
 * nodeRed: {enabled: true}
 * buses:
 *   derived: {protocol: flows}
 * devices:
 *   calc:                                  # `sluice reading out` with the point calc.mean
 *     bus: derived
 *     silentAfter: 5m
 *     points:
 *       mean: {unit: Cel, range: {min: -40, max: 80}}
 *       door-open: {type: bool}
 *   rooms:                                 # rooms.room-1, rooms.room-kitchen, … as they come
 *     bus: derived
 *     accept: {prefix: room-, points: 50}
 * ```
 */
import * as z from 'zod';
import { duration } from '../../config/schema-parts.ts';
import { serialPoint } from '../serial/schema.ts';
import { MOST_ACCEPTED, MOST_OF_DEVICE, MOST_OF_POINT } from './limits.ts';

export const flowsBus = z.strictObject({
  timeout: duration({ min: 100, max: 60_000 }).prefault('5s').describe('How long a read by hand waits for the next reading.'),
});

const accept = z.strictObject({
  prefix: z
    .string()
    .max(40)
    .regex(/^[a-z0-9][a-z0-9_-]*$/, 'write how the names begin, in small letters, digits, - and _: room-')
    .describe('How the names of these points begin.'),
  points: z.int().min(1).max(MOST_ACCEPTED).default(50).describe('Most such points. Readings of further ones are refused.'),
});

const perSecond = z.strictObject({
  point: z.int().min(1).max(MOST_OF_POINT).default(10).describe('Readings of one point.'),
  device: z.int().min(1).max(MOST_OF_DEVICE).default(100).describe('Readings of all points of the device.'),
});

export const flowsDevice = z.strictObject({
  silentAfter: duration({ min: 1000 })
    .prefault('2h')
    .describe('After this time without a reading from flows the points of the device are bad once, reason `timeout`.'),
  accept: accept
    .optional()
    .describe(
      'Points that flows may bring beside those that are written here. The first reading says whether the point is a number, a bool or a string, and its unit. They are kept over restarts. Rules watch only points that are written here.',
    ),
  perSecond: perSecond
    .prefault({})
    .describe(
      'Readings that the device takes in a second. Of what is more, the newest of each point waits, and the others are left out.',
    ),
});

const { type, unit, range, report, privacy } = serialPoint.shape;
export const flowsPoint = z.strictObject({ type, unit, range, report, privacy });

export type FlowsBusSettings = z.output<typeof flowsBus>;
export type FlowsDeviceSettings = z.output<typeof flowsDevice>;
export type FlowsPointSettings = z.output<typeof flowsPoint>;
