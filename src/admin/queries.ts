/** What is asked of the log in a URL, checked. Faults are told in words. */
import { parseStep, parseTime, STEP_WORDS, TIME_WORDS } from '../core/times.ts';
import { MAX_BUCKETS, MAX_POINTS, MAX_REMOVED } from './limits.ts';
import { HttpError } from './respond.ts';
import type { ExportQuery, HistoryQuery, RemovedQuery } from './target.ts';

const DAY = 86_400_000;
/** As many as a chart has room for. */
const BUCKETS = 300;

export function exportQuery(url: URL, now: number): ExportQuery {
  knows(url, 'an export', ['from', 'to', 'points', 'format', 'every']);
  const format = url.searchParams.get('format') ?? 'csv';
  if (format !== 'csv' && format !== 'jsonl') throw new HttpError(400, 'request-invalid', 'format is csv or jsonl');
  const every = url.searchParams.get('every');
  return {
    ...{ format, points: pointsOf(url) },
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

export function removedQuery(url: URL): RemovedQuery {
  knows(url, 'what was taken away', ['points', 'after', 'limit']);
  const limit = Number(url.searchParams.get('limit') ?? MAX_REMOVED);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_REMOVED)
    throw new HttpError(400, 'request-invalid', `limit is a whole number from 1 to ${MAX_REMOVED}`);
  return { after: url.searchParams.get('after') ?? '', points: pointsOf(url), limit };
}

function pointsOf(url: URL): string[] | undefined {
  const points = url.searchParams
    .get('points')
    ?.split(',')
    .filter((p) => p !== '');
  if (points !== undefined && points.length > MAX_POINTS)
    throw new HttpError(400, 'request-invalid', `at most ${MAX_POINTS} points; leave the list out for all`);
  return points?.length === 0 ? undefined : points;
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
  const every = parseStep(text);
  if (every === undefined) throw new HttpError(400, 'request-invalid', `every: ${STEP_WORDS}`);
  return every;
}

function timeOf(text: string | null, key: string, now: number): number | undefined {
  if (text === null || text === '') return undefined;
  const time = parseTime(text, now);
  if (time === undefined) throw new HttpError(400, 'request-invalid', `${key} is no time: ${TIME_WORDS}`);
  return time;
}
