import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayStatus, TailReading } from '../../../src/admin/target.ts';
import { COLOURS, PLAIN, type Scene, screen, summary } from '../../../src/cli/demo/view.ts';
import { statusOf } from '../../fakes/admin-target.ts';

const NOW = 1_795_000_000_000;
const reading = (value: TailReading['value'], more: Partial<TailReading> = {}): TailReading => ({
  ...{ type: 'reading', time: NOW - 1200, device: 'fridge', point: 't', value, unit: 'Cel', quality: 'good' },
  ...more,
});
const status = (connected: boolean): GatewayStatus => ({
  gateway: { id: 'demo', version: '0.1.0', boot: 'b1', uptime: 3723, time: NOW, monotonic: 0 },
  clock: { known: true, source: 'ntp', systemOffset: 0, since: 1_795_000_000_000, steps: 0 },
  buses: [],
  log: {
    ...{ id: 'L', records: 1234, oldestUnsent: connected ? null : NOW - 12_000, bytes: 40_000, maxBytes: 16_777_216, pending: 3 },
    ...{
      lastCommit: NOW,
      commits: 9,
      appended: 99,
      unreported: 0,
      dropped: 0,
      thinned: 0,
      removed: 0,
      aged: 0,
      memory: statusOf().log.memory,
      writeFaults: 0,
      writeFaultTime: 0,
      faults: [],
      salvage: [],
      salvages: 0,
      salvagedRecords: 0,
      lostRecords: 0,
      refusedFolders: [],
    },
  },
  forwarders: [
    {
      ...{ name: 'platform', type: 'mqtt', url: 'mqtt://127.0.0.1:1', state: connected ? 'connected' : 'waiting', mode: 'live' },
      ...{
        lastAck: NOW,
        waiting: 0,
        lag: { data: 0, history: 0 },
        nextTry: null,
        fault: connected ? undefined : 'nobody listens there',
      },
      counters: { connects: 1, published: 5, acked: 5, refused: 0, retries: 0, readings: 10, bytes: 1000, violations: 0 },
    },
  ],
  alarms: [
    {
      ...{ rule: 'fridge-warm', state: 'active-unacknowledged', severity: 'critical', point: 'fridge.t' },
      ...{ value: 9.4, since: NOW - 5000, occurrence: 1, message: 'Close the door.' },
    },
  ],
});
const scene = (connected: boolean): Scene => ({
  readings: new Map([
    ['pump.running', reading(true, { unit: undefined })],
    ['fridge.t', reading(9.4)],
    ['pump.pressure', reading(null, { unit: 'bar', quality: 'bad', reason: 'timeout' })],
  ]),
  status: status(connected),
  platform: { listening: connected, readings: 5000, lateReadings: 700, repeats: 4 },
  story: Array.from({ length: 20 }, (_, i) => ({ time: NOW, text: `event ${i}` })),
  now: NOW,
  hints: ['a hint'],
});

test('the screen shows values, what is wrong, alarms, upstream and what happened last', () => {
  const text = screen(scene(false), PLAIN, 120, 50);
  assert.match(text, /up 01:02:03/);
  assert.match(text, /fridge\.t +9\.40 {2}°C +good +1\.2 s/);
  assert.match(text, /pump\.pressure +- {2}bar +bad \(timeout\)/);
  assert.match(text, /pump\.running +true/);
  assert.match(text, /critical fridge-warm {2}active-unacknowledged since .* Close the door\./);
  assert.match(text, /away: readings are kept\n {2}nobody listens there\n/);
  assert.match(text, /1,234 records in 40 KiB; the oldest that waits is 12s old/);
  assert.match(text, /5,000 readings, 700 of them late as history; 4 repeats dropped/);
  assert.match(text, /event 19/);
  assert.doesNotMatch(text, /event 13\n/);
  assert.match(screen(scene(true), PLAIN, 120, 50), /connected, live[\s\S]*nothing waits/);
});

test('a terminal of 80 by 24 shows everything that happens, and sentences wrap', () => {
  const points = [
    'dust.pm10',
    'meter.energy-import',
    'fridge.humidity',
    'pump.starts',
    'pump.speed',
    'meter.voltage',
    'fridge.t',
  ];
  const story = [
    'The platform goes away (an outage). Readings are kept.',
    'ALARM fridge-warm (critical): The fridge is warmer than 8 °C. Close the door; if it stays warm, move the vaccines.',
  ];
  const site = {
    ...scene(false),
    readings: new Map([
      ...points.map((name) => [name, reading(788)] as const),
      ['pump.pressure', reading(null, { unit: 'bar', quality: 'bad', reason: 'timeout' })] as const,
    ]),
    story: [...story, 'The fridge is closed again.'].map((text) => ({ time: NOW, text })),
  };
  const lines = screen(site, PLAIN, 80, 24).split('\n');
  assert.ok(lines.length <= 23 && lines.every((line) => line.length <= 80), lines.join('\n'));
  const text = lines.join(' ').replaceAll(/ +/g, ' ');
  for (const words of [
    ...story,
    'The fridge is closed again.',
    'Close the door.',
    'nobody listens there',
    'pump.pressure bad (timeout)',
  ])
    assert.ok(text.includes(words), words);
  for (const point of points) assert.ok(text.includes(`${point} 788 °C`), point);
  // One that is lower still tells the newest.
  assert.match(screen(site, PLAIN, 80, 18), /The fridge is closed again\.$/);
});

test('nothing is wider or higher than the terminal, and colours have no width', () => {
  for (const paint of [PLAIN, COLOURS]) {
    const lines = screen(scene(false), paint, 40, 12).split('\n');
    assert.equal(lines.length, 11);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
    for (const line of lines) assert.ok(line.replaceAll(/\u001b\[\d+m/g, '').length <= 40, line);
  }
});

test('before the gateway answers there is a screen too, and a line for a pipe has no colour', () => {
  const starting: Scene = { ...scene(true), status: undefined, readings: new Map() };
  assert.match(screen(starting, PLAIN, 80, 24), /starting[\s\S]*not started/);
  const line = summary(scene(false));
  assert.match(
    line,
    /fridge\.t=9\.40°C .*\| alarms: fridge-warm \| upstream: away: readings are kept .*\| platform: 5,000 readings/,
  );
  assert.ok(!line.includes('\u001b') && !line.includes('\n'));
});
