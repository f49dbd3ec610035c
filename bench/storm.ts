/**
 * Storms of MQTT clients against Sluice (a whole gateway with accounts, rules and polls), Mosquitto and aedes alone, in turns within
 * one run: how long healthy clients wait, memory, and how late polls and alarms of Sluice are. Rounds without and with a storm
 * follow one another. `npm run bench:storm`; `-- lateness`, `-- stall`, `-- burst`, `-- retained`, `-- clients`, `-- commits`: that part
 * alone; `-- lateness flood0 tls`: these storms; `-- million`: a million retained messages of one account; `-- ways`: ways to keep retained
 * messages; `-- all`: every part but the last one, with short rounds. Everything runs in the ordinary class. With
 * SLUICE_BENCH_NICE=10 the storm gives way to what is measured. Under `chrt -f 10` with SLUICE_BENCH_CLASS=1 the storm stays in the ordinary class, and takes no core of what is measured. With
 * SLUICE_BENCH_KINDS=sluice,apart the embedded broker is measured in a thread of its own too.
 */
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from './lib/beats.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { keptWays } from './lib/kept-ways.ts';
import * as mqtt from './lib/mqtt-wire.ts';
import { memory } from './lib/proc.ts';
import { built } from './lib/raised.ts';
import { BROKERS, type Broker, DEVICES, type Kind, startBroker } from './lib/storm-brokers.ts';
import { commits } from './lib/storm-commits.ts';
import { Lateness } from './lib/storm-lateness.ts';
import type { Kind as StormKind } from './lib/storm-load.ts';
import { ms, resident, type Span, Storm, watch, withBeats, worst } from './lib/storm-run.ts';
import { Workspace } from './lib/workspace.ts';

const [part, ...only] = process.argv.slice(2);
/** All parts of one run are short: it has to fit into the quiet half hour of a machine. */
const BRIEF = part === 'all';
const ROUNDS = Number(process.env.SLUICE_BENCH_ROUNDS ?? (BRIEF ? 2 : 4));
const WINDOW = Number(process.env.SLUICE_BENCH_MS ?? (BRIEF ? 5_000 : 8_000));
/** aedes holds everybody up for as long as it waits for one. */
const STALL = Number(process.env.SLUICE_BENCH_STALL_MS ?? (BRIEF ? 65_000 : 70_000));
/** The others answer for a stalled client within some seconds, or never. */
const STALL_OTHERS = BRIEF ? 15_000 : STALL / 3;
const BURSTS = BRIEF ? 6 : 3 * ROUNDS;
const SETTLE = BRIEF ? 2_000 : 3_000;

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
  handshakes: 'whole HTTPS handshakes of 30 addresses',
  logins: 'HTTPS log-ins of 30 addresses, wrong passwords',
  slow: 'HTTPS requests of 30 addresses that never end',
  pages: 'HTTPS requests of 30 addresses, nobody',
  metrics: 'HTTPS requests of 30 addresses, /metrics',
  status: 'HTTPS requests of 30 addresses, /api/v1/status',
};
/** Mosquitto and aedes have no HTTPS. */
const HTTPS: readonly StormKind[] = ['handshakes', 'logins', 'slow', 'pages', 'metrics', 'status'];

