/** When an update may be fetched, and how much of it in a day. Times are those of the place where the gateway stands. */
import { SluiceError } from './errors.ts';

const WINDOW = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/;

/** Minutes of the day, `to` before `from` over midnight. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

export function isWindow(text: string): boolean {
  const [, a, b, c, d] = WINDOW.exec(text) ?? [];
  return a !== undefined && `${a}${b}` !== `${c}${d}`;
}

/** @param text `01:00-04:30` */
export function windowOf(text: string): Window {
  const [, a, b, c, d] = WINDOW.exec(text) ?? [];
  if (a === undefined) throw new SluiceError('usage', `${text}: write a window as 01:00-04:30`);
  return { from: Number(a) * 60 + Number(b), to: Number(c) * 60 + Number(d) };
}

/** @param minute of the day, 0 to 1439 */
export function isInside({ from, to }: Window, minute: number): boolean {
  return from < to ? minute >= from && minute < to : minute >= from || minute < to;
}

/** The day and the minute of the day in a time zone of the IANA database; without one, that of the system. */
export function localTime(now: number, zone: string | undefined): { day: string; minute: number } {
  const format = new Intl.DateTimeFormat('en-CA', {
    ...(zone !== undefined && { timeZone: zone }),
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const part = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]));
  return { day: `${part.year}-${part.month}-${part.day}`, minute: Number(part.hour) * 60 + Number(part.minute) };
}
