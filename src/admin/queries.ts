/** What is asked of the log in a URL, checked. Faults are given in words. */
import { parseStep, parseTime, STEP_WORDS, TIME_WORDS } from '../core/times.ts';
import { MAX_BUCKETS, MAX_POINTS, MAX_REMOVED } from './limits.ts';
import { HttpError } from './respond.ts';
import type { ExportQuery, HistoryQuery, RemovedQuery } from './target.ts';

const DAY = 86_400_000;
/** As many as a chart has room for. */
const BUCKETS = 300;

export function exportQuery(asked: URLSearchParams, now: number): ExportQuery {
  knows(asked, 'an export', ['from', 'to', 'points', 'format', 'every', 'what']);
  const what = asked.get('what') ?? 'readings';
  if (what !== 'readings' && what !== 'alarms') throw new HttpError(400, 'request-invalid', 'what is readings or alarms');
  const alarms = what === 'alarms';
  const format = asked.get('format') ?? (alarms ? 'jsonl' : 'csv');
  if (alarms && format !== 'jsonl') throw new HttpError(400, 'request-invalid', 'alarms come as jsonl');
  if (format !== 'csv' && format !== 'jsonl') throw new HttpError(400, 'request-invalid', 'format is csv or jsonl');
  const every = asked.get('every');
  return {
    ...{ format, points: pointsOf(asked) },
    ...(alarms && { alarms }),
    from: timeOf(asked.get('from'), 'from', now),
    to: timeOf(asked.get('to'), 'to', now),
    ...(every === null || every === '' ? {} : { every: widthOf(every) }),
  };
}

/** Without `to` until now, without `from` the day before `to`. */
export function historyQuery(asked: URLSearchParams, now: number): HistoryQuery {
  knows(asked, 'a history', ['point', 'from', 'to', 'buckets']);
  const point = asked.get('point') ?? '';
  const [device = '', name = '', ...more] = point.split('.');
  if (device === '' || name === '' || more.length > 0)
    throw new HttpError(400, 'request-invalid', 'point is a device and its point: point=fridge.temperature');
  const to = timeOf(asked.get('to'), 'to', now) ?? now;
  const from = timeOf(asked.get('from'), 'from', now) ?? to - DAY;
  if (from >= to) throw new HttpError(400, 'request-invalid', 'from has to be before to');
  const buckets = Number(asked.get('buckets') ?? BUCKETS);
  if (!Number.isInteger(buckets) || buckets < 1 || buckets > MAX_BUCKETS)
    throw new HttpError(400, 'request-invalid', `buckets is a whole number from 1 to ${MAX_BUCKETS}`);
  return { device, point: name, from, to, buckets };
}

export function removedQuery(asked: URLSearchParams): RemovedQuery {
  knows(asked, 'what was removed', ['points', 'after', 'limit']);
  const limit = Number(asked.get('limit') ?? MAX_REMOVED);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_REMOVED)
    throw new HttpError(400, 'request-invalid', `limit is a whole number from 1 to ${MAX_REMOVED}`);
  return { after: asked.get('after') ?? '', points: pointsOf(asked), limit };
}

function pointsOf(asked: URLSearchParams): string[] | undefined {
  const points = asked
    .get('points')
    ?.split(',')
    .filter((p) => p !== '');
  if (points !== undefined && points.length > MAX_POINTS)
    throw new HttpError(400, 'request-invalid', `at most ${MAX_POINTS} points; leave the list out for all`);
  return points?.length === 0 ? undefined : points;
}

function knows(asked: URLSearchParams, what: string, keys: readonly string[]): void {
  for (const key of asked.keys())
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
  if (time === undefined) throw new HttpError(400, 'request-invalid', `${key} is not a time: ${TIME_WORDS}`);
  return time;
}
