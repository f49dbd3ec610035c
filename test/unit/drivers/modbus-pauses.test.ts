import assert from 'node:assert/strict';
import test from 'node:test';
import { World } from '../../fakes/modbus-world.ts';

test('pauses are exact only on a line that everybody waits for: after a second without rest', async () => {
  const world = (interval: number) =>
    new World({
      devices: [1, 2].map((unit) => ({ unit, interval, addresses: [1, 100] })),
      character: 1,
      answer: (r) => r.send(r.frame(), 20),
    });
  // Four requests of 20 ms and their pauses: they fit four times into 400 ms and more.
  for (const interval of [400, 5000]) {
    const calm = world(interval);
    await calm.until(20_000);
    assert.ok(calm.asked >= 80_000 / interval - 10, `${calm.asked}`);
    assert.equal(calm.clock.exactWaits, 0);
  }
  const pressed = world(10);
  await pressed.until(900);
  assert.equal(pressed.clock.exactWaits, 0);
  const before = pressed.asked;
  await pressed.until(5000);
  const more = pressed.asked - before;
  assert.ok(more > 100 && pressed.clock.exactWaits > 0.9 * more, `${pressed.clock.exactWaits} of ${more}`);
});
