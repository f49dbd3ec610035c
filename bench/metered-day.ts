/**
 * A day of 20 points a minute under `budget: {perDay: 15kB}`, in accelerated time, through Mosquitto with and without TLS: what leaves,
 * and what it costs. The kernel counts the bytes of IP on the wire to another host, a network namespace. `npm run bench:metered-day`.
 * Load does not change these figures. It needs root.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { MqttClient } from 'mqtt';
import { seeded } from '../src/core/seeded.ts';
import type { LogDialect } from '../src/forwarders/mqtt/dialect.ts';
import { LogForwarder } from '../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../src/forwarders/mqtt/schema.ts';
import { DIALECTS } from '../src/gateway/registry.ts';
import { Log } from '../src/store/log.ts';
import { forwarderContext } from '../test/fakes/forwarder-context.ts';
import { SkipClock } from '../test/fakes/skip-clock.ts';
import { FarHost } from '../test/harness/far-host.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { alone } from './lib/fleet-net.ts';
import { SiteRecords } from './lib/site-records.ts';
import { Workspace } from './lib/workspace.ts';

const MINUTE = 60_000;
/** Minutes that pass at once. */
const STEP = 5;
/** Milliseconds between two looks at a visit, and looks without a packet after which its time passes at once. */
const LOOK = 10;
const SILENT = 15;
const POINTS = 20;
const BUDGET = 15 * 1024;
/** Minutes of the day at which an alarm is raised. */
const ALARMS = [35, 400, 610, 900, 1105, 1380];
const ALL_DAY = { perDay: '15kB' };
const EVENING = { ...ALL_DAY, between: ['20:00', '23:00'] };

const ROWS = [
  ['columns', 'all day', 'columns', ALL_DAY, 'plain', 6],
  ['columns', '20:00 to 23:00', 'columns', EVENING, 'plain', 6],
  ['columns', '20:00 to 23:00', 'columns', EVENING, 'TLS, resumed', 6],
  ['columns', '20:00 to 23:00', 'columns', EVENING, 'TLS, full', 6],
  ['columns', '20:00 to 23:00', 'columns', EVENING, 'TLS, resumed', 1],
  ['columns', '20:00 to 23:00', 'columns', EVENING, 'TLS, full', 1],
  ['json', '20:00 to 23:00', 'json', EVENING, 'plain', 6],
  ['json', '20:00 to 23:00', 'json', EVENING, 'TLS, resumed', 1],
] as const;

interface Day {
  readonly readings: number;
  readonly delivered: number;
  readonly connections: number;
  readonly wire: { readonly sent: number; readonly received: number; readonly headers: number };
}

/**
 * A full day in the future, or in the past: there the certificate is not valid yet, so no session of it is kept. A forwarder counts by
 * month, so it is not the last day of one.
 */
function midnight(days: number): number {
  const now = new Date();
  const on = (more: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days + more);
  return on(on(1).getDate() === 1 ? Math.sign(days) : 0).getTime();
}

/** @param begin UTC ms @param raised alarms @param ca of the broker; undefined: no TLS */
async function day(plan: {
  readonly folder: string;
  readonly url: string;
  readonly format: string;
  readonly budget: object;
  readonly ca: string | undefined;
  readonly begin: number;
  readonly raised: readonly number[];
  readonly far: FarHost;
}): Promise<Day> {
  const { folder, url, format, budget, ca, begin, raised, far } = plan;
  const clock = new SkipClock(begin + 1000);
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 600_000 },
  });
  log.setClock(clock.wall() - Math.round(clock.monotonic()), false);
  const site = new SiteRecords('decimal', 1, POINTS);
  const points = Object.fromEntries(
    site.shapes.flatMap((shape) => shape.points.map(({ name, type, unit }) => [name, { type, unit }])),
  );
  const inventory = JSON.stringify({
    v: 1,
    revision: 1,
    devices: Object.fromEntries(site.shapes.map(({ device }) => [device, { points }])),
  });
  log.setInventory(inventory);
  const dialect = DIALECTS.find(({ name }) => name === format) as LogDialect;
  const keys = { url, format, budget, batch: { maxReadings: format === 'columns' ? 60_000 : 10_000, maxAge: '1m' } };
  const settings = { ...mqttForwarderSchema(DIALECTS).parse(keys), ...(ca === undefined ? {} : { tls: { ca } }) };
  const forwarder = new LogForwarder({
    ...forwarderContext(log, { clock, random: seeded(7) }),
    inventory: () => inventory,
    ...{ name: 'cloud', dialect, settings: settings as never },
  });
  forwarder.start();
  let readings = 0;
  let crossed = 0;
  let silent = 0;
  for (let minute = 0; minute + STEP < 1440; minute += STEP) {
    for (let k = 0; k < STEP; k++) {
      const [record] = site.poll((minute + k + 1) * MINUTE);
      if (record === undefined) throw new Error('no record');
      const at = clock.monotonic() - (STEP - 1 - k) * MINUTE;
      if (log.append({ ...record.sample, at }) !== undefined) readings += POINTS;
    }
    if (raised.includes(minute))
      log.notice('alarm', 'warm', clock.monotonic(), { v: 1, rule: 'warm', state: 'active', severity: 'critical', minute });
    await clock.skip(STEP * MINUTE);
    await new Promise((resolve) => setTimeout(resolve, 2));
    await waitFor(
      () => `the end of a visit: ${forwarder.status().fault ?? ''}`,
      async () => {
        if (forwarder.status().state === 'waiting') return true;
        const { packets } = far.crossed();
        silent = packets === crossed ? silent + 1 : 0;
        crossed = packets;
        // Packets have their own time: that passes at once where none has crossed for long. An alarm is waited for after the last one.
        if (silent > SILENT) await clock.skip(500);
        return false;
      },
      { every: LOOK },
    );
  }
  const { counters, wire } = forwarder.status();
  const { sent = 0, received = 0, headers = 0 } = wire ?? {};
  await forwarder.stop(1000);
  await log.close(10_000);
  return { readings, delivered: counters.readings ?? 0, connections: counters.connects, wire: { sent, received, headers } };
}

