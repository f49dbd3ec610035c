/** The state that upstream was told is renewed for every forwarder, and at most once in ten minutes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { HealthWatch } from '../../../src/gateway/health-watch.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const MINUTE = 60_000;

test('the connection of one forwarder does not hide a change from the others', async () => {
  const clock = new ManualClock();
  let ready = true;
  const told: (boolean | undefined)[] = [undefined, undefined];
  let shows = 0;
  const tell = (forwarder: number): void => {
    watch.made(ready);
    told[forwarder] = ready;
  };
  const watch = new HealthWatch({
    ...{ clock, ready: () => ready },
    show: () => {
      shows++;
      for (const forwarder of told.keys()) tell(forwarder);
    },
  });
  watch.start();
  await clock.advance(MINUTE);
  assert.equal(shows, 0, 'nothing was made yet');
  tell(0);
  tell(1);
  await clock.advance(20 * MINUTE);
  assert.equal(shows, 0, 'nothing changed');
  ready = false;
  // This one connects again before the watch looks.
  tell(1);
  await clock.advance(11_000);
  assert.deepEqual([told, shows], [[false, false], 1]);
  // One that connects again and again changes nothing for the other.
  ready = true;
  for (let minute = 1; minute <= 11; minute++) {
    tell(1);
    await clock.advance(MINUTE);
    if (minute === 9) assert.deepEqual([told, shows], [[false, true], 1], 'at most once in ten minutes');
  }
  assert.deepEqual([told, shows], [[true, true], 2]);
  watch.stop();
});
