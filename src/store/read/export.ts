/**
 * Export of a time range in slices: readings in the order of the log, or buckets in the order of time.
 *
 * - A slice ends with SLICE_TEXT of lines; the next one is made when its text was taken. Nothing else is kept for it but
 *   the columns decoded last.
 * - Stretches outside of the range are passed over without decoding them.
 * - Work is done in steps, between which the thread answers others.
 * - What is not committed comes as a copy from the main thread (`tail`) and stands last. Nothing is committed for an export.
 */
import type { ShapeColumns } from '../../codecs/blocks.ts';
import type { Shape } from '../../core/point.ts';
import { leaves, type Outward } from '../../core/privacy.ts';
import { keyOf, seqOf } from '../files/layout.ts';
import { Buckets, startOf } from './buckets.ts';
import { addColumns, type Collection, collect } from './collect.ts';
import type { Decoder, WantedShapes } from './decoder.ts';
import { bucketLine, recordLines } from './export-lines.ts';
import { Pace, rest } from './pace.ts';
import type { LogReader } from './reading.ts';
import type { ExportRequest, ExportResult, Uncommitted } from './requests.ts';
import { BootClock, ofOneState, type Stretch, Stretches } from './stretches.ts';
import { tailColumns, tailShapes } from './uncommitted.ts';

/** Characters after which a slice ends. */
const SLICE_TEXT = 128 * 1024;
/** Stretches that one slice looks at. */
const SLICE_RUNS = 2048;
/** Buckets of all points that one slice fills at most (one of each point at least). */
const SLICE_BUCKETS = 20_000;
/** Transitions of alarms that one slice reads. */
const SLICE_ALARMS = 256;
/** Records written between two looks at the clock. */
const LOOK_EVERY = 32;

/** Yields between two steps. */
export function* exportSlice(reader: LogReader, decoder: Decoder, request: ExportRequest): Generator<undefined, ExportResult> {
  if (request.alarms === true) return alarms(reader, request);
  const stretches = new Stretches(reader);
  const keep = keeps(request.points, request.outward);
  const unknown = request.after === 0 ? unknownPoints(reader, decoder, request) : [];
  if (unknown.length > 0) return { id: request.id, next: undefined, text: '', unknown };
  const shapes = decoder.shapes(stretches, (shape) => keep(shape)?.includes(true) ?? true);
  const slice = { stretches, decoder, shapes, keep, request, pace: new Pace() };
  const { every } = request;
  if (every === undefined) return yield* readings(slice);
  return yield* ofOneState(reader, (stretches) => buckets({ ...slice, stretches }, every));
}

function alarms(reader: LogReader, { id, after, to }: ExportRequest): ExportResult {
  const rows = reader.alarms(after, SLICE_ALARMS);
  const text = rows.map(({ body }) => ((timeOf(body) ?? Number.POSITIVE_INFINITY) > to ? '' : `${body}\n`)).join('');
  return { id, next: rows.length < SLICE_ALARMS ? undefined : rows.at(-1)?.id, text };
}

/** A message that was damaged on the card has none. */
function timeOf(json: string): number | undefined {
  try {
    const { time } = JSON.parse(json) as { time?: unknown };
    return typeof time === 'number' ? time : undefined;
  } catch {
    return undefined;
  }
}

/** Those of the names that the log never had, or that do not leave: neither a device nor `device.point`. */
function unknownPoints(reader: LogReader, decoder: Decoder, { points: names = [], tail, outward }: ExportRequest): string[] {
  if (names.length === 0) return [];
  const known = new Set<string>();
  const { hours, blocks } = decoder.shapes(new Stretches(reader), () => true);
  for (const { device, points } of [...hours.values(), ...blocks.values(), ...shapesOf(tail)]) {
    for (const point of points)
      if (outward === undefined || leaves(outward, device, point) !== undefined) {
        known.add(device);
        known.add(`${device}.${point.name}`);
      }
  }
  return names.filter((name) => !known.has(name));
}

function shapesOf(tail: ExportRequest['tail']): Shape[] {
  return tail === undefined || tail === 'later' ? [] : tailShapes(tail);
}

/** By point, whether it is wanted; undefined: all are. */
type Keep = (shape: Shape) => readonly boolean[] | undefined;

