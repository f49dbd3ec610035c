/**
 * Power cuts of a log: a process keeps a log on a disk that records what reaches it; then the power is cut at many moments
 * of that record, and our own code opens what is left. docs/decisions/wal-sync.md
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { Lanes } from '../../src/store/delivery/lanes.ts';
import { LEASE } from '../../src/store/delivery/lease.ts';
import type { Outlet } from '../../src/store/delivery/outlet.ts';
import { HISTORY_FILE } from '../../src/store/files/history-layout.ts';
import type { Lane } from '../../src/store/files/lane-state.ts';
import { LOG_FILE } from '../../src/store/files/layout.ts';
import type { Repair } from '../../src/store/files/repair-report.ts';
import { SALVAGE_BOUNDS } from '../../src/store/files/salvage-bounds.ts';
import { Log } from '../../src/store/log.ts';
import { LogReader } from '../../src/store/read/reading.ts';
import { HistoryMender } from '../../src/store/recovery/mend-history.ts';
import { openLog } from '../../src/store/recovery/open-log.ts';
import { allNotices } from './all-notices.ts';
import { startChild } from './child.ts';
import { type ImageDisk, imageDisk } from './image-disk.ts';
import { keepCut } from './kept-cut.ts';
import { noiseOf, pressureOf, type Told } from './log-child.ts';
import { payloadText } from './payload-text.ts';
import { Cuts, type Entry, recordingDisk } from './recording-disk.ts';
import { scratch } from './scratch.ts';

const MEGABYTES = 16;
const CHILD = path.join(import.meta.dirname, 'log-child.ts');
const WITHOUT = path.join(import.meta.dirname, 'without-sync.ts');
const SIZES = { maxSize: 4_000_000, maxAge: 1e13 };
/** Failed cuts that are kept (kept-cut.ts). */
const MAX_KEPT = 3;

export interface Recording {
  readonly entries: readonly Entry[];
  readonly size: number;
  readonly told: readonly Told[];
  /** What was on the disk before. */
  readonly image: Buffer | undefined;
}

export interface RecordOptions {
  readonly commits: number;
  readonly seed: number;
  /** Calls that do nothing. */
  readonly without?: 'fdatasync' | 'all';
  /** A cut that the log goes on from, and the commits that were reported before it. */
  readonly after?: { readonly image: Buffer; readonly told: readonly Told[] };
}

/** @returns undefined after the test was marked as skipped */
export async function recordLog(t: TestContext, options: RecordOptions): Promise<Recording | undefined> {
  const { commits, seed, without, after } = options;
  const disk = await recordingDisk(t, MEGABYTES, after?.image);
  if (disk === undefined) return undefined;
  const runtimeDir = scratch(t, 'run');
  // Commits that were reported before the cut count at every moment of this record.
  const told: Told[] = (after?.told ?? []).map((line) => ({ ...line, at: 0 }));
  const loader = without === undefined ? [] : ['--import', WITHOUT];
  for (let first = 1; first <= commits; ) {
    const args = [path.join(disk.folder, 'state'), runtimeDir, disk.record, String(commits), String(seed), String(first)];
    const child = startChild(t, process.execPath, [...loader, CHILD, ...args], { env: { WITHOUT_SYNC: without } });
    const how = await child.ended;
    told.push(...child.stdout.map((line) => JSON.parse(line) as Told));
    const last = told.at(-1);
    if (how !== 'SIGKILL' || last?.kind !== 'leaving') {
      assert.equal(how, 0, child.stderr.join('\n'));
      break;
    }
    first = last.commit;
  }
  await disk.stop();
  return { entries: disk.entries(), size: disk.size, told, image: after?.image };
}

/**
 * Moments after the first opening, going up: of three, one at any write, one right behind what was reported as
 * committed, one while a run ends and the next one begins.
 */
export function moments({ entries, told }: Recording, count: number, random: () => number): number[] {
  const mine = told.filter((line) => line.at > 0);
  const from = (mine[0] as Told).at;
  // Right behind a write, which may be lost: behind a flush nothing can be.
  const ends = entries
    .filter((e) => e.write !== undefined && e.end >= from && e.end <= (mine.at(-1) as Told).at)
    .map((e) => e.end);
  const reported = mine.filter((line) => line.kind === 'committed').map((line) => line.at);
  const between = mine.flatMap((line, i) => {
    const to = mine[i + 1]?.at ?? 0;
    return line.kind === 'leaving' ? ends.filter((end) => end >= line.at && end <= to) : [];
  });
  const kinds = [ends, reported, between.length > 0 ? between : ends];
  return Array.from({ length: count }, (_, i) => {
    const of = kinds[i % kinds.length] as number[];
    return of[Math.floor(random() * of.length)] as number;
  }).sort((a, b) => a - b);
}

