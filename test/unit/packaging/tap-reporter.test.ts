/** scripts/tap-reporter.ts between a runner and a person: names of tests that are too long, failures and sums. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { scratch } from '../../harness/scratch.ts';

const REPORTER = path.join(import.meta.dirname, '..', '..', '..', 'scripts', 'tap-reporter.ts');

/** @param points of one file; `ok` or `not ok`, number, name */
function reported(t: TestContext, points: readonly string[], fileEnds = 'ok') {
  const folder = scratch(t, 'reporter');
  const [sums, failures] = [path.join(folder, 'sums'), path.join(folder, 'failures')];
  const inner = [...points, `1..${points.length}`].map((line) => `    ${line}`);
  const input = [
    'TAP version 14',
    '# Subtest: test/a.test.ts',
    ...inner,
    `${fileEnds} 1 - test/a.test.ts # time=5ms`,
    '1..1',
    '',
  ];
  const run = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', REPORTER], {
    ...{ input: input.join('\n'), encoding: 'utf8' },
    env: { ...process.env, SLUICE_TEST_SUMS: sums, SLUICE_TEST_FAILURES: failures },
  });
  assert.equal(run.status, 0, run.stderr);
  return { out: run.stdout, sums: readFileSync(sums, 'utf8'), failures: () => readFileSync(failures, 'utf8') };
}

test('a test that passes with a name of 90 characters is a failure in words', (t) => {
  const [longest, tooLong] = ['x'.repeat(89), 'y'.repeat(90)];
  const { out, sums, failures } = reported(t, [`ok 1 - ${longest}`, `ok 2 - ${tooLong}`]);
  assert.equal(sums, '1 1 0\n');
  const words = `✖ test/a.test.ts › ${tooLong}\n    this name has 90 characters: shorten it to under 90, to what it asserts`;
  assert.ok(out.includes(words), out);
  assert.ok(out.includes('✖ test/a.test.ts: 1 passed, 1 failed'), out);
  assert.equal(failures(), `${words}\n\n`);
  assert.ok(!out.includes(longest), out);
});

test('a name counts as it was written, without the marks of TAP', (t) => {
  const name = `${'x'.repeat(80)} # \\ ${'y'.repeat(4)}`;
  assert.equal(name.length, 89);
  const { out, sums } = reported(t, [`ok 1 - ${name.replaceAll('\\', '\\\\').replaceAll('#', '\\#')}`]);
  assert.equal(sums, '1 0 0\n', out);
});

test('a failed test with a long name counts once, with both reasons', (t) => {
  const name = 'z'.repeat(120);
  const { sums, failures } = reported(t, [`not ok 1 - ${name}`], 'not ok');
  assert.equal(sums, '0 1 0\n');
  assert.match(failures(), /this name has 120 characters/);
  assert.match(failures(), /failed/);
});

test('tests that pass with short names are a line and sums', (t) => {
  const { out, sums } = reported(t, ['ok 1 - one', 'ok 2 - two # SKIP needs a program']);
  assert.equal(sums, '1 0 1\n');
  assert.match(out, /^✔ test\/a\.test\.ts: 1 passed, 1 skipped \(/);
});