interface Slice {
  readonly stretches: Stretches;
  readonly decoder: Decoder;
  readonly shapes: WantedShapes;
  readonly keep: Keep;
  readonly request: ExportRequest;
  readonly pace: Pace;
}

function keeps(points: readonly string[] | undefined, outward: Outward | undefined): Keep {
  if (points === undefined && outward === undefined) return () => undefined;
  const names = points && new Set(points);
  const known = new Map<Shape, readonly boolean[] | undefined>();
  const kept = ({ device, points }: Shape): readonly boolean[] | undefined => {
    const all = names === undefined || names.has(device);
    if (all && outward === undefined) return undefined;
    return points.map(
      (p) => (all || names.has(`${device}.${p.name}`)) && (outward === undefined || leaves(outward, device, p) !== undefined),
    );
  };
  return (shape) => {
    if (!known.has(shape)) known.set(shape, kept(shape));
    return known.get(shape);
  };
}

function* readings(slice: Slice): Generator<undefined, ExportResult> {
  const { stretches, keep, request, pace } = slice;
  const { id, after, from, to, format, tail } = request;
  let text = '';
  let looked = 0;
  /** Everything up to here is written. An hour may begin before it, when blocks became one meanwhile. */
  let done = after;
  /** As `done`, with what is of another time. */
  let passed = after;
  for (const stretch of stretches.from(after + 1)) {
    const end = keyOf(stretch.log, stretch.last);
    passed = Math.max(passed, end);
    if (++looked > SLICE_RUNS) return { id, next: Math.max(done, stretch.id - 1), text };
    if (!stretches.concerns(stretch, from, to)) {
      if (pace.due) yield* rest(pace);
      continue;
    }
    const parts = yield* columnsOf(slice, stretch);
    const origin = { log: stretches.logName(stretch.log), boot: stretch.boot };
    const clock = stretches.clock(stretch.boot);
    const begin = stretch.log === Math.floor(done / keyOf(1, 0)) ? seqOf(done) + 1 : 0;
    let written = 0;
    for (const [columns, m] of inOrder(parts, begin)) {
      if (++written % LOOK_EVERY === 0 && pace.due) yield* rest(pace);
      const seq = columns.seqs[m] as number;
      const mapping = clock.at(seq);
      const time = (columns.ats[m] as number) + mapping.offset;
      if (time < from || time > to) continue;
      text += recordLines(format, origin, columns, m, mapping, keep(columns.shape));
      if (text.length >= SLICE_TEXT) return { id, next: keyOf(stretch.log, seq), text };
    }
    if (text.length >= SLICE_TEXT / 2) return { id, next: end, text };
    done = end;
  }
  if (tail === 'later') return { id, next: passed, text, wantsTail: true };
  if (tail === undefined) return { id, next: undefined, text };
  // Records that were committed meanwhile are written already.
  const behind = passed >= keyOf(tail.log, 0) ? seqOf(passed) : 0;
  const origin = { log: tail.name, boot: tail.boot };
  const clock = new BootClock(tail.clock);
  for (const parts of tailColumns(tail, Math.max(behind, tail.committed))) {
    for (const [columns, m] of inOrder(parts, 0)) {
      const seq = columns.seqs[m] as number;
      const mapping = clock.at(seq);
      const time = (columns.ats[m] as number) + mapping.offset;
      if (time < from || time > to) continue;
      text += recordLines(format, origin, columns, m, mapping, keep(columns.shape));
      if (text.length >= SLICE_TEXT) return { id, next: keyOf(tail.log, seq), text };
    }
    if (pace.due) yield* rest(pace);
  }
  return { id, next: undefined, text };
}

function* columnsOf({ stretches, decoder, shapes, pace }: Slice, stretch: Stretch): Generator<undefined, ShapeColumns[]> {
  const all: ShapeColumns[] = [];
  for (const columns of decoder.columns(stretches, stretch, shapes)) {
    all.push(columns);
    if (pace.due) yield* rest(pace);
  }
  return all;
}

/** Every record from `seq` on, ascending. */
function* inOrder(parts: readonly ShapeColumns[], seq: number): Generator<[columns: ShapeColumns, m: number]> {
  const places = parts.map((columns) => ({ columns, m: columns.seqs.findIndex((s) => s >= seq) })).filter(({ m }) => m >= 0);
  while (places.length > 0) {
    let first = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < places.length; i++) {
      const { columns, m } = places[i] as { columns: ShapeColumns; m: number };
      const s = columns.seqs[m] as number;
      if (s < least) {
        least = s;
        first = i;
      }
    }
    const place = places[first] as { columns: ShapeColumns; m: number };
    yield [place.columns, place.m++];
    if (place.m >= place.columns.seqs.length) places.splice(first, 1);
  }
}