/** What is left after a cut. */
export interface Left {
  readonly id: string;
  readonly next: number;
  readonly repairs: readonly Repair[];
  /** What a forwarder that wants everything gets: numbers, and whether their content is right. */
  readonly everything: number[];
  readonly wrong: number[];
  readonly notices: number[];
  /** What the forwarder that was there gets. */
  readonly waiting: number[];
}

interface Content {
  readonly seq: number;
  readonly pressure: unknown;
  readonly noise: unknown;
}
const isWrong = (r: Content) => r.pressure !== pressureOf(r.seq) || r.noise !== noiseOf(r.seq);

/** The result of the writer's and the keeper's functions, called in this thread: a tenth of the time of `wholly`. */
async function quickly(stateDir: string, runtimeDir: string): Promise<Left> {
  const file = path.join(stateDir, LOG_FILE);
  const { database, opened } = openLog({ file, runtimeDir, ...SIZES, lease: LEASE, tries: 0, last: true });
  try {
    database.wal.sync();
    const repairs = [...opened.repairs];
    const reader = new LogReader(file);
    try {
      const mender = new HistoryMender(
        path.join(stateDir, HISTORY_FILE),
        reader,
        (repair) => repairs.push(repair),
        () => {},
        () => true,
        SALVAGE_BOUNDS.history,
      );
      mender.need();
      const all: Content[] = [];
      const notices: number[] = [];
      const waiting: number[] = [];
      for (const { ordinal, name, last } of opened.logs) {
        const wants = {
          id: 0,
          log: ordinal,
          logName: name,
          to: last,
          maxReadings: 5000,
          format: 'json',
          formatOptions: {},
          gateway: 'g1',
          sent: 0,
        };
        const mine: Content[] = [];
        for (let from = 1; ; ) {
          const { batch } = reader.read({ ...wants, from, lane: 'history' });
          if (batch === undefined) break;
          from = batch.last + 1;
          mine.push(...contentOf(payloadText(batch)));
        }
        all.push(...mine);
        for (const only of ['alarm', 'event'] as const)
          notices.push(
            ...reader.notices({ id: 0, log: ordinal, only, after: 0, to: last, limit: 1e6 }).notices.map((n) => n.seq),
          );
        const state = opened.forwarders.find((f) => f.name === 'cloud' && f.log === ordinal)?.state;
        // Whom the log does not know it owes everything.
        const lanes = state === undefined ? undefined : Lanes.load(state);
        waiting.push(...mine.filter((r) => lanes?.waits(r.seq) ?? true).map((r) => r.seq));
      }
      return {
        id: opened.logs.at(-1)?.name ?? '',
        next: opened.next,
        repairs,
        everything: all.map((r) => r.seq),
        wrong: all.filter(isWrong).map((r) => r.seq),
        notices,
        waiting,
      };
    } finally {
      reader.close();
    }
  } finally {
    database.wal.close();
    database.db.close();
  }
}

/** What a log finds, with its threads and outlets. */
async function wholly(stateDir: string, runtimeDir: string): Promise<Left> {
  const log = await Log.open({ stateDir, runtimeDir, clock: systemClock, ...SIZES, commitEvery: 3_600_000 });
  try {
    const repairs = [...log.opened.repairs];
    log.on('repaired', (repair) => repairs.push(repair));
    const cloud = log.outlet('cloud', 'oldest', 'g1', 'json');
    const check = log.outlet('check', 'oldest', 'g1', 'json');
    log.setClock(Math.round(Date.now() - performance.now()), false);
    log.setInventory('{}');
    await Promise.all([cloud.ready(), check.ready()]);
    const all = [...(await drain(check, 'history')), ...(await drain(check, 'data'))];
    const notices: number[] = [];
    for (let some = await allNotices(check, 100); some.length > 0; some = await allNotices(check, 100))
      for (const notice of some) {
        notices.push(notice.seq);
        check.noticesDone(notice);
      }
    return {
      id: log.id,
      next: log.opened.next,
      repairs,
      everything: all.map((r) => r.seq),
      wrong: all.filter(isWrong).map((r) => r.seq),
      notices,
      waiting: [...(await drain(cloud, 'data')), ...(await drain(cloud, 'history'))].map((r) => r.seq),
    };
  } finally {
    await log.abandon();
  }
}

async function drain(outlet: Outlet, lane: Lane): Promise<Content[]> {
  const out: Content[] = [];
  for (let batch = await outlet.next(lane, 5000); batch !== undefined; batch = await outlet.next(lane, 5000)) {
    outlet.handOver(batch);
    outlet.done(batch);
    out.push(...contentOf(payloadText(batch)));
  }
  return out;
}

