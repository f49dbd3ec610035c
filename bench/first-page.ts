/**
 * The status page over a slow link: from the call of a browser to the values of a device, and the bytes that it took. The browser is
 * chromium with its own brake (64 kbit/s each way, 300 ms), the gateway is made up of test/fakes. `npm run bench:first-page`
 */
import path from 'node:path';
import { PageServer } from '../test/fakes/page-server.ts';
import * as sites from '../test/fakes/page-sites.ts';
import { launch } from '../test/harness/browser.ts';
import { findProgram } from '../test/peers/peers.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';

const RUNS = Number(process.env.SLUICE_BENCH_RUNS ?? 5);
const BYTES_PER_SECOND = 64_000 / 8;
const DELAY = 300;

const chromium = findProgram('chromium');
if (chromium === undefined) throw new Error('needs chromium: sudo apt-get install -y chromium');
const running = await launch(chromium);
const rows: (string | number)[][] = [];
for (const [site, make] of [
  ['6 points, 2 alarms', sites.clinic],
  ['1,000 points, 200 alarms', sites.full],
] as const)
  for (const visit of ['first', 'again'] as const) rows.push(await measure(site, make, visit));
await running.close();
printConditions('The status page over a slow link: 64 kbit/s, 300 ms');
printTable([['gateway', 'visit', 'title, s', 'values, s (p50)', 'values, s (worst)', 'received, kB'], ...rows]);

async function measure(site: string, make: typeof sites.clinic, visit: 'first' | 'again'): Promise<(string | number)[]> {
  const ends: (() => void)[] = [];
  const folder = path.join(import.meta.dirname, '..', 'dist', 'pages');
  const server = await PageServer.start({ after: (end: () => void) => void ends.push(end) } as never, folder, make());
  server.every = 2000;
  const titles: number[] = [];
  const values: number[] = [];
  let bytes = 0;
  for (let run = 0; run < RUNS; run++) {
    const context = await running.newContext({ viewport: { width: 360, height: 740 } });
    const page = await context.newPage();
    if (visit === 'again') {
      await page.goto(server.url);
      await page.waitForSelector('.points .number');
      await page.goto('about:blank');
    }
    const devtools = await context.newCDPSession(page);
    await devtools.send('Network.enable');
    await devtools.send('Network.emulateNetworkConditions', {
      ...{ offline: false, latency: DELAY, downloadThroughput: BYTES_PER_SECOND, uploadThroughput: BYTES_PER_SECOND },
    });
    bytes = 0;
    devtools.on('Network.dataReceived', ({ encodedDataLength }) => {
      bytes += encodedDataLength;
    });
    const began = performance.now();
    const gone = page.goto(server.url, { waitUntil: 'commit' });
    await page.waitForSelector('main h1', { timeout: 120_000 });
    titles.push((performance.now() - began) / 1000);
    await page.waitForSelector('.points .number', { timeout: 120_000 });
    values.push((performance.now() - began) / 1000);
    await gone;
    await context.close();
  }
  for (const end of ends) end();
  const seconds = (n: number) => n.toFixed(1);
  return [
    ...[site, visit, seconds(percentile(titles, 0.5)), seconds(percentile(values, 0.5)), seconds(Math.max(...values))],
    (bytes / 1000).toFixed(1),
  ];
}
