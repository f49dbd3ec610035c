/** The convention by which a test follows a page: test/harness/walk-page.ts. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { readPage } from '../../harness/walk-page.ts';

const root = path.join(import.meta.dirname, '../../..');
const page = (...lines: string[]) => readPage(lines.join('\n'), 'page.md');

test('a console block is commands, each with the lines that it shows', () => {
  const { steps } = page(
    '# Title',
    '',
    '```console',
    '$ cd site',
    '$ sluice check',
    'one',
    'two',
    '$ sluice tail',
    'a',
    '^C',
    '```',
  );
  assert.deepEqual(steps, [
    {
      line: 3,
      kind: 'run',
      until: false,
      commands: [
        { line: 4, command: 'cd site', output: [], interrupted: false },
        { line: 5, command: 'sluice check', output: ['one', 'two'], interrupted: false },
        { line: 8, command: 'sluice tail', output: ['a'], interrupted: true },
      ],
    },
  ]);
});

test('comments say in which terminal something runs, is typed, is shown and ends', () => {
  const { steps } = page(
    ...['<!-- walk: terminal sim -->', '', '```console', '$ cd site', '$ sluice simulate g', 'served', '```'],
    ...['<!-- walk: type sim -->', '', '```text', 'silent d on', 'd: silent', '```'],
    ...['<!-- walk: shows sim -->', '```text', 'more', '```', '<!-- walk: stop sim -->', '<!-- walk: kill sim -->'],
    ...['<!-- walk: until -->', '', '```console', '$ sluice status', '```'],
  );
  assert.deepEqual(
    steps.map((step) => [step.kind, 'name' in step ? step.name : undefined, step.line]),
    [
      ['terminal', 'sim', 3],
      ['type', 'sim', 10],
      ['shows', 'sim', 15],
      ['stop', 'sim', 18],
      ['kill', 'sim', 19],
      ['run', undefined, 22],
    ],
  );
  const [terminal, typed, , , , until] = steps;
  assert.ok(terminal?.kind === 'terminal' && typed?.kind === 'type' && until?.kind === 'run');
  assert.deepEqual(
    [terminal.before.length, terminal.command.command, terminal.command.output],
    [1, 'sluice simulate g', ['served']],
  );
  assert.deepEqual(typed.output, ['silent d on', 'd: silent']);
  assert.equal(until.until, true);
});

test('comments name files to save and to edit, and what a test replaces', () => {
  const { steps, own } = page(
    ...['<!-- walk: private 1883 /tmp/line -->', '<!-- walk: save a.conf -->', '', '```conf', 'x 1', 'y', '```', ''],
    ...['<!-- walk: edit g.yaml as root -->', '', '| this | becomes |', '|---|---|', '| `a: 1` | `b: 2` |', '', 'Text.'],
  );
  assert.deepEqual(own, ['1883', '/tmp/line']);
  assert.deepEqual(steps, [
    { line: 4, kind: 'save', file: 'a.conf', text: 'x 1\ny\n' },
    { line: 11, kind: 'edit', file: 'g.yaml', changes: [{ from: 'a: 1', to: 'b: 2' }], asRoot: true },
  ]);
});

test('blocks that are only read make no step', () => {
  const { steps } = page(
    ...['```sh', 'sudo apt-get install -y socat', '```', '<!-- walk: by hand -->', '```text', 'from the browser', '```'],
    ...['| a | b |', '|---|---|', '| c | d |', '1. In a list:', '', '   ```js', '   return msg;', '   ```'],
  );
  assert.deepEqual(steps, []);
});

for (const [what, lines, fault] of [
  ['a block that does not end', ['```console', '$ a'], /page\.md:1: this block does not end/],
  ['output without a command', ['```console', 'a', '```'], /page\.md:1: a console block begins with a command/],
  ['an output of no terminal', ['', '```text', 'a', '```'], /page\.md:2: say in a comment which terminal shows this/],
  ['a word that is not known', ['<!-- walk: show sim -->', '```text', 'a', '```'], /page\.md:1: "show sim" is not known here/],
  ['a terminal that was not started', ['<!-- walk: stop sim -->'], /page\.md:1: no terminal sim was started before/],
  ['a comment before no block', ['<!-- walk: until -->', 'Text.'], /page\.md:1: this comment is before no block/],
  ['a comment at the end', ['<!-- walk: until -->', ''], /page\.md:1: this comment is before no block/],
  ['a wrong block', ['<!-- walk: until -->', '```text', 'a', '```'], /page\.md:1: "until" stands before a console block/],
  ['an indented console block', ['  ```console', '  $ a', '  ```'], /page\.md:1: write this block without an indent/],
  ['an edit without code', ['<!-- walk: edit g -->', '| a | b |', '|-|-|', '| x | `y` |'], /write both as code: \| x \| `y` \|/],
] as const)
  test(`${what} is refused with its place`, () => {
    assert.throws(() => page(...lines), fault);
  });

test('every page of docs/start can be followed, and integration tests follow it', () => {
  const pages = globSync('docs/start/*.md', { cwd: root }).sort();
  assert.deepEqual(
    pages.map((file) => path.basename(file)),
    ['flow-editor.md', 'platform-engineer.md', 'technician.md'],
  );
  const tests = readFileSync(path.join(root, 'test/integration/docs/start-pages.test.ts'), 'utf8');
  for (const file of pages) {
    const { steps } = readPage(readFileSync(path.join(root, file), 'utf8'), file);
    assert.ok(steps.length > 5, file);
    assert.ok(tests.includes(`walkPage(t, '${file}')`), `${file} is followed`);
  }
});
