import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayStatus } from '../../../src/admin/target.ts';
import { localTime } from '../../../src/cli/local-time.ts';
import { removedLine } from '../../../src/cli/removed.ts';
import { statusText } from '../../../src/cli/status-page.ts';
import { line } from '../../../src/cli/tail.ts';
import type { DeviceStatus } from '../../../src/core/ports.ts';
import { newCounts } from '../../../src/node-red/door/counts.ts';
import { statusOf } from '../../fakes/admin-target.ts';

process.env.TZ = 'Asia/Dhaka';

const only = <T>(list: readonly T[]): T => {
  assert.equal(list.length, 1);
  return list[0] as T;
};

test('one of a thing is told in the singular', () => {
  const report = statusOf();
  const bus = only(report.buses);
  const [device] = bus.devices;
  assert.ok(device);
  const counters = { ...device.counters, requests: 1, replies: 1, timeouts: 1, exceptions: 1 };
  const text = statusText(
    {
      ...report,
      log: { ...report.log, records: 1, pending: 1, dropped: 1, thinned: 1 },
      buses: [{ ...bus, devices: [{ ...device, counters }] }],
      forwarders: [{ ...only(report.forwarders), waiting: 1, counters: { ...only(report.forwarders).counters, readings: 1 } }],
    },
    { verbose: true, width: 200 },
  );
  assert.match(text, /^log {2}1 record, .*, 1 reading lost before delivery$/m);
  assert.match(text, /^ {2}it is full: 1 old reading thinned out since the start$/m);
  assert.match(text, /answering {2}1 of 1 request answered, /);
  assert.match(text, /^ {2}1 reading delivered/m);
  assert.match(text, /^ {2}1 reading waits for the platform/m);
  assert.match(text, /1 client$/m);
  assert.match(text, /1 reading waits for the next commit, 1 reading lost$/m);
  assert.match(text, /1 time-out, 1 exception,/);
});

test('what ails a bus is told once, and not by each of its devices', () => {
  const report = statusOf();
  const bus = only(report.buses);
  const fault = 'there is no such port';
  const devices = bus.devices.map((d) => ({ ...d, fault }));
  const lines = statusText({ ...report, buses: [{ ...bus, state: 'closed', fault, devices }] }).split('\n');
  assert.equal(lines.filter((l) => l.includes(fault)).length, 1);
  const open = statusText({ ...report, buses: [{ ...bus, devices }] }).split('\n');
  assert.equal(open.filter((l) => l.includes(fault)).length, devices.length);
});

test('a cured fault is a time and a count, recurring damage a share; a rest has its end', () => {
  const report = statusOf();
  const bus = only(report.buses);
  const { monotonic, time } = report.gateway;
  const text = (more: object) =>
    statusText(
      { ...report, buses: [{ ...bus, devices: [{ ...(bus.devices[0] as DeviceStatus), fault: undefined, ...more }] }] },
      { width: 200 },
    );
  const recovery = { since: monotonic - 60_000, replies: 3 };
  const since = localTime(time - 60_000, time);
  const share = { bad: 2, of: 20, kind: 'damaged' } as const;
  assert.ok(text({ recovery }).includes(`  fridge  answering  good again since ${since} (3 replies)\n`), text({ recovery }));
  assert.ok(text({ recovery, share }).includes('(3 replies); 2 of the last 20 replies were damaged\n'));
  assert.match(text({ recovery: { ...recovery, replies: 1 } }), /\(1 reply\)$/m);
  assert.match(
    text({ state: 'silent', restsUntil: monotonic + 12_000 }),
    /fridge gives no good answer since .*, asked again in 12s$/m,
  );
  assert.doesNotMatch(text({}), /good again|of the last|asked again/);
});

test('a reading that repeats an earlier failure says that nobody was asked', () => {
  const bad = { type: 'reading', time: 0, device: 'd', point: 'p', value: null, quality: 'bad', reason: 'timeout' } as const;
  assert.match(line({ ...bad, asked: false }), /bad \(timeout, not asked again yet\)$/);
  assert.match(line(bad), /bad \(timeout\)$/);
});

