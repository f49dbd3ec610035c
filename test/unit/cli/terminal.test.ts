/** What the pages in a terminal are made of: whatever the field sends, nothing is wider than it may be, and nothing is obeyed. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import type { TailReading } from '../../../src/admin/target.ts';
import { clean } from '../../../src/cli/terminal/clean.ts';
import { keysOf } from '../../../src/cli/terminal/keys.ts';
import { block, flow, type Line, type Look, lineWidth, painted, plain, render, span } from '../../../src/cli/terminal/line.ts';
import { decimalsOf, gridOf, pointRow, valueWords } from '../../../src/cli/terminal/point-rows.ts';
import { canDraw, lookOf, sizeOf } from '../../../src/cli/terminal/screen.ts';
import { bar, type Cell, sparkline } from '../../../src/cli/terminal/spark.ts';
import { column, cut, widthOf, wrap } from '../../../src/cli/terminal/text.ts';
import { Trend } from '../../../src/cli/terminal/trend.ts';

const LOOKS: readonly Look[] = [
  { colours: true, unicode: true },
  { colours: false, unicode: false },
];
/** Anything, and what is known to be dangerous: escapes, wide letters, accents, direction marks, half characters. */
const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 250 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc
    .array(
      fc.constantFrom(
        '\u001b[2J',
        '\u001b]0;x\u0007',
        '\u009b31m',
        '\r\n',
        '\t',
        '温度',
        'é',
        'e\u0301',
        '👩‍🔧',
        '\u202e',
        '\ud800',
        '\u2028',
        'ক্ষ',
        'a',
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join('')),
);
const width = fc.integer({ min: 0, max: 120 });
const anyNumber = fc.oneof(fc.double(), fc.constantFrom(0, -0, 1e308, -1e308, 5e-324), fc.integer());
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const OURS = /\u001b\[[\d;]*m/g;
const OBEYED = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

test('no text is wider than its column, and nothing in it is obeyed', () => {
  fc.assert(
    fc.property(nasty, width, (text, wide) => {
      assert.doesNotMatch(clean(text), OBEYED);
      assert.ok(stringWidth(cut(clean(text), wide)) <= wide);
      assert.equal(stringWidth(column(text, wide)), wide);
      assert.equal(stringWidth(column(text, wide, { right: true, mark: '…' })), wide);
      for (const line of wrap(text, wide)) {
        assert.ok(stringWidth(line) <= Math.max(1, wide), JSON.stringify(line));
        assert.doesNotMatch(line, OBEYED);
      }
    }),
  );
});

test('a wrapped text keeps all its words, and breaks only where it has to', () => {
  assert.deepEqual(wrap('one two three', 7), ['one two', 'three']);
  assert.deepEqual(wrap('abcdefghij', 4), ['abcd', 'efgh', 'ij']);
  assert.deepEqual(wrap('', 10), ['']);
  assert.deepEqual(wrap('温度', 1), ['?', '?']);
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 }), fc.integer({ min: 9, max: 40 }), (words, wide) => {
      assert.deepEqual(wrap(words.join(' '), wide).join(' '), words.join(' '));
    }),
  );
});

test('a line is cut at the edge, and only our own colours are sent', () => {
  const styles = fc.constantFrom('bold', 'redBlock', 'dim', undefined);
  fc.assert(
    fc.property(fc.array(fc.tuple(nasty, styles), { maxLength: 8 }), width, fc.constantFrom(...LOOKS), (parts, wide, look) => {
      const line: Line = parts.map(([text, style]) => span(text, style));
      const { text, width: used } = render(line, wide, look);
      const seen = look.colours ? text.replaceAll(OURS, '') : text;
      assert.ok(stringWidth(seen) <= wide);
      assert.ok(used <= wide);
      assert.doesNotMatch(seen, OBEYED);
      assert.doesNotMatch(plain(line), OBEYED);
    }),
  );
  assert.equal(render([span('ab', 'red'), span('cd')], 3, { colours: true, unicode: true }).text, '\u001b[31mab\u001b[0mc');
});

