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
  /** What messages said since all of them were made anew. One forwarder may have an older one than another. */
  readonly #said = new Set<boolean>();
  #shownAt: number | undefined;
  #cancel: () => void = () => {};

  constructor(options: HealthWatchOptions) {
    this.#o = options;
  }

  /** A message with this state is made now, for one forwarder. */
  made(ready: boolean): void {
    this.#said.add(ready);
    this.#shownAt ??= this.#o.clock.monotonic();
  }

  start(): void {
    const { clock, ready, show } = this.#o;
    this.#cancel = clock.after(LOOK, () => {
      const now = clock.monotonic();
      // Without an upstream nothing was made yet.
      if (this.#shownAt !== undefined && this.#said.has(!ready()) && now - this.#shownAt >= LEAST) {
        this.#said.clear();
        this.#shownAt = now;
        show();
      }
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }
}
