/** Completion in bash, as a person at a terminal has it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { completions } from '../../../scripts/packaging/completion.ts';
import { program } from '../../../src/cli/program.ts';
import { scratch } from '../../harness/scratch.ts';

test('bash completes commands, choices, and names of files with blanks whole', (t) => {
  const dir = scratch(t, 'completion');
  const script = path.join(dir, 'sluice.bash');
  writeFileSync(script, completions(program()).bash);
  mkdirSync(path.join(dir, 'site'));
  writeFileSync(path.join(dir, 'site', 'my gateway.yaml'), '');
  const complete = (...words: string[]): string[] =>
    execFileSync(
      'bash',
      [
        '-c',
        `. "$0"; COMP_WORDS=(sluice "$@"); COMP_CWORD=$#; _sluice 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`,
        script,
        ...words,
      ],
      { cwd: path.join(dir, 'site'), encoding: 'utf8' },
    )
      .split('\n')
      .filter((word) => word !== '');
  assert.deepEqual(complete('chec'), ['check']);
  assert.deepEqual(complete('alarm', 'un'), ['unshelve']);
  assert.deepEqual(complete('export', '--format', ''), ['csv', 'jsonl', 'svg']);
  assert.deepEqual(complete('status', '-c', 'my'), ['my gateway.yaml']);
  assert.deepEqual(complete('check', 'm'), ['my gateway.yaml']);
  assert.deepEqual(complete('status', '--socket', 'none'), []);
});