/** `after` and `next` are the start of a bucket here. */
function* buckets({ stretches, decoder, shapes, keep, request, pace }: Slice, every: number): Generator<undefined, ExportResult> {
  const { id, format, to } = request;
  const tail = request.tail === 'later' ? undefined : request.tail;
  const from = startOf(Math.max(request.from, request.after), every);
  const held = yield* stretches.within(from, to + every, pace);
  // Records that were committed since the tail was taken are in the tail.
  const concerned = held.filter(
    (stretch) => tail === undefined || stretch.log !== tail.log || seqOf(stretch.id) <= tail.committed,
  );
  const ofTail = tail === undefined ? [] : tailShapes(tail).filter((shape) => keep(shape)?.includes(true) ?? true);
  const all = [...shapes.hours.values(), ...shapes.blocks.values(), ...ofTail];
  const wanted = [...new Set(all.flatMap((shape) => namesOf(shape, keep)))];
  const units = new Map<string, string | undefined>(
    all.flatMap((shape) => shape.points.map((p) => [`${shape.device}.${p.name}`, p.unit] as const)),
  );
  const inTail = tail === undefined ? Number.POSITIVE_INFINITY : yield* tailReach(tail, from, to + every, pace);
  // Where no stretch has anything no slice is made, or a log with a gap of years would be walked bucket by bucket.
  const first = concerned.reduce((least, stretch) => Math.min(least, stretches.reach(stretch, from)), inTail);
  if (first === Number.POSITIVE_INFINITY || wanted.length === 0) return { id, next: undefined, text: '' };
  const start = startOf(first, every);
  const end = start + every * Math.max(1, Math.floor(SLICE_BUCKETS / wanted.length));
  const sums = new Map(wanted.map((name) => [name, new Buckets(every, start, Math.min(end, to + 1))]));
  const targets = new Map<Shape, readonly (Buckets | undefined)[]>();
  const target = (shape: Shape): readonly (Buckets | undefined)[] => {
    let known = targets.get(shape);
    if (known === undefined) {
      known = shape.points.map((p) => sums.get(`${shape.device}.${p.name}`));
      targets.set(shape, known);
    }
    return known;
  };
  const collection: Collection = { stretches, decoder, shapes, pace, width: every, target };
  for (const stretch of concerned) if (stretches.concerns(stretch, start, end)) yield* collect(collection, stretch);
  if (tail !== undefined && inTail < end) {
    const clock = new BootClock(tail.clock);
    const own = concerned.filter((stretch) => stretch.log === tail.log);
    for (const parts of tailColumns(
      tail,
      own.reduce((most, stretch) => Math.max(most, stretch.last), tail.committed),
    )) {
      for (const columns of parts) addColumns(columns, clock, target(columns.shape));
      if (pace.due) yield* rest(pace);
    }
  }
  const lines = [...sums].flatMap(([name, own]) => own.rows().map((bucket) => ({ time: bucket.time, name, bucket })));
  lines.sort((a, b) => a.time - b.time);
  const text = lines.map(({ name, bucket }) => bucketLine(format, name, units.get(name), bucket)).join('');
  return { id, next: end > to ? undefined : end, text };
}

/** The first UTC ms of from..to (to exclusive) at which the tail has a record; Infinity when it has none. */
function* tailReach(tail: Uncommitted, from: number, to: number, pace: Pace): Generator<undefined, number> {
  const clock = new BootClock(tail.clock);
  let least = Number.POSITIVE_INFINITY;
  for (const parts of tailColumns(tail, tail.committed)) {
    for (const { seqs, ats } of parts)
      for (let m = 0; m < seqs.length; m++) {
        const time = (ats[m] as number) + clock.at(seqs[m] as number).offset;
        if (time >= from && time < to) least = Math.min(least, time);
      }
    if (pace.due) yield* rest(pace);
  }
  return least;
}

function namesOf(shape: Shape, keep: Keep): string[] {
  const kept = keep(shape);
  return shape.points.filter((_, i) => kept?.[i] !== false).map((p) => `${shape.device}.${p.name}`);
}