alone();
await Workspace.use(async (space) => {
  const far = await FarHost.make(space.asTest, 1);
  if (far === undefined) throw new Error('this measurement needs root');
  const pair = { cert: path.join(space.folder, 'cert.pem'), key: path.join(space.folder, 'key.pem') };
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=localhost -addext subjectAltName=IP:${far.host} -keyout ${pair.key} -out ${pair.cert}`;
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' });
  // The platform is on the far host: what it gets does not cross the wire.
  const socket = path.join(space.folder, 'platform');
  const broker = await far.broker(space.asTest, pair, [`listener 0 ${socket}`]);
  if (broker === undefined) throw new Error('this measurement needs Mosquitto');
  const platform = new MqttClient(() => connect(socket), { reconnectPeriod: 0 });
  space.after(() => platform.endAsync());
  let [summaries, alarms] = [0, 0];
  platform.on('message', (topic) => {
    if (topic.endsWith('/summary')) summaries++;
    if (topic.includes('/alarm/')) alarms++;
  });
  await platform.subscribeAsync('sluice/#', { qos: 1 });
  const asked = process.argv.slice(2).filter((word) => word !== '--');
  printConditions(
    `A day of ${POINTS} points a minute under budget: {perDay: 15kB} (${BUDGET} bytes), in accelerated time through Mosquitto`,
  );
  const rows: (string | number)[][] = [
    [
      ...['format', 'connects', 'TLS', 'connections', 'sent, received', 'TCP/IP, estimated', 'TCP/IP', 'all bytes'],
      ...['of the budget', 'full readings', 'hours as summaries', 'alarms'],
    ],
  ];
  const text = (bytes: number) => bytes.toLocaleString('en');
  for (const [i, [name, when, format, budget, way, count]] of ROWS.entries()) {
    if (asked.length > 0 && !asked.some((word) => name.startsWith(word))) continue;
    const tls = way !== 'plain';
    const folder = path.join(space.folder, `day-${i}`);
    mkdirSync(folder);
    [summaries, alarms] = [0, 0];
    const before = far.crossed();
    const found = await day({
      ...{ folder, format, budget, far, raised: ALARMS.slice(-count), begin: midnight(way === 'TLS, full' ? -2 : 2) },
      url: tls ? broker.tls : broker.plain,
      ca: tls ? pair.cert : undefined,
    });
    await waitFor('every alarm', () => alarms >= count);
    await far.quiet();
    const now = far.crossed();
    const all = now.sent + now.received - before.sent - before.received;
    const { sent, received, headers } = found.wire;
    rows.push([
      ...[name, when, way, found.connections, `${text(sent)}, ${text(received)}`, text(headers), text(all - sent - received)],
      ...[text(all), `${((100 * all) / BUDGET).toFixed(1)} %`],
      ...[`${text(found.delivered)} of ${text(found.readings)}`, summaries, `${alarms} of ${count}`],
    ]);
    console.error(rows.at(-1)?.join(' | '));
  }
  printTable(rows);
});
process.exit(0);
