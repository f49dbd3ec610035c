/**
 * The part of the log that a forwarder wants. It is applied to records before they are encoded, so every payload format has it.
 *
 * - A record that has no wanted reading is left out. Its number is covered by a batch, or passed without one.
 * - A record keeps its number and its time. Readings that are not wanted are not in its shape.
 */
import { hasValue, type LogRecord, type PointInfo, type Shape, type Value } from '../core/point.ts';
import { type Classified, leaves, type Outward, roundTo } from '../core/privacy.ts';
import { ABSENT, GOOD } from '../core/reasons.ts';
import type { Batch } from './format.ts';
import type { Thinning } from './thinning.ts';

/** Plain data, which goes to the keeper with each question. */
export interface RecordFilter {
  /** Names of devices. A reading is wanted when its device or its point is named; without both lists all are. */
  readonly devices?: readonly string[] | undefined;
  /** `device.point`, `device.*` or `*.point`. */
  readonly points?: readonly string[] | undefined;
  /** One value for each point and window of time. */
  readonly thinning?: Thinning | undefined;
  /** A window of live readings that is over waits so long for others, milliseconds. */
  readonly gather?: number | undefined;
  /** What of classified readings leaves. Absent: all of it. */
  readonly outward?: Outward | undefined;
}

/** What a batch says of the filter that its records went through. */
export function filterWords(
  filter: RecordFilter | undefined,
  range: Batch['range'],
): Pick<Batch, 'range' | 'filtered' | 'thinning'> {
  if (filter === undefined) return {};
  const { devices, points, thinning, outward } = filter;
  return { range, filtered: devices !== undefined || points !== undefined || outward !== undefined, thinning };
}

/** The wanted points of a shape. */
export interface WantedShape {
  readonly shape: Shape;
  /** Their places in the shape of the log; undefined: all of them. */
  readonly places: readonly number[] | undefined;
  /** By its points: the step of numbers, 0 without one. Absent: no number is rounded. */
  readonly steps?: readonly number[] | undefined;
}

export class Selection {
  readonly #named: boolean;
  readonly #devices: ReadonlySet<string>;
  readonly #points: ReadonlySet<string>;
  readonly #outward: Outward | undefined;
  readonly #known = new WeakMap<Shape, WantedShape | 'none'>();

  constructor({ devices, points, outward }: Pick<RecordFilter, 'devices' | 'points' | 'outward'> = {}) {
    this.#named = devices !== undefined || points !== undefined;
    this.#devices = new Set(devices);
    this.#points = new Set(points);
    this.#outward = outward;
  }

  /** Nothing is left out. */
  get all(): boolean {
    return !this.#named && this.#outward === undefined;
  }

  wants(device: string, point: Classified): boolean {
    return this.#step(device, point) !== undefined;
  }

  /** @returns undefined when no point of it is wanted. The same shape gives the same object. */
  of(shape: Shape): WantedShape | undefined {
    let known = this.#known.get(shape);
    if (known === undefined) {
      known = this.#made(shape);
      this.#known.set(shape, known);
    }
    return known === 'none' ? undefined : known;
  }

  /** The wanted readings of a record, with the precision that they leave with; undefined when it has none. */
  take(record: LogRecord): LogRecord | undefined {
    if (this.all) return record;
    const { shape, at, values, reasons } = record.sample;
    const wanted = this.of(shape);
    if (wanted === undefined) return undefined;
    const { places } = wanted;
    const why = reasons === null || places === undefined ? reasons : Uint8Array.from(places, (place) => reasons[place] as number);
    if (why?.every((reason) => reason === ABSENT)) return undefined;
    if (places === undefined && wanted.steps === undefined) return record;
    const some = places === undefined ? values : places.map((place) => values[place] as Value);
    return coarse({ seq: record.seq, sample: { shape: wanted.shape, at, values: some, reasons: why } }, wanted.steps);
  }

  /** The step of a point; undefined: it is not wanted. */
  #step(device: string, point: Classified): number | undefined {
    const { name } = point;
    const named =
      !this.#named ||
      this.#devices.has(device) ||
      this.#points.has(`${device}.${name}`) ||
      this.#points.has(`${device}.*`) ||
      this.#points.has(`*.${name}`);
    if (!named) return undefined;
    return this.#outward === undefined ? 0 : leaves(this.#outward, device, point);
  }

  #made(shape: Shape): WantedShape | 'none' {
    const found = shape.points.map((point) => this.#step(shape.device, point));
    const places = found.flatMap((step, place) => (step === undefined ? [] : [place]));
    if (places.length === 0) return 'none';
    const all = places.map((place) => found[place] as number);
    const steps = all.some((step) => step > 0) ? all : undefined;
    if (places.length === shape.points.length && steps === undefined) return { shape, places: undefined };
    const points = places.map((place, i) => coarsePoint(shape.points[place] as PointInfo, all[i] as number));
    return { shape: { device: shape.device, points }, places: places.length === found.length ? undefined : places, steps };
  }
}

/** A multiple of a step need not fit the type of its point. Whole numbers of 64 bits stay what they are. */
function coarsePoint(point: PointInfo, step: number): PointInfo {
  return step > 0 && point.storage === 'number' ? { ...point, type: 'float64' } : point;
}

/** The same record with its numbers as multiples of the steps. @param steps by its points; undefined: it stays */
export function coarse(record: LogRecord, steps: readonly number[] | undefined): LogRecord {
  if (steps === undefined) return record;
  const { sample } = record;
  const values = sample.values.map((value, i) => {
    const step = steps[i] as number;
    return step > 0 && hasValue(sample.reasons?.[i] ?? GOOD) ? roundTo(value, step) : value;
  });
  return { ...record, sample: { ...sample, values } };
}
