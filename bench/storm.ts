/**
 * Storms of MQTT clients against Sluice (a whole gateway with accounts, rules and polls), Mosquitto and aedes alone, in turns within
 * one run: how long healthy clients wait, memory, and how late polls and alarms of Sluice are. Rounds without and with a storm
 * follow one another. `npm run bench:storm`; `-- lateness`, `-- stall`, `-- burst`, `-- retained`, `-- clients`: that part alone;
 * `-- lateness flood0 tls`: these storms; `-- million`: a million retained messages of one account. Under `chrt -f 10` with
 * SLUICE_BENCH_CLASS=1 the storm stays in the ordinary class, and takes no core of what is measured. With SLUICE_BENCH_KINDS=sluice,apart the embedded broker is measured in a thread of its own too.
 */
import { type ChildProcess, fork } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Beats, now } from './lib/beats.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import * as mqtt from './lib/mqtt-wire.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { built } from './lib/raised.ts';
import { BROKERS, type Broker, DEVICES, type Kind, startBroker } from './lib/storm-brokers.ts';
import { Lateness } from './lib/storm-lateness.ts';
import type { Order, Kind as StormKind } from './lib/storm-load.ts';
import { Workspace } from './lib/workspace.ts';

const ROUNDS = Number(process.env.SLUICE_BENCH_ROUNDS ?? 4);
const WINDOW = Number(process.env.SLUICE_BENCH_MS ?? 8_000);
/** aedes holds everybody up for as long as it waits for one. */
const STALL = Number(process.env.SLUICE_BENCH_STALL_MS ?? 70_000);
const SETTLE = 3_000;

const STORMS: Partial<Record<StormKind, string>> = {
  stall: 'a stalled subscriber, flood of 4 kB',
  connects: 'CONNECT and away, 50 at a time',
  subscribes: 'SUBSCRIBE `#`, nothing read',
  displaced: 'new persistent sessions',
  reconnects: '500 persistent sessions reconnect',
  flood0: 'flood of QoS 0',
  flood1: 'flood of QoS 1',
  retains: 'small retained messages of one account',
  tls: 'half TLS handshakes',
  pages: 'HTTPS requests of 30 addresses, nobody',
  metrics: 'HTTPS requests of 30 addresses, /metrics',
  status: 'HTTPS requests of 30 addresses, /api/v1/status',
};
/** Mosquitto and aedes have no HTTPS. */
const HTTPS: readonly StormKind[] = ['pages', 'metrics', 'status'];

class Storm {
  /** When its flood had no connection, as it says at its end. */
  aways: readonly (readonly [number, number])[] = [];
  readonly #child: ChildProcess;

  constructor(space: Workspace, kind: StormKind, broker: Broker, count?: number) {
    const { port, tlsPort, httpsPort, device, reader } = broker;
    const order: Order = { port, tlsPort, httpsPort, device, reader, count };
    this.#child = fork(path.join(import.meta.dirname, 'lib', 'storm-load.ts'), [kind, JSON.stringify(order)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    space.after(() => this.#child.kill('SIGKILL'));
  }

  /** It has done what it does once. */
  said(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', resolve);
      this.#child.once('exit', (code) => reject(new Error(`the storm ended with ${code}`)));
    });
  }

  async stop(): Promise<Readonly<Record<string, number>>> {
    const said = this.said() as Promise<{ done: Record<string, number>; aways: [number, number][] }>;
    this.#child.send('stop');
    const { done, aways } = await said;
    this.aways = aways;
    return done;
  }
}

interface Span {
  readonly from: number;
  readonly to: number;
  readonly cpu: number;
  readonly most: number;
  readonly load: number;
}

/** Megabytes resident: cheap for the process that is asked. */
const resident = (pid: number): number => memory(pid).rss;

/** @returns what the broker used in that time */
async function watch(broker: Broker, ms: number): Promise<Span> {
  const from = now();
  const cpu = cpuSeconds(broker.pid);
  let most = 0;
  while (now() - from < ms * 1000) {
    await sleep(500);
    most = Math.max(most, resident(broker.pid));
  }
  return { from, to: now(), cpu: cpuSeconds(broker.pid) - cpu, most, load: os.loadavg()[0] as number };
}

