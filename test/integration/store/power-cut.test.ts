/**
 * No power cut takes what was reported as committed, none forces a repair. Cuts of cuts, too: a recording goes on from
 * what a cut of the one before has left. `npm run test:power` plays 15,000 cuts.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { seeded } from '../../../src/core/seeded.ts';
import { keepCut, readCut } from '../../harness/kept-cut.ts';
import { cutDisk, lookAt, playCuts, type RecordOptions, recordLog } from '../../harness/power-cut.ts';
import { Cuts } from '../../harness/recording-disk.ts';
import { scratch } from '../../harness/scratch.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CUTS = Number(process.env.SLUICE_CUTS ?? 200);
/** Cuts of one recording, at most: then the next one has other writes. */
const OF_ONE = 500;
/** Cuts that are looked at without threads for one that is looked at with them. */
const WHOLE_EVERY = CUTS > 200 ? 200 : 20;
/** Recordings, each on what a cut left of the one before; the log has room for so many. */
const CHAIN = 3;
const RECORDINGS = Math.max(2, Math.ceil(CUTS / OF_ONE));

test(`no power cut of ${CUTS} takes what was committed, none forces a repair`, { timeout: 7_200_000 }, async (t) => {
  const disk = cutDisk(t);
  if (disk === undefined) return;
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  let after: RecordOptions['after'];
  const wrong: string[] = [];
  const sum = { cuts: 0, writes: 0, lost: 0 };
  for (let n = 0; n < RECORDINGS; n++) {
    const random = seeded(SEED + n);
    if (n % CHAIN === 0) after = undefined;
    const recording = await recordLog(t, { commits: 120, seed: SEED + n, ...(after === undefined ? {} : { after }) });
    if (recording === undefined) return;
    const found = await playCuts(t, disk, recording, { count: Math.ceil(CUTS / RECORDINGS), random, wholeEvery: WHOLE_EVERY });
    ({ after } = found);
    wrong.push(...found.faults);
    sum.cuts += found.cuts;
    sum.writes += recording.entries.length;
    sum.lost += found.lost;
    if (RECORDINGS > 2) console.error(`${n + 1} of ${RECORDINGS} recordings: ${JSON.stringify(sum)}; faults: ${wrong.length}`);
  }
  t.diagnostic(`${RECORDINGS} recordings: ${JSON.stringify(sum)}`);
  assert.deepEqual(wrong, [], `SLUICE_SEED=${SEED}`);
  assert.ok(sum.lost > 0, 'the cuts lost writes that were not flushed');
});

/** Folders of the cuts that were to fail. They go with the test, and with them what is added to the list. */
function removed(t: TestContext, faults: readonly string[]): string[] {
  const folders = [...new Set(faults.flatMap((fault) => /^cut at \d+ \((\/.*?)\): /.exec(fault)?.[1] ?? []))];
  t.after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });
  return folders;
}

for (const without of ['all', 'fdatasync'] as const)
  test(`control: the same cuts find a log that does not sync (${without})`, { timeout: 300_000 }, async (t) => {
    const recording = await recordLog(t, { commits: 34, seed: SEED, without });
    if (recording === undefined) return;
    const disk = cutDisk(t);
    if (disk === undefined) return;
    const found = await playCuts(t, disk, recording, { count: 12, random: seeded(SEED), wholeEvery: 6 });
    removed(t, found.faults);
    assert.ok(
      found.faults.some((fault) => /committed records are lost/.test(fault)),
      `SLUICE_SEED=${SEED}: nothing was lost: ${found.faults.join('; ')}`,
    );
  });

test('a failed cut is kept with what reached the disk, and can be looked at and played again', {
  timeout: 300_000,
}, async (t) => {
  const recording = await recordLog(t, { commits: 34, seed: SEED, without: 'all' });
  if (recording === undefined) return;
  const disk = cutDisk(t);
  if (disk === undefined) return;
  const { faults } = await playCuts(t, disk, recording, { count: 12, random: seeded(SEED), wholeEvery: 100 });
  const folders = removed(t, faults);
  assert.ok(folders.length > 0 && folders.length <= 3, `SLUICE_SEED=${SEED}: ${folders.length} are kept`);
  const run = scratch(t, 'run');
  for (const [n, folder] of [...folders].entries()) {
    const kept = readCut(folder);
    const { moment, wrong } = kept;
    assert.deepEqual(
      faults.filter((fault) => fault.includes(folder)),
      wrong.map((fault) => `cut at ${moment} (${folder}): ${fault}`),
    );
    const again = await lookAt(disk, kept.image, kept.recording, moment, path.join(run, `${n}`));
    // A log that is made anew gets an id at random.
    const known = (all: readonly string[]) => all.map((fault) => fault.replace(/and is [0-9a-f]{10}$/, 'and is another'));
    assert.deepEqual(known(again), known(wrong), 'the image has the same faults');
    const until = recording.entries.filter((e) => e.end <= moment);
    assert.ok(isDeepStrictEqual(kept.recording.entries, until), 'each write, with its data');

    // The same cut of the record is the same image, also where only the end of the record is kept.
    const played = ({ entries, size, image }: typeof recording) =>
      Buffer.from(new Cuts(entries, size, image).at(moment, seeded(n)).image);
    const flush = until.findLast((e) => e.write === undefined)?.at ?? 0;
    const most = moment - flush + 1;
    const short = keepCut(recording, kept.image, moment, wrong, most);
    folders.push(short);
    const end = readCut(short).recording;
    assert.ok(statSync(path.join(short, 'record')).size <= most && end.entries.length < until.length);
    const first = played(recording);
    assert.ok(played(kept.recording).equals(first) && played(end).equals(first));
  }
});
