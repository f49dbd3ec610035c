/** Why an outlet gives nothing: there is nothing, or what there is cannot leave yet. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

test('with an unknown clock the first readings leave later, once the promise is in the file', async (t) => {
  const folder = scratch(t, 'later');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: new ManualClock() },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 10_000 },
  });
  t.after(() => log.abandon());
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(1_000_000, true);
  log.setInventory('{}');
  await outlet.ready();
  await log.flush();
  assert.equal(await outlet.next('data', 10), undefined);
  assert.equal(outlet.later('data'), false, 'there is nothing');
  const shape = { device: 'pump', points: [{ name: 'a', type: 'uint16', storage: 'number' } as const] };
  for (let i = 1; i < 4; i++) log.append({ shape, at: i, values: [i], reasons: null });
  assert.equal(await outlet.next('data', 10), undefined);
  assert.equal(outlet.later('data'), true);
  await log.flush();
  const batch = await outlet.next('data', 10);
  assert.equal(batch?.readings, 3);
  assert.equal(outlet.later('data'), false);
});
