/**
 * The page of `sluice status --watch` as a technician sees it in Dhaka: test/cases/watch. SLUICE_GOLDEN=write writes the files
 * anew; read the difference before it is committed.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import type { AlarmStatus } from '../../../src/admin/live/live-types.ts';
import type { GatewayStatus, TailReading } from '../../../src/admin/target.ts';
import { type Look, plain, render } from '../../../src/cli/terminal/line.ts';
import type { Size } from '../../../src/cli/terminal/screen.ts';
import { Feed } from '../../../src/cli/watch/feed.ts';
import { pointRows, type Watched, watchPage } from '../../../src/cli/watch/view.ts';
import { statusOf } from '../../fakes/admin-target.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

process.env.TZ = 'Asia/Dhaka';
const FOLDER = path.join(import.meta.dirname, '..', '..', 'cases', 'watch');
/** 14:02:11 in Dhaka. */
const NOW = Date.UTC(2026, 10, 26, 8, 2, 11);
const LOOK: Look = { colours: false, unicode: true };

function status(devices: readonly string[], more: Partial<GatewayStatus> = {}): GatewayStatus {
  const report = statusOf();
  const [bus] = report.buses;
  const [forwarder] = report.forwarders;
  const like = bus?.devices[0];
  assert.ok(bus && forwarder && like);
  return {
    ...report,
    gateway: { ...report.gateway, id: 'clinic-7', name: 'Upazila Health Complex', time: NOW, monotonic: 60_000 },
    buses: [
      {
        ...bus,
        load: { busy: 0.1, due: 60, missed: 0, overloaded: false },
        devices: devices.map((name) => ({ ...like, name, state: 'answering', fault: undefined })),
      },
    ],
    forwarders: [{ ...forwarder, state: 'connected', fault: undefined }],
    ...{ alarms: [], broker: undefined, http: undefined, actions: undefined },
    log: { ...report.log, faults: [], salvage: [], refusedFolders: [] },
    clock: { ...report.clock, known: true },
    ...more,
  };
}

function feedOf(report: GatewayStatus): Feed {
  const feed = new Feed('/nowhere', new ManualClock());
  feed.takeStatus(report);
  return feed;
}

/** A reading every ten seconds for some minutes, the last now. */
function tell(feed: Feed, name: string, unit: string | undefined, values: readonly TailReading['value'][]): void {
  const [device = '', point = ''] = name.split('.');
  values.forEach((value, i) => {
    const time = NOW - (values.length - 1 - i) * 10_000;
    const state = value === null ? ({ quality: 'bad', reason: 'timeout' } as const) : ({ quality: 'good' } as const);
    feed.take({ type: 'reading', time, device, point, value, unit, ...state });
  });
}

function watched(feed: Feed, more: Partial<Watched> = {}): Watched {
  const { now, awaySince, points, hasMore, valueWidth } = feed;
  assert.ok(feed.status);
  return { status: feed.status, now, awaySince, points, hasMore, valueWidth, from: 0, ...more };
}

const wave = (middle: number, swing: number, decimals: number) =>
  Array.from({ length: 30 }, (_, i) => Number((middle + swing * Math.sin(i / 4)).toFixed(decimals)));

function clinic(more: Partial<GatewayStatus> = {}): Feed {
  const feed = feedOf(status(['fridge', 'pump'], more));
  tell(feed, 'fridge.temperature', 'Cel', wave(5, 4, 1));
  tell(feed, 'fridge.humidity', '%', wave(48, 3, 0));
  tell(feed, 'pump.running', undefined, [...Array.from({ length: 20 }, (_, i) => i % 8 < 5), null, null, null]);
  tell(feed, 'pump.pressure', 'bar', [...wave(3, 0.2, 2).slice(0, 20), null, null, null]);
  tell(feed, 'pump.mode', undefined, ['automatic']);
  return feed;
}

const ALARM: AlarmStatus = {
  ...{ rule: 'fridge-warm', state: 'active-unacknowledged', severity: 'critical', point: 'fridge.temperature' },
  ...{ value: 9, since: NOW - 41_000, occurrence: 1, message: 'The fridge is warmer than 8 °C. Close the door.' },
};

