/**
 * Sums up some points of some stretches of the log in buckets: from roll-ups where they fit into the buckets, else from the
 * columns, else (only roll-ups are left) from roll-ups by their middle. In steps.
 */
import type { ShapeColumns } from '../../codecs/blocks.ts';
import type { Rollups } from '../../codecs/rollups.ts';
import type { Shape } from '../../core/point.ts';
import { HOUR_STATE, type HourRow } from '../files/history-layout.ts';
import { seqOf } from '../files/layout.ts';
import type { Buckets } from './buckets.ts';
import type { Decoder, WantedShapes } from './decoder.ts';
import { type Pace, rest } from './pace.ts';
import type { BootClock, Stretch, Stretches } from './stretches.ts';

/** Where the readings of a shape's points go; undefined for a point that is not wanted. */
export type Target = readonly (Buckets | undefined)[];

export interface Collection {
  readonly stretches: Stretches;
  readonly decoder: Decoder;
  /** Shapes that have a wanted point. */
  readonly shapes: WantedShapes;
  readonly target: (shape: Shape) => Target;
  /** The width of the buckets, ms. */
  readonly width: number;
  readonly pace: Pace;
}

/** Adds what one stretch has. Yields when a step is over. */
export function* collect(c: Collection, stretch: Stretch): Generator<undefined, void> {
  if (stretch.hour === undefined) {
    const clock = c.stretches.clock(stretch.boot);
    for (const columns of c.decoder.block(c.stretches, stretch, c.shapes.blocks))
      addColumns(columns, clock, c.target(columns.shape));
    if (c.pace.due) yield* rest(c.pace);
    return;
  }
  for (const [id, shape] of c.shapes.hours) {
    const hour = c.stretches.again(stretch.hour);
    if (hour === undefined) return;
    addHour(c, stretch, hour, id, shape);
    if (c.pace.due) yield* rest(c.pace);
  }
}

function addHour(c: Collection, stretch: Stretch, hour: HourRow, id: number, shape: Shape): void {
  const clock = c.stretches.clock(stretch.boot);
  const alone = clock.alone(seqOf(stretch.id), stretch.last);
  const rollup = c.decoder.rollup(c.stretches, stretch, hour, id, shape);
  if (rollup === undefined || !suits(rollup, hour.state, c.width, alone?.offset)) {
    const parts = c.decoder.part(c.stretches, stretch, hour, id);
    for (const columns of parts) addColumns(columns, clock, c.target(columns.shape));
    if (parts.length > 0 || rollup === undefined) return;
  }
  const target = c.target(shape);
  const { offset, estimated } = alone ?? clock.at(stretch.last);
  target.forEach((buckets, i) => {
    if (buckets === undefined) return;
    const point = rollup.point(i);
    for (let b = 0; b < rollup.buckets.length; b++)
      buckets.rollup(
        {
          middle: (rollup.buckets[b] as number) + offset + rollup.width / 2,
          ...{ count: point.count[b] as number, bad: point.bad[b] as number },
          ...{ min: point.min[b] as number, max: point.max[b] as number, mean: point.mean[b] as number },
        },
        estimated || alone === undefined,
      );
  });
}

/** @param offset of all its records; undefined when they have several */
function suits(rollup: Rollups, state: number, width: number, offset: number | undefined): boolean {
  if (state === HOUR_STATE.summary) return true;
  if (state === HOUR_STATE.thinned && width >= rollup.width) return true;
  // The clock may have become better since: then a roll-up lies over two buckets, and the columns know better.
  return width % rollup.width === 0 && offset !== undefined && ((rollup.buckets[0] ?? 0) + offset) % rollup.width === 0;
}

export function addColumns(columns: ShapeColumns, clock: BootClock, target: Target): void {
  const { shape, seqs, ats, reasons } = columns;
  const alone = clock.alone(seqs[0] ?? 0, seqs.at(-1) ?? 0);
  target.forEach((buckets, i) => {
    if (buckets === undefined) return;
    const point = shape.points[i];
    if (point === undefined) return;
    const column = columns.column(i);
    const why = reasons?.[i];
    for (let m = 0; m < seqs.length; m++) {
      const { offset, estimated } = alone ?? clock.at(seqs[m] as number);
      buckets.reading(point, (ats[m] as number) + offset, column[m] ?? 0, why === undefined ? 0 : (why[m] as number), estimated);
    }
  });
}
