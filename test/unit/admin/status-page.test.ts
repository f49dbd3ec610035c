/** The answer of /api/v1/status over HTTP is made once in a quarter of a second at most, and never hides what its caller did. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { STATUS_AGE } from '../../../src/admin/limits.ts';
import { ProcessMeter } from '../../../src/admin/process-meter.ts';
import { SharedText } from '../../../src/admin/shared-text.ts';
import { StatusPage } from '../../../src/admin/status-page.ts';
import { statusOf } from '../../fakes/admin-target.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

function pageOf(clock: ManualClock) {
  const world = { made: 0, changes: 0 };
  const page = new StatusPage(clock, () => {
    world.made++;
    const status = statusOf();
    return {
      ...{ ...status, process: new ProcessMeter().read() },
      gateway: { ...status.gateway, uptime: clock.monotonic(), boot: `b${world.changes}` },
    };
  });
  const read = (text: SharedText) => JSON.parse(text.bytes.toString()) as { gateway: { uptime: number; boot: string } };
  return { world, page, read };
}

test('a storm of requests makes four states a second, each at most that old', async () => {
  const clock = new ManualClock();
  const { world, page, read } = pageOf(clock);
  for (let i = 0; i < 1_000; i++) {
    await clock.advance(10);
    assert.ok(clock.monotonic() - read(page.recent).gateway.uptime < STATUS_AGE, `${clock.monotonic()}`);
  }
  assert.equal(world.made, 10_000 / STATUS_AGE);
});

test('model: a reader sees every change that a call made before it asked', async () => {
  const step = fc.record({ wait: fc.constantFrom(0, 0, 1, STATUS_AGE - 1, STATUS_AGE), changes: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new ManualClock();
      const { world, page, read } = pageOf(clock);
      for (const { wait, changes } of steps) {
        await clock.advance(wait);
        if (changes) {
          world.changes++;
          page.changed();
        }
        const { uptime, boot } = read(page.recent).gateway;
        assert.equal(boot, `b${world.changes}`);
        assert.ok(clock.monotonic() - uptime < STATUS_AGE);
        assert.equal(read(page.now).gateway.uptime, clock.monotonic());
      }
    }),
  );
});

test('a state that cannot be made is not kept', () => {
  let broken = true;
  const page = new StatusPage(new ManualClock(), () => {
    if (broken) throw new Error('the gateway is not started');
    return { ...statusOf(), process: new ProcessMeter().read() };
  });
  assert.throws(() => page.recent, /not started/);
  broken = false;
  assert.ok(page.recent.bytes.length > 0);
});

test('a text is compressed once for all who accept that, and again after a failure', async () => {
  const text = new SharedText('x'.repeat(5_000));
  let packs = 0;
  const fails = text.packed(async () => {
    packs++;
    throw new Error('no memory');
  });
  await assert.rejects(fails, /no memory/);
  const pack = async (bytes: Buffer): Promise<Buffer> => {
    packs++;
    return bytes.subarray(0, 10);
  };
  const [first, second] = await Promise.all([text.packed(pack), text.packed(pack)]);
  assert.equal(first, second);
  assert.equal(packs, 2);
});
