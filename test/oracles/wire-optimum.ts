/**
 * The optimum that physics allows on a serial line of 8N1: the cheapest reads of some points that have one interval, and their time.
 * From the frames of the standard alone (MODBUS over Serial Line V1.02, 2.5; Application Protocol V1.1b3, 6); nothing of the
 * gateway's planner is used, so that it can be judged by this.
 */
import type { Table } from '../../src/codecs/modbus-point.ts';

export interface Line {
  readonly baud: number;
  /** Milliseconds that a device takes to answer. */
  readonly answer: number;
}

/** Addresses that one reply has to contain. */
export interface Place {
  readonly table: Table;
  readonly from: number;
  /** The first address behind it. */
  readonly to: number;
}

export interface Limits {
  readonly maxRegisters?: number;
  readonly maxBits?: number;
  /** Must not be read. */
  readonly forbidden?: readonly Place[];
  /** Every place alone. */
  readonly alone?: boolean;
}

export interface Reads {
  readonly requests: readonly Place[];
  readonly registers: number;
  readonly bits: number;
  /** Requests and replies. */
  readonly bytes: number;
  /** Milliseconds, with all pauses. */
  readonly time: number;
}

const isBit = (table: Table) => table === 'coil' || table === 'discrete';

/** Unit, function, address, count, checksum; unit, function, byte count, data, checksum. */
const bytesOf = ({ table, from, to }: Place) => 8 + 5 + (isBit(table) ? Math.ceil((to - from) / 8) : 2 * (to - from));

/** Milliseconds of a character: start bit, eight data bits, stop bit. */
export const characterOf = (baud: number) => 10_000 / baud;
/** Milliseconds: 3.5 characters, above 19200 baud 1.75 ms. */
export const silenceOf = (baud: number) => (baud > 19_200 ? 1.75 : 3.5 * characterOf(baud));

/** Milliseconds of a read, with all pauses. */
export function timeOf(place: Place, { baud, answer }: Line): number {
  return bytesOf(place) * characterOf(baud) + Math.max(silenceOf(baud), answer) + silenceOf(baud);
}

export function readsOf(requests: readonly Place[], line: Line): Reads {
  const sum = (of: (place: Place) => number) => requests.reduce((total, place) => total + of(place), 0);
  return {
    requests,
    registers: sum((r) => (isBit(r.table) ? 0 : r.to - r.from)),
    bits: sum((r) => (isBit(r.table) ? r.to - r.from : 0)),
    bytes: sum(bytesOf),
    time: sum((r) => timeOf(r, line)),
  };
}

export const joinReads = (all: readonly Reads[], line: Line): Reads =>
  readsOf(
    all.flatMap((each) => each.requests),
    line,
  );

function isLegal(place: Place, limits: Limits): boolean {
  const most = isBit(place.table) ? (limits.maxBits ?? 2000) : (limits.maxRegisters ?? 125);
  const { forbidden = [] } = limits;
  return (
    place.to - place.from <= most && !forbidden.some((f) => f.table === place.table && f.from < place.to && f.to > place.from)
  );
}

const hull = (a: Place, b: Place): Place => ({ table: a.table, from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) });

/**
 * By trying every way to put the places of a table together; for up to some nine of a table.
 * @returns the cheapest ways that differ in their counts: one, where there is no tie
 */
export function cheapestReads(places: readonly Place[], limits: Limits, line: Line): Reads[] {
  if (limits.alone) return [readsOf(places, line)];
  let whole: Reads[] = [readsOf([], line)];
  for (const own of Map.groupBy(places, (p) => p.table).values()) {
    const best = cheapestOfTable(own, limits, line);
    whole = whole.flatMap((before) => best.map((more) => joinReads([before, more], line)));
  }
  return whole;
}

function cheapestOfTable(places: readonly Place[], limits: Limits, line: Line): Reads[] {
  let best: Reads[] = [];
  const place = (i: number, groups: readonly Place[]): void => {
    const next = places[i];
    if (next !== undefined) {
      for (const [n, group] of groups.entries()) {
        const joint = hull(group, next);
        // A span that is not allowed stays so, whatever joins it.
        if (isLegal(joint, limits)) place(i + 1, groups.with(n, joint));
      }
      place(i + 1, [...groups, next]);
      return;
    }
    const reads = readsOf(groups, line);
    const least = best[0]?.time ?? Number.POSITIVE_INFINITY;
    if (reads.time < least - 1e-9) best = [reads];
    else if (reads.time < least + 1e-9 && !best.some((b) => isAlike(b, reads))) best.push(reads);
  };
  place(0, []);
  return best;
}

function isAlike(a: Reads, b: Reads): boolean {
  return a.requests.length === b.requests.length && a.registers === b.registers && a.bits === b.bits && a.bytes === b.bytes;
}

/**
 * The same for many places of one table that do not overlap: in some cheapest way each request takes neighbours, so only
 * where to cut has to be tried.
 */
export function cheapestCuts(places: readonly Place[], limits: Limits, line: Line): Reads {
  const sorted = places.toSorted((a, b) => a.from - b.from);
  /** The best for the first so many places. */
  const best: Reads[] = [readsOf([], line)];
  for (const [last, end] of sorted.entries()) {
    for (let first = last; first >= 0; first--) {
      const begin = sorted[first] as Place;
      const request = hull(begin, end);
      if (!isLegal(request, limits)) break;
      const reads = joinReads([best[first] as Reads, readsOf([request], line)], line);
      if (reads.time < (best[last + 1]?.time ?? Number.POSITIVE_INFINITY)) best[last + 1] = reads;
    }
  }
  return best[sorted.length] as Reads;
}