function contentOf(payload: string): Content[] {
  const { records } = JSON.parse(payload) as { records: { seq: number; values: { pressure: unknown; noise: unknown } }[] };
  return records.map(({ seq, values }) => ({ seq, ...values }));
}

/** Everything that is wrong with what is left after a cut; empty when nothing is. */
export function faults(left: Left, { told }: Recording, moment: number): string[] {
  const before = told.filter((line) => line.at <= moment);
  const out: string[] = [];
  const open = before.findLast((line) => line.kind === 'open');
  if (open !== undefined && left.id !== open.log) out.push(`the log's id was ${open.log} and is ${left.id}`);
  for (const { file, why } of left.repairs) out.push(`${file} had to be repaired: ${why}`);
  const used = Math.max(...before.map((line) => (line.kind === 'used' ? line.next : 0)));
  if (left.next < used) out.push(`counting goes on at ${left.next}, and ${used - 1} was used`);
  const have = new Set(left.everything);
  const committed = before.flatMap((line) => (line.kind === 'committed' ? line.records : []));
  const lost = committed.filter((seq) => !have.has(seq));
  if (lost.length > 0) out.push(`${lost.length} of ${committed.length} committed records are lost, the first ${lost[0]}`);
  if (have.size !== left.everything.length) out.push('records come twice');
  if (left.wrong.length > 0) out.push(`${left.wrong.length} records have another content`);
  const notices = new Set(left.notices);
  const lostNotices = before
    .flatMap((line) => (line.kind === 'committed' ? line.notices : []))
    .filter((seq) => !notices.has(seq));
  if (lostNotices.length > 0) out.push(`${lostNotices.length} committed events are lost`);
  const waiting = new Set(left.waiting);
  if (waiting.size !== left.waiting.length) out.push('a record waits in both lanes, or twice in one');
  const delivered = new Set(before.flatMap((line) => (line.kind === 'delivered' ? line.records : [])));
  const forgotten = left.everything.filter((seq) => !waiting.has(seq) && !delivered.has(seq));
  if (forgotten.length > 0) out.push(`${forgotten.length} records are neither delivered nor waiting, the first ${forgotten[0]}`);
  return out;
}

/** @param runtimeDir not there yet @returns what is wrong with the log on this image, which a cut at this moment left */
export async function lookAt(
  disk: ImageDisk,
  image: Buffer,
  recording: Recording,
  moment: number,
  runtimeDir: string,
  look = quickly,
): Promise<string[]> {
  try {
    mkdirSync(runtimeDir);
    return faults(await disk.with(image, (folder) => look(path.join(folder, 'state'), runtimeDir)), recording, moment);
  } catch (thrown) {
    return [`it cannot be opened: ${String(thrown)}`];
  }
}

export interface Found {
  readonly cuts: number;
  /** In words; a failed cut names the folder that has its record and its image. */
  readonly faults: string[];
  /** Writes that the cuts lost at least in part. */
  lost: number;
  /** An image of the last third, to go on from, and the commits that were reported before. */
  after: RecordOptions['after'];
}

/** Where cuts are looked at. @returns undefined after the test was marked as skipped */
export function cutDisk(t: TestContext): ImageDisk | undefined {
  return imageDisk(t, MEGABYTES * 1024 ** 2);
}

/** @param wholeEvery so often the whole log looks, with its threads; else its functions alone */
export async function playCuts(
  t: TestContext,
  disk: ImageDisk,
  recording: Recording,
  { count, random, wholeEvery }: { count: number; random: () => number; wholeEvery: number },
): Promise<Found> {
  const cuts = new Cuts(recording.entries, recording.size, recording.image);
  const found: Found = { cuts: count, faults: [], lost: 0, after: undefined };
  const chosen = Math.floor(count * (2 + random()) * (1 / 3));
  const run = scratch(t, 'run', '/dev/shm');
  let kept = 0;
  for (const [i, moment] of moments(recording, count, random).entries()) {
    const { image, lost } = cuts.at(moment, random);
    found.lost += lost;
    if (i === chosen) found.after = { image: Buffer.from(image), told: recording.told.filter((line) => line.at <= moment) };
    const look = (i + 1) % wholeEvery === 0 ? wholly : quickly;
    // The board was off: what lay in memory is gone.
    const wrong = await lookAt(disk, image, recording, moment, path.join(run, String(i)), look);
    if (wrong.length === 0) continue;
    const folder = kept++ < MAX_KEPT ? keepCut(recording, image, moment, wrong) : 'not kept';
    found.faults.push(...wrong.map((fault) => `cut at ${moment} (${folder}): ${fault}`));
  }
  return found;
}
