/**
 * One value for each point and window of time, made of the records of the log in their order.
 *
 * - A window begins at a multiple of its width in UTC. A reading is of the window in which its time lies.
 * - The value of a window is a function of the log: of all records of a shape in that window and segment. It stands under the
 *   number of the last of them, and its time is the end of the window. So it is the same live and from a backlog, on each
 *   lane, after a restart, and however often it is made.
 * - A segment is one start of the gateway and one inventory, with a clock that is known or is not. No window goes on in the next
 *   one. A mapping of the clock that differs a little gives each of its records another time, and no new window.
 * - A window is over once a record, or the clock of the gateway, is LATE behind its end. A record that comes later still makes
 *   the window again, with all of its readings, under its own number. A scan drops what is over. One that meets such a record
 *   names the window in `late`. The caller asks another scan, which begins early enough, to keep that window.
 */
import type { LogRecord, PointInfo, Sample, Shape } from '../core/point.ts';
import { ABSENT, GOOD } from '../core/reasons.ts';
import { coarse, type WantedShape } from './record-filter.ts';
import { contentOf } from './rows.ts';
import type { Thinning, WindowValue } from './thinning.ts';
import { PointTally } from './window-tally.ts';

/** Records of several buses may be in another order than their times. Milliseconds. */
export const LATE = 5000;
/** A record that is later than that makes a window of the records that the scan had anyway. Milliseconds. */
export const LATEST = 3_600_000;
/** Points of all windows that are kept although they are over. */
const MOST_LATE = 100_000;

/** The numbers that are asked for. */
export interface WindowRange {
  readonly from: number;
  readonly to: number;
  readonly maxReadings: number;
}

/** The value of a window. */
interface Made {
  readonly seq: number;
  /** The end of the window, UTC. */
  readonly end: number;
  readonly sample: Omit<Sample, 'at'>;
  readonly steps: readonly number[] | undefined;
  readonly readings: number;
}

interface ThinShape {
  readonly shape: Shape;
  /** The place of each point in the shape of the log. */
  readonly places: readonly number[];
  readonly ways: readonly WindowValue[];
  /** Means are rounded, not what they are made of: many rounded numbers say more than the step. */
  readonly steps: readonly number[] | undefined;
  /** Two shapes with the same content are the same: files have shapes of their own. */
  readonly key: string;
}

/** The readings of one shape in one window. */
interface Cell {
  readonly of: ThinShape;
  readonly window: number;
  /** The first number asked for since it was made last, and the last number; that one may be behind them. */
  first: number | undefined;
  last: number;
  readonly points: readonly PointTally[];
}

export interface WindowResult {
  readonly records: LogRecord[];
  readonly readings: number;
  readonly offset: number;
  readonly upTo: number;
  readonly open: number | undefined;
}

/** Windows that records came late for: what a scan has to keep, and how early it has to begin. */
export class LateWindows {
  readonly #names = new Set<string>();
  #points = 0;
  #start = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#names.size;
  }
  /** The begin of the first of them, monotonic milliseconds. */
  get start(): number {
    return this.#start;
  }
  has(key: string, window: number): boolean {
    return this.#names.has(`${window} ${key}`);
  }
  /** No effect when there are too many. @param start monotonic milliseconds */
  add(key: string, window: number, points: number, start: number): void {
    if (this.has(key, window) || this.#points + points > MOST_LATE) return;
    this.#points += points;
    this.#start = Math.min(this.#start, start);
    this.#names.add(`${window} ${key}`);
  }
}

/** Looks at records in ascending order, beginning so early that the windows of the first number asked for are whole. */
export class WindowScan {
  readonly #thinning: Thinning;
  readonly #range: WindowRange;
  readonly #counters: ReadonlySet<string>;
  readonly #shapes = new Map<Shape, ThinShape>();
  readonly #open = new Map<string, Cell[]>();
  /** Windows that are over and may be made again. */
  readonly #over = new Map<string, Cell[]>();
  readonly #late: LateWindows;
  #made: Made[] = [];
  /** UTC = monotonic + offset, of the record that was looked at last. */
  #offset = 0;
  /** The newest time of the segment, monotonic: a clock that steps changes it too. */
  #top = Number.NEGATIVE_INFINITY;
  /** No open window ends before. */
  #nextEnd = Number.POSITIVE_INFINITY;
  /** Behind `to`: windows whose last number may still be one that is asked for. */
  #awaited: Set<Cell> | undefined;
  #enough = false;

