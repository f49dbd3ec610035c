import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';
import test from 'node:test';
import { isGatewayHost } from '../../../src/admin/host-check.ts';
import * as limits from '../../../src/admin/limits.ts';
import type { StatusReport } from '../../../src/admin/metric.ts';
import { METRICS, metricsTable, metricsText, sampleName } from '../../../src/admin/metrics.ts';
import { ProcessMeter } from '../../../src/admin/process-meter.ts';
import { TailStream } from '../../../src/admin/tail-stream.ts';
import type { FlowsReport, TailAlarm, TailReading } from '../../../src/admin/target.ts';
import { statusOf } from '../../fakes/admin-target.ts';
import { pythonPeer } from '../../peers/peers.ts';

test('hosts that a rebound name cannot have', () => {
  for (const good of [
    '127.0.0.1',
    '127.0.0.1:8080',
    '192.168.1.4:80',
    '[::1]',
    '[::1]:8080',
    'localhost',
    'LOCALHOST:1',
    'gate.local:8080',
    'a.localhost',
    'gate7',
    'Gate.Clinic.org:8443',
    'gate.clinic.org.',
  ])
    assert.equal(isGatewayHost(good, ['gate7', 'gate.clinic.org']), true, good);
  for (const bad of [
    undefined,
    '',
    'evil.example',
    'evil.example:8080',
    'local',
    '.local',
    'x.gate.clinic.org',
    'gate',
    'x.local.evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil',
    '[127.0.0.1]',
    '[::1',
    'a:b:c',
    '1.2.3',
    'e/vil.local',
    'localhost:123456',
    '[evil.example]',
  ])
    assert.equal(isGatewayHost(bad, ['gate7', 'gate.clinic.org']), false, bad);
});

function report(): StatusReport {
  return { ...statusOf(), process: new ProcessMeter().read() };
}

test('docs/reference/metrics.md has the table of the code', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/reference/metrics.md'), 'utf8');
  assert.ok(page.includes(metricsTable()), 'paste metricsTable() of src/admin/metrics.ts into docs/reference/metrics.md');
  for (const [, name] of page.matchAll(/`(sluice_[a-z0-9_]+)`/g))
    assert.ok(
      METRICS.some((m) => sampleName(m) === name),
      `${name} is on the page but not in the code`,
    );
});

test('metric names are unique and their labels are those of the table', () => {
  assert.equal(new Set(METRICS.map((m) => m.name)).size, METRICS.length);
  for (const metric of METRICS) {
    assert.match(metric.name, /^sluice_[a-z0-9_]+$/);
    if (metric.unit !== undefined) assert.ok(metric.name.endsWith(`_${metric.unit}`), metric.name);
    for (const [labels] of metric.read(report())) assert.deepEqual(Object.keys(labels), metric.labels, metric.name);
  }
});

const FLOWS: FlowsReport = {
  ...{ state: 'running', since: 1_795_000_000_000, nextStart: null, runsAs: 'service', version: '5.0.7', pid: 4711 },
  ...{ memory: { resident: 131_072_000, proportional: 80_740_352 }, restarts: 1, crashes: 1, checkTime: 4 },
  lines: { passed: 20, suppressed: 3 },
  door: {
    ...{ open: true, connections: 2, subscriptions: 5, lines: 900, faults: 1, refusedHellos: 2, refusedConnections: 3 },
    ...{ readings: 4000, alarms: 6, dropped: 7, calls: 80, commands: 9, refusedCommands: 10 },
    ...{ puts: 700, refusedPuts: 11, leftOutPuts: 12 },
  },
  front: {
    editor: {
      ...{ state: 'listening', connections: 3, sockets: 1, listeners: [{ host: '0.0.0.0', port: 1880, tls: true }] },
      refused: { connections: 0, hosts: 1, origins: 2, requests: 0, strangers: 7, sockets: 0 },
    },
  },
};

test('the figures of alarms have their values in the metrics', () => {
  const alarmFigures: StatusReport['alarmFigures'] = {
    ...{ since: 1_795_000_000_000, annunciated: 412, perHour: 1.25, perDay: 17 },
    flood: { active: true, since: 1_795_000_000_000, alarms: 31, floods: 3, time: 52_500 },
    chattering: { now: 2, rules: ['door', 'pump'], episodes: 9 },
    standing: { now: 12, rules: ['old'] },
    worst: [
      { rule: 'door', count: 300, share: 0.7 },
      { rule: 'pump', count: 112, share: 0.3 },
    ],
  };
  const values = (figures: StatusReport['alarmFigures']) =>
    metricsText({ ...report(), alarmFigures: figures })
      .split('\n')
      .filter((line) => /^sluice_alarm(_|s_)(annunciated|per|flood|chatter|standing|frequent)/.test(line));
  assert.deepEqual(values(alarmFigures), [
    'sluice_alarms_annunciated_total 412',
    'sluice_alarms_per_hour 1.25',
    'sluice_alarms_per_day 17',
    'sluice_alarm_flood 1',
    'sluice_alarm_floods_total 3',
    'sluice_alarm_flood_time_seconds_total 52.5',
    'sluice_alarms_chattering 2',
    'sluice_alarm_chatter_episodes_total 9',
    'sluice_alarms_standing 12',
    'sluice_alarm_frequent{rule="door"} 300',
    'sluice_alarm_frequent{rule="pump"} 112',
  ]);
  assert.ok(values({ ...alarmFigures, flood: { ...alarmFigures.flood, active: false } }).includes('sluice_alarm_flood 0'));
});

