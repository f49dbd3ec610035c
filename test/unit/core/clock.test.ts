import assert from 'node:assert/strict';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';

for (const way of ['after', 'exactly'] as const)
  test(`${way}: not at once, and not after it was cancelled`, async () => {
    for (const ms of [-1, 0, 0.3, 1.1, 2.9]) {
      let runs = 0;
      const cancel = systemClock[way](ms, () => runs++);
      assert.equal(runs, 0, 'never before it returns');
      cancel();
      await new Promise<void>((resolve) => systemClock[way](ms + 3, resolve));
      assert.equal(runs, 0);
    }
  });

test('exactly: never before its time, and what has arrived meanwhile is looked at', async () => {
  for (const ms of [0, 0.05, 0.4, 1.19, 1.2, 1.75, 3.65, 12]) {
    const due = systemClock.monotonic() + ms;
    let others = 0;
    let over = false;
    const other = (): void => {
      others++;
      if (!over) setImmediate(other);
    };
    setImmediate(other);
    const at = await new Promise<number>((resolve) => systemClock.exactly(ms, () => resolve(systemClock.monotonic())));
    over = true;
    assert.ok(at >= due, `${ms} ms: ${due - at} ms early`);
    assert.ok(others > 0);
  }
});
