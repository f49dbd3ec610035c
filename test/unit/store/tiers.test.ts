/** What the main thread knows of history.db, with a keeper that answers at once. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { SPARE_FILE } from '../../../src/core/flow-supervisor.ts';
import type { TidyResult } from '../../../src/store/archive/tidy-request.ts';
import { Tiers } from '../../../src/store/archive/tiers.ts';
import { spaceOf } from '../../../src/store/files/room.ts';
import type { CommitResult } from '../../../src/store/hot/commit-request.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const RESULT: TidyResult = {
  ...{ id: 1, compacted: [[1, 500]], more: false, bytes: 0, held: 0 },
  ...{ thinned: [], dropped: [], aged: [], lost: [], oldest: [] },
};

const MAX_SIZE = 8e6;

/** A commit that added little. */
const COMMITTED: CommitResult = {
  ...{ id: 1, readings: 1, bytes: 1e6, held: 1, total: MAX_SIZE, needs: 1000, lostNotices: 0 },
  hot: { records: 1, readings: 1, bytes: 100, oldest: undefined },
  ...{ oldest: [], dropped: [], aged: [], lost: [] },
};

function tiersOf(dir: string, clock = new ManualClock(), minFree?: number): Tiers {
  return new Tiers({
    options: { clock, maxSize: MAX_SIZE, maxAge: 1e12, minFree },
    boot: 1,
    historyFile: path.join(dir, 'history.db'),
    check: () => Promise.resolve(),
    tidy: () => Promise.resolve(RESULT),
    now: () => ({ at: 0, wall: 0, active: [] }),
    compacted: () => {},
    tidied: () => {},
    fault: () => {},
  });
}

test('the next commit takes along what may go, once; after a failed one again', async (t) => {
  const tiers = tiersOf(scratch(t, 'tiers'));
  await tiers.now();
  assert.deepEqual(tiers.take(), RESULT.compacted);
  tiers.putBack();
  assert.deepEqual(tiers.take(), RESULT.compacted);
  assert.deepEqual(tiers.take(), []);
});

test('blocks whose unit a mended history.db may lack stay, also those of a failed commit', async (t) => {
  const tiers = tiersOf(scratch(t, 'tiers'));
  await tiers.now();
  tiers.mended();
  assert.deepEqual(tiers.take(), []);
  await tiers.now();
  assert.deepEqual(tiers.take(), RESULT.compacted, 'told again');
  tiers.mended();
  tiers.putBack();
  assert.deepEqual(tiers.take(), []);
});

test('the room of the file system comes with a commit: nothing here asks a disk, which may hang', async (t) => {
  const clock = new ManualClock();
  // There is no such folder: who asks it learns nothing.
  const tiers = tiersOf(path.join(scratch(t, 'tiers'), 'none'), clock, 5e6);
  assert.equal(tiers.asksSpace, true);
  assert.equal(tiers.limit, MAX_SIZE);
  tiers.committed({ ...COMMITTED, space: { free: 4e6, size: 1e9, held: 0 } });
  // What is used, or a quarter of maxSize: 1 MB is missing from what is to stay free.
  assert.equal(tiers.limit, 2e6);
  assert.equal(tiers.asksSpace, false);
  await clock.advance(9_999);
  assert.equal(tiers.asksSpace, false);
  await clock.advance(1);
  assert.equal(tiers.asksSpace, true);
  // A commit that did not ask, and a disk that does not answer: the last figure stays.
  tiers.committed(COMMITTED);
  assert.deepEqual([tiers.limit, tiers.asksSpace], [2e6, true]);
  tiers.committed({ ...COMMITTED, space: { free: 9e6, size: 1e9, held: 0 } });
  assert.equal(tiers.limit, 5e6, 'what is used, and what is free beyond minFree');
  await clock.advance(10_000);
  tiers.committed({ ...COMMITTED, space: null });
  assert.deepEqual([tiers.limit, tiers.asksSpace], [MAX_SIZE, false], 'a file system that cannot be asked');
});

test('a log without a bound for the file system asks for no room', (t) => {
  assert.equal(tiersOf(scratch(t, 'tiers')).asksSpace, false);
});

test('the room of a folder, with what the spare file holds of it', (t) => {
  const dir = scratch(t, 'tiers');
  const before = spaceOf(dir);
  assert.ok(before !== undefined && before.free > 0 && before.size >= before.free);
  assert.equal(before.held, 0);
  writeFileSync(path.join(dir, SPARE_FILE), Buffer.alloc(1024 * 1024, 1));
  assert.ok((spaceOf(dir)?.held ?? 0) >= 1024 * 1024);
  assert.equal(spaceOf(path.join(dir, 'none')), undefined);
});
