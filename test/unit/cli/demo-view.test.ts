/** The page of the demonstration: what a stranger sees, at every size, with and without colours. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { GatewayStatus, TailReading } from '../../../src/admin/target.ts';
import { FAULTS } from '../../../src/cli/demo/plot.ts';
import { page, type Scene, summary } from '../../../src/cli/demo/view.ts';
import { type Look, plain, render } from '../../../src/cli/terminal/line.ts';
import type { ShownPoint } from '../../../src/cli/terminal/point-rows.ts';
import { Trend } from '../../../src/cli/terminal/trend.ts';
import { statusOf } from '../../fakes/admin-target.ts';

const NOW = 1_795_000_000_000;
const PLAIN: Look = { colours: false, unicode: false };
const FULL: Look = { colours: true, unicode: true };

function point(
  name: string,
  value: TailReading['value'],
  unit: string,
  more: Partial<ShownPoint & TailReading> = {},
): ShownPoint {
  const [device = '', of = ''] = name.split('.');
  const { decimals = 1, limits, quality = 'good', reason, remark } = more;
  const reading: TailReading = { type: 'reading', time: NOW, device, point: of, value, unit, quality, reason };
  const trend = new Trend(60_000, 120);
  for (let t = 0; t < 30; t++) trend.take({ ...reading, time: NOW - t * 1000 });
  return { device, point: of, reading, trend, decimals, limits, remark };
}

const POINTS = [
  point('fridge.temperature', 9.4, 'Cel', { limits: { max: 8 } }),
  point('fridge.humidity', 51, '%'),
  point('pump.running', false, '', { decimals: 0 }),
  point('pump.speed', 0, 'Hz'),
  point('pump.pressure', null, 'bar', { decimals: 2, quality: 'bad', reason: 'timeout', limits: { min: 1 } }),
  point('meter.voltage', 230.1, 'V'),
  point('meter.current', 4.58, 'A', { decimals: 2 }),
  point('meter.power', 916.9, 'W'),
  point('meter.power-factor', 0.87, '1', { decimals: 2 }),
  point('meter.energy-import', 7902.321, 'kW.h', { decimals: 3 }),
  point('dust.pm2_5', 17.9, 'ug/m3', { limits: { max: 50 } }),
  point('dust.pm10', 28.9, 'ug/m3', { remark: '7 damaged' }),
];

function status(away: boolean): GatewayStatus {
  const report = statusOf();
  const [forwarder] = report.forwarders;
  assert.ok(forwarder);
  return {
    ...report,
    gateway: { ...report.gateway, time: NOW, uptime: 47 },
    forwarders: [{ ...forwarder, state: away ? 'waiting' : 'connected', mode: 'live', nextTry: away ? NOW + 3000 : null }],
    alarms: [
      {
        ...{ rule: 'fridge-warm', state: 'active-unacknowledged', severity: 'critical', point: 'fridge.temperature' },
        ...{ value: 9.4, since: NOW - 5000, occurrence: 1, message: 'Close the door.' },
      },
    ],
  };
}

function scene(away: boolean, more: Partial<Scene> = {}): Scene {
  return {
    ...{ now: NOW, status: status(away), points: POINTS, valueWidth: 9 },
    tally: away
      ? { read: 1234, delivered: 922, waiting: 312, lost: 0, kept: 312 }
      : { read: 1234, delivered: 1234, waiting: 0, lost: 0, kept: 312 },
    awaySince: away ? NOW - 12_000 : undefined,
    platform: { listening: !away, lateReadings: 312, repeats: 4 },
    story: Array.from({ length: 20 }, (_, i) => ({ time: NOW, text: `event ${i}` })),
    coming: { leads: false, text: 'the network comes back', seconds: 9 },
    faults: FAULTS.map((fault) => ({ ...fault, isOn: away && fault.name === 'network' })),
    ...{ hasKeys: true, note: undefined, hints: ['a hint'] },
    ...more,
  };
}

const shown = (site: Scene, columns: number, rows: number, look = PLAIN) => page(site, { columns, rows }, look).map(plain);

test('at 80 by 24 everything is there: banner, points with limits, readings, what comes, keys', () => {
  const lines = shown(scene(true), 80, 24);
  assert.equal(lines.length, 24);
  assert.match(lines[1] ?? '', /^ \[1 ALARM fridge-warm {7}\] \[NETWORK away for 12 s {3}\] \[KEPT 312 {3}\] \[LOST 0\]$/);
  const text = lines.join('\n');
  assert.match(text, /^ fridge {2}temperature +9\.4 °C .* above 8\.0/m);
  assert.match(text, /^ +humidity +51\.0 % /m);
  assert.match(text, /^ pump +running +off /m);
  assert.match(text, /^ +pressure +- bar .* no answer/m);
  assert.match(text, /^ meter +voltage +230\.1 V /m);
  assert.match(text, /pm10 +28\.9 µg\/m³ .* 7 damaged/);
  assert.match(text, /Readings: read 1,234 = # delivered 922 {3}\+ - waiting 312 {3}\+ x lost 0/);
  assert.match(text, /^ #{59}-{19}$/m);
  assert.match(text, /event 19\n Next in {2}9 s: the network comes back \(space: now\)/);
  assert.match(lines.at(-1) ?? '', /^ f open fridge {2}N FIX NETWORK {2}u unplug pump {2}p stop pump {2}d damage dust {2}q end$/);
  for (const { device, point } of POINTS) assert.ok(text.includes(device) && text.includes(point), point);
});

test('a larger window has more of the story, the hints, and room between the devices', () => {
  const lines = shown(scene(true), 100, 40);
  assert.ok(lines.length <= 40);
  const text = lines.join('\n');
  assert.match(text, /last minute +limit/);
  assert.match(text, /\n\n pump +running/);
  assert.match(text, /event 12\n.*event 13\n/);
  assert.match(text, /\n\na hint$/);
});

test('connected again, the banner says so, and that what was kept is not lost', () => {
  const [, banner = ''] = shown(scene(false), 80, 24);
  assert.match(banner, /NETWORK connected .*KEPT 312 .*LOST 0/);
  const back = scene(true, { platform: { listening: true, lateReadings: 0, repeats: 0 } });
  assert.match(shown(back, 80, 24)[1] ?? '', /NETWORK back, try in 3 s/);
  const starting = shown(scene(true, { status: undefined, points: [], coming: undefined, awaySince: undefined }), 80, 24).join(
    '\n',
  );
  assert.match(starting, /NETWORK starting[\s\S]*read for the first time[\s\S]*The gateway starts/);
});

test('no column moves when values, alarms and the network change', () => {
  const other = POINTS.map((p) => ({
    ...p,
    reading: { ...p.reading, value: 0.01, quality: 'good' as const, reason: undefined },
  }));
  const before = shown(scene(true), 80, 24);
  const after = shown(scene(false, { points: other, status: { ...status(false), alarms: [] } }), 80, 24);
  for (const [i, line] of before.entries()) {
    const now = after[i] ?? '';
    for (const mark of ['[NETWORK', '[KEPT', '[LOST', ' delivered', '°C', ' kWh', 'Next in'])
      if (line.includes(mark)) assert.equal(now.indexOf(mark), line.indexOf(mark), `${mark} in\n${line}\n${now}`);
  }
});

test('the user is told who leads, and that a key means nothing', () => {
  const leads = shown(scene(true, { coming: { leads: true, text: 'the story continues', seconds: 27 } }), 80, 24).join('\n');
  assert.match(leads, /You lead\. In 27 s the story continues \(space: now\)/);
  assert.match(shown(scene(true, { note: 'This key does nothing.' }), 80, 24).join('\n'), /This key does nothing/);
  assert.match(
    shown(scene(true, { hasKeys: false }), 80, 24).join('\n'),
    /Next in {2}9 s: the network comes back\n Ctrl-C ends it/,
  );
});

test('every size has its page: no line is wider, no page is higher, and what counts stays', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 80 }),
      fc.constantFrom(PLAIN, FULL),
      (columns, rows, look) => {
        const lines = page(scene(true), { columns, rows }, look);
        assert.ok(lines.length <= rows);
        for (const line of lines) assert.ok(render(line, columns, look).width <= columns);
      },
    ),
  );
  const small = shown(scene(true), 20, 5);
  assert.match(small.join('\n'), /1 ALARM fridge-warm[\s\S]*NETWORK[\s\S]*LOST 0/);
  const low = shown(scene(true), 80, 16).join('\n');
  assert.match(low, /and \d+ more: make the window higher/);
  assert.match(low, /event 19[\s\S]*Next in[\s\S]*q end/);
});

test('a thousand points leave room for everything else', () => {
  const points = Array.from({ length: 1000 }, (_, i) => ({
    ...(POINTS[0] as ShownPoint),
    device: `d${i}`,
    point: 'x'.repeat(200),
  }));
  const text = shown(scene(true, { points }), 80, 24).join('\n');
  assert.match(text, /and 9\d\d more: make the window higher[\s\S]*Readings:[\s\S]*event 19[\s\S]*q end/);
});

test('a line for a pipe has everything in one line and no colour', () => {
  const line = summary(scene(true));
  assert.match(
    line,
    /^fridge\.temperature=9\.4°C fridge\.humidity=51\.0% .* and 8 more \| alarms: fridge-warm \| network: away \| /,
  );
  assert.match(line, /read 1,234 = delivered 922 \+ waiting 312 \+ lost 0$/);
  assert.ok(!line.includes('\u001b') && !line.includes('\n'));
});
