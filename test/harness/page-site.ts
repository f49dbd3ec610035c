/** The built status page, a made-up gateway behind it, and a real browser before it. */
import type { TestContext } from 'node:test';
import type { Browser } from 'playwright-core';
import { buildPages } from '../../scripts/build-pages.ts';
import type { AlarmChange } from '../../src/admin/live/live-types.ts';
import type { History } from '../../src/admin/pages/chart/series.ts';
import type { FakeLive } from '../fakes/live-source.ts';
import { PageServer } from '../fakes/page-server.ts';
import { NOW } from '../fakes/page-sites.ts';
import { browser, type Look, openPage, type Page } from './browser.ts';
import { scratch } from './scratch.ts';

export interface PageSite {
  readonly running: Browser;
  /** A gateway of its own, with a chart for every point. */
  serve(live: FakeLive): Promise<PageServer>;
  open(server: PageServer, look?: Look): Promise<{ page: Page; faults: string[] }>;
}

/** undefined after a skip, when there is no chromium. */
export async function pageSite(t: TestContext): Promise<PageSite | undefined> {
  const running = await browser(t);
  if (running === undefined) return undefined;
  const folder = scratch(t, 'pages');
  await buildPages(folder);
  return {
    running,
    serve: async (live) => {
      const server = await PageServer.start(t, folder, live);
      server.answers.history = chart;
      server.answers.changes = { changes: [alarmBegan], cut: false };
      return server;
    },
    open: (server, look) => openPage(running, server.url, look),
  };
}

const LENGTHS: Readonly<Record<string, number>> = { '1h': 3_600_000, '24h': 86_400_000, '30d': 30 * 86_400_000 };
const BUCKETS = 150;

export const alarmBegan: AlarmChange = {
  rule: 'fridge-warm',
  occurrence: 3,
  state: 'active-unacknowledged',
  severity: 'critical',
  time: NOW - 12 * 60_000,
  message: 'The vaccine fridge is above 8 °C',
  messages: { bn: 'টিকার ফ্রিজ 8 °C-এর উপরে' },
  cause: 'delay',
};

/** A day of a fridge: a wave with a gap. */
export function chart(point: string, from: string): History {
  const length = LENGTHS[from] ?? 86_400_000;
  const width = length / BUCKETS;
  const buckets = Array.from({ length: BUCKETS }, (_, i) => {
    const mean = 5 + 2.5 * Math.sin(i / 9) + (i > 130 ? (i - 130) * 0.2 : 0);
    return { time: NOW - length + i * width, mean, min: mean - 0.8, max: mean + 0.7, count: 10, bad: 0 };
  });
  return { point, unit: 'Cel', from: NOW - length, to: NOW, width, buckets: buckets.filter((_, i) => i < 60 || i > 75) };
}
