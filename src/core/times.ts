/** Times and steps as people ask for them, on the command line and in URLs. */
import { Calendar } from './calendar.ts';
import { parseDuration } from './units.ts';

/** The bounds of `every`: a second to a year. */
const STEP = { min: 1000, max: 366 * 86_400_000 };

export const TIME_WORDS =
  'write 2026-11-25 or 2026-11-25T10:00 (local time), 2026-11-25T10:00:00Z, UTC milliseconds, or 24h for a day ago';
export const STEP_WORDS = 'write a duration from 1s to 366d, such as 1m';

/** Whether what it means depends on what time it is. */
export function isAgo(text: string): boolean {
  return parseDuration(text) !== undefined;
}

/** Whether what it means depends on where the clock stands: a date, or a time without an offset. */
export function isLocal(text: string): boolean {
  const found = ISO.exec(text);
  return found !== null && found[4] === undefined;
}

/**
 * UTC milliseconds; undefined when it is no time.
 * @param now what a duration counts back from
 * @param timezone of a date and of a time without an offset: an IANA name; undefined: that of the system
 */
export function parseTime(text: string, now: number, timezone?: string): number | undefined {
  const ago = parseDuration(text);
  if (ago !== undefined) return now - ago;
  if (!/^\d+$/.test(text)) return isoTime(text, timezone);
  // `2026` and `20261125` are dates of a person, and no milliseconds.
  return YEAR_OR_DATE.test(text) || !Number.isFinite(Number(text)) ? undefined : Number(text);
}

const YEAR_OR_DATE = /^(?:19|20)\d{2}(?:\d{4})?$/;
const ISO = /^((?:\d{4}|[+-]\d{6})-\d{2})-(\d{2})(?:[t ](\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(z|[+-]\d{2}:?\d{2})?)?$/i;

/**
 * ISO 8601, also with a blank in place of the T and an hour of one digit, as spreadsheets write it. A date alone is its midnight, and
 * what has no offset is local time. Everything else that `Date.parse` takes is a guess: 11/12/2026 is the 12th of November to it, and the 30th of February in March.
 * @returns UTC milliseconds; undefined when it is no time, or a day that does not exist
 */
export function isoTime(text: string, timezone?: string): number | undefined {
  const [, month, day, clock = '00:00', zone = ''] = ISO.exec(text) ?? [];
  if (month === undefined || day === undefined) return undefined;
  const midnight = Date.parse(`${month}-${day}T00:00Z`);
  if (!Number.isFinite(midnight) || new Date(midnight).getUTCDate() !== Number(day)) return undefined;
  const hours = clock.indexOf(':') === 1 ? `0${clock}` : clock;
  const at = (offset: string): number => Date.parse(`${month}-${day}T${hours}${offset}`);
  // Zones are defined for years of this calendar.
  const isOfZone = zone === '' && timezone !== undefined && /^[1-9]/.test(month);
  const written = at(isOfZone ? 'Z' : zone.replace(/^([+-]\d{2})(\d{2})$/, '$1:$2').toUpperCase());
  const time = isOfZone && Number.isFinite(written) ? new Calendar(timezone).moment(written) : written;
  return Number.isFinite(time) ? time : undefined;
}

/** Milliseconds; undefined when it is no step that can be answered. */
export function parseStep(text: string): number | undefined {
  const step = parseDuration(text);
  return step !== undefined && Number.isInteger(step) && step >= STEP.min && step <= STEP.max ? step : undefined;
}
