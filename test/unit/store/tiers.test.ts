/** What the main thread knows of history.db, with a keeper that answers at once. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import type { TidyResult } from '../../../src/store/archive/tidy-request.ts';
import { Tiers } from '../../../src/store/archive/tiers.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const RESULT: TidyResult = {
  ...{ id: 1, compacted: [[1, 500]], more: false, bytes: 0, held: 0 },
  ...{ thinned: [], dropped: [], aged: [], lost: [], oldest: [] },
};

function tiersOf(dir: string): Tiers {
  const clock = new ManualClock();
  return new Tiers({
    options: { clock, maxSize: 8e6, maxAge: 1e12 },
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
