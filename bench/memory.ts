/**
 * Memory of the daemon as it is started, at 1,000 points a second: upstream, embedded broker and socket API on. After
 * 30 s at 1 Hz, and after the readings of some ten minutes, taken ten times as fast. `npm run bench:memory`; with the word `slow` and SLUICE_BENCH_MS=300000 five minutes at 1 Hz.
 *
 * With the word `long` 30 minutes at 1 Hz (SLUICE_BENCH_MS for another time), in which the keeper packs a unit of history
 * every six minutes: mean, p95 and most of all seconds, and of those in which the keeper thread runs, with the processor time
 * of the process for 1,000 readings in these seconds. Further words are folders of other built trees, which run beside this one
 * at the same time.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../test/harness/child.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { pidOf, SLUICE, startMosquitto, startResponder, writeSite } from './lib/site.ts';
import { recordsOf, Subscriber } from './lib/subscriber.ts';
import { Workspace } from './lib/workspace.ts';

const WORD = process.argv[2];
const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? (WORD === 'long' ? 1_800_000 : 30_000));

/** Points of the device; a record has them all. */
const POINTS = 100;

interface Running {
  readonly gateway: Child;
  readonly stateDir: string;
  records(): number;
}

/** The gateway with all that belongs to it; resolves when the first readings are delivered. */
async function start(space: Workspace, interval: string, sluice: string): Promise<Running> {
  const broker = await startMosquitto(space);
  const responder = await startResponder(space, 'decimal', String(POINTS), '10', '256');
  const stateDir = path.join(space.folder, 'state');
  const config = await writeSite(space, {
    dataSet: dataSetNamed('decimal', POINTS),
    devices: 10,
    responder: responder.port,
    interval,
    upstream: broker,
    embedded: true,
    stateDir,
  });
  let records = 0;
  const subscriber = new Subscriber(broker, ['sluice/bench/data', 'sluice/bench/history'], ({ payload }) => {
    records += recordsOf(payload);
  });
  space.after(() => subscriber.close());
  await subscriber.ready();
  const gateway = space.spawn(sluice, ['run', '-c', config]);
  await waitFor(
    () => `readings:\n${[...gateway.stdout, ...gateway.stderr].join('\n')}`,
    () => records > 0,
  );
  return { gateway, stateDir, records: () => records };
}

async function measure(label: string, interval: string, ms: number): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const { gateway, records } = await start(space, interval, SLUICE);
    let most = 0;
    let sum = 0;
    let count = 0;
    const end = performance.now() + ms;
    while (performance.now() < end) {
      await sleep(1000);
      const { rss } = memory(pidOf(gateway));
      most = Math.max(most, rss);
      if (end - performance.now() < ms / 3) {
        sum += rss;
        count++;
      }
    }
    const { rss, pss } = memory(pidOf(gateway));
    return [
      label,
      (records() * POINTS).toLocaleString('en'),
      (sum / count).toFixed(0),
      most.toFixed(0),
      rss.toFixed(0),
      pss.toFixed(0),
    ];
  });
}

interface Second {
  readonly at: number;
  readonly rss: number;
  readonly pss: number;
  /** The keeper thread is there: it packs, answers, or waits some seconds for more. */
  readonly keeper: boolean;
  /** Bytes of history.db: it grows where a unit was packed. */
  readonly history: number;
  /** CPU seconds of the process, and readings at the subscriber, so far. */
  readonly cpu: number;
  readonly readings: number;
}

function sample({ gateway, stateDir, records }: Running, began: number): Second {
  const pid = pidOf(gateway);
  const names = readdirSync(`/proc/${pid}/task`).map((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim();
    } catch {
      return 'ended';
    }
  });
  const history = statSync(path.join(stateDir, 'history.db'), { throwIfNoEntry: false })?.size ?? 0;
  const keeper = names.some((name) => /keeper/.test(name));
  const spent = { cpu: cpuSeconds(pid), readings: records() * POINTS };
  return { at: (performance.now() - began) / 1000, ...memory(pid), keeper, history, ...spent };
}

