/** Points that come in a crowd make one inventory. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Growth } from '../../../src/pipeline/growth.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

test('many further points are one change, and later ones another', async () => {
  const clock = new ManualClock();
  let changes = 0;
  const growth = new Growth(clock, () => changes++);
  for (let n = 0; n < 100; n++) growth.changed();
  await clock.advance(499);
  growth.changed();
  assert.equal(changes, 0);
  await clock.advance(1);
  assert.equal(changes, 1);
  await clock.advance(10_000);
  assert.equal(changes, 1);
  growth.changed();
  await clock.advance(500);
  assert.equal(changes, 2);
});
