/** Routes that ask the log. */
import * as z from 'zod';
import { parseTime } from '../../core/times.ts';
import { MAX_BUCKETS, MAX_REMOVED } from '../limits.ts';
import { invalid } from '../request-words.ts';
import { CSV_TYPE, LINES_TYPE } from '../respond.ts';
import type { AdminTarget } from '../target.ts';
import { keys, points, step, time, wholeText } from './fields.ts';
import { jsonRoute, type Route, writingRoute } from './route.ts';

const DAY = 86_400_000;
/** As many as a chart has room for. */
const BUCKETS = 300;
const POINT_WORDS = 'a device and its point: point=fridge.temperature';

const exportQuery = keys({
  from: time('the first moment').optional(),
  to: time('the last moment').optional(),
  points: points().optional(),
  format: z.enum(['csv', 'jsonl'], { error: 'csv or jsonl' }).describe('csv or jsonl').optional(),
  every: step('min, mean, max and count in buckets of this width instead of readings').optional(),
  what: z.enum(['readings', 'alarms'], { error: 'readings or alarms' }).describe('readings or alarms').default('readings'),
}).refine(({ what, format }) => what === 'readings' || format !== 'csv', { error: 'alarms come as jsonl' });

const ofPoint = {
  point: z
    .string({ error: POINT_WORDS })
    .regex(/^[^.]+\.[^.]+$/, { error: POINT_WORDS })
    .describe(POINT_WORDS),
  from: time('the first moment (default: a day before `to`)').optional(),
  to: time('the end (default: now)').optional(),
};
const changesQuery = keys(ofPoint);
const historyQuery = keys({
  ...ofPoint,
  buckets: wholeText(1, MAX_BUCKETS).default(BUCKETS),
});

const removedQuery = keys({
  points: points().optional(),
  after: z.string().describe('names behind this one').default(''),
  limit: wholeText(1, MAX_REMOVED).default(MAX_REMOVED),
});

export const HISTORY: readonly Route[] = [
  writingRoute({
    ...{
      method: 'GET',
      path: '/api/v1/export',
      needs: 'history',
      answers: { types: [CSV_TYPE, LINES_TYPE] },
      query: exportQuery,
    },
    says: 'The readings of a time range as CSV or JSON lines, as `sluice export` writes them. With `what=alarms` the changes of alarms up to `to` come instead.',
    example: { from: '24h', points: 'fridge' },
    run: ({ what, points, every, format, from, to }, { target, long, ...reader }) => {
      const wall = wallOf(target);
      return long.export(reader, target, {
        ...{ format: format ?? (what === 'alarms' ? 'jsonl' : 'csv'), points, from: timeOf(from, wall), to: timeOf(to, wall) },
        ...(what === 'alarms' && { alarms: true }),
        ...(every === undefined ? {} : { every }),
      });
    },
  }),
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/history', needs: 'history', answer: 'History', query: historyQuery },
    packs: true,
    says: 'The chart of one point: min, mean, max and count of each bucket, or the readings where there are few. It holds committed readings only.',
    example: { point: 'fridge.temperature', from: '3h' },
    run: (asked, { target, long, ...reader }) => {
      const range = rangeOf(asked, wallOf(target));
      return long.ask(reader, () => target.history({ ...range, buckets: asked.buckets }));
    },
  }),
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/alarm-changes', needs: 'history', answer: 'AlarmChanges', query: changesQuery },
    packs: true,
    says: 'The changes of the alarms on one point in a range of time: the newest 200, in order.',
    example: { point: 'fridge.temperature', from: '24h' },
    run: (asked, { target, long, ...reader }) => {
      const range = rangeOf(asked, wallOf(target));
      return long.ask(reader, () => target.alarmChanges(range));
    },
  }),
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/removed', needs: 'history', answer: 'Removed', query: removedQuery },
    packs: true,
    says: 'How many readings of each point the log has removed since it was made.',
    example: { points: 'fridge' },
    run: ({ after, points, limit }, { target, long, ...reader }) =>
      long.ask(reader, () => target.removed({ after, points, limit })),
  }),
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/waiting', needs: 'status', answer: 'Waiting' },
    packs: true,
    says: 'How many readings each forwarder still has to deliver, on the disk and in memory.',
    run: (_, { target, long, ...reader }) => long.ask(reader, () => target.waiting()),
  }),
];

/** What time it is where the gateway stands. */
interface Wall {
  /** UTC ms. */
  readonly now: number;
  readonly timezone: string | undefined;
}
const wallOf = (target: Pick<AdminTarget, 'now' | 'timezone'>): Wall => ({ now: target.now(), timezone: target.timezone });

/** Without `to` until now, without `from` the day before `to`. */
function rangeOf(asked: z.output<typeof changesQuery>, wall: Wall) {
  const [device = '', point = ''] = asked.point.split('.');
  const to = timeOf(asked.to, wall) ?? wall.now;
  const from = timeOf(asked.from, wall) ?? to - DAY;
  if (from >= to) throw invalid('from has to be before to');
  return { device, point, from, to };
}

function timeOf(text: string | undefined, { now, timezone }: Wall): number | undefined {
  return text === undefined ? undefined : parseTime(text, now, timezone);
}