test('an independent parser reads the same numbers', (t) => {
  const python = pythonPeer(t, 'prometheus_client', 'apt-get install -y python3-prometheus-client');
  if (python === undefined) return;
  const nasty = { ...report(), alarms: [], flows: FLOWS };
  const text = metricsText({ ...nasty, gateway: { ...nasty.gateway, version: 'a\\b"c\nd' } });
  const script = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([[f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]]
  for f in text_string_to_metric_families(sys.stdin.read())]))`;
  const { status, stdout, stderr } = spawnSync(python, ['-c', script], { input: text, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const families = JSON.parse(stdout) as [string, string, string, [string, Record<string, string>, number][]][];
  const samples = new Map(
    families.flatMap((f) => f[3]).map(([name, labels, value]) => [`${name} ${JSON.stringify(labels)}`, value]),
  );
  assert.equal(samples.get('sluice_build_info {"version":"a\\\\b\\"c\\nd","gateway":"g1"}'), 1);
  assert.equal(samples.get('sluice_device_requests_total {"bus":"field","device":"fridge"}'), 10);
  assert.equal(samples.get('sluice_device_last_reply_age_seconds {"bus":"field","device":"fridge"}'), 0.5);
  assert.equal(samples.has('sluice_device_last_reply_age_seconds {"bus":"field","device":"mute"}'), false);
  assert.equal(samples.get('sluice_device_reply_p95_seconds {"bus":"field","device":"fridge"}'), 0.02);
  assert.equal(samples.get('sluice_flows_state {"state":"running"}'), 1);
  assert.equal(samples.get('sluice_flows_state {"state":"safe-mode"}'), 0);
  assert.equal(samples.get('sluice_flows_check_seconds {}'), 0.004);
  assert.equal(samples.get('sluice_flows_front_refused_total {"door":"editor","what":"strangers"}'), 7);
  assert.equal(samples.get('sluice_bus_missed_polls {"bus":"field"}'), 12);
  assert.equal(samples.get('sluice_bus_busy_ratio {"bus":"field"}'), 0.97);
  assert.equal(samples.get('sluice_device_reply_seconds_total {"bus":"field","device":"fridge"}'), 0.13);
  assert.equal(samples.get('sluice_log_oldest_unsent_age_seconds {}'), 10);
  assert.equal(samples.get('sluice_forwarder_lag_seconds {"forwarder":"cloud","lane":"data"}'), 0.25);
  assert.equal(samples.get('sluice_broker_dropped_messages_total {"why":"slow"}'), 2);
  // Every family that has a value is there, with its type and unit.
  for (const metric of METRICS) {
    const family = families.find(([name]) => name === metric.name);
    if (metric.name === 'sluice_forwarder_last_ack_age_seconds') assert.equal(family, undefined);
    else assert.deepEqual(family?.slice(1, 3), [metric.type, metric.unit ?? ''], metric.name);
  }
});

const reading = (point: string, value: number): TailReading => ({
  type: 'reading',
  time: 1,
  device: 'd',
  point,
  value,
  quality: 'good',
});
const alarm = (occurrence: number): TailAlarm => ({
  ...{ type: 'alarm', time: 1, rule: 'r', state: 'normal', severity: 'info', point: 'd.p', since: 1, occurrence },
  message: 'm',
});

test('a slow tail gets the newest of each point, its alarms, and what it missed', async () => {
  const taken: string[] = [];
  const waiting: (() => void)[] = [];
  let open = false;
  const out = new Writable({
    highWaterMark: 1024,
    write(chunk: Buffer, _encoding, done) {
      taken.push(chunk.toString());
      if (open) setImmediate(done);
      else waiting.push(done);
    },
  });
  const tail = new TailStream(out);
  for (let i = 0; out.writableLength < limits.TAIL_UNSENT; i++) tail.push(reading('filler', i));
  const held = out.writableLength;
  for (let i = 0; i < 5000; i++) tail.push(reading(`p${i % 50}`, i));
  for (let i = 0; i < limits.TAIL_ALARMS + 7; i++) tail.push(alarm(i));
  assert.equal(out.writableLength, held);
  open = true;
  waiting.shift()?.();
  while (!taken.some((l) => l.includes('"point":"p49"'))) await new Promise((resolve) => setImmediate(resolve));
  const lines = taken.map((l) => JSON.parse(l));
  const missed = lines.findIndex((l) => l.type === 'missed');
  assert.deepEqual(lines[missed], { type: 'missed', conflated: 4950, dropped: 7 });
  assert.deepEqual(lines.slice(missed + 1), [
    ...Array.from({ length: limits.TAIL_ALARMS }, (_, i) => alarm(i)),
    ...Array.from({ length: 50 }, (_, i) => reading(`p${i}`, 4950 + i)),
  ]);
  for (let i = 0; i < limits.TAIL_READINGS + 5; i++) tail.push(reading(`q${i}`, 1));
  assert.ok(out.writableLength < 2 * limits.TAIL_UNSENT);
});

test('the event loop meter tells a blocked loop', async (t) => {
  const meter = new ProcessMeter();
  meter.start();
  t.after(() => meter.stop());
  const turn = () => new Promise((resolve) => setTimeout(resolve, 10));
  // Again and again, since a block before the first sample of the meter is not seen.
  while (meter.read().eventLoop.max < 150) {
    const end = performance.now() + 300;
    while (performance.now() < end);
    for (let i = 0; i < 15; i++) await turn();
  }
  assert.ok(meter.read().eventLoop.utilization > 0);
  assert.ok(meter.read().memory.resident > 1e6);
});
