/** Rules of several points and moving setpoints against naive readings of the same rules. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { limitsOf } from '../../../src/cli/rules/limits.ts';
import { Calendar, WEEKDAYS } from '../../../src/core/calendar.ts';
import type { Sample, Shape, Value } from '../../../src/core/point.ts';
import { ABSENT, GOOD, reasonCode } from '../../../src/core/reasons.ts';
import { judge, leavesOf, type Tree } from '../../../src/rules/combination/tree.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { bits } from '../../../src/rules/kinds/bits.ts';
import type { MemoryVerdict, ValueCondition } from '../../../src/rules/rule-kind.ts';
import { type Moment, parseRuleState } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const MINUTE = 60_000;
const WEEK = 7 * 1440;

// ---- schedules: minute by minute, by the words of the line ----

interface Line {
  readonly days?: readonly (typeof WEEKDAYS)[number][] | undefined;
  readonly from: string;
  readonly to: string;
  readonly value: number;
}

const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
const minutes = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

function holds({ days, from, to }: Line, weekday: number, minute: number): boolean {
  const on = (day: number) => days === undefined || days.includes(WEEKDAYS[(day + 7) % 7] as (typeof WEEKDAYS)[number]);
  const [start, end] = [minutes(from), minutes(to)];
  if (end > start) return on(weekday) && minute >= start && minute < end;
  return (on(weekday) && minute >= start) || (on(weekday - 1) && minute < end);
}

const line: fc.Arbitrary<Line> = fc
  .tuple(
    fc.option(fc.uniqueArray(fc.constantFrom(...WEEKDAYS), { minLength: 1, maxLength: 7 }), { nil: undefined }),
    fc.nat(47).map((half) => half * 30),
    fc.integer({ min: 1, max: 47 }).map((half) => half * 30),
    fc.constantFrom(10, 20, 30),
  )
  .map(([days, from, length, value]) => {
    const to = (from + length) % 1440;
    return { days, from: clock(from), to: to === 0 ? '24:00' : clock(to), value };
  });

/** Zones with a change of half an hour, of an hour, at midnight, and without any; each timeline lies around a change. */
const AROUND: readonly (readonly [zone: string, start: string])[] = [
  ['Europe/Berlin', '2026-10-24T12:00:00Z'],
  ['Europe/Berlin', '2026-03-28T12:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T06:00:00Z'],
  ['Africa/Cairo', '2026-04-23T12:00:00Z'],
  ['America/Santiago', '2026-09-05T18:00:00Z'],
  ['Asia/Dhaka', '2026-01-01T00:00:00Z'],
];

const room: Shape = { device: 'room', points: [{ name: 'x', type: 'float64', storage: 'number' }] };

test('a schedule turns its alarm at the minutes at which a walk through all minutes does', () => {
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(...AROUND),
      fc.constantFrom(15, 25),
      (lines, [zone, start], value) => {
        const wall = Date.parse(start);
        const calendar = new Calendar(zone);
        const [rule] = resolveRules({ hot: { point: 'room.x', above: { schedule: lines, otherwise: 12 } } });
        assert.ok(rule);
        const moment: Moment = { at: 0, wall, wallKnown: true };
        const engine = new RuleEngine({ rules: [rule], start: moment, shapes: [room], calendar: () => calendar });
        const found = engine
          .sample({ shape: room, at: 0, values: [value], reasons: null })
          .map(({ at, state }) => `${at} ${state}`);
        const end = 2 * 1440 * MINUTE;
        for (let due = engine.nextDue(); due !== undefined && due <= end; due = engine.nextDue())
          found.push(...engine.tick(due).map(({ at, state }) => `${at} ${state}`));
        const expected: string[] = [];
        let was = false;
        for (let minute = 0; minute <= 2 * 1440; minute++) {
          const local = calendar.local(wall + minute * MINUTE);
          const limit = lines.find((one) => holds(one, local.weekday, local.minute))?.value ?? 12;
          if (value > limit !== was) expected.push(`${minute * MINUTE} ${was ? 'normal' : 'active-unacknowledged'}`);
          was = value > limit;
        }
        assert.deepEqual(found, expected);
      },
    ),
    { numRuns: 150 },
  );
});

test('a schedule of one value, and one that always says the same, never wakes the rule', () => {
  for (const schedule of [[{ from: '00:00', to: '24:00', value: 5 }], [{ from: '08:00', to: '12:00', value: 7 }]]) {
    const [rule] = resolveRules({ r: { point: 'room.x', above: { schedule, otherwise: schedule[0]?.value } } });
    assert.ok(rule);
    const engine = new RuleEngine({
      rules: [rule],
      start: { at: 0, wall: WEEK * MINUTE * 2900, wallKnown: true },
      shapes: [room],
    });
    assert.equal(engine.nextDue(), undefined);
  }
});