test('a forwarder that waits says when it tries again', () => {
  const report = statusOf();
  const waiting = { state: 'waiting', fault: 'nothing listens there', nextTry: report.gateway.time + 12_000 } as const;
  const forwarders: GatewayStatus['forwarders'] = [{ ...only(report.forwarders), ...waiting }];
  assert.match(
    statusText({ ...report, forwarders }),
    /forwarder cloud is not connected, tried again in 12s\n {4}nothing listens there\n/,
  );
});

test('what was removed of a point is one line, with the times that are known', () => {
  const none = { readings: 0, from: null, to: null };
  const from = Date.UTC(2026, 10, 1);
  const point = { point: 'tank.level', thinned: none, dropped: none, aged: none, undelivered: 0 };
  assert.equal(
    removedLine({ ...point, thinned: { readings: 70, from, to: from + 60_000 }, aged: { readings: 3, from: null, to: null } }),
    'tank.level: 70 thinned out (1 Nov 2026 06:00:00 UTC+06:00 to 1 Nov 2026 06:01:00 UTC+06:00), 3 too old',
  );
  assert.equal(
    removedLine({ ...point, dropped: { readings: 9, from, to: from }, undelivered: 4 }),
    'tank.level: 9 dropped for room (1 Nov 2026 06:00:00 UTC+06:00 to 1 Nov 2026 06:00:00 UTC+06:00), 4 of these before they were delivered',
  );
});

test('a tail that did not keep up says so in words', () => {
  assert.match(line({ type: 'missed', conflated: 12, dropped: 3 }), /12 older readings.* 3 more lines left out/);
});

test('the socket for flows has a line for what went through it, and one for what was refused', () => {
  const flows: NonNullable<GatewayStatus['flows']> = {
    ...{
      state: 'running',
      since: 0,
      nextStart: null,
      runsAs: 'service',
      restarts: 0,
      crashes: 0,
      lines: { passed: 0, suppressed: 0 },
    },
    door: { open: true, connections: 1, subscriptions: 2, ...newCounts(), readings: 1, puts: 30, commands: 1 },
  };
  const text = (door: Partial<NonNullable<typeof flows.door>>) =>
    statusText(
      { ...statusOf(), flows: { ...flows, door: { ...flows.door, ...door } as typeof flows.door } },
      { verbose: true, width: 200 },
    );
  assert.match(
    text({}),
    /^flows {4}1 connection on the socket for flows, 2 subscriptions\n {9}given 1 reading; got 30 readings and 1 command$/m,
  );
  assert.doesNotMatch(text({}), /^ {9}refused since the start/m);
  const more = text({
    dropped: 7,
    leftOutPuts: 3,
    refusedHellos: 1,
    refusedConnections: 2,
    faults: 4,
    refusedCommands: 5,
    refusedPuts: 6,
  });
  assert.match(more, /given 1 reading, 7 dropped; got 30 readings, 3 left out and 1 command/);
  assert.match(
    more,
    /refused since the start: 2 connections without a place, 1 connection with a wrong token, 4 wrong lines, 5 commands, 6 readings/,
  );
  assert.match(text({ open: false, fault: 'no folder' }), /^flows {4}the socket for flows is closed: no folder$/m);
});

test('a device of flows has readings, and neither frames nor requests', () => {
  const report = statusOf();
  const bus = only(report.buses);
  const [device] = bus.devices;
  assert.ok(device);
  const counters = { ...device.counters, requests: 0, replies: 5, latencySum: 0 };
  const text = statusText(
    { ...report, buses: [{ ...bus, protocol: 'flows', devices: [{ ...device, counters }] }] },
    { verbose: true, width: 200 },
  );
  assert.match(text, /fridge {2}answering {2}5 readings, the last 500ms ago/);
  assert.match(text, /fridge answering: 5 readings, last 500ms ago/);
});
