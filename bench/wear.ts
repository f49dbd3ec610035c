/**
 * Bytes written per reading kept, as /proc says and at the block device of a loop ext4, and bytes of the file per
 * reading, side by side with other layouts on the same SQLite. Commits, checkpoints, compaction, thinning and deletes
 * are included. Derived: MB a day, and years that a 16 GB card of 3,000 cycles would last if that were all it wrote.
 *
 * The writes depend on commits, not on the seconds between them, so time is run faster. One thing does depend on
 * real time: ext4 writes the time of last change of a file with its journal every 5 s, about 12 kB; `--real-time MINUTES`
 * measures with it, `--mount lazytime` without.
 *
 * The history takes a part of the log each HOUR_READINGS readings: at 1,000 a second minutes should be a multiple of six.
 *
 * `--size MB` is `buffer.maxSize`. `--places` also counts blocks by the file that they belong to, as the kernel traces the device.
 *
 * Filling a log takes minutes of processor time: `--keep FOLDER` copies the files of a full one, and `--from FOLDER` begins with
 * them. `buffer.maxSize` and the data must be the same.
 *
 * `npm run bench:wear`; `-- --targets` for the cases that have a target; `-- --only sluice --rate 1000 --commit 10`.
 * Needs root.
 */
import { cpSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ModbusPoint } from '../src/codecs/modbus-point.ts';
import { pointInfo } from '../src/codecs/modbus-point.ts';
import { compileRequest } from '../src/codecs/modbus-registers.ts';
import type { Sample } from '../src/core/point.ts';
import { HOUR_READINGS } from '../src/store/archive/compact.ts';
import { HISTORY_FILE } from '../src/store/files/history-layout.ts';
import { BlockPlaces } from './lib/block-places.ts';
import { BlockTrace, numberOf } from './lib/block-trace.ts';
import { Card } from './lib/card.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { jsonLayout, type Layout, rowsLayout, sluiceLayout } from './lib/layouts.ts';
import { Workspace } from './lib/workspace.ts';

/** Between two commits: the recipes' pause, in which ext4 does what it does in a second. */
const NAP = 5;
/** `buffer.maxSize` by the data, bytes: what half a minute of filling can fill. The starter configuration has 256 MB. */
const MAX_SIZE: Record<string, number> = { decimal: 64 * 1024 ** 2, float32: 128 * 1024 ** 2 };
/** The same for slow sites in real time: a larger one takes an hour to fill. */
const SLOW_SIZE = 8 * 1024 ** 2;
const SLOW = 100;
/** Seconds of readings that the other layouts keep. */
const KEEP = 1800;
/** Readings per second from which on the log is filled up before the measured part begins; in real time every log is full. */
const FILL_FROM = 1000;
const FILL_FROM_REAL = 10;
/** Commits before the measured part: so many at a time, and at most; and of the measured part at least. It is whole rounds of the write-ahead file, with their checkpoints. */
const WARM = 100;
const MOST = 4000;
const LEAST = 300;
/** Seconds without a change of the history, and how often they are waited for. */
const QUIET = 30;
const QUIET_TRIES = 10;
const CARD = { bytes: 16e9, cycles: 3000 };

interface Case {
  readonly layout: 'sluice' | 'rows' | 'json';
  readonly data: string;
  /** Readings a second. */
  readonly rate: number;
  /** Seconds. */
  readonly commit: number;
}

const { values: options } = parseArgs({
  options: {
    targets: { type: 'boolean', default: false },
    only: { type: 'string' },
    rate: { type: 'string' },
    commit: { type: 'string' },
    data: { type: 'string' },
    mount: { type: 'string', default: 'defaults' },
    'real-time': { type: 'string' },
    size: { type: 'string' },
    places: { type: 'boolean', default: false },
    from: { type: 'string' },
    keep: { type: 'string' },
  },
});
const realMinutes = options['real-time'] === undefined ? undefined : Number(options['real-time']);

/** A site of `rate` points at 1 Hz whose devices are polled evenly over the second. */
class Site {
  readonly #sources: { next: (at: number) => Sample }[];
  readonly slots = 10;

