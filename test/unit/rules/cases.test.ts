import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { RULE_KINDS } from '../../../src/rules/kinds.ts';
import type { Expected } from '../../harness/rule-case.ts';
import { playCase, readCase, resolveRules, time } from '../../harness/rule-case.ts';

const root = path.join(import.meta.dirname, '..', '..', 'cases', 'rules');
const folders = globSync('*/rules.yaml', { cwd: root }).map((file) => path.dirname(file));

/** Fields that the expectation leaves out are not compared. A transition that nobody expects is shown whole. */
function comparable(transition: Expected, expected: Expected | undefined): Expected {
  if (expected === undefined) return transition;
  const { at, rule, state, occurrence } = transition;
  const message = expected.message === undefined ? {} : { message: transition.message };
  const value = expected.value === undefined && expected.message === undefined ? {} : { value: transition.value };
  const cause = expected.cause === undefined ? {} : { cause: transition.cause };
  const firstOut = transition.firstOut === undefined ? {} : { firstOut: transition.firstOut };
  return { at, rule, state, occurrence, ...value, ...message, ...cause, ...firstOut };
}

test('there are golden timelines', () => assert.ok(folders.length >= 15, `${folders.length}`));

for (const folder of folders.sort()) {
  const golden = readCase(path.join(root, folder));
  for (const exact of [true, false]) {
    test(`${folder}, ${exact ? 'a tick at every due time' : 'late ticks'}`, () => {
      const { transitions } = playCase(golden, exact);
      assert.deepEqual(
        transitions.map((t, i) => comparable(t, golden.expected[i])),
        golden.expected.map((t) => comparable(t, t)),
      );
    });
  }
}

/** What can happen to readings and clocks; each kind has a timeline with each of them. */
const DISTURBANCES: Readonly<Record<string, (step: Step, before: number) => boolean>> = {
  restart: (step) => 'restart' in step,
  'clock step': ({ clock }) => typeof clock === 'object',
  gap: (step, before) => isReading(step) && step.time - before >= 3_600_000,
  late: (step) => /"late":/.test(JSON.stringify(step)),
  bad: (step) => /"bad":/.test(JSON.stringify(step)),
  uncertain: (step) => /"uncertain":/.test(JSON.stringify(step)),
};
type Step = ReturnType<typeof stepsOf>[number];
const OTHER = new Set(['at', 'time', 'restart', 'clock', 'tick', 'reload']);
const isReading = (step: object): boolean =>
  Object.keys(step).some((key) => key === 'record' || (key.includes('.') && !OTHER.has(key)));

function stepsOf({ timeline }: ReturnType<typeof readCase>) {
  return timeline.map((step) => ({ ...step, clock: step.clock, time: time(step.at) }));
}

function happenings(golden: ReturnType<typeof readCase>): string[] {
  let before = Number.POSITIVE_INFINITY;
  const found = new Set<string>();
  for (const step of stepsOf(golden)) {
    for (const [name, happens] of Object.entries(DISTURBANCES)) if (happens(step, before)) found.add(name);
    // What a restart takes is no gap.
    if (isReading(step)) before = step.time;
    else if ('restart' in step) before = Number.POSITIVE_INFINITY;
  }
  return [...found];
}

test('each kind has timelines with a restart, a clock step, a gap, and disturbed readings', () => {
  const found = new Map(RULE_KINDS.map(({ key }) => [key, new Set<string>()]));
  for (const folder of folders) {
    const golden = readCase(path.join(root, folder));
    const happened = happenings(golden);
    for (const { kind } of resolveRules(golden.rules, golden.points)) for (const what of happened) found.get(kind)?.add(what);
  }
  for (const [kind, what] of found) assert.deepEqual([...what].sort(), Object.keys(DISTURBANCES).sort(), kind);
});
