/** scripts/field-record.ts: which files the suites with boards try, and what a record of them says. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import {
  type FieldResults,
  knownCases,
  packagingFiles,
  packagingHash,
  readRecord,
  recordOf,
  stateOf,
} from '../../../scripts/field-record.ts';
import { scratch } from '../../harness/scratch.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
/** They install and build the program, and say nothing of a package or an image. */
const STARTERS = ['scripts/on-node.sh', 'scripts/built.sh', 'scripts/build.ts', 'scripts/setup-node-red.sh'];
const A = { file: 'test/field/a.test.ts', name: 'one' };
const B = { file: 'test/field/a.test.ts', name: 'two' };
const RAN = { passed: 40, failed: 0, skipped: 0, seconds: 60 };
const NOW = { commit: 'c'.repeat(40), date: '2026-11-28T07:00:00.000Z', packaging: 'h', cuts: 50 };
const resultsOf = (...cases: FieldResults['cases']): FieldResults => ({ passed: 0, failed: 0, skipped: 0, cases });

/** A script, and the scripts that it starts or loads. */
function reached(file: string, seen: Set<string>): void {
  if (!/^(?:packaging|scripts)\//.test(file) || STARTERS.includes(file) || seen.has(file)) return;
  if (statSync(path.join(ROOT, file), { throwIfNoEntry: false })?.isFile() !== true) return;
  seen.add(file);
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  for (const [, other = ''] of text.matchAll(/from '(\.{1,2}\/[^']+\.ts)'/g)) reached(path.join(path.dirname(file), other), seen);
  for (const [other] of text.matchAll(/\b(?:packaging|scripts)\/[\w/.-]+\w/g)) reached(other, seen);
}

test('every file of packages, units, boards, images and updates is in the list', () => {
  const listed = new Set(packagingFiles());
  const folders = ['packaging', 'systemd', 'hardware-profiles/boards', 'scripts/packaging', 'src/update', 'src/provisioning'];
  const known = execFileSync('git', ['-C', ROOT, 'ls-files', '--', ...folders], { encoding: 'utf8' })
    .trim()
    .split('\n');
  assert.ok(known.length > 80, `${known.length} files`);
  assert.deepEqual(
    known.filter((file) => existsSync(path.join(ROOT, file)) && !listed.has(file)),
    [],
  );
});

test('the commands that make packages and images reach no script outside of the list', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  const commands = Object.entries(scripts).filter(([name]) => /^(?:package|image)\b/.test(name));
  const seen = new Set<string>();
  for (const [, command] of commands) for (const [file] of command.matchAll(/(?:scripts|packaging)\/\S+/g)) reached(file, seen);
  const listed = new Set(packagingFiles());
  const makers = [...seen];
  assert.ok(makers.includes('scripts/packaging/contents.ts') && makers.includes('packaging/image/build.sh'), makers.join());
  assert.deepEqual(
    makers.filter((file) => !listed.has(file)),
    [],
  );
});

test('the sum follows each content, name and mode, and nothing outside of the list', (t) => {
  const root = scratch(t, 'record');
  const put = (file: string, text: string) => {
    mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  };
  put('packaging/image/init', 'one');
  put('systemd/a.service', 'two');
  const sums = [packagingHash(root)];
  const next = () => {
    sums.push(packagingHash(root));
    assert.equal(new Set(sums).size, sums.length);
  };
  put('packaging/image/init', 'ones');
  next();
  put('packaging/image/init2', '');
  next();
  chmodSync(path.join(root, 'packaging/image/init'), 0o755);
  next();
  put('scripts/package.ts', '');
  next();
  put('README.md', 'words');
  put('src/rules/rule.ts', '');
  assert.equal(packagingHash(root), sums.at(-1));
  assert.deepEqual(packagingFiles(root), [
    'packaging/image/init',
    'packaging/image/init2',
    'scripts/package.ts',
    'systemd/a.service',
  ]);
});

test('the record has the last run of each case, and each holds until packaging files change', () => {
  const known = [A, B];
  const first = recordOf([], resultsOf({ ...A, ...RAN }), { known, before: 'h', run: NOW });
  const { skipped: _, ...kept } = RAN;
  assert.deepEqual(first, [{ ...A, ...kept, ...NOW }]);
  assert.deepEqual(stateOf(first, known, 'h'), {
    holds: false,
    lines: [
      'Boards: 1 of 2 cases passed on these packaging files; npm run test:field runs them.',
      '  never recorded: a.test.ts, two',
    ],
  });

  const later = { ...NOW, commit: 'd'.repeat(40), date: '2026-11-29T07:00:00.000Z' };
  const both = recordOf(first, resultsOf({ ...B, ...RAN }), { known, before: 'h', run: later });
  assert.deepEqual(both, [
    { ...A, ...kept, ...NOW },
    { ...B, ...kept, ...later },
  ]);
  assert.deepEqual(stateOf(both, known, 'h'), {
    holds: true,
    lines: ['Boards: all 2 cases passed on these packaging files.'],
  });
  assert.deepEqual(stateOf(both, known, 'other').lines.slice(1), [
    '  passed on 2026-11-28, commit cccccccc, and packaging files changed since: a.test.ts, one',
    '  passed on 2026-11-29, commit dddddddd, and packaging files changed since: a.test.ts, two',
  ]);

  const failed = recordOf(both, resultsOf({ ...A, ...RAN, failed: 1 }), { known, before: 'h', run: later }) ?? [];
  assert.deepEqual(stateOf(failed, known, 'h').lines.slice(1), ['  failed on 2026-11-29, commit dddddddd: a.test.ts, one']);
  assert.equal(stateOf(failed, known, 'h').holds, false);
});