async function withBeats(space: Workspace, broker: Broker): Promise<Beats> {
  const beats = new Beats(broker.port, { publisher: broker.beats, subscriber: broker.healthy });
  space.after(() => beats.stop());
  await beats.start();
  return beats;
}

const ms = (n: number): string => (Number.isNaN(n) ? '' : n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString('en'));
const worst = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

/** One storm against one broker: rounds without and with it. */
async function lateness(kind: Kind, storm: StormKind): Promise<(string | number)[][]> {
  return Workspace.use(async (space) => {
    const broker = await startBroker(space, kind);
    const beats = await withBeats(space, broker);
    const late = broker.devices === undefined ? undefined : new Lateness(broker, beats.alarms);
    await sleep(SETTLE);
    const spans: { idle: Span[]; storm: Span[] } = { idle: [], storm: [] };
    const waits: { idle: number[]; storm: number[] } = { idle: [], storm: [] };
    const totals: Record<string, number> = {};
    for (let round = 0; round < ROUNDS; round++) {
      await late?.begin();
      const idle = await watch(broker, WINDOW);
      const attack = new Storm(space, storm, broker);
      await sleep(500);
      const stormy = await watch(broker, WINDOW);
      for (const [what, n] of Object.entries(await attack.stop())) totals[what] = (totals[what] ?? 0) + n;
      await sleep(SETTLE);
      spans.idle.push(idle);
      spans.storm.push(stormy);
      waits.idle.push(...beats.delays(idle.from, idle.to));
      waits.storm.push(...beats.delays(stormy.from, stormy.to));
      await late?.end(idle, stormy);
    }
    if (process.env.SLUICE_BENCH_VERBOSE) console.log(kind, storm, totals, `broken ${beats.broken}`);
    return (['idle', 'storm'] as const).map((when) => {
      const of = spans[when];
      const figures = late?.figures(when);
      return [
        when === 'idle' ? `${BROKERS[kind]}, no storm` : `${BROKERS[kind]}, ${STORMS[storm]}`,
        ...[ms(percentile(waits[when], 0.99)), ms(worst(waits[when]))],
        ...(figures === undefined ? ['', '', '', '', ''] : figures.map((f) => (typeof f === 'number' ? ms(f) : f))),
        Math.round(worst(of.map(({ most }) => most))),
        (of.reduce((sum, { cpu }) => sum + cpu, 0) / of.length / (WINDOW / 1000)).toFixed(2),
        `${Math.min(...of.map(({ load }) => load)).toFixed(1)}–${worst(of.map(({ load }) => load)).toFixed(1)}`,
      ];
    });
  });
}

/** How long other clients wait beside one that stopped reading. */
async function stall(kind: Kind, storm: 'stall' | 'steady'): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const broker = await startBroker(space, kind);
    const beats = await withBeats(space, broker);
    await sleep(SETTLE);
    const reader = new Storm(space, 'reads', broker);
    const attack = new Storm(space, storm, broker);
    const span = await watch(broker, kind === 'aedes' ? STALL : STALL / 3);
    const waits = beats.delays(span.from, span.to);
    const read = await reader.stop();
    const done = await attack.stop();
    const { gapMs = 0, gapFrom = 0 } = read;
    const away = attack.aways.reduce(
      (sum, [from, to]) => sum + Math.max(0, Math.min(to, gapFrom + gapMs) - Math.max(from, gapFrom)),
      0,
    );
    await sleep(SETTLE);
    return [
      `${BROKERS[kind]}, ${storm === 'stall' ? 'as fast as it may' : '80 % of the rate'}`,
      ...[ms(percentile(waits, 0.5)), ms(worst(waits)), read.delayMs ?? '', gapMs],
      ...[storm === 'stall' ? Math.round(away) : '', beats.lost(span.from, span.to)],
      done.floodCut ?? 0,
      ...[done.cut ?? 0, done.cutAfterMs ?? '', done.cutWhenFullMs ?? '', done.published ?? 0, read.delivered ?? 0],
      ...[Math.round(span.most), span.load.toFixed(1)],
    ];
  });
}

