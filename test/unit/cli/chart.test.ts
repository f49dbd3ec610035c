/**
 * `sluice export --format svg`: a golden picture of a fixed log, and charts of anything stay well-formed and small. After a
 * deliberate change run SLUICE_UPDATE_GOLDEN=1 node --test test/unit/cli/chart.test.ts and look at the picture.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { numberAxis, timeTicks } from '../../../src/cli/chart/axes.ts';
import { type Bucket, type Chart, MAX_BUCKETS, MAX_PANELS } from '../../../src/cli/chart/chart.ts';
import { drawChart } from '../../../src/cli/chart/draw.ts';
import { chartOf } from '../../../src/cli/chart/export-chart.ts';
import type { LogQuery, LogSource, Range } from '../../../src/cli/log-source.ts';
import { bucketWidth } from '../../../src/store/read/buckets.ts';
import { Child } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { peer } from '../../peers/peers.ts';

process.env.TZ = 'Asia/Dhaka';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T = Date.UTC(2026, 10, 25, 4, 0);
const GOLDEN = path.join(import.meta.dirname, '..', '..', 'cases', 'chart', 'fridge.svg');

const SITE = `gateway: {id: clinic-7, name: Kalihati clinic}
buses: {field: {protocol: modbus-tcp, host: 127.0.0.1, port: 1502}}
devices:
  fridge:
    bus: field
    unit: 1
    interval: 10s
    points:
      temperature: {table: holding, address: 0, type: int16, scale: 0.1, unit: Cel}
      door: {table: coil, address: 0, type: bool}
rules:
  fridge-warm: {point: fridge.temperature, above: 8, severity: critical}
  fridge-cold: {point: fridge.temperature, below: 2}
  fridge-far: {point: fridge.temperature, above: 4000, severity: info}
  fridge-silent: {point: fridge.temperature, stale: 10m}
`;

/** Sum of one point over one bucket: minimum, mean, maximum, readings, bad readings. */
type Cell = readonly [min: number, mean: number, max: number, count: number, bad: number] | undefined;

interface Point {
  readonly name: string;
  readonly unit?: string;
  readonly first: number;
  readonly last: number;
  readonly cell: (time: number) => Cell;
}

/** Answers as a log does: no bucket without readings. */
function logOf(points: readonly Point[], alarms: readonly string[] = []): LogSource & { readonly asked: LogQuery[] } {
  const asked: LogQuery[] = [];
  return {
    ...{ asked, now: T + DAY, gateway: undefined, close: () => {} },
    async *ask(query: LogQuery) {
      asked.push(query);
      if (query.alarms === true) {
        // Pieces end anywhere.
        for (const piece of alarms
          .map((line) => `${line}\n`)
          .join('')
          .match(/[\s\S]{1,40}/g) ?? [])
          yield piece;
        return;
      }
      const every = query.every ?? assert.fail('buckets');
      const names = query.points ?? points.map((p) => p.name);
      for (const { name, unit, first, last, cell } of points) {
        if (!names.includes(name) && !names.includes(name.split('.')[0] as string)) continue;
        const end = Math.min(query.to, last);
        for (let time = Math.floor(Math.max(query.from, first) / every) * every; time <= end; time += every) {
          const found = cell(time);
          if (found === undefined) continue;
          const [min, mean, max, count, bad] = found;
          const numbers = count === 0 ? { min: null, mean: null, max: null } : { min, mean, max };
          yield `${JSON.stringify({ time, point: name, ...numbers, count, bad, ...(unit !== undefined && { unit }) })}\n`;
        }
      }
    },
  };
}

function siteFile(t: TestContext): string {
  const file = path.join(scratch(t, 'chart'), 'gateway.yaml');
  writeFileSync(file, SITE);
  return file;
}

const day = (change: Partial<Range> = {}): Range => ({ now: T + DAY, bounded: true, from: T, to: T + DAY, ...change });

