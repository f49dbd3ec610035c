import assert from 'node:assert/strict';
import test from 'node:test';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import type { Sample, Shape, Value } from '../../../src/core/point.ts';
import { badSample } from '../../../src/core/point.ts';
import { ABSENT, GOOD, reasonCode } from '../../../src/core/reasons.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { above } from '../../../src/rules/kinds/above.ts';
import { outside } from '../../../src/rules/kinds/outside.ts';
import { RuleMachine } from '../../../src/rules/rule-machine.ts';
import type { RuleState } from '../../../src/rules/rule-state.ts';
import { parseRuleState } from '../../../src/rules/rule-state.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const fridge: Shape = {
  device: 'fridge',
  points: [
    { name: 'humidity', type: 'float64', storage: 'number', unit: '%' },
    { name: 'temperature', type: 'float64', storage: 'number', unit: 'Cel' },
  ],
};
const other: Shape = { device: 'pump', points: [{ name: 'speed', type: 'float64', storage: 'number' }] };
const WALL = 1_795_000_000_000;
const moment = (at: number, wallKnown = true) => ({ at, wall: wallKnown ? WALL + at : at, wallKnown });
const sample = (at: number, temperature: Value, shape = fridge): Sample => ({
  shape,
  at,
  values: [50, temperature],
  reasons: null,
});

function engine(rules: Record<string, unknown>, saved: readonly RuleState[] = [], start = moment(0)) {
  return new RuleEngine({ rules: resolveRules(rules), start, saved });
}
const warm = (more: object = {}) => ({ warm: { point: 'fridge.temperature', above: 8, ...more } });
/** As the log keeps it. */
function stored(state: RuleState | undefined): RuleState {
  const back = parseRuleState(JSON.stringify(state));
  assert.ok(back);
  return back;
}

test('a record without rules gives the one shared empty list', () => {
  const rules = engine(warm());
  assert.equal(rules.sample({ shape: other, at: 1, values: [1], reasons: null }), rules.sample(sample(2, 5)));
  assert.equal(rules.tick(10), rules.sample(sample(20, 5)));
  assert.equal(rules.nextDue(), undefined);
});

test('the right point of a record is judged, in every shape that has it', () => {
  const swapped: Shape = { device: 'fridge', points: fridge.points.toReversed() };
  const rules = engine(warm());
  assert.equal(rules.sample({ shape: swapped, at: 1, values: [5, 50], reasons: null }).length, 0);
  assert.equal(rules.sample({ shape: swapped, at: 2, values: [9, 50], reasons: null })[0]?.value, 9);
  assert.equal(rules.sample(sample(3, 5))[0]?.state, 'normal');
});

test('a transition is complete', () => {
  assert.deepEqual(engine(warm({ severity: 'critical' })).sample(sample(5, 8.25)), [
    {
      rule: 'warm',
      occurrence: 1,
      state: 'active-unacknowledged',
      severity: 'critical',
      point: 'fridge.temperature',
      value: 8.25,
      type: 'float64',
      at: 5,
      message: 'fridge.temperature is 8.25 °C, above 8',
      said: {
        ...{ say: 'comma', a: { say: 'is', point: 'fridge.temperature', value: '8.25 °C' }, b: { say: 'above', limit: '8' } },
      },
      cause: 'reading',
    },
  ]);
});

test('NaN and infinities are bad: they break no delay and begin no alarm', () => {
  const rules = engine(warm({ onDelay: '10s' }));
  assert.equal(rules.sample(sample(0, Number.POSITIVE_INFINITY)).length, 0);
  assert.equal(rules.nextDue(), undefined);
  rules.sample(sample(1000, 9));
  rules.sample(sample(5000, Number.NaN));
  rules.sample(sample(6000, Number.NEGATIVE_INFINITY));
  assert.equal(rules.nextDue(), 11_000);
  assert.equal(rules.tick(11_000)[0]?.at, 11_000);
});

