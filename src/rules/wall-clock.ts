/** The clock on the wall, for conditions that go by the calendar. It moves only where the engine learns of it: no rule reads a clock. */
import { Calendar } from '../core/calendar.ts';
import type { Moment } from './rule-state.ts';

export class WallClock {
  readonly calendar: Calendar;
  #offset: number | undefined;

  constructor(start: Moment, calendar: Calendar = new Calendar('UTC')) {
    this.calendar = calendar;
    this.take(start);
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
