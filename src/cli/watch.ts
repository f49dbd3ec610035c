/** `sluice status --watch`: a page that renews itself. */
import { systemClock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import { type RunningOptions, socketOf } from './running.ts';
import { canDraw, lookOf, Screen, sizeOf } from './terminal/screen.ts';
import { Feed } from './watch/feed.ts';
import { pointRows, type Watched, watchPage } from './watch/view.ts';

const REFRESH_MS = 500;

/** Until `q` or a signal. @throws SluiceError `usage` where nothing can be drawn; `not-running` */
export async function watch(options: RunningOptions): Promise<void> {
  const out = process.stdout;
  if (!canDraw(out, process.env))
    throw new SluiceError(
      'usage',
      `--watch draws a page again and again, and ${out.isTTY ? `a terminal of the kind "${process.env.TERM ?? ''}" cannot do that` : 'the output is no terminal'}. "sluice status" answers once, and "sluice tail" prints each reading on a line`,
    );
  const feed = new Feed(socketOf(options), systemClock);
  await feed.open();
  const look = lookOf(process.env);
  let from = 0;
  const watched = (): Watched | undefined => {
    const { status, now, awaySince, points, hasMore, valueWidth } = feed;
    return status && { status, now, awaySince, points, hasMore, valueWidth, from };
  };
  const ended = Promise.withResolvers<void>();
  const turn = (step: number) => {
    const page = watched();
    if (page === undefined) return;
    const last = Math.max(0, page.points.length - pointRows(page, sizeOf(out)));
    from = Math.min(last, Math.max(0, Math.min(from, last) + step));
  };
  const rows = () => {
    const page = watched();
    return page === undefined ? 1 : Math.max(1, pointRows(page, sizeOf(out)));
  };
  const screen = new Screen({
    ...{ out, input: process.stdin, look },
    draw: (size) => {
      const page = watched();
      return page === undefined ? [] : watchPage(page, size, look);
    },
    onKey: (key) => {
      if (key === 'q' || key === 'Q' || key === 'ctrl-c' || key === 'ctrl-d') ended.resolve();
      else if (key === 'space' || key === 'page-down') turn(rows());
      else if (key === 'b' || key === 'page-up') turn(-rows());
      else if (key === 'down' || key === 'j') turn(1);
      else if (key === 'up' || key === 'k') turn(-1);
      else if (key === 'home' || key === 'g') turn(Number.NEGATIVE_INFINITY);
      else if (key === 'end' || key === 'G') turn(Number.MAX_SAFE_INTEGER);
      screen.refresh();
    },
    onGone: () => ended.resolve(),
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ended.resolve());
  screen.start();
  screen.refresh();
  const timer = setInterval(() => screen.refresh(), REFRESH_MS);
  try {
    await Promise.race([ended.promise, feed.follow()]);
  } finally {
    clearInterval(timer);
    feed.stop();
    screen.stop();
  }
  // The stream of readings has no end of its own.
  process.exit(0);
}
