/** Devices that send by themselves: silence is told once, a flood once a minute at most. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { FLOOD_OVER, LeftOut, SilenceWatch } from '../../../src/drivers/sender.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

function bench() {
  const clock = new ManualClock();
  const fell: number[] = [];
  const watch = new SilenceWatch({ clock, after: 1000, fell: (now) => void fell.push(now) });
  return { clock, fell, watch };
}

test('silence begins when nothing was heard for the time, once', async () => {
  const { clock, fell, watch } = bench();
  watch.start();
  await clock.advance(900);
  watch.heard(clock.monotonic());
  await clock.advance(999);
  assert.deepEqual([fell, watch.silent], [[], false]);
  await clock.advance(10_000);
  assert.deepEqual([fell, watch.silent], [[1900], true]);
  watch.heard(clock.monotonic());
  await clock.advance(10_000);
  assert.deepEqual([fell, watch.silent], [[1900], true], 'a sign of another one ends no silence');
  assert.equal(watch.speaks(), true);
  watch.heard(clock.monotonic());
  assert.equal(watch.speaks(), false);
  await clock.advance(1000);
  assert.equal(fell.length, 2);
});

test('a device that is known to be gone is not reported again, and a stop ends the watch', async () => {
  const { clock, fell, watch } = bench();
  watch.start();
  watch.mute();
  await clock.advance(5000);
  assert.deepEqual([fell, watch.silent], [[], true]);
  watch.speaks();
  watch.heard(clock.monotonic());
  watch.stop();
  watch.heard(clock.monotonic());
  await clock.advance(5000);
  assert.deepEqual(fell, []);
});

test('a flood begins with what is first left out, and is over a minute after the last', () => {
  let floods = 0;
  const left = new LeftOut(() => floods++);
  assert.equal(left.isFlood(0), false);
  for (let at = 0; at < 10 * FLOOD_OVER; at += FLOOD_OVER / 2) left.add(at);
  const last = 9.5 * FLOOD_OVER;
  assert.deepEqual(
    [left.count, floods, left.isFlood(last + FLOOD_OVER - 1), left.isFlood(last + FLOOD_OVER)],
    [20, 1, true, false],
  );
  left.add(last + FLOOD_OVER);
  assert.equal(floods, 2);
});
