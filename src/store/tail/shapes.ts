/** The numbers of shapes in entries, and samples as the log keeps them. */
import { contentOf } from '../../codecs/rows.ts';
import type { Sample, Shape } from '../../core/point.ts';

interface Known {
  readonly id: number;
  readonly content: string;
  readonly texts: boolean;
}

/** One number for one content; a reload makes new objects of the same content. */
export class ShapeIds {
  readonly #byObject = new WeakMap<Shape, Known>();
  readonly #byContent = new Map<string, number>();
  #next = 1;

  constructor(durable: readonly (readonly [id: number, shape: Shape])[]) {
    for (const [id, shape] of durable) {
      this.#byContent.set(contentOf(shape), id);
      this.#next = Math.max(this.#next, id + 1);
    }
  }

  of(shape: Shape): Known {
    let known = this.#byObject.get(shape);
    if (known === undefined) {
      const content = contentOf(shape);
      const id = this.#byContent.get(content) ?? this.#next++;
      this.#byContent.set(content, id);
      known = { id, content, texts: shape.points.some((p) => p.storage === 'string') };
      this.#byObject.set(shape, known);
    }
    return known;
  }
}

/** The sample so that a batch from memory and one from the file are the same to the byte. */
export function asKept(sample: Sample, texts: boolean): Sample {
  const at = Math.round(sample.at);
  // UTF-8 has no half surrogates; a talker's JSON may have.
  if (texts && sample.values.some((v) => typeof v === 'string' && !v.isWellFormed()))
    return { ...sample, at, values: sample.values.map((v) => (typeof v === 'string' ? v.toWellFormed() : v)) };
  return at === sample.at ? sample : { ...sample, at };
}