test('a sparkline has one column a cell, whatever the values are', () => {
  const cell: fc.Arbitrary<Cell> = fc.record({
    value: fc.option(anyNumber, { nil: undefined }),
    bad: fc.boolean(),
    over: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(cell, { maxLength: 80 }),
      fc.constantFrom(...LOOKS),
      anyNumber,
      fc.boolean(),
      (cells, look, least, isSwitch) => {
        const text = plain(sparkline(cells, look, { least, isSwitch }));
        assert.equal(widthOf(text), cells.length);
        assert.match(text, look.unicode ? /^[▁▂▃▄▅▆▇█× ]*$/u : /^[_.:\-=+*#x ]*$/);
      },
    ),
  );
  const [unicode, ascii] = LOOKS as [Look, Look];
  const ramp = [0, 1, 2, 3, 4, 5, 6, 7].map((value) => ({ value }));
  assert.equal(plain(sparkline(ramp, unicode)), '▁▂▃▄▅▆▇█');
  assert.equal(plain(sparkline(ramp, ascii)), '_.:-=+*#');
  assert.equal(plain(sparkline([{ value: 1 }, {}, { bad: true }, { value: Number.NaN, bad: true }], unicode)), '▁ ××');
  // A move of the last digit alone is not drawn as a storm.
  const noise = plain(sparkline([{ value: 5 }, { value: 5.1 }, { value: 5 }], unicode, { least: 10 }));
  assert.equal(new Set(noise).size, 1);
  assert.equal(plain(sparkline([{ value: 1 }, { value: 1 }, { value: 0 }], unicode, { least: 4, isSwitch: true })), '██▁');
  const over = sparkline([{ value: 7 }, { value: 9, over: true }], unicode);
  assert.deepEqual(
    over.map(({ style }) => style),
    ['cyan', 'red'],
  );
});

test('a bar fills its columns, and a part that is not 0 is seen', () => {
  const part = fc.record({ amount: anyNumber, style: fc.constant('green' as const), sign: fc.constantFrom('#', '-', 'x') });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), width, fc.constantFrom(...LOOKS), (parts, wide, look) => {
      assert.equal(widthOf(plain(bar(parts, wide, look))), wide);
    }),
  );
  const of = (...amounts: number[]) =>
    plain(
      bar(
        amounts.map((amount, i) => ({ amount, style: 'green', sign: '#-x'[i] ?? '?' })),
        10,
        LOOKS[1] as Look,
      ),
    );
  assert.equal(of(1, 1, 0), '#####-----');
  assert.equal(of(1e9, 1, 0), '#########-');
  assert.equal(of(0, 0, 0), '..........');
  assert.equal(of(Number.NaN, 3, -1), '----------');
});

test('a trend shows when a value was there, when it was bad, and when nothing came', () => {
  const trend = new Trend(10_000, 20);
  for (let t = 1000; t <= 5000; t += 1000) trend.add(t, t / 1000);
  trend.add(6000, undefined);
  const cells = trend.cells(10_000, 10);
  assert.deepEqual(
    cells.map(({ value, bad }) => (bad ? 'x' : value)),
    // From 1 s to 10 s; a bad reading holds as a good one does, until two more are overdue.
    [1, 2, 3, 4, 5, 'x', 'x', 'x', undefined, undefined],
  );
  assert.deepEqual(
    trend.cells(10_000, 10, (v) => v > 3).map(({ over }) => over === true),
    [false, false, false, true, true, false, false, false, false, false],
  );
  assert.equal(trend.cells(60_000, 10).filter(({ value }) => value !== undefined).length, 0, 'what is old is gone');
});

test('a trend takes on and off, bad readings, and no texts', () => {
  const trend = new Trend(10_000, 10);
  trend.take({ time: 1000, value: 'automatic', quality: 'good' });
  assert.deepEqual(trend.cells(1000, 10).at(-1), {});
  trend.take({ time: 2000, value: null, quality: 'bad' });
  trend.take({ time: 3000, value: true, quality: 'uncertain' });
  assert.deepEqual(trend.cells(3000, 10).slice(-2), [{ bad: true }, { value: 1, over: false }]);
  assert.equal(trend.isSwitch, true);
});

test('a trend takes any time and any value, and never grows', () => {
  const trend = new Trend(60_000, 30);
  fc.assert(
    fc.property(fc.array(fc.tuple(anyNumber, fc.option(anyNumber, { nil: undefined }))), anyNumber, (readings, now) => {
      for (const [time, value] of readings) trend.add(time, value);
      assert.equal(trend.cells(now, 24).length, 24);
      assert.equal(trend.cells(now, 0).length, 0);
    }),
  );
  // The clock was set back: what comes from now on is shown.
  const back = new Trend(10_000, 10);
  for (let t = 50_000; t < 60_000; t += 1000) back.add(t, 1);
  back.add(5000, 7);
  assert.equal(back.cells(5000, 10).at(-1)?.value, 7);
});

const reading = (value: TailReading['value'], more: Partial<TailReading> = {}): TailReading => ({
  ...{ type: 'reading', time: 1, device: 'd', point: 'p', value, unit: 'Cel', quality: 'good' },
  ...more,
});

