import assert from 'node:assert/strict';
import test from 'node:test';
import { silentLogger } from '../../../src/core/logger.ts';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import { LogFaults, type LogPart } from '../../../src/reports/log-faults.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const part = (notKept?: () => number): LogPart => ({
  ...{ part: 'log', severity: 'critical', again: 'The log is written again' },
  begins: (fault, what) => `${what}: ${fault}`,
  ...(notKept === undefined ? {} : { notKept }),
});

test('a fault is reported when it begins and ends; what comes back soon is the same one', async () => {
  const clock = new ManualClock();
  const events: GatewayEvent[] = [];
  let notKept = 5;
  const faults = new LogFaults(
    part(() => notKept),
    { clock, logger: silentLogger, event: (e) => events.push(e) },
  );
  faults.changed('commit', 'EIO');
  await clock.advance(4000);
  faults.changed('checkpoint', 'EIO');
  faults.changed('commit', undefined);
  await clock.advance(60_000);
  assert.equal(events.length, 1, 'the other one is still there');
  notKept = 8;
  faults.changed('checkpoint', undefined);
  await clock.advance(9000);
  assert.equal(faults.totals.time, 64_000, 'waiting whether it stays well is no fault');
  faults.changed('commit', 'EIO');
  await clock.advance(1000);
  faults.changed('commit', undefined);
  await clock.advance(10_000);
  assert.deepEqual(
    events.map((e) => [e.event, e.severity, e.message, e.data]),
    [
      ['log', 'critical', 'commit: EIO', { part: 'log', writable: false, fault: 'EIO' }],
      [
        ...['log', 'info', 'The log is written again, after 74 s. 3 readings were lost.'],
        { part: 'log', writable: true, seconds: 74, failures: 3, notKept: 3 },
      ],
    ],
  );
  assert.deepEqual(faults.totals, { faults: 1, time: 74_000 });
  faults.changed('commit', 'EROFS');
  assert.equal(events.length, 3);
  assert.equal(faults.totals.faults, 2);
});

test('a stop tells a fault as over when it was, and says nothing of one that is not', () => {
  const events: GatewayEvent[] = [];
  const faults = new LogFaults(part(), { clock: new ManualClock(), logger: silentLogger, event: (e) => events.push(e) });
  faults.changed('commit', 'EIO');
  faults.changed('commit', undefined);
  faults.stop();
  assert.deepEqual(
    events.map((e) => e.data?.writable),
    [false, true],
  );
  assert.deepEqual(
    [events[1]?.message, events[1]?.data],
    ['The log is written again, after 0 s.', { part: 'log', writable: true, seconds: 0, failures: 1 }],
  );
  faults.changed('commit', 'EIO');
  faults.stop();
  assert.equal(events.length, 3);
});
