/** Routes that show how the gateway is. Nothing here changes anything. */
import * as z from 'zod';
import { LIVE_EVERY, LIVE_EVERY_MAX, LIVE_EVERY_MIN } from '../limits.ts';
import { METRICS_TYPE, metricsText } from '../metrics.ts';
import { EVENTS_TYPE, JSON_TYPE, LINES_TYPE, sendJson, sendText } from '../respond.ts';
import { keys, wholeText } from './fields.ts';
import { jsonRoute, type Route, writingRoute } from './route.ts';

const liveQuery = keys({
  after: z.string().max(100).describe('the id of the last event that the reader has: only what came since is sent').optional(),
  every: wholeText(LIVE_EVERY_MIN, LIVE_EVERY_MAX).default(LIVE_EVERY),
});

export const LOOK: readonly Route[] = [
  jsonRoute({ method: 'GET', path: '/healthz', needs: 'health', run: () => ({ status: 'ok' }) }),
  writingRoute({
    ...{ method: 'GET', path: '/readyz', needs: 'status', type: JSON_TYPE },
    run: (_, { target, res }) => {
      const report = target.ready();
      sendJson(res, report.ready ? 200 : 503, report);
    },
  }),
  writingRoute({
    ...{ method: 'GET', path: '/metrics', needs: 'status', type: METRICS_TYPE },
    run: (_, { res, report }) => sendText(res, 200, METRICS_TYPE, metricsText(report())),
  }),
  jsonRoute({ method: 'GET', path: '/api/v1/status', needs: 'status', run: (_, { report }) => report() }),
  writingRoute({
    ...{ method: 'GET', path: '/api/v1/tail', needs: 'readings', type: LINES_TYPE },
    run: (_, { target, long, ...reader }) => long.tail(reader, (listener) => target.tail(listener)),
  }),
  writingRoute({
    ...{ method: 'GET', path: '/api/v1/live', needs: 'readings', type: EVENTS_TYPE, query: liveQuery },
    run: (asked, { target, long, ...reader }) => long.live(reader, target.live, asked),
  }),
];