test('the row of a point fits, whatever its names, its value and its unit are', () => {
  const value = fc.oneof(anyNumber, nasty, fc.boolean(), fc.constant(null));
  fc.assert(
    fc.property(
      fc.record({ device: nasty, point: nasty, unit: nasty, reason: nasty, value, wide: fc.integer({ min: 1, max: 200 }) }),
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom(...LOOKS),
      ({ device, point, unit, reason, value: shown, wide }, decimals, look) => {
        const p = {
          ...{ device, point, decimals, trend: new Trend(60_000, 30), limits: { min: -1e308, max: 8 } },
          reading: reading(shown, { device, point, unit, reason, quality: reason.length % 2 === 0 ? 'good' : 'bad' }),
        };
        const line = pointRow(p, gridOf([p], 9, wide), true, 1000, look);
        assert.ok(render(line, wide, look).width <= wide);
        assert.doesNotMatch(plain(line), OBEYED);
        if (wide >= 80) assert.ok(lineWidth(line) <= wide, `${lineWidth(line)} of ${wide}`);
      },
    ),
  );
});

test('rows of one table stand under each other, and a value keeps its decimals', () => {
  const [look] = LOOKS as [Look, Look];
  const point = (device: string, name: string, value: number, decimals: number) => ({
    ...{ device, point: name, decimals, trend: new Trend(60_000, 30), limits: { max: 8 } },
    reading: reading(value),
  });
  const points = [
    point('fridge', 'temperature', 9, 1),
    point('fridge', 'humidity', 100, 0),
    point('a-much-longer-name', 'p', -4.25, 2),
  ];
  const grid = gridOf(points, 9, 80);
  const rows = points.map((p) => plain(pointRow(p, grid, true, 1000, look)));
  assert.deepEqual(new Set(rows.map((row) => row.length)), new Set([79]));
  assert.deepEqual(new Set(rows.map((row) => row.indexOf('°C'))).size, 1);
  assert.match(rows[0] ?? '', / 9\.0 °C .* above 8\.0/);
  assert.equal(valueWords(reading(5), 2), '5.00');
  assert.equal(valueWords(reading(1e300), 2), '1.000e+300');
  assert.equal(valueWords(reading(null, { quality: 'bad' }), 2), '-');
  assert.equal(valueWords(reading('9007199254740993'), 2), '9007199254740993');
  const digits = [5, 5.5, 5.25, 5.0625, 0.1 + 0.2, 1234.5678, Math.fround(230.1), Math.fround(230.15), 1e6 + 0.25, Number.NaN];
  assert.deepEqual(digits.map(decimalsOf), [0, 1, 2, 3, 1, 2, 1, 2, 1, 0]);
});

test('keys are told apart, sequences that nobody knows are one key, and Ctrl-C is never lost', () => {
  assert.deepEqual(keysOf('qN \r'), ['q', 'N', 'space', 'enter']);
  assert.deepEqual(keysOf('\u001b[A\u001bOB\u001b[5~\u001b[6~\u001b[1;5C\u001b[200~x'), [
    'up',
    'down',
    'page-up',
    'page-down',
    'unknown',
    'unknown',
    'x',
  ]);
  assert.deepEqual(keysOf('\u001b'), ['unknown']);
  assert.deepEqual(keysOf(`${'x'.repeat(5000)}\u0003`), ['ctrl-c']);
  assert.equal(keysOf('x'.repeat(5000)).length, 32);
  fc.assert(fc.property(nasty, (text) => assert.ok(keysOf(text).length <= 32)));
});

test('blocks go on in the next line, and are as wide without colours', () => {
  const [colours, without] = LOOKS as [Look, Look];
  const blocks = (look: Look) => ['ALARMS none', 'NETWORK connected', 'LOST 0'].map((text) => block(text, 'greenBlock', look));
  assert.deepEqual(flow(blocks(without), 40).map(plain), [' [ALARMS none] [NETWORK connected]', ' [LOST 0]']);
  assert.deepEqual(flow(blocks(colours), 40).map(lineWidth), flow(blocks(without), 40).map(lineWidth));
});

test('a page of the command line keeps its colours in a line', () => {
  const line = painted('\u001b[31m  fridge\u001b[0m is \u001b[2mwarm\u001b[0m');
  assert.deepEqual(line, [span('  fridge', 'red'), span(' is ', undefined), span('warm', 'dim')]);
});

test('the environment says where a page can be drawn, and with what', () => {
  assert.equal(canDraw({ isTTY: true }, { TERM: 'xterm' }), true);
  assert.equal(canDraw({ isTTY: true }, { TERM: 'dumb' }), false);
  assert.equal(canDraw({}, { TERM: 'xterm' }), false);
  assert.deepEqual(lookOf({ NO_COLOR: '1', LANG: 'C' }), { colours: false, unicode: true });
  assert.deepEqual(lookOf({ NO_COLOR: '', LANG: 'bn_BD.UTF-8' }), { colours: true, unicode: true });
  assert.deepEqual(lookOf({ LC_ALL: 'de_DE.ISO-8859-1' }), { colours: true, unicode: false });
  assert.deepEqual(lookOf({ TERM: 'linux' }), { colours: true, unicode: false });
  assert.deepEqual(sizeOf({}), { columns: 80, rows: 24 });
  assert.deepEqual(sizeOf({ columns: 0, rows: 1e9 }), { columns: 80, rows: 200 });
});
