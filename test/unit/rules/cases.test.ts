import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { Expected } from '../../harness/rule-case.ts';
import { playCase, readCase } from '../../harness/rule-case.ts';

const root = path.join(import.meta.dirname, '..', '..', 'cases', 'rules');
const folders = globSync('*/rules.yaml', { cwd: root }).map((file) => path.dirname(file));

/** Fields that the expectation leaves out are not compared. */
function comparable(transition: Expected, expected: Expected | undefined): Expected {
  const { at, rule, state, occurrence } = transition;
  const message = expected?.message === undefined ? {} : { message: transition.message };
  const value = expected?.value === undefined && expected?.message === undefined ? {} : { value: transition.value };
  const cause = expected?.cause === undefined ? {} : { cause: transition.cause };
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
