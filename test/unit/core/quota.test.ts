import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import { EventQuota, Quota } from '../../../src/core/quota.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const MINUTE = 60_000;

test('one report at once, then one a period with the rest, as long as there is a rest', async () => {
  const clock = new ManualClock();
  const reports: [at: number, count: number][] = [];
  let count = 0;
  const report = () => {
    reports.push([clock.monotonic(), count]);
    count = 0;
  };
  const quota = new Quota({ clock, period: MINUTE, rest: report });
  const happens = () => {
    count++;
    if (quota.take()) report();
  };
  happens();
  await clock.advance(1000);
  happens();
  happens();
  await clock.advance(MINUTE);
  happens();
  await clock.advance(2 * MINUTE);
  assert.deepEqual(reports, [
    [0, 1],
    [MINUTE, 2],
    [2 * MINUTE, 1],
  ]);
  await clock.advance(MINUTE);
  happens();
  assert.deepEqual(reports.at(-1), [clock.monotonic(), 1], 'after a quiet period at once');
  happens();
  quota.flush();
  assert.deepEqual(reports.at(-1), [clock.monotonic(), 1], 'the end reports the rest');
  const all = reports.length;
  quota.flush();
  await clock.advance(10 * MINUTE);
  assert.equal(reports.length, all, 'nothing twice, and no timer is left');
});

test('a million events of an outsider are ten a minute and their number, apart by kind', async () => {
  const clock = new ManualClock();
  const told: GatewayEvent[] = [];
  const quota = new EventQuota({ clock, tell: (event) => told.push(event) });
  const event = (n: number): GatewayEvent => ({ event: 'overload', severity: 'warning', message: `client ${n}`, data: { n } });
  for (let n = 1; n <= 1_000_000; n++) quota.tell('displaced', event(n));
  quota.tell('refused', event(0));
  assert.equal(told.length, 11);
  await clock.advance(MINUTE);
  assert.equal(told.length, 12);
  assert.deepEqual(told[11], {
    ...{ event: 'overload', severity: 'warning', data: { n: 1_000_000, suppressed: 999_990 } },
    message: '999990 more like this within a minute, the last of them: client 1000000',
  });
  await clock.advance(10 * MINUTE);
  assert.equal(told.length, 12);
  for (let n = 0; n < 12; n++) quota.tell('displaced', event(n));
  quota.flush();
  assert.deepEqual([told.length, told.at(-1)?.data?.suppressed], [23, 2]);
});
