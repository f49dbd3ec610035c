/** `counter:` of a point: its schema, and the rules between it and the other keys, alike for all drivers. */
import * as z from 'zod';
import { type CounterSettings, totalName, totalType } from '../codecs/totals.ts';
import type { ResolvedDevice } from '../config/kinds.ts';
import { name } from '../config/schema-parts.ts';
import type { PointInfo } from '../core/point.ts';

/** How long a name may be. */
const NAME_LENGTH = 64;

/** A number as it is on the wire; a text for numbers of 64 bits. */
export const rawNumber = z.union([z.number(), z.string().regex(/^(-?\d+|0x[0-9a-fA-F]+)$/, 'a raw number: 32768, -1, 0x8000')]);

export const counterSchema = () =>
  z
    .strictObject({
      modulus: rawNumber.describe('The raw number after which the counter is 0 again: 65536, 4294967296, 10000000.'),
      maxPerSecond: z
        .number()
        .positive()
        .optional()
        .describe(
          'Fastest growth, in the unit of the point for each second. A larger step is uncertain, reason too-fast, and not counted.',
        ),
      total: name().optional().describe('Name of the cumulative point. Without it: the name of this point and `-total`.'),
    })
    .optional()
    .describe(
      'The point counts and starts again at 0. A second point of the device has the cumulative value. It grows over rollovers, resets and restarts.',
    );

/** A point as these rules see it. */
export interface CountedPoint {
  readonly info: PointInfo;
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
  readonly counter?: CounterSettings | undefined;
  /** How many raw whole numbers from 0 on it can have; undefined where it need not be whole. */
  readonly capacity?: number | undefined;
  /** The type of the counter in words: `uint16`. */
  readonly holder: string;
}

export function* counterFaults(
  point: CountedPoint,
  points: readonly CountedPoint[],
): Generator<[key: keyof CounterSettings | undefined, message: string]> {
  const { counter, info } = point;
  if (counter === undefined) return;
  if (info.storage !== 'number' && info.storage !== 'integer64') return yield [undefined, 'only numbers count'];
  if ((point.scale ?? 1) < 0) yield [undefined, 'a counter only grows, so its scale is above 0'];
  if ((point.offset ?? 0) !== 0) yield [undefined, 'a counter begins at 0, so it has no offset'];
  yield* modulusFaults(point, counter);
  const total = totalName(info.name, counter);
  if (total.length > NAME_LENGTH) yield ['total', `${total} is too long for a name; give it one with total:`];
  const others = points.flatMap((p) =>
    p.info.name === info.name || p.counter === undefined ? [] : [totalName(p.info.name, p.counter)],
  );
  if (points.some((p) => p.info.name === total) || others.includes(total))
    yield ['total', `the device already has a point ${total}; give the cumulative value another name with total:`];
}

function* modulusFaults(
  { capacity, holder }: CountedPoint,
  counter: CounterSettings,
): Generator<[key: keyof CounterSettings, message: string]> {
  const modulus = Number(counter.modulus);
  if (!(modulus > 0)) yield ['modulus', 'the modulus of a counter is above 0'];
  if (capacity === undefined) return;
  if (!Number.isInteger(modulus)) yield ['modulus', `a ${holder} counts whole raw numbers, so its modulus is a whole number`];
  else if (modulus > capacity) yield ['modulus', `a ${holder} cannot reach this modulus: it holds less than ${capacity}`];
}

/** The cumulative points of a device, as far as rules need to know them. */
export function totalsOf(points: Iterable<Pick<CountedPoint, 'info' | 'counter'>>): ResolvedDevice['points'] {
  return new Map(
    [...points].flatMap(({ info, counter }): [string, Record<string, unknown>][] =>
      counter === undefined ? [] : [[totalName(info.name, counter), { type: totalType(info), unit: info.unit, of: info.name }]],
    ),
  );
}