/** One storm against one broker: rounds without and with it. In a short run the others have one round, with the storm alone. */
async function lateness(kind: Kind, storm: StormKind): Promise<(string | number)[][]> {
  return Workspace.use(async (space) => {
    const broker = await startBroker(space, kind);
    const beats = await withBeats(space, broker);
    const late = broker.devices === undefined ? undefined : new Lateness(broker, beats.alarms);
    await sleep(SETTLE);
    const alone = BRIEF && late === undefined;
    const spans: { idle: Span[]; storm: Span[] } = { idle: [], storm: [] };
    const waits: { idle: number[]; storm: number[] } = { idle: [], storm: [] };
    const pss: { idle: number[]; storm: number[] } = { idle: [], storm: [] };
    const lost = { idle: 0, storm: 0 };
    const totals: Record<string, number> = {};
    for (let round = 0; round < (alone ? 1 : ROUNDS); round++) {
      await late?.begin();
      const idle = alone ? undefined : await watch(broker, WINDOW);
      if (idle !== undefined) pss.idle.push(memory(broker.pid).pss);
      const attack = new Storm(space, storm, broker);
      await sleep(500);
      const stormy = await watch(broker, WINDOW);
      pss.storm.push(memory(broker.pid).pss);
      for (const [what, n] of Object.entries(await attack.stop())) totals[what] = (totals[what] ?? 0) + n;
      await sleep(SETTLE);
      for (const [when, span] of [
        ['idle', idle],
        ['storm', stormy],
      ] as const) {
        if (span === undefined) continue;
        spans[when].push(span);
        waits[when].push(...beats.delays(span.from, span.to));
        lost[when] += beats.lost(span.from, span.to);
      }
      if (idle !== undefined) await late?.end(idle, stormy);
    }
    if (process.env.SLUICE_BENCH_VERBOSE) console.log(kind, storm, totals, `broken ${beats.broken}`);
    return (['idle', 'storm'] as const)
      .filter((when) => spans[when].length > 0)
      .map((when) => {
        const of = spans[when];
        const figures = late?.figures(when);
        return [
          when === 'idle' ? `${BROKERS[kind]}, no storm` : `${BROKERS[kind]}, ${STORMS[storm]}`,
          ...[ms(percentile(waits[when], 0.99)), ms(worst(waits[when])), lost[when]],
          ...(figures === undefined ? ['', '', '', '', ''] : figures.map((f) => (typeof f === 'number' ? ms(f) : f))),
          ...[Math.round(worst(pss[when])), Math.round(worst(of.map(({ most }) => most)))],
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
    const span = await watch(broker, kind === 'aedes' ? STALL : STALL_OTHERS);
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

const nameOf = (kind: Kind, program: string | undefined): string =>
  program === undefined ? BROKERS[kind] : `${BROKERS[kind]}, bounds raised`;

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
async function burst(kind: Kind, many: number, program?: string): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const broker = await startBroker(space, kind, program);
    await joins(broker, 'first');
    const took: number[] = [];
    const during: number[] = [];
    const tries: number[] = [];
    const totals: Record<string, number> = {};
    for (let round = 0; round < BURSTS; round++) {
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
      nameOf(kind, program),
      ...[ms(percentile(took, 0.5)), ms(worst(took)), worst(tries)],
      ...[during.length, ms(percentile(during, 0.5)), ms(worst(during))],
      ...[Math.round((totals.accepted ?? 0) / rounds), Math.round((totals.refused ?? 0) / rounds)],
      ...[Math.round(resident(broker.pid)), (os.loadavg()[0] as number).toFixed(1)],
    ];
  });
}

/** Memory before and after something that is done once. */
async function held(
  kind: Kind,
  storm: StormKind,
  many: number,
  program?: string,
  flags: readonly string[] = [],
): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const broker = await startBroker(space, kind, program, flags);
    await sleep(SETTLE);
    const before = memory(broker.pid);
    const attack = many === 0 ? undefined : new Storm(space, storm, broker, many);
    await attack?.said();
    await sleep(2 * SETTLE);
    const after = memory(broker.pid);
    const done = (await attack?.stop()) ?? {};
    const held = storm === 'retained' ? broker.said?.().broker?.retained : done.accepted;
    return [
      [nameOf(kind, program), ...flags].join(', '),
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

/** Adds what was measured. A measurement that fails is named, and the others go on. */
async function add(
  rows: (string | number)[][],
  what: string,
  measure: () => Promise<(string | number)[] | (string | number)[][]>,
): Promise<void> {
  try {
    const found = await measure();
    rows.push(...((Array.isArray(found[0]) ? found : [found]) as (string | number)[][]));
  } catch (thrown) {
    console.log(`${what} failed: ${(thrown as Error).message}`);
    process.exitCode = 1;
  }
}

const began = performance.now();
const PARTS = ['stall', 'burst', 'retained', 'clients', 'lateness', 'commits'];
const parts = part === undefined ? PARTS : BRIEF ? [...PARTS, 'million'] : [part];
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
  for (const kind of kinds)
    for (const storm of ['stall', 'steady'] as const)
      if (!(BRIEF && kind === 'aedes' && storm === 'steady')) await add(rows, kind, () => stall(kind, storm));
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
  for (const kind of kinds) await add(rows, kind, () => burst(kind, 2_000));
  if (kinds.includes('sluice')) await add(rows, 'bounds raised', async () => burst('sluice', 2_000, await built()));
  printTable(rows);
}
for (const [name, storm, counts] of [
  ['retained', 'retained', BRIEF ? [100_000] : [10_000, 100_000]],
  ['clients', 'clients', [0, 100, 1_000]],
] as const) {
  if (!parts.includes(name)) continue;
  printConditions(name === 'retained' ? 'Memory with retained messages of 100 bytes' : 'Memory with subscribers');
  const rows: (string | number)[][] = [['broker', 'asked', 'held', 'PSS MB', 'more MB', 'RSS MB', 'load']];
  for (const kind of kinds) for (const many of counts) await add(rows, kind, () => held(kind, storm, many));
  if (kinds.includes('sluice')) {
    const program = await built();
    for (const many of counts) await add(rows, 'bounds raised', () => held('sluice', storm, many, program));
    // A quarter more processor (bin/sluice): to see what garbage is of it.
    if (name === 'retained')
      await add(rows, 'bounds raised', () => held('sluice', storm, 100_000, program, ['--optimize-for-size']));
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
    'lost',
    'polls',
    'late p99 ms',
    'most ms',
    'alarm p99 ms',
    'upstream p99 ms',
    'PSS MB',
    'RSS most MB',
    'cores used',
    'load',
  ];
  const rows: (string | number)[][] = [head];
  for (const storm of Object.keys(STORMS) as StormKind[])
    if (only.length === 0 || only.includes(storm))
      for (const kind of kinds)
        if (kind === 'sluice' || !(HTTPS.includes(storm) || (kind === 'apart' && storm === 'tls')))
          await add(rows, storm, () => lateness(kind, storm));
  printTable(rows);
}
if (parts.includes('commits')) {
  printConditions('Commits of the log beside a broker.db that is synced without a pause');
  const head = ['case', 'commits', 'p50 ms', 'p99 ms', 'most ms', 'commits of broker.db a second', 'load'];
  printTable([head, ...(await commits(ROUNDS, WINDOW))]);
}
if (parts.includes('ways')) {
  printConditions('100,000 retained messages of 100 bytes in a process with nothing but them and broker.db');
  const head = ['way', 'PSS MB', 'more MB', 'heap in use MB', 'heap MB', 'load'];
  printTable([head, ...(await keptWays(3))]);
}
console.log(`\n${Math.round((performance.now() - began) / 1000)} s`);
process.exit();
