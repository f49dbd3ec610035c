/**
 * A forwarder at a far broker, in accelerated time: its log, its connection and its batches are real, and time passes at once where
 * nothing happens. Batches leave by their age or when they are full, as the forwarder cuts them. Between two of them real time passes,
 * so that an acknowledgement of TCP finds no message to ride on, as on a connection with a batch each second or hour.
 */
import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LatestValue, LiveSink } from '../../src/core/ports.ts';
import { LiveForwarder } from '../../src/forwarders/mqtt/live-forwarder.ts';
import { LogForwarder } from '../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../src/forwarders/mqtt/schema.ts';
import { DIALECTS } from '../../src/gateway/registry.ts';
import { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../../test/fakes/forwarder-context.ts';
import { SkipClock } from '../../test/fakes/skip-clock.ts';
import type { Crossed, FarHost } from '../../test/harness/far-host.ts';
import { waitFor } from '../../test/harness/wait-for.ts';
import { dataSetNamed } from './data-sets.ts';
import { SiteRecords } from './site-records.ts';

/** Linux waits so long with an acknowledgement that nothing carries, and up to 200 ms where answers are slow. */
const BETWEEN = 60;
const SETTLED = 300;
/** A forwarder takes batches as they come: readings of so much time are given at once, at most. */
const STEP = 60_000;
/** So much later than it began a poll is over, ms. */
const POLLED = 50;
const BEGIN = Date.UTC(2026, 10, 26, 12);

export interface WireSite {
  readonly set: string;
  readonly devices: number;
  readonly points: number;
  /** Milliseconds between two polls. */
  readonly every: number;
}

export interface WirePlan {
  readonly folder: string;
  readonly far: FarHost;
  readonly url: string;
  readonly ca: string | undefined;
  readonly site: WireSite;
  /** Keys of the forwarder. */
  readonly keys: { readonly format: string; readonly [key: string]: unknown };
  /** Milliseconds. */
  readonly age: number;
  readonly maxReadings: number;
  /** Readings until the size of batches has settled, and readings that count; at least one age of each. */
  readonly warm: number;
  readonly counted: number;
}

export interface WireFound {
  readonly readings: number;
  readonly batches: number;
  /** Bytes of payloads; undefined where a forwarder does not count them. */
  readonly payload: number | undefined;
  readonly crossed: Omit<Crossed, 'again'>;
  /** Segments that either kernel sent again. */
  readonly again: number;
}

interface Gateway {
  readonly clock: SkipClock;
  start(): void;
  connected(): boolean;
  /** So many milliseconds pass, with their readings. */
  feed(time: number): Promise<void>;
  /** Everything that is due was acknowledged. */
  idle(): boolean;
  counted(): {
    readonly readings: number;
    readonly batches: number;
    readonly payload: number | undefined;
    readonly connects: number;
  };
  stop(): Promise<void>;
}

const dialectOf = (format: string) => {
  const found = DIALECTS.find(({ name }) => name === format);
  if (found === undefined) throw new Error(`there is no format ${format}`);
  return found;
};

export async function wireBytes(plan: WirePlan): Promise<WireFound> {
  const gateway = await open(plan);
  const { far, site, age } = plan;
  const perAge = Math.max(1, age / site.every) * site.devices * site.points;
  const step = Math.max(site.every, Math.min(age, STEP));
  const run = async (readings: number): Promise<void> => {
    const until = Math.max(1, Math.ceil(readings / perAge)) * Math.max(age, site.every);
    for (let passed = 0; passed < until; passed += step) {
      const { batches } = gateway.counted();
      await gateway.feed(step);
      await waitFor('the acknowledgements', () => gateway.idle(), { every: 2 });
      if (gateway.counted().batches > batches) await sleep(BETWEEN);
    }
  };
  gateway.start();
  await waitFor('a connection', () => gateway.connected());
  await run(plan.warm);
  await sleep(SETTLED);
  const [crossed, counted] = [far.crossed(), gateway.counted()];
  await run(plan.counted);
  await sleep(SETTLED);
  const [now, end] = [far.crossed(), gateway.counted()];
  await gateway.stop();
  await far.quiet();
  if (end.connects !== counted.connects) throw new Error('the connection was lost on the way');
  return {
    readings: end.readings - counted.readings,
    batches: end.batches - counted.batches,
    payload: end.payload === undefined || counted.payload === undefined ? undefined : end.payload - counted.payload,
    crossed: {
      sent: now.sent - crossed.sent,
      received: now.received - crossed.received,
      packets: now.packets - crossed.packets,
    },
    again: now.again - crossed.again,
  };
}

async function open({ folder, site, keys, url, ca, age, maxReadings }: WirePlan): Promise<Gateway> {
  const at = mkdtempSync(path.join(folder, 'row-'));
  const clock = new SkipClock(BEGIN);
  const log = await Log.open({
    ...{ stateDir: path.join(at, 'state'), runtimeDir: path.join(at, 'run'), clock },
    ...{ maxSize: 256e6, maxAge: 1e12, commitEvery: 10_000 },
  });
  log.setClock(clock.wall() - Math.round(clock.monotonic()), false);
  const source = new SiteRecords(site.set, site.devices, site.points);
  const devices = Object.fromEntries(
    source.shapes.map(({ device, points }) => [
      device,
      { points: Object.fromEntries(points.map(({ name, type, unit }) => [name, { type, unit }])) },
    ]),
  );
  const inventory = JSON.stringify({ v: 1, revision: 1, devices });
  log.setInventory(inventory);
  const latest = new Map<string, LatestValue>();
  const plain = new Set(
    dataSetNamed(site.set, site.points).points.flatMap(({ name, scale }) => (scale === undefined ? [name] : [])),
  );
  const context = {
    ...forwarderContext(log, { gateway: 'ghat-1', clock, now: () => clock.wall(), inventory: () => inventory }),
    latest: { get: (device: string, point: string) => latest.get(`${device}.${point}`), all: () => latest.values() },
    site: {
      point: (_: string, point: string) => (plain.has(point) ? { plain: true as const } : {}),
      ...{ made: () => undefined, rules: () => [], alarms: () => [] },
    },
  };
  const dialect = dialectOf(keys.format);
  const settings = {
    ...mqttForwarderSchema(DIALECTS).parse({ ...keys, url, batch: { maxReadings, maxAge: `${age}ms` } }),
    ...(ca === undefined ? {} : { tls: { ca } }),
  } as never;
  const forwarder =
    dialect.kind === 'log'
      ? new LogForwarder({ ...context, name: 'cloud', dialect, settings })
      : new LiveForwarder({ ...context, name: 'cloud', dialect, settings });
  const sink: LiveSink | undefined = forwarder instanceof LiveForwarder ? forwarder.sink : undefined;
  const began = clock.monotonic();
  let passed = 0;
  let newest = 0;
  let given = 0;
  const feed = async (time: number): Promise<void> => {
    for (const until = passed + time; passed < until; ) {
      passed += site.every;
      for (const { sample } of source.poll(passed)) {
        const one = { ...sample, at: began + sample.at };
        newest = one.at;
        given += one.values.length;
        for (const [i, { name: point, type, unit }] of one.shape.points.entries())
          latest.set(`${one.shape.device}.${point}`, {
            ...{ device: one.shape.device, point, type, unit, time: one.at + BEGIN, value: one.values[i] ?? null, reason: 0 },
          });
        if (sink !== undefined) sink.sample(one, undefined);
        else if (log.append(one) === undefined) throw new Error('the log took no record');
      }
    }
    // What is due by then leaves before the next poll.
    await clock.skip(Math.max(0, began + passed + site.every + POLLED - clock.monotonic()));
  };
  return {
    ...{ clock, feed },
    start: () => {
      forwarder.start();
    },
    connected: () => forwarder.connected,
    idle() {
      const { oldestLive, waiting, counters } = forwarder.status();
      const { readings, published, acked, retries } = counters;
      if (sink !== undefined) return readings === given && acked === published;
      if (readings === given) return true;
      // What is under way counts for its bytes, and time that passes meanwhile would end the connection. So does what became late.
      if (published > acked + retries || oldestLive === undefined || waiting.history !== undefined) return false;
      return given - readings < maxReadings && clock.monotonic() < Math.min(oldestLive + age, newest + age / 4);
    },
    counted() {
      const { readings, published, bytes, connects } = forwarder.status().counters;
      return { readings, batches: published, payload: sink === undefined ? bytes : undefined, connects };
    },
    async stop() {
      await forwarder.stop(5000);
      await log.close(10_000);
    },
  };
}
