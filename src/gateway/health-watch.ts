/** Makes the retained status upstream anew when the gateway became ready, or is no longer: at most once in ten minutes, for metered links. */
import type { Clock } from '../core/clock.ts';

const LOOK = 10_000;
const LEAST = 600_000;

export interface HealthWatchOptions {
  readonly clock: Clock;
  readonly ready: () => boolean;
  readonly show: () => void;
}

export class HealthWatch {
  readonly #o: HealthWatchOptions;
  #shown: boolean | undefined;
  #shownAt = Number.NEGATIVE_INFINITY;
  #cancel: () => void = () => {};

  constructor(options: HealthWatchOptions) {
    this.#o = options;
  }

  /** A message with this state is made now. */
  made(ready: boolean): void {
    this.#shown = ready;
    this.#shownAt = this.#o.clock.monotonic();
  }

  start(): void {
    const { clock, ready, show } = this.#o;
    this.#cancel = clock.after(LOOK, () => {
      // Without an upstream nothing was made yet.
      if (this.#shown !== undefined && this.#shown !== ready() && clock.monotonic() - this.#shownAt >= LEAST) show();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }
}