test('while the time is not known, the strictest setpoint of a schedule counts', () => {
  const schedule = [{ from: '08:00', to: '12:00', value: 7 }];
  const cases: readonly (readonly [kind: object, alarm: number, normal: number])[] = [
    [{ above: { schedule, otherwise: 20 } }, 7.5, 7],
    [{ below: { schedule, otherwise: 20 } }, 19.5, 20],
    [{ outside: { min: { schedule, otherwise: 9 }, max: 30 } }, 8, 9],
    [{ inside: { min: { schedule, otherwise: 9 }, max: 30 } }, 7.5, 6],
  ];
  for (const [kind, alarm, normal] of cases) {
    const [rule] = resolveRules({ r: { point: 'room.x', ...kind } });
    assert.ok(rule);
    const engine = new RuleEngine({ rules: [rule], start: { at: 0, wall: 0, wallKnown: false }, shapes: [room] });
    const say = (at: number, value: number) => engine.sample({ shape: room, at, values: [value], reasons: null })[0]?.state;
    assert.equal(say(1, alarm), 'active-unacknowledged', JSON.stringify(kind));
    assert.equal(say(2, normal), 'normal', JSON.stringify(kind));
    assert.equal(engine.nextDue(), undefined);
  }
});

// ---- combinations: all that the unknown parts could be ----

const leaf: Tree = { point: 'a.b', kind: 'above', setting: 1, deadband: 0 };
const tree: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    fc.constant(leaf),
    tie('tree').map((not) => ({ not })),
    fc
      .array(tie('tree'), { minLength: 1, maxLength: 3 })
      .chain((of) => fc.integer({ min: 1, max: of.length }).map((count) => ({ count, of }))),
  ),
})).tree;

/** Numbers instead of verdicts, and only known ones. */
function naive(part: Tree, levels: number[]): number {
  if ('not' in part) return 2 - naive(part.not, levels);
  if (!('of' in part)) return levels.shift() ?? 0;
  const all = part.of.map((inner) => naive(inner, levels));
  return [2, 1, 0].find((level) => all.filter((one) => one >= level).length >= part.count) ?? 0;
}

test('a combination is known exactly where every value of its unknown parts gives the same', () => {
  const verdicts = ['normal', 'between', 'alarm'] as const;
  const verdict = fc.constantFrom<MemoryVerdict>(...verdicts, 'unknown');
  fc.assert(
    fc.property(
      tree.filter((one) => leavesOf(one).length <= 6),
      fc.array(verdict, { minLength: 6, maxLength: 6 }),
      (one, given) => {
        const used = given.slice(0, leavesOf(one).length);
        let worlds: number[][] = [[]];
        for (const now of used)
          worlds = worlds.flatMap((world) =>
            (now === 'unknown' ? [0, 1, 2] : [verdicts.indexOf(now)]).map((level) => [...world, level]),
          );
        const results = new Set(worlds.map((world) => naive(one, world)));
        const expected = results.size === 1 ? verdicts[[...results][0] ?? 0] : 'unknown';
        assert.equal(judge(one, used), expected);
      },
    ),
    { numRuns: 1000 },
  );
});

// ---- rules of several points in the engine, against the last values alone ----

const plant: Shape = {
  device: 'p',
  points: [
    { name: 'a', type: 'float64', storage: 'number' },
    { name: 'b', type: 'float64', storage: 'number' },
    { name: 'c', type: 'bool', storage: 'boolean' },
  ],
};

const SEVERAL: Readonly<Record<string, { rule: object; of(a?: Value, b?: Value, c?: Value): boolean | undefined }>> = {
  all: {
    rule: {
      all: [
        { point: 'p.a', above: 2 },
        { point: 'p.c', equals: true },
      ],
    },
    of: (a, _b, c) =>
      (a !== undefined && Number(a) <= 2) || c === false ? false : a === undefined || c === undefined ? undefined : true,
  },
  any: {
    rule: {
      any: [
        { point: 'p.a', above: 2 },
        { point: 'p.b', below: 1 },
      ],
    },
    of: (a, b) =>
      (a !== undefined && Number(a) > 2) || (b !== undefined && Number(b) < 1)
        ? true
        : a === undefined || b === undefined
          ? undefined
          : false,
  },
  expression: {
    rule: { expression: 'p.a - p.b > 1 && p.c' },
    of(a, b, c) {
      const more = a === undefined || b === undefined ? undefined : Number(a) - Number(b) > 1;
      if (more === undefined && c === undefined) return undefined;
      return more === false || c === false ? false : more === undefined || c === undefined ? undefined : true;
    },
  },
  deviation: {
    rule: { point: 'p.a', deviation: { from: 'p.b', by: 1 } },
    of: (a, b) => (a === undefined || b === undefined ? undefined : Math.abs(Number(a) - Number(b)) > 1),
  },
  setpoint: {
    rule: { point: 'p.a', above: { point: 'p.b', plus: 1 } },
    of: (a, b) => (a === undefined || b === undefined ? undefined : Number(a) > Number(b) + 1),
  },
};

