/** Days, weeks and hours where the gateway stands. Pure: the zone is a name of the IANA time zone database, and Node brings the database. */

/** Periods that begin and end by the calendar. A week begins on Monday (ISO 8601). */
export const PERIODS = ['hour', 'day', 'week', 'month'] as const;
export type Period = (typeof PERIODS)[number];

/** 0 is Monday, as in ISO 8601. */
export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** A moment as a clock on the wall there shows it. */
export interface LocalTime {
  /** 0 is Monday. */
  readonly weekday: number;
  /** Minutes since midnight, by the face of the clock. */
  readonly minute: number;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
/** All zones change their offset at a full quarter of an hour of UTC. */
const QUARTER = 900_000;
/** Quarters of an hour that are remembered. */
const MOST_KNOWN = 64;

/** Whether this Node knows the zone. */
export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The zone of the system. */
export function systemTimezone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export class Calendar {
  readonly timezone: string;
  readonly #format: Intl.DateTimeFormat;
  /** Offsets by the quarter of an hour. */
  readonly #known = new Map<number, number>();

  /** @param timezone IANA name, for example `Asia/Dhaka` @throws RangeError: Node does not know it */
  constructor(timezone: string) {
    this.timezone = timezone;
    this.#format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: timezone, hourCycle: 'h23', calendar: 'gregory', numberingSystem: 'latn' },
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
  }

  /** What the clock on the wall shows, as if it were UTC ms. */
  face(utc: number): number {
    return utc + this.#offset(utc);
  }

  local(utc: number): LocalTime {
    const face = this.face(utc);
    const day = Math.floor(face / DAY);
    // The first day of 1970 was a Thursday.
    return { weekday: (((day + 3) % 7) + 7) % 7, minute: Math.floor((face - day * DAY) / MINUTE) };
  }

  /** UTC ms at which the period that holds `utc` began. */
  start(utc: number, period: Period): number {
    return this.#bounds(utc, period)[0];
  }

  /** UTC ms at which the next period begins; always later than `utc`. */
  end(utc: number, period: Period): number {
    return this.#bounds(utc, period)[1];
  }

  #bounds(utc: number, period: Period): readonly [start: number, end: number] {
    const offset = this.#offset(utc);
    const face = utc + offset;
    if (period === 'hour') {
      // By the offset of now: an hour that is shown twice is two hours.
      const start = Math.floor(face / 3_600_000) * 3_600_000 - offset;
      return [start, start + 3_600_000];
    }
    const day = Math.floor(face / DAY) * DAY;
    if (period === 'day') return [this.#utc(day), this.#utc(day + DAY)];
    if (period === 'week') {
      const monday = day - this.local(utc).weekday * DAY;
      return [this.#utc(monday), this.#utc(monday + 7 * DAY)];
    }
    const date = new Date(face);
    const month = (ahead: number) => this.#utc(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + ahead, 1));
    return [month(0), month(1)];
  }

  /**
   * UTC ms of the moment at which the clock on the wall shows `face`. A time that it shows twice is the first of both; one that it skips
   * is as long after the jump as it would have been after midnight without one. So `new Date(…)` reads local times.
   * @param face what it shows, as if it were UTC ms
   */
  moment(face: number): number {
    // A zone changes its offset once in two days at most.
    const [before, after] = [face - this.#offset(face - DAY), face - this.#offset(face + DAY)];
    const shown = [before, after].filter((utc) => utc + this.#offset(utc) === face);
    return shown.length > 0 ? Math.min(...shown) : before;
  }

  /** The moment at which the clock on the wall shows `face`; where it skips that time, the end of the gap. */
  #utc(face: number): number {
    const first = face - this.#offset(face);
    const second = face - this.#offset(first);
    return second === first || second + this.#offset(second) === face ? second : Math.max(first, second);
  }

  /** Local time minus UTC, ms. */
  #offset(utc: number): number {
    const quarter = Math.floor(utc / QUARTER);
    const known = this.#known.get(quarter);
    if (known !== undefined) return known;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    const at = quarter * QUARTER;
    const parts = Object.fromEntries(this.#format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    const offset = Date.UTC(year, month - 1, day, hour, minute, second) - at;
    this.#known.set(quarter, offset);
    return offset;
  }
}