/** CPU seconds for 1,000 readings in these seconds, which need not be in a row. */
function cpuOf(chosen: readonly Second[], all: readonly Second[]): string {
  let cpu = 0;
  let readings = 0;
  for (const second of chosen) {
    const before = all[all.indexOf(second) - 1];
    if (before === undefined) continue;
    cpu += second.cpu - before.cpu;
    readings += second.readings - before.readings;
  }
  return ((cpu / readings) * 1000).toFixed(4);
}

/** Seconds in a row in which the keeper is there. */
function phasesOf(seconds: readonly Second[]): Second[][] {
  const phases: Second[][] = [];
  seconds.forEach((second, i) => {
    if (!second.keeper) return;
    if (seconds[i - 1]?.keeper) phases.at(-1)?.push(second);
    else phases.push([second]);
  });
  return phases;
}

/** Whether it grows is seen over so many seconds each. */
const SPAN = 300;
/** A unit takes at least so many bytes; the file itself is made with less. */
const UNIT_BYTES = 100_000;

const mb = (values: readonly number[]): string[] => [
  (values.reduce((sum, v) => sum + v, 0) / values.length).toFixed(1),
  percentile(values, 0.95).toFixed(1),
  Math.max(...values).toFixed(1),
];

/** One built tree for `ms`, sampled each second. */
async function watch(root: string | undefined, ms: number): Promise<Second[]> {
  const sluice = root === undefined ? SLUICE : path.join(root, 'bin', 'sluice');
  return Workspace.use(async (space) => {
    const running = await start(space, '1s', sluice);
    const seconds: Second[] = [];
    const began = performance.now();
    while (performance.now() - began < ms) {
      await sleep(1000 - ((performance.now() - began) % 1000));
      seconds.push(sample(running, began));
    }
    return seconds;
  });
}

async function long(roots: readonly (string | undefined)[]): Promise<void> {
  const all = await Promise.all(roots.map((root) => watch(root, MEASURE)));
  const rows: (string | number)[][] = [
    ['tree, seconds', 'n', 'RSS mean', 'RSS p95', 'RSS most', 'PSS mean', 'PSS p95', 'PSS most', 'CPU-s/1,000'],
  ];
  all.forEach((seconds, k) => {
    const add = (label: string, chosen: readonly Second[]): void => {
      if (chosen.length === 0) return;
      rows.push([
        ...[label, chosen.length, ...mb(chosen.map((s) => s.rss)), ...mb(chosen.map((s) => s.pss))],
        cpuOf(chosen, seconds),
      ]);
    };
    const name = roots[k] === undefined ? 'this one' : path.basename(roots[k]);
    add(`${name}, all`, seconds);
    add(
      `${name}, without the keeper`,
      seconds.filter((s) => !s.keeper),
    );
    for (let from = 0; from < MEASURE / 1000; from += SPAN)
      add(
        `${name}, without the keeper, ${from}..${from + SPAN} s`,
        seconds.filter((s) => !s.keeper && s.at >= from && s.at < from + SPAN),
      );
    for (const phase of phasesOf(seconds)) {
      const [first, last] = [phase[0] as Second, phase.at(-1) as Second];
      const before = seconds[seconds.indexOf(first) - 1]?.history ?? 0;
      const what = last.history - before > UNIT_BYTES ? 'keeper packs' : 'keeper looks';
      add(`${name}, ${what}, ${first.at.toFixed(0)}..${last.at.toFixed(0)} s`, phase);
    }
  });
  printTable(rows);
}

printConditions(`Memory at 1,000 points, bin/sluice run, ${(MEASURE / 60_000).toFixed(1)} minutes, MB (1024²)`);
if (WORD === 'long') await long([...process.argv.slice(3), undefined]);
else {
  const rows: (string | number)[][] = [
    ['site', 'readings', 'RSS mean of last third', 'RSS most', 'RSS at the end', 'PSS at the end'],
  ];
  rows.push(await measure('1 Hz', '1s', MEASURE));
  if (WORD !== 'slow') rows.push(await measure('10 Hz', '100ms', MEASURE * 2));
  printTable(rows);
}
process.exit(0);
