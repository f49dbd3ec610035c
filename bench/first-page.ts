/**
 * The status page over a slow link: from the call of a browser to the values of a device, and the bytes that passed. The browser is
 * chromium. The link is a relay of this bench (64 kbit/s and 150 ms each way), which also carries the handshakes. The gateway is made
 * up of test/fakes; it compresses as a real one does. `npm run bench:first-page`
 */
import path from 'node:path';
import { issue } from '../src/access/tls/issuing.ts';
import { BUILT } from '../src/core/version.ts';
import { PageServer } from '../test/fakes/page-server.ts';
import * as sites from '../test/fakes/page-sites.ts';
import { launch } from '../test/harness/browser.ts';
import { findProgram } from '../test/peers/peers.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { SlowLink } from './lib/slow-link.ts';

const RUNS = Number(process.env.SLUICE_BENCH_RUNS ?? 5);
const BYTES_PER_SECOND = 64_000 / 8;
/** Milliseconds, each way. */
const DELAY = 150;
const DAY = 86_400_000;

const chromium = findProgram('chromium');
if (chromium === undefined) throw new Error('needs chromium: sudo apt-get install -y chromium');
const { server: pair } = await issue({
  ...{ subject: 'bench', names: { dns: [], addresses: ['127.0.0.1'] }, permits: { dns: [], addresses: [] } },
  ...{ authority: undefined, from: BUILT, until: Date.now() + DAY, caFrom: BUILT, caUntil: Date.now() + DAY },
});
const TLS = { key: pair.key, cert: pair.certificate };
const running = await launch(chromium);
const rows: (string | number)[][] = [];
for (const [site, make] of [
  ['6 points, 2 alarms', sites.clinic],
  ['1,000 points, 200 alarms', sites.full],
] as const)
  for (const way of ['HTTP, values not compressed', 'HTTP', 'HTTPS'] as const)
    for (const visit of ['first', 'again'] as const) rows.push(await measure(site, make, way, visit));
await running.close();
printConditions(`The status page over a slow link: 64 kbit/s, ${2 * DELAY} ms there and back, ${RUNS} runs`);
printTable([
  ['gateway', 'way', 'visit', 'heading, s (p50)', 'values, s (p50)', 'values, s (worst)', 'received, kB', 'sent, kB'],
  ...rows,
]);

async function measure(
  site: string,
  make: typeof sites.clinic,
  way: string,
  visit: 'first' | 'again',
): Promise<(string | number)[]> {
  const ends: (() => void)[] = [];
  const folder = path.join(import.meta.dirname, '..', 'dist', 'pages');
  const t = { after: (end: () => void) => void ends.push(end) } as never;
  const server = await PageServer.start(t, folder, make(), way === 'HTTPS' ? TLS : undefined);
  server.every = 2000;
  server.packs = way !== 'HTTP, values not compressed';
  const titles: number[] = [];
  const values: number[] = [];
  const received: number[] = [];
  const sent: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const link = new SlowLink(server.port, BYTES_PER_SECOND, DELAY);
    const url = server.url.replace(`:${server.port}/`, `:${await link.start()}/`);
    const context = await running.newContext({ viewport: { width: 360, height: 740 }, ignoreHTTPSErrors: true });
    const page = await context.newPage();
    if (visit === 'again') {
      await page.goto(url, { timeout: 120_000 });
      await page.waitForSelector('.points .number', { timeout: 120_000 });
      await page.goto('about:blank');
    }
    const before = { up: link.up.bytes, down: link.down.bytes };
    const began = performance.now();
    const gone = page.goto(url, { waitUntil: 'commit', timeout: 120_000 });
    await page.waitForSelector('main h1', { timeout: 120_000 });
    titles.push((performance.now() - began) / 1000);
    await page.waitForSelector('.points .number', { timeout: 120_000 });
    values.push((performance.now() - began) / 1000);
    received.push(link.down.bytes - before.down);
    sent.push(link.up.bytes - before.up);
    await gone;
    await context.close();
    link.stop();
  }
  for (const end of ends) end();
  const seconds = (n: number) => n.toFixed(1);
  const kilobytes = (bytes: readonly number[]) => (percentile(bytes, 0.5) / 1000).toFixed(1);
  return [
    ...[site, way, visit, seconds(percentile(titles, 0.5)), seconds(percentile(values, 0.5)), seconds(Math.max(...values))],
    ...[kilobytes(received), kilobytes(sent)],
  ];
}
