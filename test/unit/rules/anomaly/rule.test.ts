/** What the engine does with a rule that only advises: when it learns, when it is saved, how it is muted, what damage does. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ResolvedRule } from '../../../../src/config/kinds.ts';
import type { Shape } from '../../../../src/core/point.ts';
import { MOST_MEMORY } from '../../../../src/rules/delay.ts';
import { RuleEngine } from '../../../../src/rules/engine.ts';
import { parseRuleState, type RuleState } from '../../../../src/rules/rule-state.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STEP = HOUR / 6;
const shape: Shape = { device: 'd', points: [{ name: 'p', type: 'float64', storage: 'number', unit: 'Cel' }] };
const common = { device: 'd', point: 'p', deadband: 0, onDelay: 0, offDelay: 0, severity: 'warning' } as const;
const odd: ResolvedRule = { ...common, name: 'odd', kind: 'anomaly', setting: { season: 'day', sensitivity: 'normal' } };
const warm: ResolvedRule = { ...common, name: 'warm', kind: 'above', setting: 8 };
const moment = (at: number) => ({ at, wall: 1_795_000_000_000 + at, wallKnown: true });
const usual = (at: number) => 4 + Math.sin((2 * Math.PI * at) / (4 * HOUR));

const made = (rules: readonly ResolvedRule[] = [odd], saved: readonly RuleState[] = [], at = 0) =>
  new RuleEngine({ rules, saved, start: moment(at), shapes: [shape] });
const value = (engine: RuleEngine, at: number, v: number) => engine.sample({ shape, at, values: [v], reasons: null });
function feed(engine: RuleEngine, from: number, to: number, read: (at: number) => number = usual) {
  const transitions = [];
  for (let at = from; at < to; at += STEP) transitions.push(...value(engine, at, read(at)));
  return transitions;
}
const stateOf = (engine: RuleEngine, at: number) => engine.state(moment(at)).find(({ rule }) => rule === 'odd') as RuleState;
/** The part of the memory that depends on the range of the reading. */
const learned = (engine: RuleEngine, at: number) =>
  (stateOf(engine, at).memory as { detector: { learned: number; ranges: { value: unknown } } }).detector;

test('a mute needs a reason, also one of spaces, and says it', () => {
  const engine = made();
  for (const reason of [undefined, '', '   '])
    assert.throws(() => engine.shelve('odd', HOUR, 'amina', moment(0), reason), { code: 'usage', message: /needs a reason/ });
  const { alarm } = engine.shelve('odd', HOUR, 'amina', moment(0), 'door open for cleaning');
  assert.equal(alarm.message, 'odd: shelved for 1h by amina (door open for cleaning)');
  assert.equal(made([warm]).shelve('warm', HOUR, 'amina', moment(0)).alarm.state, 'shelved');
});

test('nothing is learned while another rule is in alarm or waits for its delay', () => {
  for (const rules of [
    [odd, warm],
    [{ ...warm, onDelay: 10 * HOUR }, odd],
    [odd, { ...warm, offDelay: 10 * HOUR }],
  ]) {
    const engine = made(rules);
    feed(engine, 0, 2 * DAY);
    const before = structuredClone(learned(engine, 2 * DAY));
    assert.equal(value(engine, 2 * DAY, 9).at(-1)?.rule, 'odd');
    feed(engine, 2 * DAY + STEP, 2 * DAY + 5 * HOUR, () => 30);
    const after = learned(engine, 2 * DAY + 5 * HOUR);
    assert.equal(after.learned, before.learned);
    assert.deepEqual(after.ranges.value, before.ranges.value);
  }
});

test('an advising rule does not keep another one from learning', () => {
  const second = { ...odd, name: 'second', setting: { season: 'none', sensitivity: 'low' } };
  const [one, two] = [made([odd]), made([odd, second])];
  for (const engine of [one, two]) feed(engine, 0, 2 * DAY);
  for (const engine of [one, two]) feed(engine, 2 * DAY, 3 * DAY, () => 9);
  assert.deepEqual(stateOf(one, 3 * DAY).memory, stateOf(two, 3 * DAY).memory);
});

test('a memory that only grows is saved once an hour, and fits', () => {
  const engine = made();
  engine.takeDirty(moment(0));
  let saves = 0;
  for (let at = 0; at < 40 * DAY; at += STEP) {
    value(engine, at, usual(at));
    for (const state of engine.takeDirty(moment(at)).changed) {
      saves++;
      assert.ok(JSON.stringify(state.memory).length < MOST_MEMORY / 4);
    }
  }
  assert.ok(saves > 39 * 24 && saves <= 40 * 24, `${saves}`);
});

