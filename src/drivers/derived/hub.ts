/** Samples on their way through the gateway, for the bus of derived points. It lives as long as the gateway; a reload exchanges the bus. */
import type { Instant, SampleFeed, SampleListener } from '../../core/derived-points.ts';
import type { Sample } from '../../core/point.ts';

export class DerivedHub implements SampleFeed {
  readonly now: () => Instant;
  #listener: SampleListener | undefined;

  constructor(now: () => Instant) {
    this.now = now;
  }

  listen(listener: SampleListener): () => void {
    this.#listener = listener;
    return () => {
      // Its successor may be there already.
      if (this.#listener === listener) this.#listener = undefined;
    };
  }

  sample(sample: Sample): void {
    this.#listener?.sample(sample);
  }

  clockChanged(): void {
    this.#listener?.clockChanged();
  }
}
