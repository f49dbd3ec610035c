/**
 * Room in history.db. Oldest first: records are thinned (every THIN-th of a shape is kept) while what is whole takes more
 * than half of the room, then dropped; their roll-ups stay, in at most an eighth of the room, and go last.
 */
import { decodeBlock, encodeBlock } from '../codecs/blocks.ts';
import type { LogRecord, Shape } from '../core/point.ts';
import type { ClockTable } from './clock-table.ts';
import { countByPoint, type History, type Why } from './history-file.ts';
import { UNIT_STATE, type UnitRow } from './history-layout.ts';
import { Lanes } from './lanes.ts';
import { type ForwarderState, keyOf, seqOf } from './layout.ts';

/** Every eighth record of a shape is kept. */
export const THIN = 8;
/** Deflate: as compact.ts does. */
const LEVEL = 6;
/** Under this name go the readings of a part that could not be read any more. */
export const DAMAGED = '(damaged block)';

export interface RoomRequest {
  /** What history.db may take, bytes. */
  readonly budget: number;
  /** Bytes that the next unit needs, and what more is made when it does not fit. */
  readonly need: number;
  readonly ahead: number;
  /** The disk is nearly full: little at a time, and nothing is rewritten that could be dropped. */
  readonly tight: boolean;
  /** UTC ms, when known: needed to drop what is older than maxAge. */
  readonly wall: number | undefined;
  readonly maxAge: number;
  /** Forwarders that are configured: what one of them waits for is counted as lost to it. */
  readonly active: readonly ForwarderState[];
}

/** Readings that were taken away, by `device.point`. */
export interface Taken {
  readonly thinned: Map<string, number>;
  readonly dropped: Map<string, number>;
  readonly aged: Map<string, number>;
  /** Those of them that a forwarder had not delivered. */
  readonly lost: Map<string, number>;
}

export function nothingTaken(): Taken {
  return { thinned: new Map(), dropped: new Map(), aged: new Map(), lost: new Map() };
}

/** One transaction takes from so many units and readings at most: each costs the file system's own journal, and time. */
const STEP = { units: 8, readings: 500_000 };

/** One transaction. @returns false when there is room, or nothing is left to take */
export function makeRoom(history: History, clock: ClockTable, request: RoomRequest, taken: Taken): boolean {
  const mine = nothingTaken();
  const short = history.used() + request.need > request.budget;
  const most = request.budget - request.need - (short ? request.ahead : 0);
  const units = history.db.transaction(() => {
    let readings = 0;
    for (let i = 0; i < (request.tight ? 1 : STEP.units); i++) {
      const unit = takeOne(history, clock, request, most, mine);
      if (unit === undefined) return i;
      readings += unit.readings;
      if (readings > STEP.readings) return i + 1;
    }
    return request.tight ? 1 : STEP.units;
  })();
  // What was rolled back was not taken.
  addTaken(taken, mine);
  return units > 0;
}

/**
 * The oldest unit that has records loses them all: nothing is written for it but what takes them out. For a disk that has
 * no room even for thinning. One transaction. @returns false when there is none
 */
export function dropOldest(history: History, request: RoomRequest, taken: Taken): boolean {
  const unit = history.oldest(UNIT_STATE.thinned) ?? history.oldest(UNIT_STATE.whole);
  if (unit === undefined) return false;
  const mine = nothingTaken();
  history.db.transaction(() => takeFrom(history, unit, 'dropped', request.active, mine))();
  addTaken(taken, mine);
  return true;
}