async function charted(t: TestContext, source: LogSource, range: Range): Promise<{ svg: string; said: string }> {
  const said: string[] = [];
  const mock = t.mock.method(process.stderr, 'write', (text: string) => said.push(text) > 0);
  try {
    return { svg: await chartOf(source, range, { config: siteFile(t) }), said: said.join('') };
  } finally {
    mock.mock.restore();
  }
}

const temperature: Point = {
  ...{ name: 'fridge.temperature', unit: 'Cel', first: T, last: T + DAY - 1 },
  cell(time) {
    const h = (time - T) / HOUR;
    if (h > 5 && h < 6.2) return undefined;
    if (h > 18 && h < 18.8) return [0, 0, 0, 0, 6];
    const open = h > 12 && h < 14.3 ? (h < 12.6 ? (h - 12) * 12 : Math.max(0, 7.2 - (h - 12.6) * 4)) : 0;
    // Steps of an eighth are the same on every machine.
    const value = Math.round((4.6 + ((h * 3) % 1) + open) * 8) / 8;
    return [value - 0.25, value, value + 0.375, h > 9 && h < 9.1 ? 4 : 6, h > 9 && h < 9.1 ? 2 : 0];
  },
};
const door: Point = {
  ...{ name: 'fridge.door', first: T, last: T + DAY - 1 },
  cell: (time) => ((time - T) / HOUR > 12 && (time - T) / HOUR < 12.6 ? [1, 1, 1, 6, 0] : [0, 0, 0, 6, 0]),
};
const transition = (rule: string, state: string, severity: string, hour: number) =>
  JSON.stringify({ v: 1, log: 'k', seq: 1, rule, occurrence: 1, state, severity, time: T + hour * HOUR, message: 'm' });
const ALARMS = [
  transition('fridge-cold', 'active-unacknowledged', 'warning', -3),
  transition('fridge-cold', 'normal', 'warning', 0.5),
  transition('fridge-warm', 'active-unacknowledged', 'critical', 12.4),
  '{"damaged',
  transition('fridge-warm', 'active-acknowledged', 'critical', 12.9),
  transition('fridge-warm', 'normal', 'critical', 13.8),
  transition('removed-rule', 'active-unacknowledged', 'critical', 14),
  transition('fridge-silent', 'active-unacknowledged', 'warning', 18.2),
];

