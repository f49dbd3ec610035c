/**
 * Summaries of readings that do not fit into the budget of a day. They leave before the readings, on `…/summary`.
 *
 * - A summary stands beside the records: it moves no cursor, and the records leave later all the same.
 * - It covers whole hours, from the end of the last one on. Hours whose readings all left are covered as well.
 * - A clock that is not known has a place of its own: once the time is known, what left before is summed up no second time.
 * - It leaves where the visit has no space for all readings that wait. It takes a quarter of that space, or half in a single step.
 * - Bounds: 500 points, 31 days, one question to the files for each point.
 */
import { Selection } from '../../../codecs/record-filter.ts';
import type { Inventory } from '../../../core/ports.ts';
import { onlyWhole, type PrivacyClass } from '../../../core/privacy.ts';
import type { Log } from '../../../store/log.ts';
import type { OutMessage } from '../dialect.ts';
import { HOUR, MOST_HOURS, oneStepWithin, type SummaryCell, type SummaryPoint, summaryWithin } from './summary.ts';

const MOST_POINTS = 500;
/** The part of a visit's space that a summary takes at most: in fine steps, and in a single one. */
const SHARE = { fine: 1 / 4, coarsest: 1 / 2 };
/** Smaller summaries say too little to be worth it. */
const LEAST = 200;
/** So many times `commitEvery` ago everything was committed, also on a slow card. */
const COMMITS = 2;
/** Bytes of a reading on the wire, until a batch was measured. */
const FIRST_GUESS = 4;

export interface SummarySide {
  readonly gateway: string;
  readonly forwarder: string;
  readonly log: Pick<Log, 'keeper' | 'unsent' | 'options'>;
  /** JSON of the inventory. */
  readonly inventory: () => string;
  /** Devices and points that leave. */
  readonly wanted: () => ConstructorParameters<typeof Selection>[0];
  /** Every class under which readings of a point may be in the log. Absent: none but that of now. */
  readonly classesBefore?: ((device: string, point: string) => ReadonlySet<PrivacyClass>) | undefined;
  /** UTC ms. */
  readonly now: () => number;
  /** Whether that is known. */
  readonly known: () => boolean;
  /** Payload bytes and readings that were acknowledged in this run. */
  readonly delivered: () => { readonly bytes: number; readonly readings: number };
  readonly memory: { load(): unknown; save(state: unknown): void };
}

/** One that may leave. */
export interface MadeSummary {
  readonly message: OutMessage;
  readonly bytes: number;
  /** UTC ms: once it left, the platform has everything up to here in one form or the other. */
  readonly to: number;
}

/** UTC ms, whole hours. */
interface Place {
  readonly covered: number;
  /** The same by a clock that is not known. */
  readonly guessed?: number;
}

export class Summaries {
  readonly #side: SummarySide;
  /** UTC ms. */
  readonly #began: number;
  #opened: Place | undefined;

  constructor(side: SummarySide) {
    this.#side = side;
    this.#began = side.now();
  }

  /** Up to here the platform has the readings or a summary of them. */
  get covered(): number {
    const { covered, guessed = covered } = this.#place;
    return this.#side.known() ? covered : guessed;
  }

