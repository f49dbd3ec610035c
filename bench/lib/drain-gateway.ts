/**
 * A gateway that drains a backlog: a real log, a real forwarder: node drain-gateway.ts PLAN. One line of JSON, then it ends.
 * Live records and alarms go beside it. Their times are from the append to the acknowledgement of the broker.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { LogDialect } from '../../src/forwarders/mqtt/dialect.ts';
import { LogForwarder } from '../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../src/forwarders/mqtt/schema.ts';
import { DIALECTS } from '../../src/gateway/registry.ts';
import { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../../test/fakes/forwarder-context.ts';
import { dataSetNamed } from './data-sets.ts';
import { SiteRecords } from './site-records.ts';

export interface DrainPlan {
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly data: string;
  readonly devices: number;
  readonly points: number;
  /** Keys of the forwarder. */
  readonly settings: { readonly format: string; readonly [key: string]: unknown };
  /** The file of the authority of the broker, for an address with TLS. */
  readonly ca?: string | undefined;
  /** Milliseconds of live readings and alarms alone, once the backlog is gone. */
  readonly alone: number;
}

export interface DrainResult {
  /** Readings of history that the broker acknowledged. */
  readonly readings: number;
  readonly bytes: number;
  /** Seconds of the process, and of its main thread alone: sockets and TLS are there. */
  readonly cpu: number;
  readonly main: number;
  readonly seconds: number;
  /** Milliseconds, beside the drain and alone. */
  readonly live: readonly number[];
  readonly alarms: readonly number[];
  readonly aloneLive: readonly number[];
  readonly aloneAlarms: readonly number[];
  readonly fault: string | undefined;
}

const plan = JSON.parse(process.argv[2] ?? '{}') as DrainPlan;
/** Milliseconds between two polls of each device, and between two alarms. */
const EVERY = 1000;
const ALARMS = 100;
/** Milliseconds without a connection, after which the measurement fails. */
const NO_BROKER = 20_000;

const site = new SiteRecords(plan.data, plan.devices, plan.points);
const devices = Object.fromEntries(
  site.shapes.map(({ device, points }) => [
    device,
    { points: Object.fromEntries(points.map(({ name, type, unit }) => [name, { type, unit }])) },
  ]),
);
/** Dialects with births or attributes begin a connection with all points. */
const inventory = JSON.stringify({ v: 1, revision: 1, devices });
/** The gateway knows which numbers are those of the wire. */
const plain = new Set(
  dataSetNamed(plan.data, plan.points).points.flatMap(({ name, scale }) => (scale === undefined ? [name] : [])),
);

const log = await Log.open({
  ...{ stateDir: plan.stateDir, runtimeDir: plan.runtimeDir, clock: systemClock },
  ...{ maxSize: 2 * 1024 ** 3, maxAge: 1e13, commitEvery: 10_000 },
});
log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
log.setInventory(inventory);
const backlogUpTo = log.next - 1;
const backlogLog = log.ordinal;

const dialect = DIALECTS.find((one) => one.name === plan.settings.format) as LogDialect;
const appended = new Map<number, number>();
const taken = { live: [] as number[], alarms: [] as number[] };
let readings = 0;

// The outlet is told of each answer right after it came.
const outletOf = log.outlet.bind(log);
log.outlet = (...words) => {
  const outlet = outletOf(...words);
  const [done, noticeTaken] = [outlet.done.bind(outlet), outlet.noticeTaken.bind(outlet)];
  outlet.done = (batch) => {
    if (batch.lane === 'history') readings += batch.readings;
    else
      for (let seq = batch.first; seq <= batch.last; seq++) {
        const at = appended.get(seq);
        if (at !== undefined && appended.delete(seq)) taken.live.push(performance.now() - at);
      }
    done(batch);
  };
  outlet.noticeTaken = (notice) => {
    const at = appended.get(notice.seq);
    if (at !== undefined && alarmSeqs.delete(notice.seq)) {
      taken.alarms.push(performance.now() - at);
      appended.delete(notice.seq);
    }
    noticeTaken(notice);
  };
  return outlet;
};
const alarmSeqs = new Set<number>();

const forwarder = new LogForwarder({
  ...forwarderContext(log, {
    ...{ gateway: 'bench', logger: silentLogger, inventory: () => inventory },
    site: {
      point: (_, point) => (plain.has(point) ? { plain: true } : {}),
      ...{ made: () => undefined, rules: () => [], alarms: () => [] },
    },
  }),
  ...{ name: 'late', dialect },
  settings: {
    ...mqttForwarderSchema(DIALECTS).parse(plan.settings),
    ...(plan.ca !== undefined && { tls: { ca: plan.ca } }),
  } as never,
});
forwarder.attach();

const shapes = Array.from({ length: plan.devices }, (_, i) => i);
let turn = 0;
function poll(): void {
  if (turn % plan.devices === 0) polls = site.poll(1000 * ++second);
  const record = polls[shapes[turn++ % plan.devices] as number];
  if (record === undefined) return;
  const given = log.append({ ...record.sample, at: systemClock.monotonic() });
  if (given !== undefined) appended.set(given.seq, performance.now());
}
let second = 0;
let polls: ReturnType<SiteRecords['poll']> = [];
function alarm(): void {
  const at = performance.now();
  const { seq } = log.notice('alarm', 'full', systemClock.monotonic(), { rule: 'full', state: 'raised', time: Date.now() });
  appended.set(seq, at);
  alarmSeqs.add(seq);
}

const left = () => {
  const waiting = forwarder.status().waiting.history;
  return waiting !== undefined && waiting <= backlogUpTo && log.ordinal === backlogLog;
};
const before = process.cpuUsage();
const mainBefore = process.threadCpuUsage();
const begun = performance.now();
forwarder.start();
const timers: NodeJS.Timeout[] = [];
while (left()) {
  await sleep(5);
  const { counters, fault, state } = forwarder.status();
  if (timers.length === 0 && state === 'connected')
    timers.push(setInterval(poll, EVERY / plan.devices), setInterval(alarm, ALARMS));
  if (counters.connects === 0 && performance.now() - begun > NO_BROKER) throw new Error(fault ?? 'no connection');
}
const used = process.cpuUsage(before);
const main = process.threadCpuUsage(mainBefore);
const seconds = (performance.now() - begun) / 1000;
const [live, alarms, drained] = [taken.live.splice(0), taken.alarms.splice(0), readings];
const { bytes } = forwarder.status().counters as { bytes: number };
await sleep(plan.alone);
for (const timer of timers) clearInterval(timer);
const result: DrainResult = {
  ...{ readings: drained, bytes, seconds, live, alarms },
  ...{ cpu: (used.user + used.system) / 1e6, main: (main.user + main.system) / 1e6 },
  ...{ aloneLive: taken.live, aloneAlarms: taken.alarms, fault: forwarder.status().fault },
};
console.log(JSON.stringify(result));
await forwarder.stop(5000);
await log.close(10_000);
process.exit(0);
