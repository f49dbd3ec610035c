/**
 * Space in history.db. Oldest first: records are thinned (every THIN-th of a shape stays) while what is whole takes more
 * than half of the space, then dropped; their roll-ups stay, in at most an eighth of the space, and go last.
 */
import { decodeBlock, encodeBlock } from '../../codecs/blocks.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import { Lanes } from '../delivery/lanes.ts';
import { HOUR_STATE, type HourRow, type PartRow, THIN } from '../files/history-layout.ts';
import { type ForwarderState, keyOf, seqOf } from '../files/layout.ts';
import { DAMAGED, type Gone, spanOf, type Why } from '../hot/removals.ts';
import type { ClockTable } from '../time/clock-table.ts';
import { countByPoint, type History } from './history-file.ts';

/** Deflate: as compact.ts does. */
const LEVEL = 6;

export interface SpaceRequest {
  /** The space of history.db, bytes. */
  readonly budget: number;
  /** Bytes that the next hour needs, and what more is made when it does not fit. */
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

/**
 * One transaction takes from so many hours at most, and writes so many bytes anew: it costs a journal and four syncs
 * whatever its size, and neighbours share their pages; but what it changes has to fit into SQLite's cache.
 */
const BATCH = { hours: 8, bytes: 512 * 1024 };

/** The plan for an hour; nothing is written yet. */
interface Change {
  readonly hour: HourRow;
  readonly why: Why | 'removed';
  readonly parts: readonly { readonly id: number; readonly left: Left | undefined }[];
  readonly gone: readonly Gone[];
  readonly taken: Taken;
  /** Bytes of records and roll-ups that it has fewer afterwards. */
  readonly freed: number;
}
type Left = { readonly records: number; readonly readings: number; readonly body: Buffer };

/** One transaction; steps before it, between two hours. @returns false when there is space, or nothing is left to take */
export function* thinOrDrop(
  history: History,
  clock: ClockTable,
  request: SpaceRequest,
  taken: Taken,
): Generator<undefined, boolean> {
  const choice = new Choice(history, clock, request);
  const changes: Change[] = [];
  let bytes = 0;
  const most = request.tight ? 1 : BATCH.hours;
  while (changes.length < most && bytes < BATCH.bytes) {
    const next = choice.next();
    if (next === undefined) break;
    if (changes.length > 0) yield;
    const change = changeOf(history, clock, next.hour, next.why, request.active);
    choice.made(change);
    changes.push(change);
    for (const { left } of change.parts) bytes += left?.body.length ?? 0;
  }
  if (changes.length === 0) return false;
  history.db.transaction(() => {
    for (const change of changes) apply(history, change);
  })();
  // Records of a transaction that was rolled back were not taken.
  for (const change of changes) addTaken(taken, change.taken);
  return true;
}

/**
 * The oldest hour that has records loses them all: nothing is written for it but what takes them out. For a disk that has
 * no space even for thinning. One transaction. @returns false when there is none
 */
export function dropOldest(history: History, clock: ClockTable, request: SpaceRequest, taken: Taken): boolean {
  const hour = history.oldest(HOUR_STATE.thinned) ?? history.oldest(HOUR_STATE.whole);
  if (hour !== undefined) takeFrom(history, clock, hour, 'dropped', request.active, taken);
  return hour !== undefined;
}

/** One transaction. */
export function takeFrom(
  history: History,
  clock: ClockTable,
  hour: HourRow,
  why: Why,
  active: readonly ForwarderState[],
  taken: Taken,
): void {
  const change = changeOf(history, clock, hour, why, active);
  history.db.transaction(() => apply(history, change))();
  addTaken(taken, change.taken);
}

/** Which hour is next, as if those chosen before had been changed already. Each is chosen once. */
class Choice {
  readonly #history: History;
  readonly #clock: ClockTable;
  readonly #request: SpaceRequest;
  /** Bytes that may be in use. */
  readonly #most: number;
  #used: number;
  #whole: number;
  #summaries: number;
  /** The last one chosen of each state. */
  readonly #after = new Map<number, number>();
  #aged = 0;

  constructor(history: History, clock: ClockTable, request: SpaceRequest) {
    this.#history = history;
    this.#clock = clock;
    this.#request = request;
    this.#used = history.used();
    const short = this.#used + request.need > request.budget;
    this.#most = request.budget - request.need - (short ? request.ahead : 0);
    this.#whole = history.bytesOf(HOUR_STATE.whole);
    this.#summaries = history.bytesOf(HOUR_STATE.summary);
  }

