/** Buses got further points. What follows is done once for all of GATHER: each inventory is a revision that is committed and sent. */
import type { Clock } from '../core/clock.ts';

/** Milliseconds. */
const GATHER = 500;

export class Growth {
  readonly #clock: Clock;
  readonly #apply: () => void;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, apply: () => void) {
    this.#clock = clock;
    this.#apply = apply;
  }

  changed(): void {
    this.#cancel ??= this.#clock.after(GATHER, () => {
      this.#cancel = undefined;
      this.#apply();
    });
  }
}