test('a skipped case, changed packaging files and an old name make no entry of the record', () => {
  const known = [A, B];
  const first = recordOf([], resultsOf({ ...A, ...RAN }, { ...B, ...RAN }), { known, before: 'h', run: NOW }) ?? [];
  const later = { ...NOW, date: '2026-11-29T07:00:00.000Z' };
  const ran = resultsOf({ ...A, ...RAN, skipped: 1 });
  assert.deepEqual(recordOf(first, ran, { known, before: 'h', run: later }), first);
  assert.equal(recordOf(first, ran, { known, before: 'before', run: later }), undefined);
  const [, second] = first;
  assert.deepEqual(recordOf(first, resultsOf(), { known: [B], before: 'h', run: later }), [second]);
});

test('a failure beside a skip, and a file that dies, end what the record says of a case', () => {
  const known = [A, B];
  const first = recordOf([], resultsOf({ ...A, ...RAN }, { ...B, ...RAN }), { known, before: 'h', run: NOW }) ?? [];
  const later = { ...NOW, date: '2026-11-29T07:00:00.000Z' };
  const failed = (...cases: FieldResults['cases']) =>
    (recordOf(first, resultsOf(...cases), { known, before: 'h', run: later }) ?? []).map((one) => one.failed);
  assert.deepEqual(failed({ ...A, ...RAN, failed: 1, skipped: 1 }), [1, 0]);
  assert.deepEqual(failed({ ...A, ...RAN }, { ...RAN, file: A.file, name: `/somewhere/${A.file}`, failed: 1 }), [0, 1]);
});

test('the reporter counts each case, a failure and a skip as the runner does', (t) => {
  const folder = scratch(t, 'reporter');
  const write = (name: string, text: string) => writeFileSync(path.join(folder, name), `import test from 'node:test';\n${text}`);
  write(
    'a.test.mjs',
    `test('one', () => {});
test.todo('two');
test('outer', async (t) => {
  await t.test('inner', () => {});
  await t.test('left out', { todo: true }, () => {});
});
`,
  );
  write('b.test.mjs', `test('four', (t) => t.test('five', () => { throw new Error('no'); }));\n`);
  const run = (...args: readonly string[]): FieldResults => {
    const out = path.join(folder, 'out.json');
    const reporter = path.join(ROOT, 'scripts/field-reporter.ts');
    const runner = ['--disable-warning=ExperimentalWarning', '--test', `--test-reporter=${reporter}`];
    const { status, stderr } = spawnSync(process.execPath, [...runner, `--test-reporter-destination=${out}`, ...args], {
      ...{ cwd: folder, encoding: 'utf8', env: { PATH: process.env.PATH } },
    });
    assert.ok(status === 0 || status === 1, stderr);
    const { cases, ...sums } = JSON.parse(readFileSync(out, 'utf8')) as FieldResults;
    const sorted = cases.toSorted((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0));
    return { ...sums, cases: sorted.map((one) => ({ ...one, seconds: 0 })) };
  };
  const sums = (file: string, name: string, [passed, failed, skipped]: readonly [number, number, number]) => ({
    ...{ file, name, passed, failed, skipped, seconds: 0 },
  });
  assert.deepEqual(run('a.test.mjs', 'b.test.mjs'), {
    ...{ passed: 3, failed: 2, skipped: 2 },
    cases: [
      sums('a.test.mjs', 'one', [1, 0, 0]),
      sums('a.test.mjs', 'two', [0, 0, 1]),
      sums('a.test.mjs', 'outer', [2, 0, 1]),
      sums('b.test.mjs', 'four', [0, 2, 0]),
    ],
  });
  // A case that the pattern leaves out did not run. The results do not name it.
  assert.deepEqual(run('--test-name-pattern=^one', 'a.test.mjs').cases, [sums('a.test.mjs', 'one', [1, 0, 0])]);
});

test('every case of the boards is known by its line', () => {
  const known = knownCases();
  assert.ok(known.some(({ name }) => name === 'cuts of the power at every stage of an update end in the new release'));
  for (const file of new Set(globSync('test/field/**/*.test.ts', { cwd: ROOT }))) {
    const calls = readFileSync(path.join(ROOT, file), 'utf8').match(/^test\(/gm) ?? [];
    assert.equal(known.filter((one) => one.file === file).length, calls.length, file);
  }
});

test('the record that is kept has cases that there are, each with its run', () => {
  const known = knownCases();
  for (const { file, name, commit, packaging, passed, failed, cuts, date } of readRecord()) {
    assert.ok(
      known.some((one) => one.file === file && one.name === name),
      name,
    );
    assert.match(commit, /^[0-9a-f]{40}$/);
    assert.match(packaging, /^[0-9a-f]{64}$/);
    assert.ok(passed + failed > 0 && cuts >= 1 && Date.parse(date) > 0);
  }
});