/** The time from the first try of a new client until it is one. */
async function joins(broker: Broker, id: string): Promise<{ took: number; tries: number }> {
  const from = now();
  for (let tries = 1; ; tries++) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = mqtt.dial(broker.port, mqtt.connecting(id, broker.healthy), (_type, body) => {
        resolve(body[1] === 0);
        socket.destroy();
      });
      socket.once('close', () => resolve(false));
    });
    if (accepted) return { took: (now() - from) / 1000, tries };
    await sleep(1);
  }
}

/** A new client after, and during, so many CONNECTs at once. */
async function burst(kind: Kind, many: number): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const broker = await startBroker(space, kind);
    await joins(broker, 'first');
    const took: number[] = [];
    const during: number[] = [];
    const tries: number[] = [];
    const totals: Record<string, number> = {};
    for (let round = 0; round < 3 * ROUNDS; round++) {
      const attack = new Storm(space, 'burst', broker, many);
      const over = attack.said();
      let ended = false;
      void over.then(() => {
        ended = true;
      });
      await sleep(200);
      while (!ended) during.push((await joins(broker, `during${round}`)).took);
      const joined = await joins(broker, `after${round}`);
      took.push(joined.took);
      tries.push(joined.tries);
      for (const [what, n] of Object.entries(await attack.stop())) totals[what] = (totals[what] ?? 0) + n;
      await sleep(1000);
    }
    const rounds = took.length;
    return [
      BROKERS[kind],
      ...[ms(percentile(took, 0.5)), ms(worst(took)), worst(tries)],
      ...[during.length, ms(percentile(during, 0.5)), ms(worst(during))],
      ...[Math.round((totals.accepted ?? 0) / rounds), Math.round((totals.refused ?? 0) / rounds)],
      ...[Math.round(resident(broker.pid)), (os.loadavg()[0] as number).toFixed(1)],
    ];
  });
}

/** Memory before and after something that is done once. */
async function held(kind: Kind, storm: StormKind, many: number, program?: string): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const broker = await startBroker(space, kind, program);
    await sleep(SETTLE);
    const before = memory(broker.pid);
    const attack = many === 0 ? undefined : new Storm(space, storm, broker, many);
    await attack?.said();
    await sleep(2 * SETTLE);
    const after = memory(broker.pid);
    const done = (await attack?.stop()) ?? {};
    const held = storm === 'retained' ? broker.said?.().broker?.retained : done.accepted;
    return [
      program === undefined ? BROKERS[kind] : `${BROKERS[kind]}, bounds raised`,
      ...[many.toLocaleString('en'), (held ?? many).toLocaleString('en')],
      ...[
        after.pss.toFixed(1),
        (after.pss - before.pss).toFixed(1),
        after.rss.toFixed(0),
        (os.loadavg()[0] as number).toFixed(1),
      ],
    ];
  });
}

/** So many small retained messages of one account, against the bounds as shipped: what is kept, and what others notice. */
async function million(many: number): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const broker = await startBroker(space, 'sluice');
    const beats = await withBeats(space, broker);
    const late = new Lateness(broker, beats.alarms);
    await sleep(SETTLE);
    await late.begin();
    const idle = await watch(broker, WINDOW);
    const before = memory(broker.pid).pss;
    const attack = new Storm(space, 'retained', broker, many);
    let over = false;
    void attack.said().then(() => {
      over = true;
    });
    let [most, to] = [0, idle.to];
    const from = now();
    while (!over) {
      const span = await watch(broker, 1_000);
      most = Math.max(most, span.most);
      to = span.to;
    }
    const done = await attack.stop();
    await sleep(2 * SETTLE);
    await late.end(idle, { ...idle, from, to });
    const { broker: said, buses } = broker.said?.() ?? { buses: [] };
    const missed = buses.flatMap(({ devices }) => devices).reduce((sum, { counters }) => sum + counters.missedPolls, 0);
    const waits = beats.delays(from, to);
    const [polls, latest] = late.figures('storm');
    return [
      ...[(done.published ?? 0).toLocaleString('en'), Math.round((to - from) / 1e6), said?.retained ?? 0],
      ...[said?.refused['account-requests'] ?? 0, said?.dropped.retained ?? 0],
      ...[polls ?? '', missed, ms(Number(latest)), ms(percentile(waits, 0.99)), ms(worst(waits)), beats.lost(from, to)],
      ...[before.toFixed(0), memory(broker.pid).pss.toFixed(0), Math.round(most), (os.loadavg()[0] as number).toFixed(1)],
    ];
  });
}

