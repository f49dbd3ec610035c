/** What a person did with an alarm is on the disk before the answer, and a disk that hangs or refuses keeps nobody waiting. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { KEPT_WITHIN, KeptInLog } from '../../../src/gateway/kept-in-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

function keptBench() {
  const clock = new ManualClock();
  const flushes: PromiseWithResolvers<void>[] = [];
  const log = { fault: undefined as string | undefined };
  const kept = new KeptInLog(
    () => ({
      flush: () => {
        const flush = Promise.withResolvers<void>();
        flushes.push(flush);
        return flush.promise;
      },
      status: () => log,
    }),
    clock,
    KEPT_WITHIN,
  );
  const answered: string[] = [];
  const ask = (who: string): void => void kept.wait().then(() => answered.push(who));
  return { clock, flushes, log, answered, ask, kept };
}
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('the answer waits for the disk', async () => {
  const s = keptBench();
  s.ask('a');
  await turn();
  assert.deepEqual(s.answered, []);
  s.flushes[0]?.resolve();
  await turn();
  assert.deepEqual(s.answered, ['a']);
});

test('a disk that hangs is waited for once, and again when it is back', async () => {
  const s = keptBench();
  s.ask('a');
  await s.clock.advance(KEPT_WITHIN);
  await turn();
  s.ask('b');
  await turn();
  assert.deepEqual([s.answered, s.flushes.length], [['a', 'b'], 1]);
  s.flushes[0]?.resolve();
  await turn();
  s.ask('c');
  await turn();
  assert.deepEqual([s.answered, s.flushes.length], [['a', 'b'], 2]);
});

test('nobody waits while commits fail', async () => {
  const s = keptBench();
  s.log.fault = 'the disk is full';
  s.ask('a');
  await turn();
  assert.deepEqual([s.answered, s.flushes.length], [['a'], 0]);
});

test('a command is refused where its id is not kept in time', async () => {
  const s = keptBench();
  const refused = assert.rejects(s.kept.assert(), { code: 'log-write' });
  await s.clock.advance(KEPT_WITHIN);
  await refused;
  s.flushes[0]?.resolve();
  await turn();
  const taken = s.kept.assert();
  s.flushes[1]?.resolve();
  await taken;
});
