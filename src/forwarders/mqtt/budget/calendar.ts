/** Days, months and windows in the time zone of the gateway. Pure, but for the zone of the process. */

/** Minutes after midnight by the clock on the wall; `to` before `from`, or the same: it ends on the next day. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

const MINUTE = 60_000;
const DAY_MINUTES = 1440;

/** `2026-11-26`: texts of later days are greater. @param ms UTC */
export function dayOf(ms: number): string {
  const at = new Date(ms);
  return `${monthOf(ms)}-${String(at.getDate()).padStart(2, '0')}`;
}

/** `2026-11` @param ms UTC */
export function monthOf(ms: number): string {
  const at = new Date(ms);
  return `${String(at.getFullYear()).padStart(4, '0')}-${String(at.getMonth() + 1).padStart(2, '0')}`;
}

/** How much of its day has passed, 0..1: a day of a change to summer time has 23 hours. @param ms UTC */
export function passedOfDay(ms: number): number {
  const begin = localTime(ms, 0, 0);
  const end = localTime(ms, 1, 0);
  return Math.min(1, Math.max(0, (ms - begin) / (end - begin)));
}

/**
 * The window that lasts at that moment, or the next one. UTC ms, `to` is not in it. A time that a change of the clocks leaves out is
 * taken an hour later, so that a window lasts as long as on other days. Of a time that comes twice the first counts.
 */
export function windowAt({ from, to }: Window, ms: number): { readonly from: number; readonly to: number } {
  for (let day = -1; ; day++) {
    const begin = localTime(ms, day, from);
    const wanted = localTime(ms, to > from ? day : day + 1, to);
    const end = wanted > begin ? wanted : begin + ((to - from + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES) * MINUTE;
    if (end > ms) return { from: begin, to: end };
  }
}

function localTime(ms: number, days: number, minutes: number): number {
  const at = new Date(ms);
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() + days, Math.floor(minutes / 60), minutes % 60).getTime();
}