  constructor(data: string, rate: number) {
    const devices = rate < 10 ? 1 : Math.max(10, rate / 100);
    const set = dataSetNamed(data, rate / devices);
    const points: ModbusPoint[] = set.points.map((p) => ({ ...p, table: 'holding' }));
    this.#sources = Array.from({ length: devices }, (_, i) => {
      const device = set.device(i + 1);
      const decode = compileRequest({ device: `d${i}`, points: points.map(pointInfo) }, points, 0);
      return {
        next: (at) => {
          device.step();
          return decode(device.registers, at);
        },
      };
    });
  }

  /** What the tenth `slot` of the second that begins at `at` brings. */
  slot(at: number, slot: number): Sample[] {
    const jitter = Math.floor(Math.random() * 3);
    return this.#sources.filter((_, i) => i % this.slots === slot).map((s, i) => s.next(at + slot * 100 + i * 3 + jitter));
  }
}

async function measure(one: Case): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const card = Card.make(space, 1024, options.mount);
    const site = new Site(one.data, one.rate);
    const state = path.join(card.folder, 'state');
    if (options.from !== undefined && one.layout === 'sluice') cpSync(options.from, state, { recursive: true });
    const layout = await layoutOf(one, card, space);
    let at = Math.round(performance.now());
    let slot = 0;
    let readings = 0;
    /** Readings of `seconds`, which may be a tenth. */
    const take = (seconds: number): number => {
      let taken = 0;
      for (let s = Math.round(seconds * site.slots); s > 0; s--) {
        for (const sample of site.slot(at, slot)) {
          layout.append(sample);
          taken += sample.shape.points.length;
        }
        slot = (slot + 1) % site.slots;
        if (slot === 0) at += 1000;
      }
      readings += taken;
      return taken;
    };
    const run = async (commits: number, nap: number): Promise<number> => {
      let made = 0;
      while (made < commits) {
        if (take(one.commit) === 0) continue;
        await layout.commit();
        made++;
        await sleep(nap);
      }
      return made;
    };
    const real = realMinutes !== undefined;
    // What the earlier process left is packed with the readings of this one.
    if (one.layout === 'sluice' && options.from !== undefined) await some(layout, take, one.rate);
    else if (one.layout === 'sluice' && one.rate >= (real ? FILL_FROM_REAL : FILL_FROM)) await fill(layout, take, one.rate);
    // The others keep half an hour: from then on they delete as much as they write.
    else if (real) {
      for (let s = 0; s < KEEP; s += 10) {
        take(10);
        await layout.commit();
      }
    }
    await layout.settle?.();
    const nap = real ? one.commit * 1000 : NAP;
    // The write-ahead file is made longer until it has its length, once in its life; then it goes round.
    let warm = 0;
    do warm += await run(real ? 1 : WARM, NAP);
    while (layout.isWarm?.() === false && warm < MOST);
    await layout.settle?.();
    /** Whole rounds of the write-ahead file: each ends with a checkpoint. */
    const rounds = async (least: number): Promise<number> => {
      if (layout.round === undefined) return run(least, nap);
      let made = 0;
      for (let round = layout.round(); made < MOST && (made < least || layout.round() === round); ) {
        if (made < least) round = layout.round();
        made += await run(1, nap);
      }
      return made;
    };
    if (!real) await rounds(0);
    else await quiet(path.join(state, HISTORY_FILE), () => run(Math.ceil(QUIET / one.commit), nap));
    const places = options.places ? new BlockPlaces(card, state) : undefined;
    const trace = options.places ? new BlockTrace(space) : undefined;
    places?.look();
    const [before, had] = [card.written(), readings];
    trace?.mark('from', card.device);
    const made = realMinutes === undefined ? await rounds(LEAST) : await run((realMinutes * 60) / one.commit, nap);
    const after = card.written();
    trace?.mark('to', card.device);
    const n = readings - had;
    places?.look();
    if (trace !== undefined && places !== undefined) {
      const writes = trace.writes().filter(({ device }) => device === numberOf(card.device));
      for (const [place, blocks] of places.count(writes))
        byPlace.push([one.data, `${one.commit} s`, one.layout, n, made, place, blocks, (blocks / made).toFixed(2)]);
    }
    const held = await layout.held();
    await layout.close();
    if (options.keep !== undefined) cpSync(state, options.keep, { recursive: true });
    const device = (after.device - before.device) / n;
    const perDay = device * one.rate * 86_400;
    return [
      one.data,
      `${one.rate}/s`,
      `${one.commit} s`,
      layout.name,
      ((after.proc - before.proc) / n).toFixed(2),
      device.toFixed(2),
      ((after.device - before.device) / made / 4096).toFixed(2),
      (held.bytes / held.readings).toFixed(2),
      (perDay / 1e6).toFixed(perDay < 1e8 ? 1 : 0),
      years(perDay),
    ];
  });
}