test('a restart at any time changes no transition', () => {
  const read = (at: number) => (at % (31 * HOUR) < 2 * HOUR ? 12 + (at % 7) : usual(at));
  const whole = made();
  const expected = feed(whole, 0, 6 * DAY, read);
  assert.ok(expected.length >= 4);
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 6 * 144 - 1 }), { maxLength: 5 }), (cuts) => {
      let engine = made();
      const transitions = [];
      let from = 0;
      for (const cut of [...cuts.sort((a, b) => a - b), 6 * 144]) {
        transitions.push(...feed(engine, from, cut * STEP, read));
        from = cut * STEP;
        const saved = engine.state(moment(from)).map((state) => parseRuleState(JSON.stringify(state)) as RuleState);
        engine = made([odd], saved, from);
      }
      assert.deepEqual(transitions, expected);
    }),
    { numRuns: 40 },
  );
});

test('another sensitivity keeps what was learned, another point does not', () => {
  const changed = { ...odd, setting: { season: 'none', sensitivity: 'high' } };
  const engine = made();
  feed(engine, 0, 3 * DAY);
  const before = structuredClone(learned(engine, 3 * DAY));
  const saved = engine.state(moment(3 * DAY)).map((state) => parseRuleState(JSON.stringify(state)) as RuleState);
  assert.deepEqual(learned(made([changed], saved, 3 * DAY), 3 * DAY), before);
  engine.reload([changed], moment(3 * DAY), [shape]);
  assert.deepEqual(learned(engine, 3 * DAY), before);
  engine.reload([{ ...odd, point: 'q' }], moment(3 * DAY), [shape]);
  assert.equal(learned(engine, 3 * DAY).learned, 0);
});

test('a step of the wall clock gives another hour and no other harm', () => {
  const engine = made();
  feed(engine, 0, 4 * DAY);
  for (const jump of [9 * HOUR, -40 * DAY, 4000 * DAY]) {
    engine.clockKnown({ ...moment(4 * DAY), wall: moment(4 * DAY).wall + jump });
    engine.tick(4 * DAY);
  }
  feed(engine, 4 * DAY, 5 * DAY);
  assert.equal(value(engine, 5 * DAY, 90).at(-1)?.state, 'active-unacknowledged');
});

test('a damaged memory is refused as a whole, and the rule learns anew', () => {
  const engine = made();
  feed(engine, 0, 3 * DAY);
  value(engine, 3 * DAY, 20);
  const good = JSON.stringify(stateOf(engine, 3 * DAY));
  const anything = fc.oneof(
    fc.constantFrom<unknown>(null, 'x', -1, 1e308, [], {}, true, new Array(5000).fill(0)),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(fc.nat(), anything, (which, other) => {
      let count = 0;
      const total = (good.match(/:/g) ?? []).length;
      const damaged = JSON.parse(good, (_key, part) => (count++ === which % total ? other : part)) as unknown;
      const state = parseRuleState(JSON.stringify(damaged));
      const again = made([odd], state === undefined ? [] : [state], 3 * DAY + STEP);
      for (const transition of feed(again, 3 * DAY + STEP, 4 * DAY)) assert.doesNotMatch(transition.message, /NaN|Infinity|null/);
      assert.ok(JSON.stringify(stateOf(again, 4 * DAY).memory).length < MOST_MEMORY);
    }),
    { numRuns: 300 },
  );
});

test('every reading of a float64 leaves messages and memory without NaN', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 60 }), (readings) => {
      const engine = made([{ ...odd, setting: { season: 'day', sensitivity: 'high' } }]);
      feed(engine, 0, 2 * DAY);
      const transitions = readings.flatMap((reading, i) => value(engine, 2 * DAY + i * STEP, reading));
      for (const { message } of transitions) assert.doesNotMatch(message, /NaN|Infinity/);
      const text = JSON.stringify(stateOf(engine, 3 * DAY));
      assert.ok(parseRuleState(text) !== undefined);
      assert.doesNotMatch(JSON.stringify(stateOf(engine, 3 * DAY).memory), /"(learned|high|low)":null/);
    }),
    { numRuns: 100 },
  );
});