test('a point that a record leaves out is neither a value nor a bad reading', () => {
  const rules = engine(warm({ offDelay: '10s' }));
  rules.sample(sample(0, 9));
  rules.sample(sample(1000, 5));
  rules.sample({ shape: fridge, at: 2000, values: [50, 0], reasons: Uint8Array.of(GOOD, ABSENT) });
  assert.equal(rules.tick(11_000)[0]?.state, 'normal', 'the off-delay ran on');
});

test('an uncertain value counts, a bad one beside it does not', () => {
  const rules = engine(warm());
  const reasons = Uint8Array.of(reasonCode('timeout'), reasonCode('out-of-range'));
  assert.equal(rules.sample({ shape: fridge, at: 1, values: [0, 99], reasons })[0]?.value, 99);
});

test('a late tick sorts by time; an older sample is not before the last transition', () => {
  const rules = engine({
    slow: { point: 'fridge.temperature', above: 8, onDelay: '20s' },
    quick: { point: 'fridge.temperature', above: 8, onDelay: '10s' },
  });
  rules.sample(sample(0, 9));
  assert.deepEqual(
    rules.tick(60_000).map((t) => [t.rule, t.at]),
    [
      ['quick', 10_000],
      ['slow', 20_000],
    ],
  );
  assert.deepEqual(
    rules.sample(sample(15_000, 5)).map((t) => [t.rule, t.at]),
    [
      ['slow', 20_000],
      ['quick', 15_000],
    ],
  );
});

test('polls cost no writes; a delay is saved at its start, end and each twentieth between', () => {
  const rules = engine({ ...warm({ onDelay: '10h' }), silent: { point: 'fridge.temperature', stale: '5m' } });
  const dirty = (at: number, known = true) => rules.takeDirty(moment(at, known)).changed;
  assert.deepEqual(dirty(0), []);
  for (let at = 0; at < 100_000; at += 10_000) {
    rules.sample(sample(at, 5));
    assert.deepEqual(dirty(at + 9000), []);
  }
  rules.sample(sample(100_000, 9));
  rules.sample(sample(101_000, 5));
  assert.deepEqual(dirty(102_000), [], 'a delay that came and went between two commits');
  rules.sample(sample(200_000, 9));
  const first = dirty(203_000);
  assert.deepEqual(first[0]?.pending, { kind: 'on', elapsed: 3000 });
  assert.equal(first[0]?.savedAt, WALL + 203_000);
  assert.equal(first.length, 1);
  rules.sample(sample(210_000, 9.5));
  assert.deepEqual(dirty(211_000), [], 'another value is no change');
  rules.sample(sample(2_012_000, 9.5));
  assert.equal(dirty(2_013_000).find((s) => s.rule === 'warm')?.pending?.elapsed, 1_813_000);
  rules.sample(sample(2_014_000, 5));
  assert.equal(dirty(2_015_000)[0]?.pending, undefined);
});

test('after a record only the rules that it touched are asked whether they changed', (t) => {
  const rules = engine(
    Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`r${i}`, { point: `fridge.p${i}`, above: 8, onDelay: '1h' }])),
  );
  rules.takeDirty(moment(0));
  const asked = t.mock.method(RuleMachine.prototype, 'unsaved');
  const shape: Shape = { device: 'fridge', points: [{ name: 'p7', type: 'float32', storage: 'number' }] };
  for (let at = 1; at <= 100; at++) {
    rules.sample({ shape, at, values: [9], reasons: null });
    assert.deepEqual(
      rules.takeDirty(moment(at)).changed.map((s) => s.rule),
      at === 1 ? ['r7'] : [],
    );
  }
  assert.equal(asked.mock.callCount(), 100);
});

test('silence is saved when it has grown, and taken back with the next value', () => {
  const rules = engine({ silent: { point: 'fridge.temperature', stale: '1h' } });
  rules.sample(sample(0, 5));
  assert.equal(rules.takeDirty(moment(179_000)).changed.length, 0);
  assert.equal(rules.takeDirty(moment(180_000)).changed[0]?.silentFor, 180_000);
  assert.equal(rules.takeDirty(moment(359_000)).changed.length, 0);
  assert.equal(rules.takeDirty(moment(360_000)).changed[0]?.silentFor, 360_000);
  rules.sample(sample(361_000, 5));
  const [state, ...more] = rules.takeDirty(moment(362_000)).changed;
  assert.deepEqual([state?.rule, state?.silentFor, more], ['silent', undefined, []]);
  assert.equal(rules.takeDirty(moment(363_000)).changed.length, 0);
});

