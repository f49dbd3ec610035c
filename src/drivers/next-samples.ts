/** A read by hand of a device that sends by itself: one sample of each shape, of what comes next. One wait at a time, for all who ask. */
import type { Clock } from '../core/clock.ts';
import type { SluiceError } from '../core/errors.ts';
import type { Sample, Shape } from '../core/point.ts';

interface Waiting {
  readonly promise: Promise<Sample[]>;
  readonly samples: Map<Shape, Sample>;
  readonly resolve: (samples: Sample[]) => void;
  readonly reject: (error: SluiceError) => void;
  readonly cancel: () => void;
}

export class NextSamples {
  readonly #clock: Clock;
  readonly #shapes: number;
  #waiting: Waiting | undefined;

  /** @param shapes how many the device has */
  constructor(clock: Clock, shapes: number) {
    this.#clock = clock;
    this.#shapes = shapes;
  }

  /** After `timeout` ms: those that have come, or a rejection with `none` when none has. */
  read(timeout: number, none: () => SluiceError): Promise<Sample[]> {
    if (this.#waiting !== undefined) return this.#waiting.promise;
    if (this.#shapes === 0) return Promise.resolve([]);
    const { promise, resolve, reject } = Promise.withResolvers<Sample[]>();
    const samples = new Map<Shape, Sample>();
    const cancel = this.#clock.after(timeout, () => {
      if (samples.size > 0) this.#end()?.resolve([...samples.values()]);
      else this.#end()?.reject(none());
    });
    this.#waiting = { promise, samples, resolve, reject, cancel };
    return promise;
  }

  take(sample: Sample): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    waiting.samples.set(sample.shape, sample);
    if (waiting.samples.size === this.#shapes) this.#end()?.resolve([...waiting.samples.values()]);
  }

  /** Nothing will come. */
  reject(error: SluiceError): void {
    this.#end()?.reject(error);
  }

  #end(): Waiting | undefined {
    const waiting = this.#waiting;
    waiting?.cancel();
    this.#waiting = undefined;
    return waiting;
  }
}
