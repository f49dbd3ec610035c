/**
 * Which requests read a device's points, and how often: the set that costs the least wire time. Pure and deterministic: the
 * same points always give the same requests, in whatever order they are written.
 *
 * - A request is read as often as the most eager of its points asks. So a point is read at its interval or more often:
 *   more often where riding along with a faster request is cheaper than a request of its own.
 * - A point is never split, and the registers of a point and its companions are in one reply where that is possible.
 * - An address that `gaps` forbids is never read, nor is a hole wider than `maxGap`: no request reaches across either.
 * - Within these rules the requests are the cheapest there are (cheapest-spans.ts).
 */
import type { ModbusPoint, Table } from '../../codecs/modbus-point.ts';
import { isBitTable, TABLES, widthOf } from '../../codecs/modbus-point.ts';
import { HEAD } from '../../codecs/sunspec.ts';
import { cheapestSpans } from './cheapest-spans.ts';
import type { ReadCost } from './wire-cost.ts';

export interface AddressRange {
  readonly table: Table;
  readonly from: number;
  /** The last address of it. */
  readonly to: number;
}

export interface ReadLimits {
  /** 1..125 */
  readonly maxRegisters: number;
  /** 1..2000 */
  readonly maxBits: number;
  /** Registers in a row that no point has and that may be read along; 16 bits count as one. Absent: as many as pay. */
  readonly maxGap?: number | undefined;
  /** Registers that are never read. */
  readonly gaps?: readonly AddressRange[] | undefined;
  /** false: every point is asked for alone. */
  readonly merge: boolean;
}

export interface PlanPoint extends ModbusPoint {
  /** Milliseconds. */
  readonly interval: number;
  /** Names of points of the device whose registers belong into the same reply (a scale factor, the head of a model). */
  readonly companions?: readonly string[] | undefined;
}

/** The registers of one request; a point is never split. */
export interface ReadRequest {
  readonly table: Table;
  readonly start: number;
  /** Registers, or bits of a coil or discrete table. */
  readonly count: number;
  /** By address; points at one address in the order written. */
  readonly points: readonly ModbusPoint[];
}

export interface PlannedRead extends ReadRequest {
  /** Milliseconds: the shortest of its points. */
  readonly interval: number;
  /** A role of `sunspec`: `start` and the addresses of the points count from the first register of that model. */
  readonly model?: string | undefined;
}

/** A read of a SunSpec model without its head needs a look at that head, a read of its own (model-search.ts). */
export function looksAtHead({ model, start, count }: PlannedRead): boolean {
  return model !== undefined && (start > 0 || count < HEAD);
}

/** A point and the addresses that have to come in one reply. */
interface Wanted {
  readonly point: PlanPoint;
  readonly from: number;
  /** The first address behind it. */
  readonly to: number;
}

export function planReads(points: readonly PlanPoint[], limits: ReadLimits, cost: ReadCost): PlannedRead[] {
  return TABLES.flatMap((table) => {
    // The sort is stable, so points at one address stay in the order written.
    const sorted = points.filter((p) => p.table === table).sort((a, b) => a.address - b.address);
    if (!limits.merge) return alone(sorted).map((group) => requestFor(table, group));
    return stretches(table, sorted, limits).flatMap((stretch) => planStretch(table, stretch, limits, cost));
  });
}

/** One group for each place: what lies at the same registers (bits of one register) is asked for once. */
function alone(sorted: readonly PlanPoint[]): Wanted[][] {
  return [...Map.groupBy(sorted.map(ownSpan), ({ from, to }) => `${from} ${to}`).values()];
}

function ownSpan(point: PlanPoint): Wanted {
  return { point, from: point.address, to: point.address + widthOf(point) };
}

/** The points of a table, cut where no request may reach across. */
function stretches(table: Table, sorted: readonly PlanPoint[], limits: ReadLimits): Wanted[][] {
  const { maxGap = Number.POSITIVE_INFINITY, gaps = [] } = limits;
  const widest = isBitTable(table) ? maxGap * 16 : maxGap;
  const found: Wanted[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const wanted of sorted.map(ownSpan)) {
    const hole = { from: end, to: wanted.from - 1 };
    const forbidden = gaps.some((gap) => gap.table === table && gap.from <= hole.to && gap.to >= hole.from);
    const stretch = found.at(-1);
    if (stretch === undefined || (wanted.from > end && (forbidden || wanted.from - end > widest))) found.push([wanted]);
    else stretch.push(wanted);
    end = Math.max(end, wanted.to);
  }
  return found;
}

function planStretch(table: Table, own: readonly Wanted[], limits: ReadLimits, cost: ReadCost): PlannedRead[] {
  const bits = isBitTable(table);
  const most = bits ? limits.maxBits : limits.maxRegisters;
  const stretch = own.map((wanted) => withCompanions(wanted, own, most));
  const { intervals, levelOf } = levels(stretch);
  const items = stretch.map((wanted) => ({ wanted, ...wanted, level: levelOf.get(wanted.point.interval) as number }));
  const spans = cheapestSpans(
    items.toSorted((a, b) => a.from - b.from || b.to - a.to || a.level - b.level),
    { intervals, most, cost, bits },
  );
  // A span brings every point that it covers; where several do, the slowest that is often enough gives the fewest readings.
  const slowest = spans.toSorted((a, b) => b.level - a.level || a.from - b.from);
  const groups = Map.groupBy(items, (item) =>
    slowest.findIndex((span) => span.level <= item.level && span.from <= item.from && span.to >= item.to),
  );
  return [...groups.values()]
    .map((group) =>
      requestFor(
        table,
        group.map(({ wanted }) => wanted),
      ),
    )
    .sort((a, b) => a.start - b.start || a.interval - b.interval);
}

/** More different intervals than that are priced in so many groups, each as its shortest. */
const MOST_LEVELS = 6;

function levels(stretch: readonly Wanted[]): { intervals: number[]; levelOf: Map<number, number> } {
  const all = [...new Set(stretch.map(({ point }) => point.interval))].sort((a, b) => a - b);
  const group = Math.ceil(all.length / MOST_LEVELS);
  const levelOf = new Map(all.map((interval, rank) => [interval, Math.floor(rank / group)]));
  return { intervals: all.filter((_, rank) => rank % group === 0), levelOf };
}

/** The registers of a companion are read along, unless they lie too far away or behind what must not be read. */
function withCompanions(wanted: Wanted, stretch: readonly Wanted[], most: number): Wanted {
  let { from, to } = wanted;
  for (const name of wanted.point.companions ?? []) {
    const companion = stretch.find(({ point }) => point.name === name);
    if (companion === undefined || Math.max(to, companion.to) - Math.min(from, companion.from) > most) continue;
    from = Math.min(from, companion.from);
    to = Math.max(to, companion.to);
  }
  return { ...wanted, from, to };
}

function requestFor(table: Table, group: readonly Wanted[]): PlannedRead {
  const start = Math.min(...group.map(({ from }) => from));
  const count = Math.max(...group.map(({ to }) => to)) - start;
  const points = group.map(({ point }) => point);
  return { table, start, count, interval: Math.min(...points.map((p) => p.interval)), points };
}
