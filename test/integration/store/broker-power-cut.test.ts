/** No power cut takes a message of a client that was acknowledged, or forces a repair of broker.db. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { seeded } from '../../../src/core/seeded.ts';
import { type Folders, KeptBench } from '../../fakes/kept-bench.ts';
import { startChild } from '../../harness/child.ts';
import { imageDisk } from '../../harness/image-disk.ts';
import type { KeptTold } from '../../harness/kept-child.ts';
import { Cuts, recordingDisk } from '../../harness/recording-disk.ts';
import { scratch } from '../../harness/scratch.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CUTS = Number(process.env.SLUICE_CUTS ?? 100);
const MEGABYTES = 16;
const HARNESS = path.join(import.meta.dirname, '..', '..', 'harness');

/** Messages that are published at once, at most. */
const GROUPS = { close: 25, full: 45 } as const;

interface Found {
  readonly faults: string[];
  readonly lost: number;
  readonly told: readonly KeptTold[];
}

/** @param without calls that do nothing @returns undefined after a skip */
async function cutMany(
  t: TestContext,
  count: number,
  without?: 'fdatasync',
  how: keyof typeof GROUPS = 'close',
): Promise<Found | undefined> {
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  const disk = await recordingDisk(t, MEGABYTES);
  const images = disk === undefined ? undefined : imageDisk(t, MEGABYTES * 1024 ** 2);
  if (disk === undefined || images === undefined) return undefined;
  const state = path.join(disk.folder, 'state');
  mkdirSync(state);
  const loader = without === undefined ? [] : ['--import', path.join(HARNESS, 'without-sync.ts')];
  const args = [path.join(HARNESS, 'kept-child.ts'), state, scratch(t, 'run', '/dev/shm'), disk.record, String(SEED), '500', how];
  const child = startChild(t, process.execPath, [...loader, ...args], { env: { WITHOUT_SYNC: without } });
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  await disk.stop();
  const told = child.stdout.map((line) => JSON.parse(line) as KeptTold);
  const entries = disk.entries();
  const random = seeded(SEED);
  const first = (told[0] as KeptTold).at;
  const ends = entries.filter((e) => e.write !== undefined && e.end >= first).map((e) => e.end);
  // One right behind what was acknowledged, and one behind any write.
  const kinds = [told.filter(({ kind }) => kind === 'published').map(({ at }) => at), ends];
  const moments = Array.from({ length: count }, (_, i) => {
    const of = kinds[i % kinds.length] as number[];
    return of[Math.floor(random() * of.length)] as number;
  }).sort((a, b) => a - b);
  const cuts = new Cuts(entries, disk.size);
  const faults: string[] = [];
  let lost = 0;
  for (const [i, moment] of moments.entries()) {
    const cut = cuts.at(moment, random);
    lost += cut.lost;
    // The board was off: what lay in memory is gone.
    const runtimeDir = scratch(t, `run-${i}`, '/dev/shm');
    const wrong = await images.with(cut.image, (folder) =>
      look(path.join(folder, 'state'), runtimeDir, told, moment, GROUPS[how]),
    );
    faults.push(...wrong.map((fault) => `cut at ${moment}: ${fault}`));
  }
  return { faults, lost, told };
}

async function look(
  stateDir: string,
  runtimeDir: string,
  told: readonly KeptTold[],
  moment: number,
  group: number,
): Promise<string[]> {
  const bench = await KeptBench.open({ folders: { stateDir, runtimeDir } as Folders });
  try {
    const wrong: string[] = [];
    for (const { why } of bench.repairs) wrong.push(`it had to be repaired: ${why}`);
    for (const fault of bench.faults) wrong.push(`a fault: ${fault}`);
    const all = told.flatMap((line) => (line.kind === 'published' ? line.contents : []));
    const before = told.filter(({ at }) => at <= moment);
    const published = before.flatMap((line) => (line.kind === 'published' ? line.contents : []));
    const taken = new Set(told.flatMap((line) => (line.kind === 'taken' ? line.contents : [])));
    for (const [id, wanted] of [
      ['a', published.filter((content) => !taken.has(content))],
      ['b', published],
    ] as const) {
      const waiting = bench.waiting(id);
      const have = new Set(waiting);
      const missing = wanted.filter((content) => !have.has(content));
      if (missing.length > 0)
        wrong.push(`${missing.length} acknowledged messages of ${id} are lost, the first ${missing[0]?.slice(0, 20)}`);
      const order = waiting.map((content) => all.indexOf(content));
      if (order.some((n, i) => n < 0 || (i > 0 && n <= (order[i - 1] as number)))) wrong.push(`the queue of ${id} is wrong`);
      if (id === 'b' && waiting.length > published.length + group) wrong.push(`${waiting.length} messages wait for b`);
    }
    const retained = new Map(
      [...bench.retained.matching(['#'])].flatMap((p) => (p === undefined ? [] : [[p.topic, p.payload.toString()]])),
    );
    for (const line of before) {
      if (line.kind !== 'retained') continue;
      const now = retained.get(line.topic);
      const later = told.filter((l) => l.kind === 'retained' && l.topic === line.topic && l.at >= line.at);
      if (!later.some((l) => l.kind === 'retained' && l.content === now)) wrong.push(`the retained ${line.topic} is ${now}`);
    }
    return wrong;
  } finally {
    await bench.kept.close();
  }
}

test(`no power cut of ${CUTS} takes an acknowledged message of a client`, { timeout: 600_000 }, async (t) => {
  const found = await cutMany(t, CUTS);
  if (found === undefined) return;
  assert.deepEqual(found.faults, [], `SLUICE_SEED=${SEED}`);
  assert.ok(found.lost > 0, 'the cuts lost writes that were not flushed');
});

test('no power cut takes an acknowledged message while the disk is full, or after it', { timeout: 600_000 }, async (t) => {
  const found = await cutMany(t, 40, undefined, 'full');
  if (found === undefined) return;
  const full = found.told.find(({ kind }) => kind === 'full');
  // The cuts show that the disk has what was acknowledged.
  assert.ok(full?.kind === 'full' && full.acknowledged < full.sent, 'a full disk gets messages that it cannot take');
  assert.deepEqual(found.faults, [], `SLUICE_SEED=${SEED}`);
});

test('control: the same cuts find a file that is not synced', { timeout: 300_000 }, async (t) => {
  const found = await cutMany(t, 30, 'fdatasync');
  if (found === undefined) return;
  assert.ok(
    found.faults.some((fault) => /acknowledged messages/.test(fault)),
    `SLUICE_SEED=${SEED}: nothing was lost: ${found.faults.join('; ')}`,
  );
});