/** Throws where the text is no XML: tags, attributes, references and characters. */
function assertXml(svg: string): void {
  assert.doesNotMatch(svg, /(?!\n)\p{Cc}|[\p{Cs}\ufffe\uffff]/u, 'a character that XML does not have');
  const open: string[] = [];
  let at = 0;
  for (const match of svg.matchAll(/<(\/?)([a-zA-Z]+)((?: [\w:-]+="[^"<&]*(?:&[a-z#0-9]+;[^"<&]*)*")*)(\/?)>/g)) {
    const text = svg.slice(at, match.index);
    assert.doesNotMatch(text.replace(/&(?:amp|lt|gt|quot|#39);/g, ''), /[<&]/, `between tags: ${text.slice(0, 100)}`);
    at = match.index + match[0].length;
    if (match[4] === '/') continue;
    if (match[1] === '/') assert.equal(open.pop(), match[2]);
    else open.push(match[2] as string);
  }
  assert.deepEqual(open, []);
  assert.equal(svg.slice(at), '\n');
}

test('the chart of a fixed log is the golden picture', async (t) => {
  const { svg, said } = await charted(t, logOf([temperature, door], ALARMS), day());
  assert.equal(said, '');
  const before = existsSync(GOLDEN) ? readFileSync(GOLDEN, 'utf8') : '';
  if (process.env.SLUICE_UPDATE_GOLDEN === '1' && svg !== before) writeFileSync(GOLDEN, svg);
  assert.equal(svg, readFileSync(GOLDEN, 'utf8'));
  assertXml(svg);
});

test('a chart shows limits, alarms, gaps, bad readings, the zone and units for people', async (t) => {
  const { svg } = await charted(t, logOf([temperature, door], ALARMS), day());
  for (const words of [
    'Kalihati clinic (clinic-7)',
    'fridge.temperature, °C',
    'fridge-warm: above 8 °C',
    'fridge-cold: below 2 °C',
    'fridge-far: above 4000 °C ↑',
    'Alarm fridge-warm (critical), 25 Nov 22:24 to 25 Nov 23:48 (1h 24m)',
    'Alarm fridge-cold (warning), 25 Nov 07:00 to 25 Nov 10:30 (3h 30m)',
    'Alarm fridge-silent (warning), since 26 Nov 04:12, not over',
    'local time UTC+06:00',
    '>true</text>',
  ])
    assert.ok(svg.includes(words), words);
  assert.ok(!svg.includes('removed-rule'));
  assert.doesNotMatch(svg, /<script|href|url\(|@import|https?:(?!\/\/www\.w3\.org\/2000\/svg)/);
  assert.match(svg, /@media \(prefers-color-scheme:dark\)/);
  const [head = '', first = ''] = svg.split('class="point"');
  const panel = head + first;
  // Before and behind the hour without readings, and behind the bad ones.
  assert.equal(panel.match(/class="mean"/g)?.length, 3 + 1, 'three stretches, and the legend');
  assert.equal(panel.match(/class="bad"/g)?.length, 1 + 1);
  assert.equal(panel.match(/class="bad some"/g)?.length, 1);
});

test('one reading is a dot; bad ones alone, and texts, are said in words', async (t) => {
  const one: Point = { name: 'a.b', first: T + HOUR, last: T + HOUR, cell: () => [3, 3, 3, 1, 0] };
  const single = await charted(t, logOf([one]), day());
  assertXml(single.svg);
  assert.equal(single.svg.match(/<circle/g)?.length, 1);
  assert.ok(single.svg.includes('lowest 3, mean 3, highest 3; 0 of 1 readings bad'));

  const bad = await charted(t, logOf([{ ...one, last: T + 9 * HOUR, cell: () => [0, 0, 0, 0, 2] }]), day());
  assertXml(bad.svg);
  assert.ok(bad.svg.includes('no good readings in this time'));

  const text: LogSource = {
    ...logOf([]),
    async *ask() {
      yield `{"time":${T},"point":"gps.fix","min":null,"mean":null,"max":null,"count":7,"bad":0}\n`;
    },
  };
  assert.ok((await charted(t, text, day())).svg.includes('0 of 7 readings bad; texts are not drawn'));
});

test('ten years are a few hundred steps, and the log decides where the chart begins', async (t) => {
  const years: Point = { name: 'a.b', first: T - 3652 * DAY, last: T, cell: (time) => [0, (time / DAY) % 7, 9, 5000, 3] };
  const source = logOf([years]);
  const { svg } = await charted(t, source, { ...day(), bounded: false, from: 0, to: Number.MAX_SAFE_INTEGER, now: T });
  assertXml(svg);
  assert.ok(svg.length < 60_000, `${svg.length} characters`);
  assert.match(svg, /2018<\/text>/);
  const last = source.asked.findLast((q) => q.alarms !== true);
  assert.ok((last?.from ?? 0) >= years.first - DAY, 'nothing is drawn before the log begins');
  const asked = await charted(t, logOf([{ ...years, first: T - 3 * DAY }]), day({ from: T - 3652 * DAY, to: T, now: T }));
  assert.match(asked.svg, /22 Nov \d\d:\d\d to 25 Nov 2026 10:00/);
});

test('a step that is too fine becomes a coarser one, and the command says so', async (t) => {
  const { svg, said } = await charted(
    t,
    logOf([{ ...temperature, first: T - 40 * DAY }]),
    day({ from: T - 29 * DAY, every: 60_000 }),
  );
  assert.match(said, /--every 1m makes 43\d\d\d steps, and a chart has room for 1500: it is drawn with --every 30m/);
  assert.match(svg, /each step is 30m/);
  const fits = await charted(t, logOf([temperature]), day({ every: 60_000 }));
  assert.deepEqual([fits.said, fits.svg.includes('each step is 1m')], ['', true]);
});

test('more points than a chart has panels are refused with what to write', async (t) => {
  const points = Array.from({ length: MAX_PANELS + 1 }, (_, i): Point => ({ ...door, name: `d.p${i}` }));
  await assert.rejects(charted(t, logOf(points), day()), /a chart shows at most 12 points, .* such as --points d\.p0,d\.p1/);
  const { svg } = await charted(t, logOf(points), day({ points: ['d.p1', 'd.p12'] }));
  assert.equal(svg.match(/class="point"/g)?.length, 2);
  await assert.rejects(charted(t, logOf([]), day()), /the log has no readings in this time/);
  await assert.rejects(charted(t, logOf([]), { ...day(), bounded: false, from: 0 }), /the log has no readings in this time/);
});

/** Charts of anything: names, numbers and times from everywhere. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.constantFrom('<script>', '&amp;"\'', ']]>', '\ud800\0\u202e'),
);
const anyNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -50, max: 50 }),
  fc.constantFrom(0, 1e308, -1e308, 5e-324),
);
const severity = fc.constantFrom('critical' as const, 'warning' as const, 'info' as const);
const anyChart = fc
  .record({ from: fc.integer({ min: -1e12, max: 4e12 }), span: fc.integer({ min: 1000, max: 1e12 }) })
  .chain(({ from, span }) => {
    const width = Math.max(1000, Math.ceil(span / MAX_BUCKETS));
    const bucket = fc
      .record({ k: fc.nat(MAX_BUCKETS), a: anyNumber, b: anyNumber, count: fc.nat(9), bad: fc.nat(3) })
      .map(({ k, a, b, count, bad }): Bucket => {
        const [min, max] = [Math.min(a, b), Math.max(a, b)];
        const none = count === 0;
        return { time: from + k * width, min: none ? null : min, mean: none ? null : min, max: none ? null : max, count, bad };
      });
    const moment = fc.integer({ min: from - span, max: from + 2 * span });
    return fc.record({
      ...{
        title: anyText,
        from: fc.constant(from),
        to: fc.constant(from + span),
        width: fc.constant(width),
        estimated: fc.boolean(),
      },
      panels: fc.array(
        fc.record({
          ...{ point: anyText, unit: fc.option(anyText, { nil: undefined }), boolean: fc.boolean() },
          buckets: fc
            .uniqueArray(bucket, { maxLength: 60, selector: (b) => b.time })
            .map((all) => all.toSorted((x, y) => x.time - y.time)),
          limits: fc.array(fc.record({ rule: anyText, severity, value: anyNumber, words: anyText }), { maxLength: 20 }),
          alarms: fc
            .array(fc.record({ rule: anyText, severity, from: moment, to: fc.option(moment, { nil: undefined }) }), {
              maxLength: 30,
            })
            .map((all) => all.toSorted((x, y) => x.from - y.from)),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    });
  });

test('a chart of anything is well-formed, within its picture and without a number that is none', () => {
  fc.assert(
    fc.property(anyChart, (chart: Chart) => {
      const svg = drawChart(chart);
      assertXml(svg);
      assert.doesNotMatch(svg, /NaN|Infinity|undefined|null/);
      const height = Number(/height="([\d.]+)"/.exec(svg)?.[1]);
      for (const [, x, y] of svg.matchAll(/<(?:text|rect|circle)[^>]* c?x="(-?[\d.e+]+)" c?y="(-?[\d.e+]+)"/g))
        assert.ok(Number(x) >= 0 && Number(x) <= 960 && Number(y) >= 0 && Number(y) <= height, `${x} ${y}`);
    }),
    { numRuns: 300 },
  );
});

test('a foreign parser reads charts of anything', async (t) => {
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  if (python === undefined) return;
  const file = path.join(scratch(t, 'chart'), 'charts.json');
  writeFileSync(file, JSON.stringify(fc.sample(anyChart, 100).map((chart) => drawChart(chart))));
  const script = `import json, sys, xml.dom.minidom as dom
all = json.load(open(sys.argv[1]))
for svg in all: assert dom.parseString(svg.encode()).documentElement.tagName == "svg"
print(len(all))`;
  const child = new Child(python, ['-c', script, file]);
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  assert.deepEqual(child.stdout, ['100']);
});

test('the largest chart stays below a megabyte and a half', () => {
  const buckets = Array.from(
    { length: MAX_BUCKETS },
    (_, i): Bucket => ({ time: T + i * 1000, min: i % 7, mean: 4.4, max: 8 + (i % 5), count: 9, bad: i % 2 }),
  );
  const alarms = Array.from({ length: 50_000 }, (_, i) => ({
    rule: `r${i}`,
    severity: 'critical' as const,
    from: T + i * 16,
    to: T + i * 16 + 5,
  }));
  const limits = Array.from({ length: 500 }, (_, i) => ({
    rule: `r${i}`,
    severity: 'info' as const,
    value: i,
    words: `above ${i}`,
  }));
  const panel = { unit: 'Cel', boolean: false, buckets, limits, alarms };
  const panels = Array.from({ length: MAX_PANELS }, (_, i) => ({ ...panel, point: `d.p${i}` }));
  const svg = drawChart({ title: 'x', from: T, to: T + MAX_BUCKETS * 1000, width: 1000, estimated: false, panels });
  assert.ok(svg.length < 1_500_000, `${svg.length} characters`);
  assertXml(svg);
});

test('number axes are round, few and hold what they shall', () => {
  fc.assert(
    fc.property(fc.double({ min: -1e9, max: 1e9, noNaN: true }), fc.double({ min: 0, max: 1e9, noNaN: true }), (low, span) => {
      const axis = numberAxis(low, low + span);
      const little = 1e-6 * (Math.abs(low) + span) + 1e-200;
      assert.ok(axis.low <= low + little && axis.high >= low + span - little);
      assert.ok(axis.ticks.length >= 2 && axis.ticks.length <= 13, `${axis.ticks.length}`);
      assert.ok(axis.high > axis.low);
    }),
  );
  assert.deepEqual(
    numberAxis(2.1, 9.7).ticks.map((tick) => tick.label),
    ['2', '4', '6', '8', '10'],
  );
  assert.deepEqual(
    numberAxis(-0.03, 0.05).ticks.map((tick) => tick.label),
    ['-0.04', '-0.02', '0.00', '0.02', '0.04', '0.06'],
  );
});

test('a number axis ends where neighbouring numbers are further apart than its steps', () => {
  for (const low of [1e17, -1e17, 2 ** 53, 1e200]) {
    const high = low + Math.abs(low) * 2 ** -52;
    const axis = numberAxis(low, high);
    assert.deepEqual([axis.low, axis.high, axis.ticks.length], [low, high, 2]);
  }
});

test('time ticks ascend, are few and stand at round local times, also where the clocks change', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1000, max: 2e12 }), (from, span) => {
      const ticks = timeTicks(from, from + span);
      assert.ok(ticks.length <= 20, `${ticks.length}`);
      for (const [i, { time }] of ticks.entries())
        assert.ok(time >= from && time <= from + span && time > (ticks[i - 1]?.time ?? -1));
    }),
  );
  const zone = process.env.TZ;
  process.env.TZ = 'Europe/Berlin';
  try {
    // The night in which the clocks go from 02:00 to 03:00.
    const ticks = timeTicks(Date.UTC(2026, 2, 28, 23, 0), Date.UTC(2026, 2, 29, 5, 0));
    assert.deepEqual(
      ticks.map((tick) => tick.label),
      ['00:00', '01:00', '03:00', '04:00', '05:00', '06:00', '07:00'],
    );
  } finally {
    process.env.TZ = zone;
  }
  assert.equal(bucketWidth(DAY, 360), 5 * 60_000, 'the step of a day');
});
