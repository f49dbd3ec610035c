/** Times and steps as people ask for them, on the command line and in URLs. */
import { parseDuration } from './units.ts';

/** The bounds of `every`: a second to a year. */
const STEP = { min: 1000, max: 366 * 86_400_000 };

export const TIME_WORDS = 'write 2026-11-25T10:00:00Z, UTC milliseconds, or 24h for a day ago';
export const STEP_WORDS = 'write a duration from 1s to 366d, such as 1m';

/** Whether what it means depends on what time it is. */
export function isAgo(text: string): boolean {
  return parseDuration(text) !== undefined;
}

/** UTC milliseconds; undefined when it is no time. @param now what a duration counts back from */
export function parseTime(text: string, now: number): number | undefined {
  const ago = parseDuration(text);
  if (ago !== undefined) return now - ago;
  const time = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(time) ? time : undefined;
}

/** Milliseconds; undefined when it is no step that can be answered. */
export function parseStep(text: string): number | undefined {
  const step = parseDuration(text);
  return step !== undefined && Number.isInteger(step) && step >= STEP.min && step <= STEP.max ? step : undefined;
}