  /** @param late gets the windows that records of the range came late for; keeps those that it has */
  constructor(thinning: Thinning, range: WindowRange, late = new LateWindows()) {
    this.#late = late;
    this.#thinning = thinning;
    this.#range = range;
    this.#counters = new Set(thinning.last);
  }

  /** Nothing behind changes the result. */
  get enough(): boolean {
    return this.#enough || this.#awaited?.size === 0;
  }
  /** There is a value among the numbers asked for. */
  get hasValues(): boolean {
    return this.#made.length > 0;
  }

  /** @param wanted undefined: the record only tells the time */
  add({ seq, sample }: LogRecord, offset: number, wanted: WantedShape | undefined): void {
    const { every } = this.#thinning;
    const { from, to } = this.#range;
    this.#offset = offset;
    const time = sample.at + offset;
    if (seq > to) this.#awaited ??= new Set([...this.#open.values()].flat().filter(({ first }) => first !== undefined));
    const cell = wanted && this.#cell(this.#thinShape(sample.shape, wanted), Math.floor(time / every), seq);
    if (cell !== undefined) {
      if (seq >= from && seq <= to) cell.first ??= seq;
      cell.last = seq;
      this.#awaited?.delete(cell);
      const { places } = cell.of;
      for (let i = 0; i < places.length; i++) {
        const place = places[i] as number;
        const reason = sample.reasons === null ? GOOD : (sample.reasons[place] as number);
        if (reason !== ABSENT) (cell.points[i] as PointTally).add(sample.values[place] ?? 0, reason);
      }
    }
    this.#top = Math.max(this.#top, sample.at);
    if (this.#top + offset >= this.#nextEnd + LATE) this.#close(this.#top + offset - LATE);
  }

  /** No record of the segment is older than that and still to come. @param at monotonic milliseconds */
  settle(at: number): void {
    this.#close(at + this.#offset);
  }

  /** The segment is over. */
  end(): void {
    this.#close(Number.POSITIVE_INFINITY);
    this.#over.clear();
    this.#top = Number.NEGATIVE_INFINITY;
  }

  /**
   * @param looked every record of the range up to here was looked at
   * @returns values in the order of their numbers; every one up to `upTo` is there. UTC is their `at` + `offset`. `open`: when the
   * first window ends that holds up what is behind, monotonic milliseconds
   */
  result(looked: number): WindowResult {
    const offset = this.#offset;
    const held = this.#holding();
    const blocked = held.reduce((least, { first }) => Math.min(least, first ?? least), Number.POSITIVE_INFINITY);
    let upTo = Math.min(looked, this.#range.to, blocked - 1);
    const records: LogRecord[] = [];
    let readings = 0;
    for (const made of this.#made.filter(({ seq }) => seq <= upTo).sort((a, b) => a.seq - b.seq)) {
      if (records.length > 0 && readings + made.readings > this.#range.maxReadings)
        return { records, readings, offset, upTo: (records.at(-1) as LogRecord).seq, open: undefined };
      records.push(coarse({ seq: made.seq, sample: { ...made.sample, at: Math.round(made.end - offset) } }, made.steps));
      readings += made.readings;
    }
    upTo = Math.max(upTo, this.#range.from - 1);
    const ends = held.map(({ window }) => (window + 1) * this.#thinning.every - offset);
    return { records, readings, offset, upTo, open: ends.length === 0 ? undefined : Math.min(...ends) };
  }

  /** Open windows whose value may come under a number that is asked for. */
  #holding(): Cell[] {
    const { to } = this.#range;
    return [...this.#open.values()].flat().filter(({ first, last }) => first !== undefined && last <= to);
  }

  #thinShape(shape: Shape, { places, steps }: WantedShape): ThinShape {
    let thin = this.#shapes.get(shape);
    if (thin === undefined) {
      const all = places ?? shape.points.map((_, place) => place);
      const points = all.map((place) => shape.points[place] as PointInfo);
      const ways = points.map((point) => this.#way(shape.device, point));
      thin = {
        shape: { device: shape.device, points: points.map((point, i) => thinPoint(point, ways[i] as WindowValue)) },
        ...{ places: all, ways, steps, key: contentOf(shape) },
      };
      this.#shapes.set(shape, thin);
    }
    return thin;
  }
  #way(device: string, { name, storage }: PointInfo): WindowValue {
    const counts = storage === 'boolean' || storage === 'string' || this.#counters.has(`${device}.${name}`);
    return counts ? 'last' : this.#thinning.as;
  }

  /** undefined: it is not of this answer. */
  #cell(of: ThinShape, window: number, seq: number): Cell | undefined {
    const known = this.#open.get(of.key)?.find((cell) => cell.window === window);
    if (known !== undefined || seq > this.#range.to) return known;
    const cell = this.#again(of.key, window) ?? this.#begin(of, window, seq);
    const cells = this.#open.get(of.key) ?? [];
    cells.push(cell);
    this.#open.set(of.key, cells);
    this.#nextEnd = Math.min(this.#nextEnd, (window + 1) * this.#thinning.every);
    return cell;
  }
  /** One that was over. */
  #again(key: string, window: number): Cell | undefined {
    const cells = this.#over.get(key) ?? [];
    const place = cells.findIndex((cell) => cell.window === window);
    if (place < 0) return undefined;
    const [cell] = cells.splice(place, 1) as [Cell];
    cell.first = undefined;
    return cell;
  }
  #begin(of: ThinShape, window: number, seq: number): Cell {
    const { every } = this.#thinning;
    const behind = this.#top + this.#offset - LATE - (window + 1) * every;
    if (behind >= 0 && behind <= LATEST && seq >= this.#range.from)
      this.#late.add(of.key, window, of.ways.length, window * every - this.#offset);
    return { of, window, first: undefined, last: 0, points: of.ways.map((way) => new PointTally(way)) };
  }

  /** Windows that end up to then are over. @param time UTC */
  #close(time: number): void {
    const { every } = this.#thinning;
    this.#nextEnd = Number.POSITIVE_INFINITY;
    for (const [key, cells] of this.#open) {
      const left = cells.filter((cell) => {
        const end = (cell.window + 1) * every;
        if (end > time) {
          this.#nextEnd = Math.min(this.#nextEnd, end);
          return true;
        }
        this.#awaited?.delete(cell);
        this.#make(cell, end);
        if (this.#late.has(key, cell.window)) this.#over.set(key, [...(this.#over.get(key) ?? []), cell]);
        return false;
      });
      if (left.length === 0) this.#open.delete(key);
      else this.#open.set(key, left);
    }
    const blocked = this.#holding().reduce((least, { first }) => Math.min(least, first ?? least), Number.POSITIVE_INFINITY);
    let readings = 0;
    for (const made of this.#made) if (made.seq < blocked) readings += made.readings;
    this.#enough = readings >= this.#range.maxReadings;
  }

  #make({ of, last, points }: Cell, end: number): void {
    if (last < this.#range.from || last > this.#range.to) return;
    const made = points.map((point) => point.take());
    const readings = made.filter(({ reason }) => reason !== ABSENT).length;
    if (readings === 0) return;
    const reasons = made.every(({ reason }) => reason === GOOD) ? null : Uint8Array.from(made, ({ reason }) => reason);
    const values = made.map(({ value }) => value);
    this.#made.push({ seq: last, end, sample: { shape: of.shape, values, reasons }, steps: of.steps, readings });
  }
}

/** The mean of whole numbers is not a whole number. 64-bit integers stay what they are: receivers have them as texts. */
function thinPoint(point: PointInfo, way: WindowValue): PointInfo {
  return way === 'mean' && point.storage === 'number' ? { ...point, type: 'float64' } : point;
}
