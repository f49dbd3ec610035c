/** Questions to a process: one at a time, and only the answer to the open one counts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { AnswerChecks, CHECK_EVERY, CHECK_WITHIN } from '../../../src/node-red/answer-checks.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

function bench(onMissed: (checks: AnswerChecks) => void = () => {}) {
  const clock = new ManualClock();
  const asked: number[] = [];
  const count = { missed: 0 };
  const checks: AnswerChecks = new AnswerChecks({
    clock,
    number: () => asked.length + 1,
    send: (n) => void asked.push(n),
    missed: () => {
      count.missed++;
      onMissed(checks);
    },
  });
  return { clock, asked, count, checks };
}

test('the next question follows a while after the answer, which says how long it took', async () => {
  const { clock, asked, count, checks } = bench();
  checks.ask();
  await clock.advance(40);
  assert.equal(checks.answered(1), 40);
  await clock.advance(CHECK_EVERY - 1);
  assert.deepEqual(asked, [1]);
  await clock.advance(1);
  assert.deepEqual(asked, [1, 2]);
  assert.equal(count.missed, 0);
});

test('a process that answers again and again puts the next question off no further', async () => {
  const { clock, asked, checks } = bench();
  checks.ask();
  assert.equal(checks.answered(1), 0);
  for (let ms = 0; ms < CHECK_EVERY; ms += 1000) {
    await clock.advance(1000);
    assert.equal(checks.answered(1), undefined);
  }
  assert.equal(asked.length, 2);
});

test('answers to old questions, or to none, do not count', async () => {
  const { clock, asked, count, checks } = bench();
  assert.equal(checks.answered(0), undefined);
  checks.ask();
  assert.equal(checks.answered(2), undefined);
  await clock.advance(CHECK_WITHIN);
  assert.deepEqual([asked, count.missed], [[1, 2], 1]);
  assert.equal(checks.answered(1), undefined, 'its time is over');
  await clock.advance(CHECK_WITHIN);
  assert.deepEqual([asked, count.missed], [[1, 2, 3], 2]);
});

test('the number of a question does not follow from those before it', async () => {
  const clock = new ManualClock();
  const asked: number[] = [];
  const checks = new AnswerChecks({ clock, send: (n) => void asked.push(n), missed: () => {} });
  checks.ask();
  await clock.advance(20 * CHECK_WITHIN);
  assert.equal(new Set(asked).size, 21);
  assert.ok(asked.every((n) => Number.isSafeInteger(n) && n > 0));
  assert.ok(asked.filter((n) => n > 2 ** 32).length > 15, 'more than 32 bits');
  assert.ok(asked.slice(1).every((n, i) => Math.abs(n - (asked[i] ?? 0)) > 1000));
});

test('after a stop nothing is asked, also when the missed answer led to it', async () => {
  const stopped = bench();
  stopped.checks.ask();
  stopped.checks.stop();
  await stopped.clock.advance(10 * CHECK_WITHIN);
  assert.deepEqual([stopped.asked, stopped.count.missed], [[1], 0]);
  assert.equal(stopped.checks.answered(1), undefined);

  const given = bench((checks) => checks.stop());
  given.checks.ask();
  await given.clock.advance(10 * CHECK_WITHIN);
  assert.deepEqual([given.asked, given.count.missed], [[1], 1]);
});
