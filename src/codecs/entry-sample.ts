/**
 * A sample where it lies in the bytes of an entry (codecs/rows): numbers and booleans only, eight bytes each. Who makes columns
 * of it reads single values; the array of all of them is made when somebody asks for it.
 */
import type { PointInfo, Sample, Shape, Value } from '../core/point.ts';

const WIDTH = 8;

export class EntrySample implements Sample {
  readonly shape: Shape;
  readonly at: number;
  readonly reasons: Uint8Array | null;
  readonly #bytes: DataView;
  readonly #start: number;
  #values: readonly Value[] | undefined;

  /** @param bytes not changed as long as the sample is used @param start of the first value in them */
  constructor(shape: Shape, at: number, reasons: Uint8Array | null, bytes: DataView, start: number) {
    this.shape = shape;
    this.at = at;
    this.reasons = reasons;
    this.#bytes = bytes;
    this.#start = start;
  }

  /** Whether samples of this shape can lie there so. */
  static fits({ points }: Shape): boolean {
    return points.every(({ storage }) => storage === 'number' || storage === 'boolean');
  }

  get values(): readonly Value[] {
    this.#values ??= this.shape.points.map(({ storage }: PointInfo, i) =>
      storage === 'boolean' ? this.double(i) !== 0 : this.double(i),
    );
    return this.#values;
  }

  /** The value of a point; of a boolean 1 or 0. */
  double(i: number): number {
    return this.#bytes.getFloat64(this.#start + i * WIDTH, true);
  }
}

/** The value of a point that is a number or a boolean (1 or 0). */
export function doubleOf(sample: Sample, i: number): number {
  return sample instanceof EntrySample ? sample.double(i) : Number(sample.values[i]);
}
