/**
 * Power cuts: the log commits on a disk that records what reaches it; then the power is cut at many moments of that
 * record, and our own code opens what was left. docs/decisions/wal-sync.md
 */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { seeded } from '../../../src/core/seeded.ts';
import type { Lane } from '../../../src/store/delivery/lanes.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import { Log } from '../../../src/store/log.ts';
import { startChild } from '../../harness/child.ts';
import { noiseOf, pressureOf, type Told } from '../../harness/log-child.ts';
import { mountPoint, run } from '../../harness/loop-disk.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { cut, type Entry, recordingDisk } from '../../harness/recording-disk.ts';
import { scratch } from '../../harness/scratch.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const MEGABYTES = 24;
const CHILD = path.join(import.meta.dirname, '..', '..', 'harness', 'log-child.ts');
const WITHOUT = path.join(import.meta.dirname, '..', '..', 'harness', 'without-sync.ts');

interface Recording {
  readonly entries: readonly Entry[];
  readonly size: number;
  readonly told: readonly Told[];
}

async function record(t: TestContext, commits: number, without?: 'fdatasync' | 'all'): Promise<Recording | undefined> {
  const disk = await recordingDisk(t, MEGABYTES);
  if (disk === undefined) return undefined;
  const args = [path.join(disk.folder, 'state'), scratch(t, 'run'), disk.record, String(commits), String(SEED)];
  const child = startChild(t, process.execPath, [...(without === undefined ? [] : ['--import', WITHOUT]), CHILD, ...args], {
    env: { WITHOUT_SYNC: without },
  });
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  await disk.stop();
  return { entries: disk.entries(), size: disk.size, told: child.stdout.map((line) => JSON.parse(line) as Told) };
}

/** Moments after the first opening: random ones, and right behind what was reported as committed. */
function moments({ entries, told }: Recording, count: number, random: () => number): number[] {
  const from = (told[0] as Told).at;
  const ends = entries.map((e) => e.end).filter((end) => end >= from && end <= (told.at(-1) as Told).at);
  const reported = told.filter((line) => line.kind === 'committed').map((line) => line.at);
  const pick = (of: readonly number[]) => of[Math.floor(random() * of.length)] as number;
  return Array.from({ length: count }, (_, i) => pick(i % 2 === 0 ? ends : reported));
}

interface Left {
  readonly id: string;
  readonly next: number;
  readonly repaired: boolean;
  /** What a forwarder that wants everything gets: numbers, and whether their content is right. */
  readonly everything: number[];
  readonly wrong: number[];
  readonly notices: number[];
  /** What the forwarder that was there gets, by lane. */
  readonly data: number[];
  readonly history: number[];
}

/** What our own code finds on the disk. */
async function look(t: TestContext, image: Buffer, point: string): Promise<Left> {
  const file = path.join(path.dirname(point), 'cut.img');
  writeFileSync(file, image);
  run('mount', '-o', 'loop', file, point);
  try {
    const runtimeDir = path.join(scratch(t, 'run'), 'run');
    mkdirSync(runtimeDir);
    const log = await Log.open({
      stateDir: path.join(point, 'state'),
      runtimeDir,
      clock: systemClock,
      maxSize: 4_000_000,
      maxAge: 1e13,
      commitEvery: 3_600_000,
    });
    try {
      const { next, repairs } = log.opened;
      const cloud = log.outlet('cloud', 'oldest', 'g1', 'json');
      const check = log.outlet('check', 'oldest', 'g1', 'json');
      log.setClock(Math.round(Date.now() - performance.now()), false);
      log.setInventory('{}');
      await Promise.all([cloud.ready(), check.ready()]);
      const id = log.id;
      const all = [...(await drain(check, 'history')), ...(await drain(check, 'data'))];
      const notices: number[] = [];
      for (let some = await check.notices(100); some.length > 0; some = await check.notices(100))
        for (const notice of some) {
          notices.push(notice.seq);
          check.noticesDone(notice);
        }
      return {
        id,
        next,
        repaired: repairs.length > 0,
        everything: all.map((r) => r.seq),
        wrong: all.filter((r) => r.pressure !== pressureOf(r.seq) || r.noise !== noiseOf(r.seq)).map((r) => r.seq),
        notices,
        data: (await drain(cloud, 'data')).map((r) => r.seq),
        history: (await drain(cloud, 'history')).map((r) => r.seq),
      };
    } finally {
      await log.abandon();
    }
  } finally {
    run('umount', point);
    rmSync(file);
  }
}

