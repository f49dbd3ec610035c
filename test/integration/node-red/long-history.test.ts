/** Years of readings in a real log, and a flow that asks for all of them: it gets what is bounded, at its own pace. */
// Needs a quiet machine: other programs must keep its pace.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { pointHistory } from '../../../src/node-red/door/history.ts';
import * as limits from '../../../src/node-red/door/limits.ts';
import { doorBench } from '../../fakes/door-source.ts';
import { MINUTE, minutesLog, START } from '../../harness/minutes-log.ts';
import { waitFor } from '../../harness/wait-for.ts';

const THOUSANDS = 1100;

test('history: a million readings of two years are paced, bounded in count and in memory', { timeout: 600_000 }, async (t) => {
  const log = await minutesLog(t, THOUSANDS);
  const { client, world } = await doorBench(t, systemClock);
  let pulled = 0;
  world.history = async function* (call) {
    for await (const piece of pointHistory(log, call)) {
      pulled += piece.length;
      yield piece;
    }
  };
  const all = { do: 'history', point: 'd.a', from: 0, to: START + 10 * 366 * 86_400_000 };

  // A reader that takes nothing: no more is read for it than its socket holds.
  const still = await client();
  still.socket.pause();
  for (let i = 0; i < limits.MOST_CALLS; i++) still.say({ type: 'call', id: `h${i}`, ...all, most: limits.MOST_HISTORY });
  await waitFor('the first readings', () => pulled > 0);
  let before = -1;
  await waitFor(
    'no further reading',
    () => {
      const same = pulled === before;
      before = pulled;
      return same;
    },
    { every: 1000 },
  );
  assert.ok(pulled < 2 * limits.MOST_HISTORY, `${pulled} readings were read for a client that takes nothing`);
  still.socket.destroy();
  await waitFor('the end of its questions', () => world.histories === 0);

  // One that reads gets the oldest of them, and hears that there is more.
  pulled = 0;
  const flow = await client();
  const { result } = await flow.call({ ...all, most: limits.MOST_HISTORY });
  assert.deepEqual(result, { point: 'd.a', count: limits.MOST_HISTORY, truncated: true });
  assert.ok(pulled < limits.MOST_HISTORY + 20_000, `${pulled} readings were read for ${limits.MOST_HISTORY}`);
  const parts = flow.lines.filter(({ type }) => type === 'part');
  const times = parts.flatMap(({ readings }) => (readings as { time: number }[]).map(({ time }) => time));
  assert.deepEqual([times.length, times[0]], [limits.MOST_HISTORY, START + MINUTE]);
  assert.ok(times.every((time, i) => i === 0 || time - (times[i - 1] ?? 0) === MINUTE));
});
