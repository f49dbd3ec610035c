/**
 * The last reading of each point. A shape keeps its last sample, so that a record costs one assignment. A reading keeps the class under
 * which it was taken, so a change of classes is noted for the readings that are there.
 */
import type { PointInfo, Sample, Shape, Value } from '../core/point.ts';
import { hasValue, reasonAt } from '../core/point.ts';
import type { LatestValue, LatestValues } from '../core/ports.ts';
import { classNow, type PointClasses, type PrivacyClass } from '../core/privacy.ts';
import { ABSENT } from '../core/reasons.ts';

/** A reading whose point has another class since. */
interface Reclassified {
  /** The sample that brought it. */
  readonly number: number;
  readonly privacy: PrivacyClass;
}

/** The sample that brought a reading. */
interface Origin {
  /** Monotonic ms. */
  readonly at: number;
  /** Counted over all samples. */
  readonly number: number;
}

export class Latest implements LatestValues {
  readonly #offset: () => number;
  readonly #samples = new Map<Shape, Sample | undefined>();
  /** Which one the last sample of a shape was, counted over all shapes. */
  readonly #numbers = new Map<Shape, number>();
  /** The times of the single readings, for shapes whose last sample left points out. */
  readonly #parts = new Map<Shape, readonly Origin[]>();
  #newest = 0;
  /** `device.point` -> where it lies. */
  #places = new Map<string, { shape: Shape; index: number }>();
  #classes: PointClasses = {};
  /** By `device.point`; as many as there are points. */
  #before = new Map<string, Reclassified>();

  /** @param offset UTC ms minus monotonic ms, as known now */
  constructor(offset: () => number) {
    this.#offset = offset;
  }

  /** The shapes that can occur from now on; others are forgotten. */
  setShapes(shapes: readonly Shape[]): void {
    const keep = new Set(shapes);
    for (const shape of this.#samples.keys()) if (!keep.has(shape)) this.#forget(shape);
    this.#places = new Map();
    for (const shape of shapes) {
      if (!this.#samples.has(shape)) this.#samples.set(shape, undefined);
      for (const [index, point] of shape.points.entries()) this.#places.set(`${shape.device}.${point.name}`, { shape, index });
    }
  }

  /** A device is read by other requests from now on. Each point keeps its last reading until the first one that these bring. */
  exchange(after: readonly Shape[]): void {
    for (const shape of after) if (!this.#samples.has(shape)) this.#samples.set(shape, undefined);
  }

  /** Readings from now on have these classes; those that are there keep theirs. */
  classify(classes: PointClasses): void {
    const before = new Map<string, Reclassified>();
    for (const [key, { shape, index }] of this.#places) {
      const privacy = this.#classOf(shape, index);
      const point = (shape.points[index] as PointInfo).name;
      if (privacy !== (classNow(classes, shape.device, point) ?? 'technical'))
        before.set(key, { number: this.#numberOf(shape, index), privacy });
    }
    this.#before = before;
    this.#classes = classes;
  }

  /** The class under which the last reading of a point was taken. */
  #classOf(shape: Shape, index: number): PrivacyClass {
    const { name } = shape.points[index] as PointInfo;
    const before = this.#before.get(`${shape.device}.${name}`);
    if (before !== undefined && before.number === this.#numberOf(shape, index)) return before.privacy;
    return classNow(this.#classes, shape.device, name) ?? 'technical';
  }

  /** Which sample brought the last reading of a point; 0: none did. */
  #numberOf(shape: Shape, index: number): number {
    return this.#parts.get(shape)?.[index]?.number ?? this.#numbers.get(shape) ?? 0;
  }

  take(sample: Sample): void {
    const before = this.#samples.get(sample.shape);
    if (before === undefined && this.#samples.has(sample.shape)) this.#first(sample.shape);
    if (before !== undefined && sample.reasons?.includes(ABSENT)) this.#fill(sample, before);
    else {
      this.#samples.set(sample.shape, sample);
      if (this.#parts.size > 0) this.#parts.delete(sample.shape);
    }
    this.#numbers.set(sample.shape, ++this.#newest);
  }

  /** A record that left points out: those keep what they had, and its time. */
  #fill(sample: Sample, before: Sample): void {
    const { shape, at } = sample;
    const values = [...sample.values];
    const reasons = Uint8Array.from(sample.reasons ?? []);
    const now = { at, number: this.#newest + 1 };
    const origins = Array.from(reasons, (reason, i) => {
      if (reason !== ABSENT) return now;
      values[i] = before.values[i] as Value;
      reasons[i] = reasonAt(before, i);
      return this.#origin(before, i);
    });
    this.#parts.set(shape, origins);
    this.#samples.set(shape, { ...sample, values, reasons });
  }

  /** @param sample the last one of its shape */
  #origin({ shape, at }: Sample, index: number): Origin {
    return this.#parts.get(shape)?.[index] ?? { at, number: this.#numbers.get(shape) ?? 0 };
  }

  #forget(shape: Shape): void {
    this.#samples.delete(shape);
    this.#numbers.delete(shape);
    this.#parts.delete(shape);
  }

  /** Its points are read here from now on. */
  #first(shape: Shape): void {
    const left = new Set<Shape>();
    for (const [index, point] of shape.points.entries()) {
      const key = `${shape.device}.${point.name}`;
      const old = this.#places.get(key)?.shape;
      if (old === shape) continue;
      if (old !== undefined) left.add(old);
      this.#places.set(key, { shape, index });
    }
    if (left.size === 0) return;
    for (const { shape: used } of this.#places.values()) left.delete(used);
    for (const gone of left) this.#forget(gone);
  }

  get(device: string, point: string): LatestValue | undefined {
    const place = this.#places.get(`${device}.${point}`);
    return place === undefined ? undefined : this.#read(place.shape, place.index);
  }

  /** The number of the newest sample. */
  get newest(): number {
    return this.#newest;
  }

  all(): Iterable<LatestValue> {
    return this.changed(0);
  }

  /** What samples brought whose number is higher. */
  *changed(after: number): Iterable<LatestValue> {
    for (const { shape, index } of this.#places.values()) {
      if (this.#numberOf(shape, index) <= after) continue;
      const value = this.#read(shape, index);
      if (value !== undefined) yield value;
    }
  }

  #read(shape: Shape, index: number): LatestValue | undefined {
    const sample = this.#samples.get(shape);
    if (sample === undefined) return undefined;
    const reason = reasonAt(sample, index);
    if (reason === ABSENT) return undefined;
    const point = shape.points[index] as PointInfo;
    return {
      device: shape.device,
      point: point.name,
      type: point.type,
      time: Math.round(this.#origin(sample, index).at) + this.#offset(),
      value: hasValue(reason) ? (sample.values[index] as Value) : null,
      unit: point.unit,
      reason,
      privacy: this.#classOf(shape, index),
      number: this.#numberOf(shape, index),
    };
  }
}