/** @param most bytes that may be in use @returns the unit as it was; undefined when nothing had to go */
function takeOne(history: History, clock: ClockTable, request: RoomRequest, most: number, taken: Taken): UnitRow | undefined {
  const oldest = history.oldestOfAll();
  if (oldest === undefined) return undefined;
  const take = (unit: UnitRow, why: Why): UnitRow => {
    takeFrom(history, unit, why, request.active, taken);
    return unit;
  };
  if (oldestIsAged(history, clock, request)) return take(oldest, 'aged');
  if (history.used() <= most) return undefined;
  const whole = history.oldest(UNIT_STATE.whole);
  const thinned = history.oldest(UNIT_STATE.thinned);
  const summary = history.oldest(UNIT_STATE.summary);
  if (whole !== undefined && history.bytesOf(UNIT_STATE.whole) > request.budget / 2) return take(whole, 'thinned');
  const summaries = summary === undefined ? 0 : history.bytesOf(UNIT_STATE.summary);
  if (thinned !== undefined && summaries <= request.budget / 8) return take(thinned, 'dropped');
  if (summary !== undefined && summaries > request.budget / 8) history.removeUnit(summary);
  else if (whole !== undefined) return take(whole, 'thinned');
  else if (summary !== undefined) history.removeUnit(summary);
  return summary;
}

/** How many units of unknown time are looked past in search of a known one. */
const LOOK = 256;

/** An estimated time says nothing: such a unit is as old as the known one after it. */
function oldestIsAged(history: History, clock: ClockTable, { wall, maxAge }: RoomRequest): boolean {
  if (wall === undefined) return false;
  let unit = history.oldestOfAll();
  for (let i = 0; i < LOOK && unit !== undefined; i++) {
    const mapping = clock.of(unit.boot, unit.last);
    if (mapping !== undefined && !mapping.estimated) return unit.at_last + mapping.offset < wall - maxAge;
    unit = history.units.next(unit.id);
  }
  return false;
}

function takeFrom(history: History, unit: UnitRow, why: Why, active: readonly ForwarderState[], taken: Taken): void {
  const log = Math.floor(unit.id / keyOf(1, 0));
  const waiting = active.filter((f) => f.log === log).map((f) => Lanes.load(f.state));
  const anyWaits = waiting.some((l) => l.waitsWithin(seqOf(unit.id), unit.last));
  for (const row of history.units.parts(unit)) {
    let shape: Shape | undefined;
    let records: LogRecord[];
    try {
      shape = history.shapeOf(row.shape);
      if (shape === undefined) throw new Error(`shape ${row.shape} is not known`);
      records = decodeBlock(row.body, history.shapeOf);
    } catch {
      // Damaged: nobody can have it any more.
      add(taken.dropped, DAMAGED, row.readings);
      history.setPart(row.id, undefined);
      continue;
    }
    const keep = why === 'thinned' ? records.filter((_, i) => i % THIN === 0) : [];
    const gone = why === 'thinned' ? records.filter((_, i) => i % THIN !== 0) : records;
    if (gone.length === 0) continue;
    const counts = countByPoint(shape, gone);
    history.countRemoved(row.shape, why, counts);
    addAll(taken[why], shape, counts);
    if (anyWaits) {
      const undelivered = gone.filter((r) => waiting.some((l) => l.waits(r.seq)));
      if (undelivered.length > 0) addAll(taken.lost, shape, countByPoint(shape, undelivered));
    }
    const readings = keep.reduce((sum, r) => sum + r.sample.shape.points.length, 0);
    history.setPart(
      row.id,
      keep.length === 0 ? undefined : { records: keep.length, readings, body: encodeBlock(keep, () => row.shape, LEVEL) },
    );
  }
  if (why === 'aged') history.removeUnit(unit);
  else history.setUnit(unit, why === 'thinned' ? UNIT_STATE.thinned : UNIT_STATE.summary);
}

function addTaken(to: Taken, more: Taken): void {
  for (const kind of ['thinned', 'dropped', 'aged', 'lost'] as const) for (const [name, n] of more[kind]) add(to[kind], name, n);
}
function add(map: Map<string, number>, name: string, n: number): void {
  map.set(name, (map.get(name) ?? 0) + n);
}
function addAll(map: Map<string, number>, shape: Shape, counts: readonly number[]): void {
  shape.points.forEach((p, i) => {
    const n = counts[i] as number;
    if (n > 0) add(map, `${shape.device}.${p.name}`, n);
  });
}
