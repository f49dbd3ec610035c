/**
 * Records of classified points. The log keeps of each point the class under which it was read, and deletes whole records. Points of
 * a class that is kept for less than others therefore form records of their own.
 */
import type { PointInfo, Sample, Shape, Value } from '../core/point.ts';
import { classNow, type PrivacyClass, type Retention } from '../core/privacy.ts';
import { ABSENT } from '../core/reasons.ts';

interface Part {
  readonly shape: Shape;
  /** In the shape of the driver; undefined: all of them. */
  readonly places: readonly number[] | undefined;
}

export class RecordParts {
  #rules: Retention | undefined;
  #parts = new WeakMap<Shape, readonly Part[] | 'whole'>();

  constructor(rules: Retention | undefined) {
    this.#rules = rules;
  }

  /** From now on. Records that are made already stay what they are. */
  reload(rules: Retention | undefined): void {
    this.#rules = rules;
    this.#parts = new WeakMap();
  }

  /** The samples of the records that become of one; it itself where no point has a class. */
  of(sample: Sample): readonly Sample[] {
    if (this.#rules === undefined) return [sample];
    const { shape } = sample;
    let parts = this.#parts.get(shape);
    if (parts === undefined) {
      parts = made(shape, this.#rules);
      this.#parts.set(shape, parts);
    }
    if (parts === 'whole') return [sample];
    return parts.flatMap((part) => taken(sample, part) ?? []);
  }
}

/** @returns undefined when it has no reading of the part */
function taken(sample: Sample, { shape, places }: Part): Sample | undefined {
  if (places === undefined) return { ...sample, shape };
  const { at, values, unasked } = sample;
  const reasons = sample.reasons && Uint8Array.from(places, (place) => (sample.reasons as Uint8Array)[place] as number);
  if (reasons?.every((reason) => reason === ABSENT)) return undefined;
  const own = places.map((place) => values[place] as Value);
  const part = { shape, at, values: own, reasons: reasons?.every((reason) => reason === 0) ? null : reasons };
  return unasked === undefined ? part : { ...part, unasked };
}

function made(shape: Shape, { keep, points: classes }: Retention): readonly Part[] | 'whole' {
  const { device } = shape;
  const points = shape.points.map((point): PointInfo => {
    const privacy = classNow(classes, device, point.name);
    return privacy === undefined || privacy === 'technical' ? point : { ...point, privacy };
  });
  const isShort = (of: PrivacyClass = 'technical'): boolean => keep[of] !== undefined;
  const groups = new Map<string, number[]>();
  for (const [place, { privacy = 'technical' }] of points.entries()) {
    const group = isShort(privacy) ? privacy : '';
    groups.set(group, [...(groups.get(group) ?? []), place]);
  }
  if (groups.size === 1)
    return points.every((point, i) => point === shape.points[i]) ? 'whole' : [{ shape: { device, points }, places: undefined }];
  return [...groups.values()].map((places) => ({
    shape: { device, points: places.map((place) => points[place] as PointInfo) },
    places,
  }));
}
