/** The page of metrics is made once in a second at most, however often somebody asks. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { METRICS_AGE } from '../../../src/admin/limits.ts';
import type { StatusReport } from '../../../src/admin/metric.ts';
import { MetricsPage } from '../../../src/admin/metrics-page.ts';
import { ProcessMeter } from '../../../src/admin/process-meter.ts';
import { statusOf } from '../../fakes/admin-target.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const report = (): StatusReport => ({ ...statusOf(), process: new ProcessMeter().read() });

test('a storm of requests makes one page a second, and each page is at most that old', async () => {
  const clock = new ManualClock();
  let made = 0;
  const page = new MetricsPage(clock, () => {
    made++;
    const now: StatusReport = report();
    return { ...now, gateway: { ...now.gateway, uptime: clock.monotonic() / 1000 } };
  });
  const uptime = () => Number(/^sluice_uptime_seconds (\S+)$/m.exec(page.bytes.toString())?.[1]) * 1000;
  for (let i = 0; i < 1_000; i++) {
    await clock.advance(10);
    assert.ok(clock.monotonic() - uptime() < METRICS_AGE, `${clock.monotonic()}`);
  }
  assert.equal(made, 10);
  await clock.advance(60_000);
  assert.equal(uptime(), clock.monotonic());
  assert.equal(made, 11);
});

test('a report that cannot be made is not kept', async () => {
  let broken = true;
  const page = new MetricsPage(new ManualClock(), () => {
    if (broken) throw new Error('the gateway is not started');
    return report();
  });
  assert.throws(() => page.bytes, /not started/);
  broken = false;
  assert.ok(page.bytes.toString().endsWith('# EOF\n'));
});
