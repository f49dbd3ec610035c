/** Routes that show how the gateway is. Nothing here changes anything. */
import * as z from 'zod';
import { LIVE_EVERY, LIVE_EVERY_MAX, LIVE_EVERY_MIN } from '../limits.ts';
import { METRICS_TYPE } from '../metrics.ts';
import { EVENTS_TYPE, JSON_TYPE, LINES_TYPE, sendJson, sendText } from '../respond.ts';
import { keys, wholeText } from './fields.ts';
import { jsonRoute, type Route, writingRoute } from './route.ts';

const liveQuery = keys({
  after: z.string().max(100).describe('the id of the last event that the reader has: only what came since is sent').optional(),
  every: wholeText(LIVE_EVERY_MIN, LIVE_EVERY_MAX).default(LIVE_EVERY),
});

export const LOOK: readonly Route[] = [
  jsonRoute({
    ...{ method: 'GET', path: '/healthz', needs: 'health', answer: 'Health' },
    says: 'The gateway answers while its process lives.',
    run: () => ({ status: 'ok' }) as const,
  }),
  writingRoute({
    ...{ method: 'GET', path: '/readyz', needs: 'status', answers: { types: [JSON_TYPE], schema: 'Ready', statuses: [503] } },
    says: 'The gateway is ready when its buses are open and the log can be written. The status is 503 while it is not ready.',
    run: (_, { target, res }) => {
      const report = target.ready();
      sendJson(res, report.ready ? 200 : 503, report);
    },
  }),
  writingRoute({
    ...{ method: 'GET', path: '/metrics', needs: 'status', answers: { types: [METRICS_TYPE] } },
    says: 'The metrics in the OpenMetrics text format, see metrics.md. They are at most one second old.',
    run: (_, { res, metrics }) => sendText(res, 200, METRICS_TYPE, metrics()),
  }),
  writingRoute({
    ...{ method: 'GET', path: '/api/v1/status', needs: 'status', answers: { types: [JSON_TYPE], schema: 'Status' } },
    packs: true,
    says: 'The state of the gateway: everything that `sluice status` shows. Over HTTP it is at most a quarter of a second old. A call that changes something makes the next answer new.',
    run: (_, { res, packing, status }) => packing.shared(res, JSON_TYPE, status()),
  }),
  writingRoute({
    ...{ method: 'GET', path: '/api/v1/tail', needs: 'readings', answers: { types: [LINES_TYPE], schema: 'TailLine' } },
    says: 'Live readings and alarms from now on, one JSON object a line. The answer has no end. A slow reader gets the newest reading of each point, and a line `missed`.',
    run: (_, { target, long, ...reader }) => long.tail(reader, (listener) => target.tail(listener)),
  }),
  writingRoute({
    ...{ method: 'GET', path: '/api/v1/live', needs: 'readings', answers: { types: [EVENTS_TYPE] }, query: liveQuery },
    packs: true,
    says: 'The content of an open page as server-sent events: the state at first, then what changed. The answer has no end. http.md has the events.',
    example: { every: 2000 },
    run: (asked, { target, long, ...reader }) => long.live(reader, target.live, asked),
  }),
];
