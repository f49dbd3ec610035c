/** Days, months and windows in the time zone of the gateway. */
import { Calendar, systemTimezone } from '../../../core/calendar.ts';

/** Minutes after midnight by the clock on the wall; `to` before `from`, or the same: it ends on the next day. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

const MINUTE = 60_000;
const DAY_MINUTES = 1440;
const DAY = DAY_MINUTES * MINUTE;

export class Days {
  readonly #timezone: () => string | undefined;
  #made: Calendar | undefined;

  /** @param timezone a name of the IANA database; undefined: the zone of the system counts */
  constructor(timezone: () => string | undefined = () => undefined) {
    this.#timezone = timezone;
  }

  /** `2026-11-26`: texts of later days are greater. @param ms UTC */
  dayOf(ms: number): string {
    return new Date(this.#calendar.face(ms)).toISOString().slice(0, 10);
  }

  /** `2026-11` @param ms UTC */
  monthOf(ms: number): string {
    return this.dayOf(ms).slice(0, 7);
  }

  /** How much of its day has passed, 0..1: a day of a change to summer time has 23 hours. @param ms UTC */
  passedOfDay(ms: number): number {
    const begin = this.#moment(ms, 0, 0);
    const end = this.#moment(ms, 1, 0);
    return Math.min(1, Math.max(0, (ms - begin) / (end - begin)));
  }

  /**
   * The window that lasts at that moment, or the next one. UTC ms, `to` is not in it. A time that a change of the clocks leaves out is
   * taken an hour later, so that a window lasts as long as on other days. Of a time that comes twice the first counts.
   */
  windowAt({ from, to }: Window, ms: number): { readonly from: number; readonly to: number } {
    for (let day = -1; ; day++) {
      const begin = this.#moment(ms, day, from);
      const wanted = this.#moment(ms, to > from ? day : day + 1, to);
      const end = wanted > begin ? wanted : begin + ((to - from + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES) * MINUTE;
      if (end > ms) return { from: begin, to: end };
    }
  }

  /** Minutes after the midnight of a day that is `days` from that of `ms`. UTC ms. */
  #moment(ms: number, days: number, minutes: number): number {
    const calendar = this.#calendar;
    const midnight = Math.floor(calendar.face(ms) / DAY) * DAY;
    return calendar.moment(midnight + days * DAY + minutes * MINUTE);
  }

  /** The tables of time zones cost a start some milliseconds: they are read when they are needed. */
  get #calendar(): Calendar {
    this.#made ??= new Calendar(this.#timezone() ?? systemTimezone());
    return this.#made;
  }
}
