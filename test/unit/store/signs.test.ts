/** What the threads of the log owe, as the watchdog of the service sees it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

test('an answer that is made in steps gives signs before it is there', async (t) => {
  const dir = scratch(t, 'signs');
  const clock = new ManualClock(Date.UTC(2026, 10, 25, 12));
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock, retention: undefined },
    ...{ maxSize: 32e6, maxAge: 86_400_000, commitEvery: 10_000 },
  });
  t.after(() => log.abandon());
  const keeper = () => log.work.find(({ name }) => name === 'keeper');
  assert.deepEqual(keeper(), { name: 'keeper', waiting: false, answers: 0 });
  const check = log.keeper.check();
  assert.equal(keeper()?.waiting, true);
  await check;
  assert.deepEqual(keeper(), { name: 'keeper', waiting: false, answers: 2 }, 'a sign and the answer');
  await log.close(5000);
});
