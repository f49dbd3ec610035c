/** Roll-ups of a year are asked for while the keeper packs that year: each answer has every reading. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { exportSlices } from '../../../src/store/read/export-slices.ts';
import { MINUTE, minutesLog, START } from '../../harness/minutes-log.ts';

const DAY = 24 * 60 * MINUTE;
const THOUSANDS = 400;

test('roll-ups that are asked for while hours are packed have every reading', { timeout: 300_000 }, async (t) => {
  const log = await minutesLog(t, THOUSANDS);
  let packed = false;
  const packing = log.compact().then(() => {
    packed = true;
  });
  let beside = 0;
  do {
    let readings = 0;
    for await (const { text } of exportSlices(log, { from: 0, to: START + 400 * DAY, format: 'jsonl', every: DAY }))
      for (const line of text.split('\n')) if (line !== '') readings += (JSON.parse(line) as { count: number }).count;
    assert.equal(readings, THOUSANDS * 1000, `question ${beside + 1}`);
    if (!packed) beside++;
  } while (!packed && beside < 20);
  assert.ok(beside > 1, `${beside} questions were asked while hours were packed`);
  await packing;
});
