/** What bounds the work of the socket for flows: turns, shares of the processor, and the length of lines. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ALL_IN_SECOND, IN_SECOND, LONGEST_OUT, TURN } from '../../../src/node-red/door/limits.ts';
import { LineTexts } from '../../../src/node-red/door/line-texts.ts';
import { Turns } from '../../../src/node-red/door/turns.ts';
import { WorkShare } from '../../../src/node-red/door/work-share.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

test('turns: who is gone waits no longer, and the others go in order', async () => {
  const turns = new Turns(1);
  const { promise: held, resolve: free } = Promise.withResolvers<void>();
  const here = new AbortController();
  const gone = new AbortController();
  const done: string[] = [];
  const first = turns.run(() => held, here.signal);
  const left = Array.from({ length: 500 }, () => turns.run(async () => void done.push('gone'), gone.signal));
  const second = turns.run(async () => void done.push('second'), here.signal);
  const third = turns.run(async () => void done.push('third'), here.signal);
  assert.equal(turns.waiting, 502);
  gone.abort();
  assert.equal(turns.waiting, 2, 'nothing of them is kept until the turn comes');
  for (const one of left) await assert.rejects(one, { code: 'busy' });
  free();
  await Promise.all([first, second, third]);
  assert.deepEqual(done, ['second', 'third']);
  await turns.run(async () => void done.push('last'), here.signal);
  assert.deepEqual([done.at(-1), turns.waiting], ['last', 0]);
});

test('turns: for any course no more than allowed run, and nobody is forgotten', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.constantFrom('ask', 'end', 'leave'), { maxLength: 60 }),
      async (most, steps) => {
        const turns = new Turns(most);
        const open: (() => void)[] = [];
        const asked: { gone: AbortController; over: Promise<unknown> }[] = [];
        let running = 0;
        for (const step of steps) {
          if (step === 'ask') {
            const gone = new AbortController();
            const work = (): Promise<void> => {
              assert.ok(++running <= most);
              const { promise, resolve } = Promise.withResolvers<void>();
              open.push(() => {
                running--;
                resolve();
              });
              return promise;
            };
            asked.push({ gone, over: turns.run(work, gone.signal).catch(() => {}) });
          } else if (step === 'end') open.shift()?.();
          else asked[asked.length >> 1]?.gone.abort();
          await new Promise(setImmediate);
          assert.ok(running === most || turns.waiting === 0, 'nobody waits while there is a turn');
        }
        while (open.length > 0) {
          open.shift()?.();
          await new Promise(setImmediate);
        }
        await Promise.all(asked.map(({ over }) => over));
        assert.deepEqual([running, turns.waiting], [0, 0]);
      },
    ),
    { numRuns: 60 },
  );
});

test('a client has its share of a second, and many clients have no more than all may have', async () => {
  const clock = new ManualClock();
  let clients = 1;
  let again = 0;
  const share = new WorkShare(
    clock,
    () => clients,
    () => void again++,
  );
  assert.equal(share.turn(), TURN);
  share.spent(IN_SECOND - 1);
  assert.equal(share.turn(), 1);
  share.spent(1);
  assert.equal(share.turn(), 0);
  await clock.advance(1000);
  assert.deepEqual([again, share.turn()], [1, TURN], 'who was held back goes on with the next second');
  clients = 8;
  assert.equal(share.turn(), TURN / 8);
  share.spent(ALL_IN_SECOND / 8);
  assert.equal(share.turn(), 0);
  await clock.advance(1000);
  share.spent(1);
  await clock.advance(1000);
  assert.equal(again, 2, 'nobody is called who did not wait');
});

test('a list is as long as its line may be, whatever its texts are made of', () => {
  for (const letter of ['x', '"', 'স', '\u0001', '\ud800']) {
    const texts = new LineTexts();
    let most = 0;
    while (texts.add({ value: letter.repeat(250) })) most++;
    assert.equal(texts.size, most);
    const list = texts.take();
    const bytes = Buffer.byteLength(list);
    assert.ok(bytes < LONGEST_OUT && bytes > LONGEST_OUT * 0.9, `${bytes} bytes of ${JSON.stringify(letter)}`);
    assert.equal((JSON.parse(list) as unknown[]).length, most);
    assert.equal(texts.take(), '[]');
  }
  const large = new LineTexts();
  assert.ok(large.add('x'.repeat(LONGEST_OUT)), 'one alone has its place');
  assert.ok(!large.add(1));
});