test('what was saved without a clock is saved again once it is known, in this run or the next', () => {
  const rules = engine(warm({ onDelay: '10h' }), [], moment(0, false));
  rules.sample(sample(1000, 9));
  const unknown = stored(rules.takeDirty(moment(1000, false)).changed[0]);
  assert.equal(unknown.wallKnown, false);
  rules.clockKnown(moment(2000));
  assert.equal(rules.takeDirty(moment(2000)).changed[0]?.wallKnown, true);

  const next = engine(warm({ onDelay: '10h' }), [unknown], moment(0));
  const known = stored(next.takeDirty(moment(0)).changed[0]);
  assert.deepEqual([known.wallKnown, known.pending?.elapsed], [true, 0]);
  assert.equal(next.takeDirty(moment(1)).changed.length, 0);
});

test('the active alarms, with their beginning across a restart', () => {
  const rules = engine(warm({ message: 'The fridge is warm.' }));
  rules.sample(sample(4000, 9));
  rules.sample(sample(5000, 8.5));
  const view = { rule: 'warm', point: 'fridge.temperature', state: 'active-unacknowledged', severity: 'warning', occurrence: 1 };
  const message = 'The fridge is warm.';
  assert.deepEqual(rules.alarms(moment(9000)), [{ ...view, since: WALL + 4000, value: 8.5, type: 'float64', message }]);
  const saved = stored(rules.state(moment(9000))[0]);
  const start = { at: 50, wall: WALL + 60_000, wallKnown: true };
  const next = engine(warm({ severity: 'critical' }), [saved], start);
  const after = { at: 2050, wall: WALL + 62_000, wallKnown: true };
  assert.deepEqual(next.alarms(after), [
    { ...view, severity: 'critical', since: WALL + 4000, value: 8.5, type: undefined, message },
  ]);
  assert.equal(next.sample(sample(3000, 9)).length, 0, 'no second activation');
  assert.equal(next.sample(sample(4000, 5))[0]?.severity, 'critical');
  assert.deepEqual(next.alarms(after), []);
});

test('an alarm of a rule that is gone ends with the first call after the start', () => {
  const rules = engine(warm());
  rules.sample(sample(0, 9));
  const saved = rules.state(moment(0)).map(stored);
  const next = engine({ hot: { point: 'fridge.temperature', above: 20 } }, saved, moment(500));
  assert.equal(next.nextDue(), 500);
  next.clockKnown(moment(600));
  assert.equal(next.nextDue(), 500);
  assert.deepEqual(
    next.tick(700).map((t) => [t.rule, t.state, t.occurrence, t.value]),
    [['warm', 'normal', 1, undefined]],
  );
  assert.equal(next.nextDue(), undefined);
  const dirty = next.takeDirty(moment(700));
  assert.deepEqual(dirty, { changed: [], removed: ['warm'] });
  assert.deepEqual(next.takeDirty(moment(800)).removed, []);
});

test('a reload is silent about inactive rules, and forgets the stored state of removed ones', () => {
  const rules = engine(warm());
  rules.sample(sample(0, 5));
  assert.deepEqual(rules.reload(resolveRules(warm({ deadband: 1 })), moment(10)), []);
  assert.deepEqual(rules.reload([], moment(20)), []);
  // Back before its removal was stored: what is stored must be overwritten, not deleted.
  assert.deepEqual(rules.reload(resolveRules(warm()), moment(30)), []);
  const { changed, removed } = rules.takeDirty(moment(40));
  assert.deepEqual([changed.map((s) => [s.rule, s.occurrence]), removed], [[['warm', 0]], []]);
  assert.equal(rules.sample(sample(50, 9))[0]?.occurrence, 1);
});

