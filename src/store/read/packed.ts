/**
 * Batches of a format that takes columns as the log keeps them (codecs/format, `packed`), without an object for a record.
 *
 * - Whole hours leave as their blocks: nothing of them is made again, and their bytes are those of the log.
 * - A large hour that does not fit leaves in parts, out of its columns.
 * - Everything else leaves record by record: small hours, the commit blocks behind them, hours with several clock mappings
 *   or with a damaged part.
 */
import { decodeShapes, type ShapeColumns } from '../../codecs/blocks.ts';
import type { Encoded, PackedBatch, PackedFormat } from '../../codecs/format.ts';
import { formatNamed } from '../../codecs/formats.ts';
import { filterWords } from '../../codecs/record-filter.ts';
import type { Shape } from '../../core/point.ts';
import { ABSENT } from '../../core/reasons.ts';
import type { History } from '../archive/history-file.ts';
import type { ReadRequest, ReadResult } from '../delivery/backlog-request.ts';
import { HOUR_STATE, type HourRow, type PartRow } from '../files/history-layout.ts';
import { bootName, keyOf, seqOf } from '../files/layout.ts';
import type { Mapping } from '../time/clock-segments.ts';
import { HourRows } from './hour-rows.ts';
import type { Stretch, Stretches } from './stretches.ts';

/** Readings of a block with which its own code tables cost some percent at most. A small site has smaller ones: bytes count there, and work does not. */
const LARGE_BLOCK = 2_000;

/** An hour of history, and the one clock mapping of all its records. */
interface Hour {
  readonly stretch: Stretch;
  readonly row: HourRow;
  readonly clock: Mapping;
}

/** The blocks of some hours. */
interface Blocks {
  readonly bodies: readonly Uint8Array[];
  readonly shapes: ReadonlyMap<number, Shape>;
  readonly first: number;
  readonly last: number;
  readonly records: number;
  readonly readings: number;
}

export class PackedReader {
  /** The hour that was cut last: a lane takes it in several batches. */
  #cut: { readonly id: number; readonly rows: HourRows } | undefined;

  /** Decoded parts may be thinned now. */
  forget(): void {
    this.#cut = undefined;
  }

  /** The next batch of from..to. undefined: record by record, please. @throws as `Hours.parts` */
  next(request: ReadRequest, stretches: Stretches): ReadResult | undefined {
    const { packed } = formatNamed(request.format);
    const { history } = stretches;
    if (packed === undefined || history === undefined || request.between !== undefined) return undefined;
    // Blocks of the log are larger than one block of the same records, and each byte counts.
    if (request.formatOptions.small === true) return undefined;
    const first = this.#firstHour(request, stretches);
    if (first === undefined) return undefined;
    try {
      return first.stretch.readings > request.maxReadings || seqOf(first.stretch.id) < request.from
        ? this.#part(packed, request, first, stretches, history)
        : this.#whole(packed, request, first, stretches, history);
    } catch (thrown) {
      // Who reads it record by record tells which part is damaged.
      if (!(thrown instanceof DamagedPart)) throw thrown;
      return undefined;
    }
  }

