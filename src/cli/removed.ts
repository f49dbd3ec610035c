/** `sluice status --removed`: what the log took away of each point. */
import { request } from '../admin/client.ts';
import type { RemovedOfPoint, RemovedReply } from '../admin/log-questions.ts';
import { localDate } from './local-time.ts';
import { type RunningOptions, socketOf } from './running.ts';
import { clean } from './terminal/clean.ts';

/** Asked for in steps, so that a site of thousands of points is no burden to the gateway. */
export async function removed(options: RunningOptions): Promise<void> {
  const socket = socketOf(options);
  const points: RemovedOfPoint[] = [];
  let found = false;
  for (let after: string | null = ''; after !== null; ) {
    const reply = (await request(socket, 'GET', `/api/v1/removed?after=${encodeURIComponent(after)}`)) as RemovedReply;
    found ||= reply.points.length > 0;
    if (options.json) points.push(...reply.points);
    else process.stdout.write(reply.points.map((p) => `${removedLine(p)}\n`).join(''));
    after = reply.next;
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ points })}\n`);
  else if (!found) process.stdout.write('The log removed nothing: no reading was thinned out or dropped for room or age.\n');
}

export function removedLine({ point, thinned, dropped, aged, undelivered }: RemovedOfPoint): string {
  const parts = [
    ...words(thinned, 'thinned out'),
    ...words(dropped, 'dropped for room'),
    ...words(aged, 'too old'),
    ...(undelivered > 0 ? [`${undelivered} of these before they were delivered`] : []),
  ];
  return `${clean(point)}: ${parts.join(', ')}`;
}

function words({ readings, from, to }: RemovedOfPoint['thinned'], what: string): string[] {
  if (readings === 0) return [];
  const when = from === null || to === null ? '' : ` (${localDate(from)} to ${localDate(to)})`;
  return [`${readings} ${what}${when}`];
}
