/** Expressions: what is refused and where, what the others give, and that nothing hostile gets further than a sentence. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { KnownPoints } from '../../../src/config/kinds.ts';
import type { Storage, Value } from '../../../src/core/point.ts';
import { compile } from '../../../src/rules/expression/evaluate.ts';
import { type Expression, type ExpressionFault, readExpression } from '../../../src/rules/expression/read.ts';

const POINTS: Readonly<Record<string, Storage | undefined>> = {
  'tank.level': 'number',
  'tank.flow': 'number',
  'pump.running': 'boolean',
  'pump.mode': 'string',
  'meter.energy': 'integer64',
  'pump-1.running': 'boolean',
  '2nd.level': 'number',
  'loop.gain': 'number',
  'constructor.constructor': 'number',
  'gps.any': undefined,
};
const points: KnownPoints = {
  find: (point) => (Object.hasOwn(POINTS, point) ? { storage: POINTS[point] } : { fault: `there is no point "${point}"` }),
  all: () => Object.keys(POINTS),
};

function read(text: string, gives: 'bool' | 'number' = 'bool'): Expression {
  const result = readExpression(text, gives, points);
  if (!('run' in result)) assert.fail(`${text}: ${JSON.stringify(result)}`);
  return result;
}
function refused(text: string, gives: 'bool' | 'number' = 'bool'): readonly ExpressionFault[] {
  const result = readExpression(text, gives, points);
  if ('run' in result) assert.fail(`${text} is not refused`);
  return result;
}
function value(
  text: string,
  values: Readonly<Record<string, Value | undefined>>,
  gives: 'bool' | 'number' = 'bool',
): Value | undefined {
  const expression = read(text, gives);
  return compile(expression)(expression.inputs.map(({ point }) => values[point]));
}

const GIVES: readonly (readonly [
  text: string,
  values: Readonly<Record<string, Value | undefined>>,
  result: Value | undefined,
])[] = [
  ['tank.level < 0.5 && pump.running', { 'tank.level': 0.3, 'pump.running': true }, true],
  ['tank.level < 0.5 && !pump.running', { 'tank.level': 0.3, 'pump.running': true }, false],
  ['tank.level * 2 + 1 >= 1.6', { 'tank.level': 0.3 }, true],
  ['tank.level == 3', { 'tank.level': 3 }, true],
  ['3 == tank.level', { 'tank.level': 3.5 }, false],
  ['pump.mode == "auto"', { 'pump.mode': 'auto' }, true],
  ['pump.mode in [\'auto\', "off"]', { 'pump.mode': 'off' }, true],
  ['pump.mode.startsWith("au") || pump.mode.contains("x")', { 'pump.mode': 'auto' }, true],
  ['point("pump-1.running") && point(\'2nd.level\') > 1', { 'pump-1.running': true, '2nd.level': 2 }, true],
  ['point("loop.gain") > 1 ? pump.running : false', { 'loop.gain': 2, 'pump.running': true }, true],
  ['constructor.constructor > 1', { 'constructor.constructor': 2 }, true],
  ['max(tank.level, tank.flow) > abs(-2.0)', { 'tank.level': 1, 'tank.flow': 3 }, true],
  ['gps.any == 3', { 'gps.any': 3 }, true],
  ['gps.any == 3', { 'gps.any': 'three' }, false],
  ['gps.any > 3', { 'gps.any': 'three' }, undefined],
  // int64 is exact, and beyond 64 bits nothing is said.
  ['meter.energy > 9007199254740992', { 'meter.energy': 9007199254740993n }, true],
  ['meter.energy > 9007199254740992.0', { 'meter.energy': 9007199254740993n }, true],
  ['meter.energy == 9007199254740992.0', { 'meter.energy': 9007199254740993n }, false],
  ['meter.energy > 18446744073709551614', { 'meter.energy': 18446744073709551615n }, true],
  ['meter.energy * meter.energy > 1', { 'meter.energy': 2n ** 62n }, undefined],
  ['meter.energy / 0 > 1', { 'meter.energy': 1n }, undefined],
  ['meter.energy % 0 > 1', { 'meter.energy': 1n }, undefined],
  ['tank.level / tank.flow > 1', { 'tank.level': 1, 'tank.flow': 0 }, undefined],
  ['tank.flow != 0.0 && tank.level / tank.flow > 1', { 'tank.level': 1, 'tank.flow': 0 }, false],
  ['tank.level / 0 > 1 || pump.running', { 'tank.level': 1, 'pump.running': true }, true],
  // A bad input matters only where it decides.
  ['tank.level < 0.5', { 'tank.level': undefined }, undefined],
  ['tank.level < 0.5 || pump.running', { 'pump.running': true }, true],
  ['tank.level < 0.5 || pump.running', { 'pump.running': false }, undefined],
  ['tank.level < 0.5 && pump.running', { 'pump.running': false }, false],
  ['pump.running ? tank.level > 1 : tank.flow > 1', { 'pump.running': true, 'tank.level': 2 }, true],
  ['!(tank.level < 0.5)', {}, undefined],
  // A point that is of another type than the configuration says.
  ['tank.level < 0.5', { 'tank.level': 'low' }, undefined],
];
for (const [text, values, result] of GIVES) test(`gives ${result}: ${text}`, () => assert.equal(value(text, values), result));

const REFUSED: readonly (readonly [text: string, at: number, message: RegExp])[] = [
  ['', 0, /is empty/],
  ['tank.level > ', 13, /ends too early/],
  ['tank.level = 3', 11, /write == instead of =/],
  ['tank.level > 1 and pump.running', 15, /write && instead of and/],
  ['tank.level > 1 & pump.running', 15, /write && instead of &/],
  ['not pump.running', 4, /does not belong here/],
  ['tank.level <> 3', 12, /write != instead of <>/],
  ['tank.level ≥ 3', 11, /write >= instead of ≥/],
  ['level > 1', 0, /write device.point instead of level/],
  ['tank.lvel > 1', 0, /there is no point "tank.lvel"/],
  ['pump.running && tank.lvel > 1', 16, /no point/],
  ['pump-1.running', 0, /write point\("pump-1.running"\)/],
  ['tank.level > 1 && pump-1.running', 18, /write point\("pump-1.running"\)/],
  ['2nd.level > 1', 0, /write point\("2nd.level"\)/],
  ['loop.gain > 1', 0, /word of the language/],
  ['tank.level', 0, /gives a number, and a rule needs true or false/],
  ['tank.level + pump.running > 3', 0, /\+ needs numbers/],
  ['tank.level > "3"', 0, /> cannot take a number and a text/],
  ['pump.running == 1', 0, /compares true or false with a number/],
  ['1 < tank.level < 3', 0, /< needs numbers; a comparison gives true or false/],
  ['!tank.level', 0, /needs true or false after it; this is a number/],
  ['-pump.running > 3', 0, /needs a number after it/],
  ['tank.level && pump.running', 0, /need true or false on both sides; this is a number/],
  ['pump.mode + "x" == "y"', 0, /texts cannot be joined/],
  ['pump.running ? 1 : "a"', 0, /both sides of the :/],
  ['pump.mode.matches("a+$")', 0, /matches\(\) is not available here; the functions are abs\(\)/],
  ['[1, 2].exists(x, x > tank.level)', 0, /exists\(\) is not available/],
  ['tank.level > 1 && [1].all(x, [1].all(y, x > y))', 18, /all\(\) is not available/],
  ['has(tank.level)', 0, /has\(\) is not available/],
  ['timestamp("2026-01-01T00:00:00Z") > timestamp("x")', 0, /timestamp\(\) is not available/],
  ['tank.level in pump.mode', 0, /write a list after in/],
  ['[tank.level] == [1.0]', 0, /a list is only written after in/],
  ['{"a": tank.level}["a"] > 1', 0, /has no parts/],
  ['tank.level.constructor > 1', 0, /has no parts/],
  ['point("tank.level").x > 1', 0, /has no parts/],
  ['constructor > 1', 0, /write device.point instead of constructor/],
  ['__proto__ > 1', 0, /word of the language/],
  ['tank.__proto__ > 1', 0, /no point "tank.__proto__"/],
  ['toString.call > 1', 0, /no point/],
  ['d0 > 1', 0, /write device.point instead of d0/],
  ['divide(tank.level, 2) > 1', 0, /divide\(\) is not available/],
  ['point(pump.mode) > 1', 0, /name of one point in quotes/],
  ['point("tank.level", "x") > 1', 0, /name of one point in quotes/],
  ['pump.mode == null', 13, /null is not a value/],
  ['meter.energy > 3u', 15, /whole numbers without u/],
  ['pump.mode == "a', 13, /no closing quote/],
  ['tank.level > 1e999', 13, /number or text is not written/],
  ['1 < 2', 0, /names no point/],
  ['tank.level > 1; drop', 14, /does not belong here/],
  ['abs(pump.mode) > 1', 0, /abs\(\) does not take such values/],
];
for (const [text, at, message] of REFUSED) {
  test(`refused: ${text || 'nothing'}`, () => {
    const [first] = refused(text);
    assert.match(first?.message ?? '', message);
    assert.equal(first?.at, at);
  });
}

const HOSTILE: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
  'brackets without end': ['('.repeat(990), /nested more than 32 levels|ends too early/],
  'brackets around a point': [`${'('.repeat(400)}pump.running${')'.repeat(400)}`, /nested more than 32/],
  'signs without end': [`${'!'.repeat(980)}pump.running`, /more than 200 parts/],
  'minus without end': [`${'-'.repeat(100)}tank.level > 1`, /nested more than 32/],
  'conditions in conditions': [`${'pump.running ? '.repeat(60)}true`, /nested more than 32|ends too early/],
  'a list of everything': [`tank.level in [${'1.0,'.repeat(230)}2.0]`, /more than 200 parts/],
  'a text of a million letters': [`pump.mode == "${'a'.repeat(1_000_000)}"`, /at most 1000/],
  'many points': [Array.from({ length: 40 }, (_, i) => `p.x${i}>1.0`).join('&&'), /more than 32 points/],
  'many searches in a text': [Array.from({ length: 40 }, () => 'pump.mode.contains("")').join('||'), /costs more than 500 steps/],
  'a number of nine hundred digits': [`meter.energy * ${'9'.repeat(900)}`, /gives a whole number/],
};
for (const [what, [text, message]] of Object.entries(HOSTILE)) {
  test(`hostile: ${what}`, () => {
    const any: KnownPoints = { ...points, find: (p) => (p.startsWith('p.x') ? { storage: 'number' } : points.find(p)) };
    const result = readExpression(text, 'bool', any);
    if ('run' in result) assert.fail('it is not refused');
    assert.match(result.map((fault) => fault.message).join('\n'), message);
  });
}

test('a number of nine hundred digits is compared, and says nothing where it is multiplied', () => {
  const digits = '9'.repeat(900);
  assert.equal(value(`meter.energy < ${digits}`, { 'meter.energy': 1n }), true);
  assert.equal(value(`meter.energy * ${digits} > 1`, { 'meter.energy': 3n }), undefined);
});

test('no text makes the reader throw, and what it takes never throws', () => {
  const word = fc.constantFrom(
    ...[
      'tank.level',
      'pump.running',
      'pump.mode',
      'meter.energy',
      'gps.any',
      'point("pump-1.running")',
      'constructor',
      '__proto__',
    ],
    ...['&&', '||', '!', '-', '+', '*', '/', '%', '<', '>=', '==', '!=', '?', ':', 'in', '(', ')', '[', ']', '{', '}', ',', '.'],
    ...[
      '1',
      '2.5',
      '0',
      '9223372036854775807',
      '"a"',
      "'",
      '"',
      '\\',
      'true',
      'null',
      'size',
      '.size()',
      '.matches("(a+)+$")',
      'has',
      '\n',
      '//',
    ],
  );
  const given = fc.constantFrom<Value | undefined>(
    undefined,
    0,
    -0,
    1.5,
    Number.MAX_VALUE,
    true,
    false,
    '',
    'a',
    2n ** 63n,
    -(2n ** 63n),
    0n,
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), fc.array(given, { minLength: 40, maxLength: 40 }), (words, values) => {
      const text = words.join(' ');
      const result = readExpression(text, 'bool', points);
      if ('run' in result) {
        const got = compile(result)(values);
        assert.ok(got === undefined || typeof got === 'boolean' || result.inputs.some(({ type }) => type === 'dyn'));
      } else for (const { at } of result) assert.ok(at >= 0 && at <= text.length);
    }),
    { numRuns: 3000 },
  );
});

// ---- the oracle: the same expression as a tree, judged with "unknown" as a third truth ----

type Num = { text: string; of(level: number | undefined, flow: number | undefined): number | undefined };
type Bool = {
  text: string;
  of(level: number | undefined, flow: number | undefined, on: boolean | undefined): boolean | undefined;
};

const num: fc.Arbitrary<Num> = fc.letrec<{ num: Num }>((tie) => ({
  num: fc.oneof(
    { maxDepth: 3 },
    fc.constant<Num>({ text: 'tank.level', of: (level) => level }),
    fc.constant<Num>({ text: 'tank.flow', of: (_, flow) => flow }),
    fc
      .integer({ min: -9, max: 9 })
      .map<Num>((n) => ({ text: n < 0 ? `(${n}.5)` : `${n}.5`, of: () => n + Math.sign(n || 1) * 0.5 })),
    fc.tuple(tie('num'), fc.constantFrom('+', '-', '*', '/'), tie('num')).map<Num>(([a, op, b]) => ({
      text: `(${a.text} ${op} ${b.text})`,
      of(level, flow) {
        const [x, y] = [a.of(level, flow), b.of(level, flow)];
        if (x === undefined || y === undefined || (op === '/' && y === 0)) return undefined;
        return op === '+' ? x + y : op === '-' ? x - y : op === '*' ? x * y : x / y;
      },
    })),
  ),
})).num;

const bool: fc.Arbitrary<Bool> = fc.letrec<{ bool: Bool }>((tie) => ({
  bool: fc.oneof(
    { maxDepth: 4 },
    fc.constant<Bool>({ text: 'pump.running', of: (_, __, on) => on }),
    fc.tuple(num, fc.constantFrom('<', '>=', '=='), num).map<Bool>(([a, op, b]) => ({
      text: `${a.text} ${op} ${b.text}`,
      of(level, flow) {
        const [x, y] = [a.of(level, flow), b.of(level, flow)];
        if (x === undefined || y === undefined) return undefined;
        return op === '<' ? x < y : op === '>=' ? x >= y : x === y;
      },
    })),
    tie('bool').map<Bool>((a) => ({ text: `!(${a.text})`, of: (...v) => (a.of(...v) === undefined ? undefined : !a.of(...v)) })),
    fc.tuple(tie('bool'), fc.constantFrom('&&', '||'), tie('bool')).map<Bool>(([a, op, b]) => ({
      text: `(${a.text} ${op} ${b.text})`,
      of(...v) {
        const both = [a.of(...v), b.of(...v)];
        const decides = op === '||';
        return both.includes(decides) ? decides : both.includes(undefined) ? undefined : !decides;
      },
    })),
  ),
})).bool;

test('an expression gives what a naive reading of its tree gives', () => {
  const number = fc.option(fc.constantFrom(-1.5, 0, 0.5, 1, 2.25), { nil: undefined });
  fc.assert(
    fc.property(bool, number, number, fc.option(fc.boolean(), { nil: undefined }), (tree, level, flow, on) => {
      const result = readExpression(tree.text, 'bool', points);
      // Too long, or without a point: that is not the subject here.
      fc.pre('run' in result);
      if (!('run' in result)) return;
      const given: Record<string, Value | undefined> = { 'tank.level': level, 'tank.flow': flow, 'pump.running': on };
      const values = result.inputs.map(({ point }) => given[point]);
      // Where all inputs are bad nothing is said, also where a constant could decide.
      const expected = values.every((value) => value === undefined) ? undefined : tree.of(level, flow, on);
      assert.equal(compile(result)(values), expected, tree.text);
    }),
    { numRuns: 2000 },
  );
});

test('a number comes out of an expression of a derived point', () => {
  assert.equal(value('tank.level * 2', { 'tank.level': 1.5 }, 'number'), 3);
  assert.equal(value('meter.energy + 1', { 'meter.energy': 9007199254740993n }, 'number'), 9007199254740994n);
  assert.equal(value('tank.level * 1e308 * 10', { 'tank.level': 1 }, 'number'), undefined);
  assert.match(refused('tank.level > 2', 'number')[0]?.message ?? '', /gives true or false, and a derived point needs a number/);
});
