/** The newest record in which some points of a device all have good readings: where a cumulative value goes on after a restart. */
import type { ShapeColumns } from '../../codecs/blocks.ts';
import type { Shape, Value } from '../../core/point.ts';
import { GOOD } from '../../core/reasons.ts';
import { keyOf } from '../files/layout.ts';
import type { Decoder } from './decoder.ts';
import { Pace, rest } from './pace.ts';
import type { LogReader } from './reading.ts';
import type { NewestRequest, NewestResult } from './requests.ts';
import { type BootClock, Stretches } from './stretches.ts';

type Found = NewestResult['found'][number];

/** Yields between two steps. Only what is committed is seen. */
export function* newest(reader: LogReader, decoder: Decoder, request: NewestRequest): Generator<undefined, NewestResult> {
  const stretches = new Stretches(reader);
  const keys = request.wanted.map(({ log, seq }) => keyOf(log, seq));
  const found: Found[] = request.wanted.map(() => undefined);
  const shapes = decoder.shapes(stretches, (shape) => request.wanted.some((wanted) => placesOf(shape, wanted) !== undefined));
  const pace = new Pace();
  for (const stretch of stretches.from(Math.min(...keys))) {
    // Several parts of an hour may have records of a device, side by side.
    const last = new Array<number>(found.length).fill(-1);
    for (const columns of decoder.columns(stretches, stretch, shapes))
      for (const [i, wanted] of request.wanted.entries()) {
        const places = placesOf(columns.shape, wanted);
        if (places === undefined) continue;
        const least = Math.max(last[i] as number, (keys[i] as number) - keyOf(stretch.log, 0), 0);
        const m = lastOf(columns, places, least);
        if (m === undefined) continue;
        last[i] = columns.seqs[m] as number;
        found[i] = foundAt(columns, places, m, stretches.clock(stretch.boot));
      }
    if (pace.due) yield* rest(pace);
  }
  return { id: request.id, found };
}

function placesOf(shape: Shape, { device, points }: NewestRequest['wanted'][number]): number[] | undefined {
  if (shape.device !== device) return undefined;
  const places = points.map((name) => shape.points.findIndex((p) => p.name === name));
  return places.includes(-1) ? undefined : places;
}

/** @returns the place of the last record from the number `least` on in which all are good */
function lastOf({ seqs, reasons }: ShapeColumns, places: readonly number[], least: number): number | undefined {
  for (let m = seqs.length - 1; m >= 0 && (seqs[m] as number) >= least; m--)
    if (places.every((i) => (reasons?.[i]?.[m] ?? GOOD) === GOOD)) return m;
  return undefined;
}

function foundAt(columns: ShapeColumns, places: readonly number[], m: number, clock: BootClock): Found {
  const { seqs, ats } = columns;
  const { offset, estimated } = clock.at(seqs[m] as number);
  return { values: places.map((i) => columns.column(i)[m] as Value), time: (ats[m] as number) + offset, estimated };
}
