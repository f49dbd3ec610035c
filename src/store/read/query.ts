/**
 * The history of one point: a chart of a day comes from the roll-ups of each hour, a short stretch from its readings.
 *
 * - Work is done in steps of some milliseconds, between which the thread answers others.
 * - Few readings are given as they are; more as buckets, at most MAX_BUCKETS.
 * - Only what is committed is in it.
 */
import type { ShapeColumns } from '../../codecs/blocks.ts';
import type { PointInfo, Shape, Value } from '../../core/point.ts';
import { hasValue } from '../../core/point.ts';
import { ABSENT } from '../../core/reasons.ts';
import { HOUR_STATE } from '../files/history-layout.ts';
import { Buckets, bucketWidth } from './buckets.ts';
import { addColumns, type Collection, collect, type Target } from './collect.ts';
import type { Decoder } from './decoder.ts';
import { Pace, rest } from './pace.ts';
import type { LogReader } from './reading.ts';
import type { PointReading, QueryRequest, QueryResult } from './requests.ts';
import { type BootClock, ofOneState, type Stretch, type Stretches } from './stretches.ts';

/** Yields between two steps. */
export function queryPoint(reader: LogReader, decoder: Decoder, request: QueryRequest): Generator<undefined, QueryResult> {
  return ofOneState(reader, (stretches) => answer(stretches, decoder, request));
}

function* answer(stretches: Stretches, decoder: Decoder, request: QueryRequest): Generator<undefined, QueryResult> {
  const { id, device, point, from, to } = request;
  const places = new Map<Shape, number>();
  const placeOf = (shape: Shape): number => {
    const place = places.get(shape) ?? (shape.device === device ? shape.points.findIndex((p) => p.name === point) : -1);
    places.set(shape, place);
    return place;
  };
  const shapes = decoder.shapes(stretches, (shape) => placeOf(shape) >= 0);
  const newest = [...shapes.hours.values(), ...shapes.blocks.values()].at(-1);
  if (newest === undefined) return { id, found: undefined };
  const info = newest.points[placeOf(newest)] as PointInfo;
  const found = { unit: info.unit, type: info.type };
  const pace = new Pace();
  const width = bucketWidth(to - from, request.buckets);
  const buckets = new Buckets(width, from, to);
  const targets = new Map<Shape, Target>();
  const target = (shape: Shape): Target => {
    const made = targets.get(shape) ?? shape.points.map((_, k) => (k === placeOf(shape) ? buckets : undefined));
    targets.set(shape, made);
    return made;
  };
  const collection: Collection = { stretches, decoder, shapes, pace, width, target };
  const concerned = yield* stretches.within(buckets.from, buckets.to, pace);
  // As long as they are few the readings themselves are kept as well.
  let few: PointReading[] | undefined = (yield* hasMore(collection, concerned, request, placeOf)) ? undefined : [];
  for (const stretch of concerned) {
    const parts: readonly ShapeColumns[] | undefined = few === undefined ? undefined : columnsOf(collection, stretch);
    if (few === undefined || parts === undefined) {
      few = undefined;
      yield* collect(collection, stretch);
      continue;
    }
    for (const columns of parts) {
      const index = placeOf(columns.shape);
      addColumns(columns, stretches.clock(stretch.boot), collection.target(columns.shape));
      for (const reading of readingsOf(columns, index, stretches.clock(stretch.boot)))
        if (few !== undefined && reading.time >= from && reading.time < to) {
          few.push(reading);
          if (few.length > request.buckets) few = undefined;
        }
    }
    if (pace.due) yield* rest(pace);
  }
  if (few === undefined) return { id, found: { ...found, width, readings: [], buckets: buckets.rows() } };
  return { id, found: { ...found, width: undefined, readings: few.sort((a, b) => a.time - b.time), buckets: [] } };
}

/**
 * Whether whole hours alone have more readings than are given one by one. Their roll-ups count them, so that no column is
 * made only to find that out.
 */
function* hasMore(
  { stretches, decoder, shapes, pace }: Collection,
  concerned: readonly Stretch[],
  { from, to, buckets }: QueryRequest,
  placeOf: (shape: Shape) => number,
): Generator<undefined, boolean> {
  let readings = 0;
  for (const stretch of concerned) {
    if (stretch.hour === undefined || !stretches.lies(stretch, from, to)) continue;
    const hour = stretches.again(stretch.hour);
    if (hour?.state !== HOUR_STATE.whole) return true;
    for (const [id, shape] of shapes.hours)
      readings += decoder.rollup(stretches, stretch, hour, id, shape)?.readings(placeOf(shape)) ?? 0;
    if (readings > buckets) return true;
    if (pace.due) yield* rest(pace);
  }
  return false;
}

/** undefined where not all records are left. */
function columnsOf({ stretches, decoder, shapes }: Collection, stretch: Stretch): readonly ShapeColumns[] | undefined {
  const whole = stretch.hour === undefined || stretches.again(stretch.hour)?.state === HOUR_STATE.whole;
  return whole ? [...decoder.columns(stretches, stretch, shapes)] : undefined;
}

function* readingsOf(columns: ShapeColumns, i: number, clock: BootClock): Generator<PointReading> {
  const { seqs, ats, reasons } = columns;
  const values = columns.column(i);
  for (let m = 0; m < seqs.length; m++) {
    const reason = reasons?.[i]?.[m] ?? 0;
    if (reason === ABSENT) continue;
    const { offset, estimated } = clock.at(seqs[m] as number);
    const value = hasValue(reason) ? (values[m] as Value) : null;
    yield { time: (ats[m] as number) + offset, value, reason, estimated };
  }
}
