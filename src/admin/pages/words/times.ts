/** Ages, lengths and times in words. Pure: the time now is passed in. */
import type { Words } from './words.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Clocks of a gateway and of its devices may differ by so much before a reading is called one of the future. */
const TOLERANCE = 5 * SECOND;

/** `3 min ago`. @param now UTC milliseconds as the gateway knows it */
export function age(words: Words, time: number, now: number): string {
  const ms = now - time;
  if (ms < -TOLERANCE) return words.t('age.ahead');
  if (ms < 2 * SECOND) return words.t('age.now');
  if (ms < 2 * MINUTE) return words.t('age.seconds', { n: Math.floor(ms / SECOND) });
  if (ms < 2 * HOUR) return words.t('age.minutes', { n: Math.floor(ms / MINUTE) });
  if (ms < 2 * DAY) return words.t('age.hours', { n: Math.floor(ms / HOUR) });
  return words.count('age.days', Math.floor(ms / DAY));
}

/** `15 min`, `8 h`. */
export function span(words: Words, ms: number): string {
  if (ms < 2 * MINUTE) return words.t('span.seconds', { n: Math.round(ms / SECOND) });
  if (ms < HOUR) return words.t('span.minutes', { n: Math.round(ms / MINUTE) });
  if (ms < DAY) return words.t('span.hours', { n: Math.round(ms / HOUR) });
  return words.count('span.days', Math.round(ms / DAY));
}

const two = (n: number): string => String(n).padStart(2, '0');

/** `14:03:11`, in the time zone of the reader. */
export function clockTime(words: Words, time: number): string {
  const d = new Date(time);
  return words.digits(`${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`);
}

/** `2026-11-26 14:03`, in the time zone of the reader. The same in every language, so that nobody takes the day for the month. */
export function dateTime(words: Words, time: number): string {
  const d = new Date(time);
  if (Number.isNaN(d.getTime())) return '';
  const day = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  return words.digits(`${day} ${two(d.getHours())}:${two(d.getMinutes())}`);
}

/** `2026-11-26 14:03:11`: for readings that are seconds apart. */
export function exactTime(words: Words, time: number): string {
  const minute = dateTime(words, time);
  return minute === '' ? '' : `${minute}${words.digits(`:${two(new Date(time).getSeconds())}`)}`;
}

/** A time of today without its date. */
export function shortTime(words: Words, time: number, now: number): string {
  const sameDay = new Date(time).toDateString() === new Date(now).toDateString();
  return sameDay ? clockTime(words, time) : dateTime(words, time);
}