const [part, ...only] = process.argv.slice(2);
const parts = part === undefined ? ['stall', 'burst', 'retained', 'clients', 'lateness'] : [part];
const kinds = (process.env.SLUICE_BENCH_KINDS?.split(',') as Kind[] | undefined) ?? ['sluice', 'mosquitto', 'aedes'];

if (parts.includes('stall')) {
  printConditions(`Other clients beside one that stopped reading, flood of 4 kB; Sluice has ${DEVICES} devices and rules`);
  const head = [
    'broker',
    'wait p50 ms',
    'longest ms',
    'same topic ms',
    'gap ms',
    'of it no publisher ms',
    'lost',
    'flood cut off',
    'cut off',
    'after ms',
    'when full ms',
    'published',
    'delivered',
    'RSS most MB',
    'load',
  ];
  const rows: (string | number)[][] = [head];
  for (const kind of kinds) for (const storm of ['stall', 'steady'] as const) rows.push(await stall(kind, storm));
  printTable(rows);
}
if (parts.includes('burst')) {
  printConditions('A new client after 2,000 CONNECTs at once');
  const head = [
    'broker',
    'wait p50 ms',
    'most ms',
    'tries',
    'during: n',
    'p50 ms',
    'most ms',
    'accepted',
    'refused',
    'RSS MB',
    'load',
  ];
  const rows: (string | number)[][] = [head];
  for (const kind of kinds) rows.push(await burst(kind, 2_000));
  printTable(rows);
}
for (const [name, storm, counts] of [
  ['retained', 'retained', [10_000, 100_000]],
  ['clients', 'clients', [0, 100, 1_000]],
] as const) {
  if (!parts.includes(name)) continue;
  printConditions(name === 'retained' ? 'Memory with retained messages of 100 bytes' : 'Memory with subscribers');
  const rows: (string | number)[][] = [['broker', 'asked', 'held', 'PSS MB', 'more MB', 'RSS MB', 'load']];
  for (const kind of kinds) for (const many of counts) rows.push(await held(kind, storm, many));
  if (kinds.includes('sluice')) {
    const program = await built();
    for (const many of counts) rows.push(await held('sluice', storm, many, program));
  }
  printTable(rows);
}
if (parts.includes('million')) {
  printConditions(`Small retained messages of one account; ${DEVICES} devices every second`);
  const head = ['sent', 'seconds', 'kept', 'cut off', 'not kept', 'polls', 'left out', 'late p99 ms', 'wait p99 ms', 'most ms'];
  printTable([[...head, 'lost', 'PSS before MB', 'PSS after MB', 'RSS most MB', 'load'], await million(1_000_000)]);
}
if (parts.includes('lateness')) {
  printConditions(
    `Storms of ${WINDOW} ms, ${ROUNDS} rounds each, in turns with as long without; ${DEVICES} devices every second`,
  );
  const head = [
    'case',
    'wait p99 ms',
    'most ms',
    'polls',
    'late p99 ms',
    'most ms',
    'alarm p99 ms',
    'upstream p99 ms',
    'RSS most MB',
    'cores used',
    'load',
  ];
  const rows: (string | number)[][] = [head];
  for (const storm of Object.keys(STORMS) as StormKind[])
    if (only.length === 0 || only.includes(storm))
      for (const kind of kinds)
        if (kind === 'sluice' || !(HTTPS.includes(storm) || (kind === 'apart' && storm === 'tls')))
          rows.push(...(await lateness(kind, storm)));
  printTable(rows);
}
process.exit(0);
