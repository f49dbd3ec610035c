/**
 * Waits until the log has what a person is going to hear was done. Invariant: a disk that hangs or refuses keeps nobody from an alarm.
 * The wait has a bound, and nobody begins to wait while the disk is late or commits fail.
 */
import type { Clock } from '../core/clock.ts';
import { endsWithin } from '../core/ends-within.ts';

/** Milliseconds. */
export const KEPT_WITHIN = 2000;

interface LogSide {
  flush(): Promise<void>;
  status(): { readonly fault: string | undefined };
}

export class KeptInLog {
  readonly #log: () => LogSide;
  readonly #clock: Clock;
  #late = false;

  constructor(log: () => LogSide, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Resolves when everything of now is on the disk, KEPT_WITHIN at the latest. Never rejects. */
  async wait(): Promise<void> {
    const log = this.#log();
    if (this.#late || log.status().fault !== undefined) return;
    const flushed = log.flush();
    if (await endsWithin(this.#clock, flushed, KEPT_WITHIN)) return;
    this.#late = true;
    const over = (): void => {
      this.#late = false;
    };
    flushed.then(over, over);
  }
}