/** Until records were dropped; in large commits. */
async function fill(layout: Layout, take: (seconds: number) => number, rate: number): Promise<void> {
  for (let before = 0; ; ) {
    await some(layout, take, rate);
    const { readings } = await layout.held();
    // Thinning makes it fall for the first time.
    if (readings < before) return;
    before = readings;
  }
}

/** As many readings as one hour of the history has, in large commits. */
async function some(layout: Layout, take: (seconds: number) => number, rate: number): Promise<void> {
  for (let i = 0; i < 20; i++) {
    take(Math.ceil(HOUR_READINGS / 20 / rate));
    await layout.commit();
  }
  // In its life the keeper is never behind: log.db would be larger for ever.
  await layout.settle?.();
}

/** What filling left for the keeper is none of the measured part: the history is left alone for a while. */
async function quiet(history: string, wait: () => Promise<number>): Promise<void> {
  const changed = () => statSync(history, { throwIfNoEntry: false })?.mtimeMs;
  for (let tries = 0; tries < QUIET_TRIES; tries++) {
    const before = changed();
    await wait();
    if (changed() === before) return;
  }
}

function layoutOf(one: Case, card: Card, space: Workspace): Promise<Layout> | Layout {
  switch (one.layout) {
    case 'sluice':
      return sluiceLayout(card.folder, path.join('/dev/shm', path.basename(space.folder)), maxSizeOf(one));
    case 'rows':
      return rowsLayout(card.folder, one.rate * KEEP);
    case 'json':
      return jsonLayout(card.folder, one.rate * KEEP);
  }
}

function maxSizeOf({ data, rate }: Case): number {
  if (options.size !== undefined) return Number(options.size) * 1024 ** 2;
  return realMinutes !== undefined && rate < SLOW ? SLOW_SIZE : (MAX_SIZE[data] as number);
}

function years(bytesPerDay: number): string {
  const n = (CARD.bytes * CARD.cycles) / bytesPerDay / 365;
  return n > 100 ? '> 100' : n.toFixed(n < 10 ? 1 : 0);
}

function cases(): Case[] {
  if (options.targets)
    return [
      ...['decimal', 'float32'].flatMap((data) =>
        [1, 10].map((commit): Case => ({ layout: 'sluice', data, rate: 1000, commit })),
      ),
      { layout: 'sluice', data: 'decimal', rate: 10, commit: 1 },
      { layout: 'sluice', data: 'decimal', rate: 10, commit: 10 },
    ];
  const all: Case[] = [];
  for (const data of options.data === undefined ? ['decimal'] : [options.data])
    for (const rate of options.rate === undefined ? [1, 10, 100, 1000, 10_000] : [Number(options.rate)])
      for (const commit of options.commit === undefined ? [0.1, 1, 10] : [Number(options.commit)])
        for (const layout of ['sluice', 'rows', 'json'] as const)
          if (options.only === undefined || options.only === layout) all.push({ layout, data, rate, commit });
  return all;
}

printConditions(
  `Bytes written per reading kept; maxSize ${options.size ?? 'as a rule 64 (decimal) or 128 (float32)'} MB, one live forwarder; ext4 (${options.mount}) on a loop device; ` +
    (realMinutes === undefined ? 'time run faster' : `real time, ${realMinutes} min`),
);
const rows: (string | number)[][] = [
  ['data', 'rate', 'commit', 'layout', '/proc B', 'device B', 'x 4 KiB/commit', 'file B', 'MB/day', 'card years'],
];
const byPlace: (string | number)[][] = [['data', 'commit', 'layout', 'readings', 'commits', 'place', 'blocks', 'x 4 KiB/commit']];
for (const one of cases()) {
  rows.push(await measure(one));
  console.error(rows.at(-1)?.join('  '));
}
printTable(rows);
if (options.places) {
  console.log();
  printTable(byPlace);
}
process.exit(0);