  /** undefined when nothing has to go, or nothing is left that was not chosen yet. */
  next(): { hour: HourRow; why: Why | 'removed' } | undefined {
    const { budget } = this.#request;
    const oldest = this.#history.hours.next(this.#aged);
    if (oldest !== undefined && isAged(this.#history, this.#clock, this.#request, oldest)) return { hour: oldest, why: 'aged' };
    // Aged hours come first, before anything else is chosen: the rest is looked at when they are gone.
    if (this.#aged > 0 || this.#used <= this.#most) return undefined;
    const whole = this.#oldest(HOUR_STATE.whole);
    const thinned = this.#oldest(HOUR_STATE.thinned);
    const summary = this.#oldest(HOUR_STATE.summary);
    if (whole !== undefined && this.#whole > budget / 2) return { hour: whole, why: 'thinned' };
    if (summary !== undefined && this.#summaries > budget / 8) return { hour: summary, why: 'removed' };
    if (thinned !== undefined) return { hour: thinned, why: 'dropped' };
    // One that was chosen before may be the next to lose more.
    if (this.#after.size > 0) return undefined;
    if (whole !== undefined) return { hour: whole, why: 'thinned' };
    return summary === undefined ? undefined : { hour: summary, why: 'removed' };
  }

  made({ hour, why, freed }: Change): void {
    this.#used -= freed;
    if (why === 'aged') this.#aged = hour.id;
    else this.#after.set(hour.state, hour.id);
    if (hour.state === HOUR_STATE.whole) this.#whole -= hour.bytes;
    if (why === 'removed') this.#summaries -= hour.bytes;
    if (why === 'dropped') this.#summaries += hour.bytes - freed;
  }

  #oldest(state: number): HourRow | undefined {
    return this.#history.oldest(state, this.#after.get(state) ?? 0);
  }
}

/** How many hours of unknown time are looked past in search of a known one. */
const LOOK = 256;

/** A time that is estimated or to come says nothing: such an hour is as old as the known one after it. */
function isAged(history: History, clock: ClockTable, { wall, maxAge }: SpaceRequest, oldest: HourRow): boolean {
  if (wall === undefined) return false;
  let hour: HourRow | undefined = oldest;
  for (let i = 0; i < LOOK && hour !== undefined; i++) {
    const time = clock.pastOf(hour.boot, hour.last, hour.at_last, wall);
    if (time !== undefined) return time < wall - maxAge;
    hour = history.hours.next(hour.id);
  }
  return false;
}

function changeOf(
  history: History,
  clock: ClockTable,
  hour: HourRow,
  why: Why | 'removed',
  active: readonly ForwarderState[],
): Change {
  const taken = nothingTaken();
  if (why === 'removed') return { hour, why, parts: [], gone: [], taken, freed: hour.bytes };
  const log = Math.floor(hour.id / keyOf(1, 0));
  const waiting = active.filter((f) => f.log === log).map((f) => Lanes.load(f.state));
  const anyWaits = waiting.some((l) => l.waitsWithin(seqOf(hour.id), hour.last));
  const parts: { id: number; left: Left | undefined }[] = [];
  const removed: Gone[] = [];
  let freed = 0;
  const rows = history.hours.parts(hour);
  for (const [place, row] of rows.entries()) {
    let shape: Shape | undefined;
    let records: LogRecord[];
    try {
      shape = history.shapeOf(row.shape);
      if (shape === undefined) throw new Error(`shape ${row.shape} is not known`);
      records = decodeBlock(row.body, history.shapeOf);
    } catch {
      // Damaged: nobody can have it any more.
      add(taken.dropped, DAMAGED, row.readings);
      removed.push({ why: 'dropped', shape: undefined, counts: [row.readings], lost: undefined, span: undefined });
      parts.push({ id: row.id, left: undefined });
      freed += row.body.length;
      continue;
    }
    const [keep, gone] = why === 'thinned' ? thinned(records, rows, place) : [[], records];
    if (gone.length === 0) continue;
    const counts = countByPoint(shape, gone);
    addAll(taken[why], shape, counts);
    const undelivered = anyWaits ? gone.filter((r) => waiting.some((l) => l.waits(r.seq))) : [];
    const lost = undelivered.length === 0 ? undefined : countByPoint(shape, undelivered);
    if (lost !== undefined) addAll(taken.lost, shape, lost);
    const ends = [gone[0] as LogRecord, gone.at(-1) as LogRecord].map(({ seq, sample }) => ({ seq, at: sample.at }));
    removed.push({ why, shape: row.shape, counts, lost, span: spanOf(clock, hour.boot, ...ends) });
    const readings = keep.reduce((sum, r) => sum + r.sample.shape.points.length, 0);
    const left =
      keep.length === 0 ? undefined : { records: keep.length, readings, body: encodeBlock(keep, () => row.shape, LEVEL) };
    parts.push({ id: row.id, left });
    freed += row.body.length - (left?.body.length ?? 0);
  }
  return { hour, why, parts, gone: removed, taken, freed: why === 'aged' ? hour.bytes : freed };
}

/** @returns what stays and what goes of the part at `place` */
function thinned(records: LogRecord[], rows: readonly PartRow[], place: number): [keep: LogRecord[], gone: LogRecord[]] {
  const { shape } = rows[place] as PartRow;
  if (rows.slice(0, place).some((r) => r.shape === shape)) return [[], records];
  if (rows.slice(place + 1).some((r) => r.shape === shape)) return [records, []];
  return [records.filter((_, i) => i % THIN === 0), records.filter((_, i) => i % THIN !== 0)];
}

/** Inside a transaction. */
function apply(history: History, { hour, why, parts, gone }: Change): void {
  for (const some of gone) history.removed.count(some);
  if (why === 'removed' || why === 'aged') history.removeHour(hour);
  else {
    for (const { id, left } of parts) history.setPart(id, left);
    history.setHour(hour, why === 'thinned' ? HOUR_STATE.thinned : HOUR_STATE.summary);
  }
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
