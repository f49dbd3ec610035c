/**
 * No power cut takes what was reported as committed, none forces a repair. Cuts of cuts, too: a recording goes on from
 * what a cut of the one before has left. `npm run test:power` plays 15,000 cuts.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { seeded } from '../../../src/core/seeded.ts';
import { cutDisk, playCuts, type RecordOptions, recordLog } from '../../harness/power-cut.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CUTS = Number(process.env.SLUICE_CUTS ?? 200);
/** Cuts of one recording, at most: then the next one has other writes. */
const OF_ONE = 500;
/** So many cuts are looked at without threads for one that is looked at with them. */
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

for (const without of ['all', 'fdatasync'] as const)
  test(`control: the same cuts find a log that does not sync (${without})`, { timeout: 300_000 }, async (t) => {
    const recording = await recordLog(t, { commits: 34, seed: SEED, without });
    if (recording === undefined) return;
    const disk = cutDisk(t);
    if (disk === undefined) return;
    const found = await playCuts(t, disk, recording, { count: 12, random: seeded(SEED), wholeEvery: 6 });
    assert.ok(
      found.faults.some((fault) => /committed records are lost/.test(fault)),
      `SLUICE_SEED=${SEED}: nothing was lost: ${found.faults.join('; ')}`,
    );
  });
