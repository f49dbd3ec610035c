/** Compaction between two steps of an answer: nothing is missing from it, and nothing is in it twice. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { exportSlice } from '../../../src/store/read/export.ts';
import { queryPoint } from '../../../src/store/read/query.ts';
import { Still } from '../../../src/store/read/still.ts';
import { ofOneState, type Stretch, type WalkedFiles } from '../../../src/store/read/stretches.ts';
import { RandomHistory } from '../../harness/random-history.ts';
import { scratch } from '../../harness/scratch.ts';
import { random } from '../../oracles/store-samples.ts';

const LONG = { from: 0, to: Date.UTC(2100, 0, 1) };

/** @param between is called between two steps; there is one at every look at the clock */
function run<R>(steps: Generator<undefined, R>, between: () => void): R {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    between();
  }
}

test('what becomes a unit while an answer is made is in it once', (t) => {
  let time = 0;
  t.mock.method(performance, 'now', () => (time += 1000));
  let moved = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const pick = random(seed);
    const made = new RandomHistory(scratch(t, 'moves'), pick);
    made.make();
    const { reader, decoder, damaged } = made.reader();
    const boot = reader.db.prepare('select max(boot) from boot').pluck().get() as number;
    const chart = (between: () => void) =>
      run(queryPoint(reader, decoder, { id: 1, device: 'meter', point: 'pressure', ...LONG, buckets: 5000 }), between).found
        ?.readings;
    const whole = (format: 'csv' | 'jsonl', between: () => void): string => {
      let text = '';
      for (let after: number | undefined = 0; after !== undefined; ) {
        const slice: { text: string; next: number | undefined } = run(
          exportSlice(reader, decoder, { id: 1, after, ...LONG, format }),
          between,
        );
        text += slice.text;
        after = slice.next;
      }
      return text;
    };
    const ask = seed % 2 === 0 ? chart : (between: () => void) => whole('csv', between);
    const expected = ask(() => {});
    let left = pick(12);
    const actual = ask(() => {
      if (left-- === 0) while (made.makeUnit(reader, boot)) moved++;
    });
    assert.ok(
      isDeepStrictEqual(actual, expected),
      `seed ${seed}: ${String(actual).length} characters, not ${String(expected).length}`,
    );
    assert.deepEqual(damaged, []);
    reader.close();
  }
  assert.ok(moved > 20, `${moved} units were made on the way`);
});

test('an answer that meets a move twice is made once more while compaction waits', () => {
  const still = new Still();
  const body = Buffer.from('x');
  const files = { clock: {}, still, blocks: { body: () => (still.held ? body : undefined) } } as unknown as WalkedFiles;
  let tries = 0;
  const steps = ofOneState(files, function* (stretches) {
    tries++;
    yield;
    return stretches.body({ id: 1 } as Stretch);
  });
  assert.equal(
    run(steps, () => {}),
    body,
  );
  assert.deepEqual([tries, still.held], [3, false]);
  // A question that fails, or that nobody waits for any more, holds nothing.
  const fails = ofOneState(files, function* (stretches) {
    yield;
    stretches.body({ id: 1 } as Stretch);
    if (still.held) throw new Error('broken');
  });
  assert.throws(() => run(fails, () => {}), /broken/);
  assert.equal(still.held, false);
});

test('a compaction waits for the last of those that hold it, or for the end of the thread', async () => {
  const still = new Still();
  assert.equal(still.free(), undefined);
  const [first, second] = [still.hold(), still.hold()];
  let steps = 0;
  const waits = [still.free(), still.free()].map(async (wait) => {
    await wait;
    steps++;
  });
  first();
  first();
  await Promise.resolve();
  assert.deepEqual([steps, still.held], [0, true]);
  second();
  await Promise.all(waits);
  assert.deepEqual([steps, still.held], [2, false]);
  still.hold();
  const last = still.free();
  still.end();
  await last;
});
