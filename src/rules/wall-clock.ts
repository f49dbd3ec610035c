/** The clock on the wall, for conditions that go by the calendar. It moves only where the engine learns of it: no rule reads a clock. */
import { Calendar } from '../core/calendar.ts';
import type { Moment } from './rule-state.ts';

export class WallClock {
  readonly #made: () => Calendar;
  #calendar: Calendar | undefined;
  #offset: number | undefined;

  constructor(start: Moment, calendar: () => Calendar = () => new Calendar('UTC')) {
    this.#made = calendar;
    this.take(start);
  }

  /**
   * Made when it is first asked for: the tables of time zones cost a start some milliseconds. A condition that goes by the calendar asks
   * when it is made, so no alarm waits for them.
   */
  get calendar(): Calendar {
    this.#calendar ??= this.#made();
    return this.#calendar;
  }

  take({ at, wall, wallKnown }: Moment): void {
    if (wallKnown) this.#offset = wall - at;
  }

  /** UTC ms at a monotonic time; undefined while the clock is not known. */
  wall(at: number): number | undefined {
    return this.#offset === undefined ? undefined : at + this.#offset;
  }

  /** The monotonic time at which the clock shows `wall`; Infinity while the clock is not known. */
  monotonic(wall: number): number {
    return this.#offset === undefined ? Number.POSITIVE_INFINITY : wall - this.#offset;
  }
}
