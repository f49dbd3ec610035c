/** `write:` of a point: the keys that all drivers have in common, and the rules between them. */
import * as z from 'zod';
import type { Around } from '../config/kinds.ts';
import { boundsFault, duration } from '../config/schema-parts.ts';

export const bounds = z.strictObject(
  {
    min: z.number().optional().describe('Smallest value.'),
    max: z.number().optional().describe('Largest value.'),
  },
  { error: ({ input }) => boundsFault(input) },
);

export const writeKeys = {
  ...bounds.shape,
  every: duration({ max: 86_400_000 }).prefault('1s').describe('The point may be written once in this time.'),
  readBack: z
    .boolean()
    .default(true)
    .describe('The point is read after a write and must show the value. Use false for a point that never shows it (a reset).'),
  safe: z
    .strictObject({
      value: z.union([z.number(), z.boolean(), z.string().max(250)]).describe('The value, within the bounds.'),
      onStop: z.boolean().default(false).describe('The gateway writes the value when it stops.'),
      offline: duration({ min: 1000, max: 30 * 86_400_000 })
        .optional()
        .describe(
          'The gateway writes the value once when no forwarder has been connected for this time. It writes nothing back afterwards.',
        ),
    })
    .optional()
    .describe('A fail-safe value: the gateway writes it when it stops, or when the site has been offline for long.'),
};

export interface WriteBounds {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly safe?: { readonly onStop: boolean; readonly offline?: number | undefined } | undefined;
}

/** A path relative to `write`. */
export type WriteFault = readonly [keys: readonly string[], message: string];

export function* boundFaults({ min, max }: WriteBounds, kind: 'number' | 'label' | 'other'): Generator<WriteFault> {
  if (kind === 'number' && (min === undefined || max === undefined))
    yield [[], 'a number needs both bounds; write: {min: …, max: …}'];
  if (kind === 'other' && (min !== undefined || max !== undefined))
    yield [[min === undefined ? 'max' : 'min'], 'only numbers and labels have bounds; write: {} is enough'];
  if (min !== undefined && max !== undefined && min > max) yield [[], 'min is above max'];
}

export function* safeUseFaults({ safe }: WriteBounds, around: Around | undefined): Generator<WriteFault> {
  if (safe === undefined) return;
  if (!safe.onStop && safe.offline === undefined)
    yield [['safe'], 'write when it is used: onStop: true, or offline: 10m, or both'];
  if (safe.offline !== undefined && around?.upstream === false)
    yield [['safe', 'offline'], 'there is no forwarder, so nothing can be offline; remove this key, or add a forwarder'];
}