const PAGES: Readonly<Record<string, () => [Watched, Size]>> = {
  'all-well': () => [watched(clinic()), { columns: 80, rows: 24 }],
  alarm: () => [watched(clinic({ alarms: [ALARM] })), { columns: 80, rows: 24 }],
  'gateway-away': () => [watched(clinic(), { awaySince: NOW - 30_000, now: NOW + 2000 }), { columns: 80, rows: 24 }],
  'small-window': () => [watched(clinic({ alarms: [ALARM] })), { columns: 40, rows: 10 }],
  'no-reading-yet': () => [watched(feedOf(status(['fridge']))), { columns: 80, rows: 24 }],
  'many-points-second-page': () => {
    const feed = feedOf(status(Array.from({ length: 300 }, (_, i) => `meter-${i}`)));
    for (let i = 0; i < 300; i++) for (const point of ['power', 'voltage']) tell(feed, `meter-${i}.${point}`, 'W', [i * 1.5]);
    return [watched(feed, { from: 18 }), { columns: 80, rows: 24 }];
  },
  'wide-window': () => [watched(clinic({ alarms: [ALARM] })), { columns: 120, rows: 30 }],
};

for (const [name, make] of Object.entries(PAGES))
  test(`the page of ${name.replaceAll('-', ' ')}`, () => {
    const [page, size] = make();
    const lines = watchPage(page, size, LOOK);
    assert.ok(lines.length <= size.rows);
    for (const line of lines) assert.ok(render(line, size.columns, LOOK).width <= size.columns);
    const text = `${lines.map((line) => plain(line).trimEnd()).join('\n')}\n`;
    const file = path.join(FOLDER, `${name}.txt`);
    if (process.env.SLUICE_GOLDEN === 'write') writeFileSync(file, text);
    assert.equal(text, readFileSync(file, 'utf8'));
  });

test('each file of the folder belongs to a page', () => {
  assert.deepEqual(
    readdirSync(FOLDER).sort(),
    Object.keys(PAGES)
      .map((name) => `${name}.txt`)
      .sort(),
  );
});

test('the minutes before fill the page, and a value that is not known yet is left out', () => {
  const feed = feedOf(status(['fridge']));
  for (let i = 30; i > 0; i--)
    feed.takeBucket({ time: NOW - i * 10_000, point: 'fridge.temperature', min: i, mean: i, max: i + 0.5, count: 3 });
  feed.takeBucket({ time: NOW - 20_000, point: 'fridge.mode', min: null, mean: null, max: null, count: 2 });
  feed.takeBucket({ time: NOW - 20_000, point: 'fridge.door', min: null, mean: null, max: null, count: 0 });
  const [door, mode, temperature] = watchPage(watched(feed), { columns: 80, rows: 24 }, LOOK)
    .map(plain)
    .filter((line) => / (temperature|mode|door) /.test(line));
  assert.match(temperature ?? '', /temperature {11,} ██▇+▆+▅+▄+▃+▂+▁+ *$/);
  assert.doesNotMatch(mode ?? '', /[▁▂▃▄▅▆▇█×]/);
  assert.match(door ?? '', /×/);
  assert.equal(feed.points.find(({ point }) => point === 'temperature')?.decimals, 1);
});

test('devices that a reload took away leave the page, and points beyond the bound are not kept', () => {
  const feed = clinic();
  feed.takeStatus(status(['fridge']));
  assert.deepEqual(
    feed.points.map(({ device, point }) => `${device}.${point}`),
    ['fridge.humidity', 'fridge.temperature'],
  );
  for (let i = 0; i < 2500; i++)
    feed.take({ type: 'reading', time: NOW, device: 'fridge', point: `p${i}`, value: 1, quality: 'good' });
  assert.deepEqual([feed.points.length, feed.hasMore], [2000, true]);
  assert.match(watchPage(watched(feed), { columns: 80, rows: 24 }, LOOK).map(plain).join('\n'), /of more than 2000 .*q ends$/);
});

test('every size has its page, and the last page is full', () => {
  const feed = clinic({ alarms: [ALARM] });
  const size = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(size, fc.integer({ min: 0, max: 1e9 }), fc.boolean(), ({ columns, rows }, from, isAway) => {
      const page = watched(feed, { from, awaySince: isAway ? NOW - 1000 : undefined });
      const lines = watchPage(page, { columns, rows }, LOOK);
      assert.ok(lines.length <= rows);
      for (const line of lines) assert.ok(render(line, columns, LOOK).width <= columns);
      const fitting = Math.min(pointRows(page, { columns, rows }), page.points.length);
      if (rows > 20 && columns > 60)
        assert.equal(
          lines.filter((line) => /(temperature|humidity|running|pressure|mode) {2}/.test(plain(line))).length,
          fitting,
        );
    }),
  );
});
