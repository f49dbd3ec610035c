/**
 * A gateway's side of connections with and without TLS, made one after another: node tls-child.ts WAYS. A line of stdin is a job, and a
 * line of stdout its answer: the CPU time of this process alone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { TLSSocket } from 'node:tls';
import { systemClock } from '../../src/core/clock.ts';
import { brokerAddress } from '../../src/forwarders/mqtt/address.ts';
import type { LogDialect } from '../../src/forwarders/mqtt/dialect.ts';
import { LogForwarder } from '../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../src/forwarders/mqtt/schema.ts';
import { openWire } from '../../src/forwarders/mqtt/wire/open-wire.ts';
import { readTls, type TlsSettings } from '../../src/forwarders/mqtt/wire/tls-material.ts';
import { TlsSessions } from '../../src/forwarders/mqtt/wire/tls-sessions.ts';
import { DIALECTS } from '../../src/gateway/registry.ts';
import { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../../test/fakes/forwarder-context.ts';
import { openUpstream } from '../../test/harness/open-upstream.ts';
import { waitFor } from '../../test/harness/wait-for.ts';
import { SiteRecords } from './site-records.ts';

export interface TlsWay {
  readonly url: string;
  readonly tls?: TlsSettings;
  /** As under a budget. */
  readonly thrifty?: true;
  readonly resume?: true;
}
export interface TlsJob {
  readonly way: number;
  /**
   * `connect`: connections. `say`: messages with QoS 1 on one connection. `ask`: questions of keep-alive. `day`: records of 20 points,
   * through a log and a forwarder. `words`: what was agreed.
   */
  readonly do: 'connect' | 'say' | 'ask' | 'day' | 'words';
  readonly count: number;
  /** Bytes of each message. */
  readonly bytes?: number;
}
export interface TlsAnswer {
  /** Milliseconds of CPU, user and system: all of it, and of the main thread. */
  readonly cpu: number;
  readonly main: number;
  /** Handshakes that resumed a session. */
  readonly resumed: number;
  readonly words: string;
}

const [plan = '[]', folder = '.'] = process.argv.slice(2);
const ways = JSON.parse(plan) as readonly TlsWay[];
const POINTS = 20;

class Counted extends TlsSessions {
  resumed = 0;
  override succeeded(key: string): void {
    this.resumed++;
    super.succeeded(key);
  }
}
const kept = ways.map(() => new Counted());

async function opened(way: number) {
  const { url, tls, thrifty, resume } = ways[way] as TlsWay;
  const sessions = resume === true ? kept[way] : new Counted();
  return openUpstream(url, { sessions, ...(tls !== undefined && { tls }), ...(thrifty === true && { thrifty }) });
}

async function measured(work: () => Promise<void>): Promise<Pick<TlsAnswer, 'cpu' | 'main'>> {
  const [all, main] = [process.cpuUsage(), process.threadCpuUsage()];
  await work();
  const [used, own] = [process.cpuUsage(all), process.threadCpuUsage(main)];
  return { cpu: (used.user + used.system) / 1e3, main: (own.user + own.system) / 1e3 };
}

async function connections(way: number, count: number) {
  return measured(async () => {
    for (let i = 0; i < count; i++) await (await opened(way)).end(5000);
  });
}

async function messages({ way, do: kind, count, bytes = 0 }: TlsJob) {
  const payload = 'x'.repeat(bytes);
  const connection = await opened(way);
  const one = () =>
    kind === 'ask' ? connection.proven() : connection.publish({ topic: 'sluice/bench/data', payload, qos: 1, retain: false });
  for (let i = 0; i < count / 10; i++) await one();
  const found = await measured(async () => {
    for (let i = 0; i < count; i++) await one();
  });
  await connection.end(5000);
  return found;
}

/** One record is acknowledged before the next one comes. */
async function day(way: number, records: number) {
  const { url, tls } = ways[way] as TlsWay;
  const at = mkdtempSync(path.join(folder, 'day-'));
  const log = await Log.open({
    ...{ stateDir: path.join(at, 'state'), runtimeDir: path.join(at, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 60_000 },
  });
  log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
  const site = new SiteRecords('decimal', 1, POINTS);
  log.setInventory('{"v":1,"revision":1,"devices":{}}');
  const dialect = DIALECTS.find(({ name }) => name === 'json') as LogDialect;
  const keys = mqttForwarderSchema(DIALECTS).parse({ url, format: 'json', batch: { maxAge: '10ms' } });
  const settings = { ...keys, ...(tls !== undefined && { tls }) } as never;
  const forwarder = new LogForwarder({ ...forwarderContext(log), name: 'cloud', dialect, settings });
  forwarder.start();
  await waitFor('a connection', () => forwarder.connected);
  const found = await measured(async () => {
    for (let i = 1; i <= records; i++) {
      const [record] = site.poll(1000 * i);
      if (record === undefined) throw new Error('no record');
      log.append({ ...record.sample, at: systemClock.monotonic() });
      await waitFor('its acknowledgement', () => forwarder.status().counters.readings === POINTS * i, { every: 1 });
    }
  });
  const { acked, connects } = forwarder.status().counters;
  if (acked !== records || connects !== 1) throw new Error(`${acked} batches of ${records} records over ${connects} connections`);
  await forwarder.stop(5000);
  await log.close(10_000);
  rmSync(at, { recursive: true, force: true, maxRetries: 5 });
  return found;
}

async function agreed(way: number): Promise<string> {
  const { url, tls, thrifty } = ways[way] as TlsWay;
  const route = { address: brokerAddress(url), tls: await readTls(tls), clock: systemClock, clockKnown: true, thrifty };
  const { stream } = await openWire({ ...route, signal: new AbortController().signal }, () => {});
  if (!(stream instanceof TLSSocket)) return '';
  const { type, name, size } = stream.getEphemeralKeyInfo() as { type?: string; name?: string; size?: number };
  const words = [stream.getProtocol(), stream.getCipher().name, name ?? type, size].filter((word) => word != null).join(' ');
  stream.destroy();
  return words;
}

for await (const line of createInterface(process.stdin)) {
  const job = JSON.parse(line) as TlsJob;
  const before = kept[job.way]?.resumed ?? 0;
  let found = { cpu: 0, main: 0 };
  let words = '';
  if (job.do === 'connect') found = await connections(job.way, job.count);
  else if (job.do === 'day') found = await day(job.way, job.count);
  else if (job.do === 'words') words = await agreed(job.way);
  else found = await messages(job);
  const answer: TlsAnswer = { ...found, words, resumed: (kept[job.way]?.resumed ?? 0) - before };
  console.log(JSON.stringify(answer));
}
process.exit(0);