async function drain(outlet: Outlet, lane: Lane): Promise<{ seq: number; pressure: unknown; noise: unknown }[]> {
  const out: { seq: number; pressure: unknown; noise: unknown }[] = [];
  for (let batch = await outlet.next(lane, 5000); batch !== undefined; batch = await outlet.next(lane, 5000)) {
    outlet.handOver(batch);
    outlet.done(batch);
    for (const { seq, values } of JSON.parse(payloadText(batch)).records) out.push({ seq, ...values });
  }
  return out;
}

/** Everything that is wrong with what is left after a cut; empty when nothing is. */
function faults(left: Left, { told }: Recording, moment: number): string[] {
  const before = told.filter((line) => line.at <= moment);
  const out: string[] = [];
  const open = before.findLast((line) => line.kind === 'open');
  if (open !== undefined && left.id !== open.log) out.push(`the log's id was ${open.log} and is ${left.id}`);
  if (left.repaired) out.push('the log had to be repaired');
  const used = Math.max(...before.map((line) => (line.kind === 'used' ? line.next : 0)));
  if (left.next < used) out.push(`counting goes on at ${left.next}, and ${used - 1} was used`);
  const have = new Set(left.everything);
  const committed = before.flatMap((line) => (line.kind === 'committed' ? line.records : []));
  const lost = committed.filter((seq) => !have.has(seq));
  if (lost.length > 0) out.push(`${lost.length} of ${committed.length} committed records are lost, the first ${lost[0]}`);
  if (have.size !== left.everything.length) out.push('records come twice');
  if (left.wrong.length > 0) out.push(`${left.wrong.length} records have another content`);
  const toldNotices = before.flatMap((line) => (line.kind === 'committed' ? line.notices : []));
  const lostNotices = toldNotices.filter((seq) => !left.notices.includes(seq));
  if (lostNotices.length > 0) out.push(`${lostNotices.length} committed events are lost`);
  const waiting = new Set([...left.data, ...left.history]);
  if (waiting.size !== left.data.length + left.history.length) out.push('a record is in both lanes, or twice in one');
  const delivered = new Set(before.flatMap((line) => (line.kind === 'delivered' ? line.records : [])));
  const forgotten = left.everything.filter((seq) => !waiting.has(seq) && !delivered.has(seq));
  if (forgotten.length > 0) out.push(`${forgotten.length} records are neither delivered nor waiting, the first ${forgotten[0]}`);
  return out;
}

async function cuts(t: TestContext, recording: Recording, count: number): Promise<{ found: string[]; lost: number }> {
  const random = seeded(SEED + 1);
  const point = mountPoint(t, 'cut');
  const found: string[] = [];
  let lost = 0;
  for (const moment of moments(recording, count, random)) {
    const { image, lost: writes } = cut(recording.entries, recording.size, moment, random);
    lost += writes;
    found.push(...faults(await look(t, image, point), recording, moment).map((fault) => `cut at ${moment}: ${fault}`));
  }
  return { found, lost };
}

test('no power cut takes anything that was reported as committed', { timeout: 300_000 }, async (t) => {
  const recording = await record(t, 250);
  if (recording === undefined) return;
  t.diagnostic(`SLUICE_SEED=${SEED}; ${recording.entries.length} writes and flushes`);
  const { found, lost } = await cuts(t, recording, 30);
  assert.deepEqual(found, [], `SLUICE_SEED=${SEED}`);
  assert.ok(lost > 0, 'the cuts lost writes that were not flushed');
});

for (const without of ['all', 'fdatasync'] as const)
  test(`control: the same cuts find a log that does not sync (${without})`, { timeout: 300_000 }, async (t) => {
    const recording = await record(t, 60, without);
    if (recording === undefined) return;
    const { found } = await cuts(t, recording, 6);
    assert.ok(
      found.some((fault) => /committed records are lost/.test(fault)),
      `SLUICE_SEED=${SEED}: nothing was lost: ${found.join('; ')}`,
    );
  });