test('a reload with an unknown kind changes nothing', () => {
  const rules = engine(warm());
  const odd: ResolvedRule = { ...(resolveRules(warm())[0] as ResolvedRule), name: 'odd', kind: 'sideways' };
  assert.throws(() => rules.reload([odd], moment(1)), /odd.*sideways/);
  assert.throws(() => new RuleEngine({ rules: [odd], start: moment(0) }), /odd.*sideways/);
  assert.equal(rules.sample(sample(2, 9)).length, 1);
});

test('a reload takes over new shapes, and a rule that is new counts silence from then', () => {
  const rules = engine({});
  rules.sample(sample(1, 5));
  const silent = resolveRules({ silent: { point: 'fridge.temperature', stale: '1m' } });
  rules.reload(silent, moment(100_000), [{ ...fridge }]);
  assert.equal(rules.nextDue(), 160_000);
  rules.sample(sample(110_000, 5));
  rules.tick(160_000);
  assert.equal(rules.nextDue(), 170_000);
});

test('a bad record of a silent device raises the silent alarm and leaves the others', () => {
  const rules = engine({ ...warm(), silent: { point: 'fridge.temperature', stale: '30s' } });
  rules.sample(sample(0, 9));
  const said: string[] = [];
  for (let at = 10_000; at <= 60_000; at += 10_000)
    said.push(...rules.sample(badSample(fridge, at, 'timeout')).map((t) => `${t.at} ${t.rule} ${t.state}`));
  assert.deepEqual(said, ['30000 silent active-unacknowledged']);
  assert.deepEqual(
    rules.alarms(moment(60_000)).map((a) => a.rule),
    ['warm', 'silent'],
  );
});

test('a damaged saved state is refused, a delay that does not fit the state is left out', () => {
  const rules = engine(warm({ onDelay: '1m' }));
  rules.sample(sample(0, 9));
  const good = stored(rules.state(moment(10))[0]);
  for (const json of ['', '{', '[]', 'null', '{"rule":"warm"}', JSON.stringify({ ...good, occurrence: -1 })])
    assert.equal(parseRuleState(json), undefined, json);
  const odd = engine(warm({ onDelay: '1m' }), [{ ...good, pending: { kind: 'off', elapsed: 59_000 } }]);
  assert.equal(odd.nextDue(), undefined);
});

test('kinds refuse what makes no sense, in words', () => {
  const refused = (rule: object) => assert.throws(() => resolveRules({ r: { point: 'a.b', ...rule } }), JSON.stringify(rule));
  refused({ above: '8' });
  refused({ below: true });
  refused({ above: Number.NaN });
  refused({ outside: { min: 8, max: 2 } });
  refused({ outside: { min: 2 } });
  refused({ outside: [2, 8] });
  refused({ outside: { min: 2, max: 8, mid: 5 } });
  refused({ equals: null });
  refused({ equals: [1] });
  refused({ stale: 300 });
  refused({ stale: '0s' });
  const range = { min: 2, max: 8 };
  assert.equal(outside.check?.(range, 3), undefined);
  assert.match(outside.check?.(range, 3.5) ?? '', /at most 3/);
  assert.equal(above.check?.(8, 100), undefined);
});

test('equals compares what people write with what devices say', () => {
  const judged = (equals: unknown, value: Value) =>
    engine({ r: { point: 'fridge.temperature', equals } }).sample(sample(0, value)).length;
  for (const [setting, value] of [
    [true, true],
    [1, true],
    [false, 0],
    ['on', 'on'],
    [3, '3'],
    [3, 3n],
    ['+3', 3n],
    ['-9223372036854775808', -(2n ** 63n)],
  ] as const)
    assert.equal(judged(setting, value), 1, `${setting} ${typeof value}`);
  for (const [setting, value] of [
    [true, false],
    [true, 2],
    ['3', 3],
    [3, 4n],
    [9007199254740992, 9007199254740993n],
    ['on', 'On'],
    ['x', 1n],
  ] as const)
    assert.equal(judged(setting, value), 0, `${setting} ${typeof value}`);
});
