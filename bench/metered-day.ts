/**
 * A day of 20 points a minute under `budget: {perDay: 15kB}`, in accelerated time, through Mosquitto with and without TLS: what leaves,
 * and what it costs. A relay counts every byte between them. `npm run bench:metered-day`. Load does not change these figures.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { connectAsync } from 'mqtt';
import { seeded } from '../src/core/seeded.ts';
import type { LogDialect } from '../src/forwarders/mqtt/dialect.ts';
import { LogForwarder } from '../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../src/forwarders/mqtt/schema.ts';
import { DIALECTS } from '../src/gateway/registry.ts';
import { Log } from '../src/store/log.ts';
import { forwarderContext } from '../test/fakes/forwarder-context.ts';
import { SkipClock } from '../test/fakes/skip-clock.ts';
import { freePort } from '../test/harness/free-port.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { writeBrokerConfig } from '../test/peers/mosquitto.ts';
import { findProgram } from '../test/peers/peers.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { SiteRecords } from './lib/site-records.ts';
import { Workspace } from './lib/workspace.ts';

const MINUTE = 60_000;
/** Minutes that pass at once. */
const STEP = 5;
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

/** Counts what passes. */
async function relayTo(
  space: Workspace,
  target: number,
): Promise<{ port: number; take: () => { bytes: number; connections: number } }> {
  let [bytes, connections] = [0, 0];
  const server = createServer((near) => {
    connections++;
    const far = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('error', () => {});
      from.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      from.pipe(to);
      from.on('close', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  space.after(() => server.close());
  const take = () => {
    const took = { bytes, connections };
    [bytes, connections] = [0, 0];
    return took;
  };
  return { port: (server.address() as { port: number }).port, take };
}

interface Day {
  readonly readings: number;
  readonly delivered: number;
  readonly wire: { readonly sent: number; readonly received: number; readonly headers: number };
}

/** A full day in the future, or in the past: there the certificate is not valid yet, so no session of it is kept. */
function midnight(days: number): number {
  const day = new Date();
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days).getTime();
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
}): Promise<Day> {
  const { folder, url, format, budget, ca, begin, raised } = plan;
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
        // Ten times as fast as it would be: an alarm is waited for after the last one.
        await clock.skip(100);
        return false;
      },
      { every: 10 },
    );
  }
  const { counters, wire } = forwarder.status();
  const { sent = 0, received = 0, headers = 0 } = wire ?? {};
  await forwarder.stop(1000);
  await log.close(10_000);
  return { readings, delivered: counters.readings ?? 0, wire: { sent, received, headers } };
}

await Workspace.use(async (space) => {
  const program = findProgram('mosquitto');
  if (program === undefined) throw new Error('this measurement needs Mosquitto: apt-get install -y mosquitto');
  const [cert, key] = [path.join(space.folder, 'cert.pem'), path.join(space.folder, 'key.pem')];
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${cert}`;
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' });
  const [port, tlsPort] = [await freePort(), await freePort()];
  const extra = [`listener ${tlsPort} 127.0.0.1`, `certfile ${cert}`, `keyfile ${key}`];
  const broker = space.spawn(program, ['-c', writeBrokerConfig(space.folder, port, { extra })]);
  await waitFor('Mosquitto to run', () => broker.stderr.some((line) => /running/.test(line)));
  const relays = { plain: await relayTo(space, port), tls: await relayTo(space, tlsPort) };
  const platform = await connectAsync(`mqtt://127.0.0.1:${port}`);
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
      ...['format', 'connects', 'TLS', 'connections', 'sent, received', 'of TCP/IP', 'all bytes', 'of the budget'],
      ...['full readings', 'hours as summaries', 'alarms'],
    ],
  ];
  for (const [i, [name, when, format, budget, way, count]] of ROWS.entries()) {
    if (asked.length > 0 && !asked.some((word) => name.startsWith(word))) continue;
    const tls = way !== 'plain';
    const relay = tls ? relays.tls : relays.plain;
    const folder = path.join(space.folder, `day-${i}`);
    mkdirSync(folder);
    [summaries, alarms] = [0, 0];
    relay.take();
    const found = await day({
      ...{ folder, format, budget, raised: ALARMS.slice(-count), begin: midnight(way === 'TLS, full' ? -2 : 2) },
      url: `${tls ? 'mqtts' : 'mqtt'}://127.0.0.1:${relay.port}`,
      ca: tls ? cert : undefined,
    });
    await waitFor('every alarm', () => alarms >= count);
    const seen = relay.take();
    const { sent, received, headers } = found.wire;
    // The last bytes of TLS of a connection come when nobody counts any more.
    if (Math.abs(sent + received - seen.bytes) > 64 * seen.connections)
      throw new Error(`${name}: counted ${sent + received} bytes, the relay saw ${seen.bytes}`);
    const all = seen.bytes + headers;
    rows.push([
      ...[
        name,
        when,
        way,
        seen.connections,
        `${sent.toLocaleString('en')}, ${received.toLocaleString('en')}`,
        headers.toLocaleString('en'),
      ],
      ...[all.toLocaleString('en'), `${((100 * all) / BUDGET).toFixed(1)} %`],
      ...[
        `${found.delivered.toLocaleString('en')} of ${found.readings.toLocaleString('en')}`,
        summaries,
        `${alarms} of ${count}`,
      ],
    ]);
    console.error(rows.at(-1)?.join(' | '));
  }
  printTable(rows);
});
process.exit(0);
