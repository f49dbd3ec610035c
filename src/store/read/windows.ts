/**
 * Batches of windows of time (codecs/windows). It looks at records before and behind the numbers that are asked for, whatever
 * lane they are of, so that each window is whole. In steps: an hour of a fast site takes a while.
 */

import type { RecordFilter } from '../../codecs/record-filter.ts';
import type { Thinning } from '../../codecs/thinning.ts';
import { LATE, LateWindows, WindowScan } from '../../codecs/windows.ts';
import type { LogRecord } from '../../core/point.ts';
import type { Known, Passed, ReadRequest, ReadResult } from '../delivery/backlog-request.ts';
import { bootName, keyOf, seqOf } from '../files/layout.ts';
import type { Mapping } from '../time/clock-segments.ts';
import type { LogReader } from './reading.ts';
import { type Stretch, Stretches } from './stretches.ts';

/** Records that are looked at for one answer, where it has something by then. */
const MOST_LOOKED_AT = 200_000;
/** Scans for one answer: each of them may find records that came late for windows that the one before dropped. */
const MOST_SCANS = 4;
/** Stretches in a row that end before a time and are looked at all the same: the last record of one may have come late. */
const ENDED_BEFORE = 2;

/** Records whose windows are made together. */
interface Segment extends Pick<Stretch, 'boot' | 'inventory'> {
  readonly estimated: boolean;
  /** UTC = monotonic + offset, of the record that was looked at last. */
  readonly offset: number;
}

/** @param request with `filter.thinning` and `known` @throws SluiceError log-read */
export function* readWindows(reader: LogReader, request: ReadRequest): Generator<undefined, ReadResult> {
  const { id, to, filter, known } = request;
  if (filter?.thinning === undefined || known === undefined) throw new Error('these are no windows');
  const stretches = new Stretches(reader);
  const begin = beginning(stretches, reader, request, filter.thinning.every);
  if (begin === undefined) return { id, upTo: to, batch: undefined };
  const late = new LateWindows();
  let from = begin;
  for (let scans = 1; ; scans++) {
    const { size } = late;
    const { boot, result } = yield* scanned(reader, stretches, { ...request, filter, known }, from, late);
    if (late.size === size || scans === MOST_SCANS) return result();
    if (boot === from.boot) from = earliest(stretches, from, late.start, true);
  }
}

interface WindowsRequest extends ReadRequest {
  readonly filter: RecordFilter;
  readonly known: Known;
}

/** One scan from a stretch on. @returns the boot at its end, and its answer */
function* scanned(
  reader: LogReader,
  stretches: Stretches,
  request: WindowsRequest,
  begin: Stretch,
  late: LateWindows,
): Generator<undefined, { readonly boot: number | undefined; readonly result: () => ReadResult }> {
  const { id, log, from, to, filter, known } = request;
  const selection = reader.selection(filter);
  const scan = new WindowScan(filter.thinning as Thinning, request, late);
  let segment: Segment | undefined;
  let { passed } = request;
  /** The number looked at last. */
  let last = -1;
  let looked = 0;
  let over = false;
  for (const stretch of stretches.of(log, begin.id)) {
    if (seqOf(stretch.id) > known.upTo) break;
    for (const record of reader.recordsOf(stretches, stretch)) {
      // Compaction may give an hour that begins before the block that was read last.
      if (record.seq <= last) continue;
      if (record.seq > known.upTo) break;
      const clock = reader.clockOf(stretch.boot, record.seq);
      if (segment !== undefined && !sameSegment(segment, stretch, clock)) {
        scan.end();
        over = scan.hasValues || last >= to;
        if (over) {
          last = record.seq - 1;
          break;
        }
        segment = undefined;
      }
      if (segment?.offset !== clock.offset) segment = { boot: stretch.boot, inventory: stretch.inventory, ...clock };
      scan.add(record, clock.offset, selection.of(record.sample.shape));
      if (record.seq >= from && record.seq <= to) passed = coveredBy(passed, bootName(stretch.boot), record);
      last = record.seq;
      looked++;
      over = scan.enough;
      if (over) break;
    }
    if (over) break;
    yield;
    if (looked >= MOST_LOOKED_AT && scan.result(last).upTo >= from) {
      over = true;
      break;
    }
  }
  const boot = segment?.boot;
  if (segment === undefined) return { boot, result: () => ({ id, upTo: to, passed, batch: undefined }) };
  if (!over) settle(scan, segment, known);
  const { inventory, estimated } = segment;
  const result = (): ReadResult => {
    // Numbers behind the last record are those of notices.
    const { records, readings, offset, upTo, open: end } = scan.result(over && last < to ? last : to);
    // Where it stopped early, there is more to look at.
    const open = !over && boot === known.boot ? end : undefined;
    if (records.length === 0) return { id, upTo, open, passed, batch: undefined };
    const range = { first: passed?.first ?? from, last: upTo };
    const of = { boot: boot as number, inventory, clock: { offset, estimated }, range };
    return { ...reader.encode(request, records, readings, of), open };
  };
  return { boot, result };
}

/** A clock that was set back begins anew: the windows that come again are others. */
function sameSegment({ boot, inventory, estimated, offset }: Segment, stretch: Stretch, clock: Mapping): boolean {
  const same = stretch.boot === boot && stretch.inventory === inventory && clock.estimated === estimated;
  return same && clock.offset >= offset - LATE;
}

function coveredBy(passed: Passed | undefined, boot: string, { seq }: LogRecord): Passed {
  return passed?.boot === boot ? passed : { boot, first: seq };
}

/** All that is known was looked at: windows are over that can get no record any more. */
function settle(scan: WindowScan, { boot }: Segment, known: Known): void {
  if (boot === known.boot) scan.settle(known.settled);
  else if (known.whole) scan.end();
}

/** Where the windows of the first record of from..to begin. undefined: there is no such record. */
function beginning(stretches: Stretches, reader: LogReader, request: ReadRequest, every: number): Stretch | undefined {
  const { log, from, to } = request;
  for (const stretch of stretches.of(log, keyOf(log, from))) {
    if (seqOf(stretch.id) > to) return undefined;
    const record = reader.recordsOf(stretches, stretch).find(({ seq }) => seq >= from);
    if (record === undefined) continue;
    if (record.seq > to) return undefined;
    const { offset } = reader.clockOf(stretch.boot, record.seq);
    // Another device may still have a reading of the window before.
    return earliest(stretches, stretch, Math.floor((record.sample.at + offset - LATE) / every) * every - offset);
  }
  return undefined;
}

/**
 * The first stretch of the boot that has records from `start` on.
 * @param start monotonic milliseconds @param late records came late: more may, so it looks further back, into whole hours too
 */
function earliest(stretches: Stretches, from: Stretch, start: number, late = false): Stretch {
  let first = from;
  let ended = 0;
  for (let before = stretches.before(from); before?.boot === from.boot; before = stretches.before(before)) {
    const ends = before.atLast < start - LATE;
    if (ends && ((before.hour !== undefined && !late) || ended === (late ? ENDED_BEFORE : 1))) break;
    first = before;
    ended = ends ? ended + 1 : 0;
  }
  return first;
}