  /** Read when it is first needed: a reload makes this before what is in its place has saved its last hour. */
  get #place(): Place {
    if (this.#opened === undefined) {
      const saved = this.#side.memory.load();
      const { covered, guessed } = (typeof saved === 'object' && saved !== null ? saved : {}) as Record<string, unknown>;
      this.#opened = {
        covered: startOfHour(isTime(covered) ? covered : this.#began),
        ...(isTime(guessed) && { guessed: startOfHour(guessed) }),
      };
    }
    return this.#opened;
  }

  /** Everything left, or a summary of it. @param until UTC ms */
  cover(until: number): void {
    const hour = startOfHour(until);
    if (hour === this.covered) return;
    this.#opened = this.#side.known() ? { covered: hour } : { covered: this.#place.covered, guessed: hour };
    this.#side.memory.save({ ...this.#opened });
  }

  /** @param space bytes that the visit has. @returns undefined: none is needed, or none fits. @throws SluiceError log-read */
  async make(space: number): Promise<MadeSummary | undefined> {
    if (!Number.isFinite(space) || space * SHARE.coarsest < LEAST) return undefined;
    const { gateway, forwarder, log, now } = this.#side;
    // What is not committed yet is in no answer.
    const to = startOfHour(now() - COMMITS * log.options.commitEvery);
    // A clock that went back, or a damaged memory, must not stop summaries for ever.
    if (this.covered > to) this.cover(to);
    const from = Math.max(this.covered, to - MOST_HOURS * HOUR);
    if (from >= to) return undefined;
    const waiting = (await log.unsent(forwarder))?.readings ?? 0;
    if (waiting * this.#bytesOfReading() <= space) return undefined;
    const { points, estimated } = await this.#points(from, to);
    const of = { gateway, from, to, estimated, points };
    const json = summaryWithin(of, space * SHARE.fine) ?? oneStepWithin(of, space * SHARE.coarsest);
    if (json === undefined) return undefined;
    const message: OutMessage = { topic: `sluice/${gateway}/summary`, payload: json, qos: 1, retain: false };
    return { message, bytes: Buffer.byteLength(json), to };
  }

  #bytesOfReading(): number {
    const { bytes, readings } = this.#side.delivered();
    return readings === 0 ? FIRST_GUESS : bytes / readings;
  }

  async #points(from: number, to: number): Promise<{ points: SummaryPoint[]; estimated: boolean }> {
    const wanted = this.#side.wanted();
    // The least and the largest value of an hour are single readings.
    const outward = onlyWhole(wanted?.outward);
    const selection = new Selection({ ...wanted, outward });
    // An hour may have readings that were taken under a stricter class than that of now.
    const wasClosed = (device: string, point: string): boolean =>
      outward?.closed.some((word) => this.#side.classesBefore?.(device, point).has(word)) === true;
    const { devices = {} } = JSON.parse(this.#side.inventory()) as Partial<Inventory>;
    const names = Object.entries(devices)
      .flatMap(([device, { points }]) => Object.entries(points).map(([point, { type }]) => ({ device, point, type })))
      .filter(({ device, point, type }) => selection.wants(device, { name: point, type }) && !wasClosed(device, point))
      .slice(0, MOST_POINTS);
    const made: SummaryPoint[] = [];
    let estimated = false;
    for (const { device, point } of names) {
      const cells = await this.#hours(device, point, from, to);
      if (cells === undefined) continue;
      estimated ||= cells.estimated;
      made.push({ name: `${device}.${point}`, hours: cells.hours });
    }
    return { points: made, estimated };
  }

  async #hours(device: string, point: string, from: number, to: number) {
    const count = Math.ceil((to - from) / HOUR);
    const { found } = await this.#side.log.keeper.query({ device, point, from, to, buckets: count });
    if (found === undefined) return undefined;
    const hours = new Array<SummaryCell | undefined>(count).fill(undefined);
    let estimated = false;
    const add = (time: number, cell: SummaryCell): void => {
      const at = Math.floor((time - from) / HOUR);
      if (at < 0 || at >= count || !Number.isFinite(cell.mean)) return;
      const before = hours[at];
      hours[at] = before === undefined ? cell : both(before, cell);
    };
    for (const { time, value, estimated: guessed } of found.readings) {
      if (typeof value === 'string' || value === null) continue;
      const number = Number(value);
      estimated ||= guessed;
      add(time, { count: 1, min: number, mean: number, max: number });
    }
    for (const { time, count: n, min, mean, max, estimated: guessed } of found.buckets) {
      if (n === 0) continue;
      estimated ||= guessed;
      add(time, { count: n, min, mean, max });
    }
    return { hours, estimated };
  }
}

function both(a: SummaryCell, b: SummaryCell): SummaryCell {
  const count = a.count + b.count;
  return {
    ...{ count, min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) },
    mean: a.mean + (b.mean - a.mean) * (b.count / count),
  };
}

function isTime(saved: unknown): saved is number {
  return typeof saved === 'number' && Number.isFinite(saved);
}

function startOfHour(ms: number): number {
  return Math.floor(ms / HOUR) * HOUR;
}