for (const [name, { rule, of }] of Object.entries(SEVERAL)) {
  test(`records of any inputs: ${name} is what the last values say`, () => {
    const number = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined });
    // undefined: bad; null: not in the record.
    const reading = <T>(one: fc.Arbitrary<T | undefined>) => fc.option(one, { nil: null });
    const record = fc.tuple(reading(number), reading(number), reading(fc.option(fc.boolean(), { nil: undefined })));
    fc.assert(
      fc.property(fc.array(record, { maxLength: 25 }), (records) => {
        const types = { 'p.a': { type: 'float64' }, 'p.b': { type: 'float64' }, 'p.c': { type: 'bool' } } as const;
        const engine = new RuleEngine({
          rules: resolveRules({ r: rule }, types),
          start: { at: 0, wall: 0, wallKnown: false },
          shapes: [plant],
        });
        const last: (Value | undefined)[] = [undefined, undefined, undefined];
        let active: boolean = false;
        for (const [i, values] of records.entries()) {
          for (const [j, value] of values.entries()) if (value !== null) last[j] = value;
          const sample: Sample = {
            shape: plant,
            at: i + 1,
            values: values.map((value): Value => value ?? 0),
            reasons: Uint8Array.from(values, (value) =>
              value === null ? ABSENT : value === undefined ? reasonCode('timeout') : GOOD,
            ),
          };
          const said = engine.sample(sample).map(({ state }) => state);
          const now: boolean = of(...last) ?? active;
          assert.deepEqual(said, now === active ? [] : [now ? 'active-unacknowledged' : 'normal'], `record ${i}`);
          active = now;
        }
      }),
      { numRuns: 500 },
    );
  });
}

test('a reading of an input that is older than its newest one changes nothing', () => {
  const one = (name: string): Shape => ({ device: name, points: [{ name: 'x', type: 'float64', storage: 'number' }] });
  const [a, b] = [one('a'), one('b')];
  const rules = resolveRules({ r: { expression: 'a.x > b.x' } }, { 'a.x': { type: 'float64' }, 'b.x': { type: 'float64' } });
  const engine = new RuleEngine({ rules, start: { at: 0, wall: 0, wallKnown: false }, shapes: [a, b] });
  const say = (shape: Shape, at: number, value: number) => engine.sample({ shape, at, values: [value], reasons: null });
  say(a, 10, 1);
  assert.deepEqual(say(b, 10, 2), []);
  assert.deepEqual(say(a, 5, 9), [], 'older than the reading at 10');
  assert.equal(say(a, 11, 9)[0]?.state, 'active-unacknowledged');
  assert.deepEqual(say(b, 9, 99), []);
});

test('what a damaged log kept of a combination changes nothing but its memory', () => {
  const types = { 'room.x': { type: 'float64' } } as const;
  const rules = resolveRules(
    {
      r: {
        any: [
          { point: 'room.x', average: { above: 8, over: '10m' } },
          { point: 'room.x', above: 50 },
        ],
      },
    },
    types,
  );
  const start: Moment = { at: 0, wall: 1_795_000_000_000, wallKnown: true };
  const [whole] = new RuleEngine({ rules, start, shapes: [room] }).state(start);
  assert.ok(whole);
  const odd = fc.oneof(fc.jsonValue(), fc.record({ leaves: fc.array(fc.jsonValue(), { minLength: 2, maxLength: 2 }) }));
  fc.assert(
    fc.property(odd, (memory) => {
      const state = parseRuleState(JSON.stringify({ ...whole, memory }));
      const engine = new RuleEngine({ rules, start, saved: state === undefined ? [] : [state], shapes: [room] });
      engine.tick(1);
      const [begun] = engine.sample({ shape: room, at: 2, values: [60], reasons: null });
      assert.equal(begun?.state, 'active-unacknowledged');
    }),
    { numRuns: 300 },
  );
});

test('a chart has the limits of each point of a combination', () => {
  const [rule] = resolveRules({ r: { all: [{ point: 'p.a', below: 0.5 }, { not: { point: 'p.b', above: 3 } }] } });
  assert.ok(rule);
  assert.deepEqual(limitsOf(rule), [{ value: 0.5, words: 'below 0.5', point: 'p.a' }]);
  assert.deepEqual(limitsOf(rule, 'p.b'), [{ value: 3, words: 'above 3', point: 'p.b' }]);
  assert.deepEqual(limitsOf(rule, 'p.c'), []);
});

// ---- bits ----

test('bits are those of the number in two’s complement, bit by bit', () => {
  const list = fc.uniqueArray(fc.nat(63), { minLength: 1, maxLength: 5 });
  const value = fc.oneof(
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.constantFrom(-1, -0, 0, 2 ** 31, -(2 ** 31)),
  );
  fc.assert(
    fc.property(list, list, fc.boolean(), value, (set, some, any, given) => {
      const clear = some.filter((bit) => !set.includes(bit));
      const { judge: verdict } = bits.create({ set, ...(clear.length > 0 && { clear }), any }, 0) as ValueCondition;
      const bit = (n: number) => (BigInt.asUintN(64, BigInt(given)) >> BigInt(n)) & 1n;
      const right = [...set.map((n) => bit(n) === 1n), ...clear.map((n) => bit(n) === 0n)];
      assert.equal(verdict(given, []), (any ? right.includes(true) : !right.includes(false)) ? 'alarm' : 'normal');
      assert.equal(verdict(1.5, []), 'between');
    }),
    { numRuns: 1000 },
  );
});
