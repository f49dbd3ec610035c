/** Dates and times of day as NMEA 0183 writes them. A date that no calendar has, or a time that no day has, is none. */

const TIME = /^(\d\d)(\d\d)(\d\d)(\.\d+)?$/;
/** GPS began on 6 January 1980: two digits of a year mean 1980 to 2079. */
const FIRST_YEAR = 80;

/** The form of a time; whether there is such a time is another question. */
export const TIME_FORM = /^\d{6}(\.\d+)?$/;

export interface TimeOfDay {
  readonly hour: number;
  readonly minute: number;
  /** 60 in a leap second, which only the last minute of a day has. */
  readonly second: number;
  /** As it was sent, `.25`; '' where it was not. */
  readonly fraction: string;
}

/** @param text `hhmmss` or `hhmmss.s…` */
export function timeOfDay(text: string): TimeOfDay | undefined {
  const [, h, m, s, fraction = ''] = TIME.exec(text) ?? [];
  const [hour, minute, second] = [Number(h), Number(m), Number(s)];
  if (s === undefined || hour > 23 || minute > 59 || second > 60) return undefined;
  if (second === 60 && (hour !== 23 || minute !== 59)) return undefined;
  return { hour, minute, second, fraction };
}

/** @param text `hhmmss.s…` @returns `hh:mm:ss.s…`, every digit as it was sent */
export function timeWords(text: string): string | undefined {
  return timeOfDay(text) === undefined ? undefined : `${text.slice(0, 2)}:${text.slice(2, 4)}:${text.slice(4)}`;
}

/** @param twoDigits of a year. @returns four digits */
export function fullYear(twoDigits: string): string {
  return `${Number(twoDigits) < FIRST_YEAR ? '20' : '19'}${twoDigits}`;
}

export interface Moment {
  /** ISO 8601 with every digit as it was sent; a leap second is `23:59:60` of the day that it ends. */
  readonly words: string;
  /** UTC ms. Unix time has no leap seconds: it counts one as the first second of the next day. */
  readonly utc: number;
}

/** @param year four digits; @param month and @param day two each. @returns undefined for what is no moment */
export function momentOf(time: string, year: string, month: string, day: string): Moment | undefined {
  const of = timeOfDay(time);
  if (of === undefined || !/^\d{4} \d\d \d\d$/.test(`${year} ${month} ${day}`)) return undefined;
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day));
  // A day that the month does not have rolls over into the next month, and a month of none into another year.
  if (!isDay(date, `${year}-${month}-${day}`)) return undefined;
  if (of.second === 60 && new Date(date + DAY).getUTCDate() !== 1) return undefined;
  const seconds = of.hour * 3600 + of.minute * 60 + of.second;
  const utc = date + seconds * 1000 + Math.round(Number(of.fraction === '' ? 0 : of.fraction) * 1000);
  return { words: `${year}-${month}-${day}T${timeWords(time)}Z`, utc };
}

const DAY = 86_400_000;

function isDay(date: number, text: string): boolean {
  return Number.isFinite(date) && new Date(date).toISOString().slice(0, 10) === text;
}
