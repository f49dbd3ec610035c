/** `sluice rules test` with computed points: what a recording lacks is computed as in the gateway. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { ComputedPoints } from '../../../src/cli/rules/computed.ts';
import { play } from '../../../src/cli/rules/play.ts';
import type { RecordedSample } from '../../../src/cli/rules/recording.ts';
import { reportOf } from '../../../src/cli/rules/report.ts';
import { wantedPoint } from '../../../src/cli/rules/wanted.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { GOOD } from '../../../src/core/reasons.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { derivedText } from '../../fakes/derived-bench.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-computed-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const TEXT = `${derivedText(
  { 'hall.temperature': 'Cel', 'hall.humidity': '%' },
  `
  climate:
    bus: sums
    staleAfter: 5m
    points:
      dew-point: {compute: dew-point, from: {temperature: hall.temperature, humidity: hall.humidity}}
      spread: {expression: 'hall.temperature - point("climate.dew-point")', unit: Cel}`,
)}rules:
  wet: {point: climate.spread, below: 2, deadband: 0.5}
`;

async function transitions(recording: string): Promise<string[]> {
  const { config, faults } = loadConfigText(TEXT, path.join(folder, 'gateway.yaml'), kinds, { profileDirs: [] });
  assert.deepEqual(faults, []);
  assert.ok(config);
  const file = path.join(folder, 'recording.csv');
  writeFileSync(file, recording);
  const report = reportOf(await play(config, file, { config: 'gateway.yaml' }));
  return report.transitions.map(({ rule, state, time }) => `${new Date(time).toISOString().slice(11, 16)} ${rule} ${state}`);
}

test('rules test computes points that the recording does not have', async () => {
  const rows = [
    'time,hall.temperature,hall.humidity',
    '2026-11-25T10:00:00Z,20,50',
    '2026-11-25T10:01:00Z,20,95',
    '2026-11-25T10:02:00Z,20,',
    '2026-11-25T10:03:00Z,20,60',
  ];
  assert.deepEqual(await transitions(`${rows.join('\n')}\n`), ['10:01 wet active-unacknowledged', '10:03 wet normal']);
});

test('rules test takes computed points from the recording where it has them', async () => {
  const rows = [
    'time,hall.temperature,hall.humidity,climate.spread',
    '2026-11-25T10:00:00Z,20,95,9',
    '2026-11-25T10:01:00Z,20,50,1',
  ];
  assert.deepEqual(await transitions(`${rows.join('\n')}\n`), ['10:01 wet active-unacknowledged']);
});

test('rules test leaves out an input that a recording never has, as the gateway does', async () => {
  const { config, faults } = loadConfigText(
    `${derivedText(
      { 'dust.aqi': '1', 'ozone.aqi': '1' },
      `
  place:
    bus: sums
    staleAfter: 5m
    points:
      aqi: {compute: maximum, from: [dust.aqi, ozone.aqi], unit: '1', missing: skip}`,
    )}rules:
  bad-air: {point: place.aqi, above: 100}
`,
    path.join(folder, 'gateway.yaml'),
    kinds,
    { profileDirs: [] },
  );
  assert.deepEqual(faults, []);
  assert.ok(config);
  const file = path.join(folder, 'never.csv');
  const rows = [0, 4, 8].map((minute) => `2026-11-25T10:0${minute}:00Z,${minute < 8 ? 120 : 90}`);
  writeFileSync(file, `time,dust.aqi\n${rows.join('\n')}\n`);
  const report = reportOf(await play(config, file, { config: 'gateway.yaml' }));
  assert.deepEqual(
    report.transitions.map(({ state, time }) => `${new Date(time).toISOString().slice(11, 23)} ${state}`),
    ['10:05:00.001 active-unacknowledged', '10:08:00.000 normal'],
  );
});

test('a computed value that came due before a restart belongs to the start before it', async () => {
  const config = loadConfigText(
    `${derivedText(
      { 'hall.temperature': 'Cel' },
      `
  climate:
    bus: sums
    staleAfter: 5m
    points:
      double: {expression: 'hall.temperature * 2.0', unit: Cel}`,
    )}rules:
  warm: {point: climate.double, above: 40, quality: {bad: alarm}}
`,
    path.join(folder, 'gateway.yaml'),
    kinds,
    { profileDirs: [] },
  ).config;
  assert.ok(config);
  const file = path.join(folder, 'boots.csv');
  // At 10:05 the temperature is too old; the gateway starts again at 10:20.
  const rows = ['time,boot,hall.temperature', '2026-11-25T10:00:00Z,b1,20', '2026-11-25T10:20:00Z,b2,20'];
  writeFileSync(file, `${rows.join('\n')}\n`);
  const computed = ComputedPoints.of(config, new Map([['climate.double', wantedPoint(config, 'climate.double')]]));
  assert.ok(computed);
  const minute = 60_000;
  const recorded = (at: number, boot: string): RecordedSample => ({
    ...{ time: at * minute, line: at, boot, estimated: false },
    readings: [{ device: 'hall', point: 'temperature', value: 20, reason: GOOD }],
  });
  // At 5 minutes the temperature is too old; the gateway starts again at 20.
  const played = [recorded(0, 'b1'), recorded(20, 'b2')].flatMap((sample) => computed.take(sample));
  assert.deepEqual(
    played.map(({ time, boot, computed: isComputed = false }) => [Math.floor(time / minute), boot, isComputed]),
    [
      [0, 'b1', false],
      [0, 'b1', true],
      [5, 'b1', true],
      [20, 'b2', false],
      [20, 'b2', true],
    ],
  );
});
