/**
 * The part of the log that a forwarder wants. It is applied to records before they are encoded, so every payload format has it.
 *
 * - A record that has no wanted reading is left out. Its number is covered by a batch, or passed without one.
 * - A record keeps its number and its time. Readings that are not wanted are not in its shape.
 */
import type { LogRecord, PointInfo, Shape, Value } from '../core/point.ts';
import { ABSENT } from '../core/reasons.ts';
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
}

/** What a batch says of the filter that its records went through. */
export function filterWords(
  filter: RecordFilter | undefined,
  range: Batch['range'],
): Pick<Batch, 'range' | 'filtered' | 'thinning'> {
  if (filter === undefined) return {};
  const { devices, points, thinning } = filter;
  return { range, filtered: devices !== undefined || points !== undefined, thinning };
}

/** The wanted points of a shape. */
export interface WantedShape {
  readonly shape: Shape;
  /** Their places in the shape of the log; undefined: all of them. */
  readonly places: readonly number[] | undefined;
}

export class Selection {
  readonly #all: boolean;
  readonly #devices: ReadonlySet<string>;
  readonly #points: ReadonlySet<string>;
  readonly #known = new WeakMap<Shape, WantedShape | 'none'>();

  constructor({ devices, points }: Pick<RecordFilter, 'devices' | 'points'> = {}) {
    this.#all = devices === undefined && points === undefined;
    this.#devices = new Set(devices);
    this.#points = new Set(points);
  }

  /** Nothing is left out. */
  get all(): boolean {
    return this.#all;
  }

  wants(device: string, point: string): boolean {
    return (
      this.#all ||
      this.#devices.has(device) ||
      this.#points.has(`${device}.${point}`) ||
      this.#points.has(`${device}.*`) ||
      this.#points.has(`*.${point}`)
    );
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

  /** The wanted readings of a record; undefined when it has none. */
  take(record: LogRecord): LogRecord | undefined {
    if (this.#all) return record;
    const { shape, at, values, reasons } = record.sample;
    const wanted = this.of(shape);
    if (wanted === undefined) return undefined;
    const { places } = wanted;
    const why = reasons === null || places === undefined ? reasons : Uint8Array.from(places, (place) => reasons[place] as number);
    if (why?.every((reason) => reason === ABSENT)) return undefined;
    if (places === undefined) return record;
    return {
      seq: record.seq,
      sample: { shape: wanted.shape, at, values: places.map((place) => values[place] as Value), reasons: why },
    };
  }

  #made(shape: Shape): WantedShape | 'none' {
    const places = shape.points.flatMap(({ name }, place) => (this.wants(shape.device, name) ? [place] : []));
    if (places.length === 0) return 'none';
    if (places.length === shape.points.length) return { shape, places: undefined };
    return { shape: { device: shape.device, points: places.map((place) => shape.points[place] as PointInfo) }, places };
  }
}
