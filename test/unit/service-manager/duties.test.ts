/** What parts say of the things that they do by themselves: it is never late, whatever the device does, and late when a timer is lost. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SilenceWatch } from '../../../src/drivers/sender.ts';
import { Liveness } from '../../../src/service-manager/liveness.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { LEVELS, setUp } from '../../harness/serial-site.ts';

test('a serial line is never late, whether it talks, is silent or cannot be opened', async () => {
  const step = fc.record({
    does: fc.constantFrom('talk', 'half', 'unplug', 'refuse', 'allow', 'move', 'nothing'),
    wait: fc.integer({ min: 1, max: 90_000 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { bus, ports, clock } = setUp({ ...LEVELS, silentAfter: '20s' });
      const liveness = new Liveness();
      const look = () =>
        liveness.look({
          ...{ now: clock.monotonic(), threads: [], buses: [], duties: bus.duties?.() ?? [] },
          stateOf: () => ({ does: 'runs', ticks: 0 }),
        });
      assert.deepEqual(bus.duties?.(), [], 'before its start');
      bus.start();
      await clock.advance(1);
      for (const { does, wait } of steps) {
        if ((does === 'talk' || does === 'half') && bus.status().state === 'open')
          ports.say(does === 'talk' ? 'level=1\n' : 'lev');
        else if (does === 'unplug') ports.unplug();
        else if (does === 'refuse') ports.refuse = 'no such port';
        else if (does === 'allow') ports.refuse = undefined;
        ports.moved = does === 'move';
        for (let left = wait; left > 0; left -= 10_000) {
          await clock.advance(Math.min(left, 10_000));
          assert.ok(
            bus.duties?.().every(({ due }) => due >= clock.monotonic()),
            JSON.stringify([does, clock.monotonic(), bus.duties?.()]),
          );
          assert.equal(look(), undefined);
        }
      }
      await bus.stop();
      assert.deepEqual(bus.duties?.(), [], 'after its stop');
    }),
    { numRuns: 30 },
  );
});

/** A clock whose timers fire no more once `lost` is set. */
class LossyClock extends ManualClock {
  lost = false;
  override after(ms: number, run: () => void): () => void {
    return this.lost ? () => {} : super.after(ms, run);
  }
}

test('a watch on silence that lost its timer is late, and one of a silent device is not', async () => {
  const clock = new LossyClock();
  const fell: number[] = [];
  const watch = new SilenceWatch({ clock, after: 30_000, fell: (now) => void fell.push(now) });
  const due = () => watch.duty('fridge').due - clock.monotonic();
  assert.equal(due(), Number.POSITIVE_INFINITY);
  watch.start();
  assert.equal(due(), 30_000);
  await clock.advance(40_000);
  assert.deepEqual([fell, due()], [[30_000], Number.POSITIVE_INFINITY]);
  clock.lost = true;
  watch.speaks();
  watch.heard(clock.monotonic());
  await clock.advance(60_000);
  assert.equal(due(), -30_000);
  watch.stop();
  assert.equal(due(), Number.POSITIVE_INFINITY);
});