  #firstHour({ log, from, to }: ReadRequest, stretches: Stretches): Hour | undefined {
    for (const stretch of stretches.of(log, keyOf(log, from)))
      return seqOf(stretch.id) > to ? undefined : hourOf(stretch, stretches);
    return undefined;
  }

  #whole(
    packed: PackedFormat,
    request: ReadRequest,
    first: Hour,
    stretches: Stretches,
    history: History,
  ): ReadResult | undefined {
    const rows: HourRow[] = [];
    let readings = 0;
    for (const stretch of stretches.of(request.log, first.stretch.id)) {
      const hour = hourOf(stretch, stretches);
      if (hour === undefined || !alike(hour, first) || stretch.last > request.to) break;
      readings += stretch.readings;
      if (readings > request.maxReadings) break;
      rows.push(hour.row);
    }
    if (rows.length === 0) return undefined;
    const blocks = blocksOf(rows, history);
    if (blocks === undefined) return undefined;
    return result(request, first, blocks, (batch) => packed.stored(batch, blocks.shapes, blocks.bodies));
  }

  #part(packed: PackedFormat, request: ReadRequest, hour: Hour, stretches: Stretches, history: History): ReadResult | undefined {
    const { id } = hour.row;
    const { last } = hour.stretch;
    if (this.#cut?.id !== id) {
      this.#cut = undefined;
      const parts = history.hours.parts(hour.row).flatMap((part) => columnsOf(part, history));
      this.#cut = { id, rows: damagedOr(() => new HourRows(parts)) };
    }
    const slice = this.#cut.rows.slice(request.from, request.to, request.maxReadings);
    // The last records of an hour may be thinned, so what is left of it is nothing.
    if (slice === undefined) return last < request.to ? this.next({ ...request, from: last + 1 }, stretches) : undefined;
    return result(request, hour, { ...slice, records: slice.seqs.length }, (batch) => packed.rows(batch, slice));
  }
}

/** undefined: it is none, or one that leaves record by record. */
function hourOf(stretch: Stretch, stretches: Stretches): Hour | undefined {
  const { hour: row } = stretch;
  if (row === undefined || row.state === HOUR_STATE.summary || row.readings < LARGE_BLOCK * row.parts) return undefined;
  const clock = stretches.clock(stretch.boot).alone(seqOf(stretch.id), stretch.last);
  return clock === undefined ? undefined : { stretch, row, clock };
}

function alike(a: Hour, b: Hour): boolean {
  const clock = a.clock.offset === b.clock.offset && a.clock.estimated === b.clock.estimated;
  return clock && a.stretch.boot === b.stretch.boot && a.stretch.inventory === b.stretch.inventory;
}

/** A part that cannot be decoded. */
class DamagedPart extends Error {}

function damagedOr<R>(decode: () => R): R {
  try {
    return decode();
  } catch (cause) {
    throw new DamagedPart('a part of an hour is damaged', { cause });
  }
}
/** The row of a part has no seal, and its block has one: they have to name the same shape, or readings get another device. */
function columnsOf({ shape, body }: PartRow, { shapeOf }: History): ShapeColumns[] {
  return damagedOr(() => decodeShapes(body, (id) => (id === shape ? shapeOf(id) : undefined)));
}

/** undefined: a number of theirs is none, which a receiver must not get as a value. */
function blocksOf(rows: readonly HourRow[], history: History): Blocks | undefined {
  const bodies: Uint8Array[] = [];
  const shapes = new Map<number, Shape>();
  let [first, last, records, readings] = [Number.POSITIVE_INFINITY, 0, 0, 0];
  for (const row of rows)
    for (const part of history.hours.parts(row))
      for (const columns of columnsOf(part, history)) {
        const { shape, seqs, reasons } = columns;
        if (!damagedOr(() => shape.points.every((_, i) => columns.finite(i)))) return undefined;
        shapes.set(part.shape, shape);
        bodies.push(part.body);
        first = Math.min(first, seqs[0] ?? first);
        last = Math.max(last, seqs.at(-1) ?? last);
        records += seqs.length;
        readings += seqs.length * shape.points.length;
        for (const column of reasons ?? []) for (const reason of column) if (reason === ABSENT) readings--;
      }
  return records === 0 ? undefined : { bodies, shapes, first, last, records, readings };
}

function result(
  { id, lane, gateway, logName, sent, filter }: ReadRequest,
  { stretch, clock }: Hour,
  { first, last, records, readings }: Pick<Blocks, 'first' | 'last' | 'records' | 'readings'>,
  encode: (batch: PackedBatch) => readonly Encoded[],
): ReadResult {
  const { inventory } = stretch;
  const boot = bootName(stretch.boot);
  const { offset, estimated } = clock;
  const head = { lane, gateway, log: logName, boot, inventory, sent, offset, estimated };
  const messages = encode({ ...filterWords(filter, undefined), ...head, range: { first, last } });
  return { id, upTo: last, batch: { boot, first, last, records, readings, messages } };
}
