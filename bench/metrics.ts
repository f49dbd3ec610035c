/**
 * What a request for `/metrics` over HTTPS costs, with the page made for each request, made in pieces between turns of the event
 * loop, and made once a second; and one for `/api/v1/status`, made for each request and four times a second. The ways take turns in
 * one process; the clients are another one. `npm run bench:metrics`
 */
import { execFileSync, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { Agent, createServer, get } from 'node:https';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { StatusReport } from '../src/admin/metric.ts';
import { METRICS, METRICS_TYPE, metricLines, metricsText } from '../src/admin/metrics.ts';
import { MetricsPage } from '../src/admin/metrics-page.ts';
import { Packing } from '../src/admin/packing.ts';
import { ProcessMeter } from '../src/admin/process-meter.ts';
import { JSON_TYPE, sendText } from '../src/admin/respond.ts';
import { StatusPage } from '../src/admin/status-page.ts';
import { systemClock } from '../src/core/clock.ts';
import { statusOf } from '../test/fakes/admin-target.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { Workspace } from './lib/workspace.ts';

const ROUNDS = Number(process.env.SLUICE_BENCH_ROUNDS ?? 6);
const REQUESTS = Number(process.env.SLUICE_BENCH_REQUESTS ?? 400);
const CONNECTIONS = 16;
const DEVICES = 60;
/** A block of the event loop, ms. */
const BLOCK = 10;

const [role, port = ''] = process.argv.slice(2);

if (role === 'client') {
  // As a browser asks. The page of metrics is not compressed.
  const headers = { 'Accept-Encoding': 'gzip' };
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, rejectUnauthorized: false });
  const ask = (way: string): Promise<void> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port: Number(port), path: `/${way}`, agent, headers }, (res) => {
        res.resume();
        res.once('end', resolve);
      }).once('error', reject);
    });
  process.on('message', async (way: string) => {
    const each = Array.from({ length: CONNECTIONS }, async () => {
      for (let i = 0; i < REQUESTS / CONNECTIONS; i++) await ask(way);
    });
    await Promise.all(each);
    process.send?.('done');
  });
  process.on('disconnect', () => process.exit(0));
} else await measure();

function reportOf(): StatusReport {
  const status = statusOf();
  const [bus] = status.buses;
  const [device] = bus?.devices ?? [];
  if (bus === undefined || device === undefined) throw new Error('the report has no device');
  const buses = Array.from({ length: DEVICES }, (_, i) => ({
    ...{ ...bus, name: `plant-${i}` },
    devices: [{ ...device, name: `device-${i}`, counters: { ...device.counters, requests: 1000 + i } }],
  }));
  return { ...status, buses, process: new ProcessMeter().read() };
}

/** The same page. Another request may go between two of its metrics. */
async function inPieces(report: StatusReport): Promise<string> {
  const lines: string[] = [];
  for (const metric of METRICS) {
    lines.push(...metricLines(metric, report));
    await nextTurn();
  }
  return `${lines.join('\n')}\n# EOF\n`;
}

async function measure(): Promise<void> {
  await Workspace.use(async (space) => {
    const [cert, key] = [path.join(space.folder, 'cert.pem'), path.join(space.folder, 'key.pem')];
    const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout ${key} -out ${cert}`;
    execFileSync('openssl', words.split(' '), { stdio: 'ignore' });
    const page = new MetricsPage(systemClock, reportOf);
    const status = new StatusPage(systemClock, reportOf);
    const packing = new Packing();
    const ways: Readonly<Record<string, (res: ServerResponse) => Promise<void> | void>> = {
      each: (res) => sendText(res, 200, METRICS_TYPE, metricsText(reportOf())),
      pieces: async (res) => sendText(res, 200, METRICS_TYPE, await inPieces(reportOf())),
      once: (res) => sendText(res, 200, METRICS_TYPE, page.bytes),
      status: (res) => packing.json(res, reportOf()),
      'status-shared': (res) => packing.shared(res, JSON_TYPE, status.recent),
    };
    const server = createServer(
      { cert: readFileSync(cert), key: readFileSync(key) },
      (req, res) => void ways[(req.url ?? '').slice(1)]?.(res),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address() as { port: number };
    const clients = fork(import.meta.filename, ['client', `${address.port}`], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    space.after(() => clients.kill('SIGKILL'));
    const runs = new Map<string, { cpu: number; blocks: number; longest: number }[]>(Object.keys(ways).map((way) => [way, []]));
    printConditions(
      `${REQUESTS} requests for /metrics and /api/v1/status of ${DEVICES} devices over HTTPS, ${CONNECTIONS} connections, ${ROUNDS} rounds in turns`,
    );
    for (let round = -1; round < ROUNDS; round++)
      for (const way of Object.keys(ways)) {
        // A timer each millisecond: how late it is is how long the loop was held.
        let at = performance.now();
        const gaps: number[] = [];
        const beat = setInterval(() => {
          const now = performance.now();
          gaps.push(now - at - 1);
          at = now;
        }, 1);
        const before = process.cpuUsage();
        const done = new Promise((resolve) => clients.once('message', resolve));
        clients.send(way);
        await done;
        const { user, system } = process.cpuUsage(before);
        clearInterval(beat);
        // The first round compiles.
        if (round >= 0)
          runs.get(way)?.push({
            cpu: (user + system) / 1000 / REQUESTS,
            blocks: gaps.filter((gap) => gap > BLOCK).length,
            longest: Math.max(...gaps),
          });
        await sleep(200);
      }
    const names = {
      ...{ each: 'metrics, made for each request', pieces: 'the same, in pieces', once: 'metrics, made once a second' },
      ...{ status: 'state, made for each request', 'status-shared': 'state, made four times a second' },
    };
    const rows: (string | number)[][] = [
      ['page', 'CPU ms a request', 'lowest', 'highest', `blocks > ${BLOCK} ms a round`, 'longest ms, p50'],
    ];
    for (const [way, all] of runs) {
      const of = (pick: (run: (typeof all)[number]) => number) => all.map(pick);
      const cpu = of((run) => run.cpu);
      rows.push([
        names[way as keyof typeof names],
        ...[percentile(cpu, 0.5), Math.min(...cpu), Math.max(...cpu)].map((n) => n.toFixed(2)),
        percentile(
          of((run) => run.blocks),
          0.5,
        ),
        percentile(
          of((run) => run.longest),
          0.5,
        ).toFixed(0),
      ]);
    }
    printTable(rows);
    server.closeAllConnections();
    server.close();
  });
  process.exit(0);
}
