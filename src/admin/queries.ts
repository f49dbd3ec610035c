/** What is asked for in the URL of an export or of a history, checked. Faults are told in words. */
import { parseDuration } from '../core/units.ts';
import { MAX_BUCKETS, MAX_EVERY, MAX_POINTS, MIN_EVERY } from './limits.ts';
import { HttpError } from './respond.ts';
import type { ExportQuery, HistoryQuery } from './target.ts';

const DAY = 86_400_000;
/** As many as a chart has room for. */
const BUCKETS = 300;

export function exportQuery(url: URL, now: number): ExportQuery {
  knows(url, 'an export', ['from', 'to', 'points', 'format', 'every']);
  const format = url.searchParams.get('format') ?? 'csv';
  if (format !== 'csv' && format !== 'jsonl') throw new HttpError(400, 'request-invalid', 'format is csv or jsonl');
  const points = url.searchParams
    .get('points')
    ?.split(',')
    .filter((p) => p !== '');
  if (points !== undefined && points.length > MAX_POINTS)
    throw new HttpError(400, 'request-invalid', `at most ${MAX_POINTS} points; leave the list out for all`);
  const every = url.searchParams.get('every');
  return {
    ...{ format, points: points?.length === 0 ? undefined : points },
    from: timeOf(url.searchParams.get('from'), 'from', now),
    to: timeOf(url.searchParams.get('to'), 'to', now),
    ...(every === null || every === '' ? {} : { every: widthOf(every) }),
  };
}

/** Without `to` until now, without `from` the day before `to`. */
export function historyQuery(url: URL, now: number): HistoryQuery {
  knows(url, 'a history', ['point', 'from', 'to', 'buckets']);
  const point = url.searchParams.get('point') ?? '';
  const [device = '', name = '', ...more] = point.split('.');
  if (device === '' || name === '' || more.length > 0)
    throw new HttpError(400, 'request-invalid', 'point is a device and its point: point=fridge.temperature');
  const to = timeOf(url.searchParams.get('to'), 'to', now) ?? now;
  const from = timeOf(url.searchParams.get('from'), 'from', now) ?? to - DAY;
  if (from >= to) throw new HttpError(400, 'request-invalid', 'from has to be before to');
  const buckets = Number(url.searchParams.get('buckets') ?? BUCKETS);
  if (!Number.isInteger(buckets) || buckets < 1 || buckets > MAX_BUCKETS)
    throw new HttpError(400, 'request-invalid', `buckets is a whole number from 1 to ${MAX_BUCKETS}`);
  return { device, point: name, from, to, buckets };
}

function knows(url: URL, what: string, keys: readonly string[]): void {
  for (const key of url.searchParams.keys())
    if (!keys.includes(key))
      throw new HttpError(
        400,
        'request-invalid',
        `${what} knows ${keys.slice(0, -1).join(', ')} and ${keys.at(-1)}, not "${key}"`,
      );
}

function widthOf(text: string): number {
  const every = parseDuration(text);
  if (every === undefined || !Number.isInteger(every) || every < MIN_EVERY || every > MAX_EVERY)
    throw new HttpError(400, 'request-invalid', 'every is a duration from 1s to 366d: 1m');
  return every;
}

/** `2026-11-25T10:00:00Z`, UTC milliseconds, or a duration before now: `24h`. */
function timeOf(text: string | null, key: string, now: number): number | undefined {
  if (text === null || text === '') return undefined;
  const ago = parseDuration(text);
  const time = ago !== undefined ? now - ago : /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isFinite(time))
    throw new HttpError(
      400,
      'request-invalid',
      `${key} is no time: write 2026-11-25T10:00:00Z, UTC milliseconds, or 24h for a day ago`,
    );
  return time;
}
