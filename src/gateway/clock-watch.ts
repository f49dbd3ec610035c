/**
 * UTC as this run knows it: monotonic time + offset. The offset moves only when the system clock steps; slewing moves
 * both. A system clock earlier than the software is not believed (a board without a battery starts in 1970).
 */
import type { Clock } from '../core/clock.ts';
import { BUILT } from '../core/version.ts';

const LOOK_EVERY = 5000;
/** A difference of the two clocks that is a step and not the time between two calls. */
const STEP = 500;

export interface ClockChange {
  readonly offset: number;
  readonly known: boolean;
  /** New minus old time, ms. */
  readonly step: number;
  readonly wasKnown: boolean;
}

export class ClockWatch {
  readonly #clock: Clock;
  readonly #onChange: (change: ClockChange) => void;
  #cancel: (() => void) | undefined;
  offset: number;
  known: boolean;

  constructor(clock: Clock, onChange: (change: ClockChange) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
    const wall = clock.wall();
    this.offset = Math.round(wall - clock.monotonic());
    this.known = wall > BUILT;
  }

  start(): void {
    this.#cancel = this.#clock.after(LOOK_EVERY, () => {
      this.look();
      this.start();
    });
  }
  stop(): void {
    this.#cancel?.();
  }

  look(): void {
    const wall = this.#clock.wall();
    const offset = Math.round(wall - this.#clock.monotonic());
    const known = wall > BUILT;
    const step = offset - this.offset;
    // A clock that was right does not become right by falling back before the software was made.
    if (Math.abs(step) < STEP || (this.known && !known)) return;
    const wasKnown = this.known;
    this.offset = offset;
    this.known = known;
    this.#onChange({ offset, known, step, wasKnown });
  }
}
