/**
 * What a person types with a manual in hand, or out of habit from another program, and the exact answer: test/cases/config-mistakes.txt,
 * which says how it is written. SLUICE_GOLDEN=write writes the answers anew; read the difference before it is committed.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { formatFault } from '../../../src/config/fault.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { kinds } from '../../../src/gateway/registry.ts';

const root = path.join(import.meta.dirname, '../../..');
const file = path.join(root, 'test/cases/config-mistakes.txt');
const whole = readFileSync(file, 'utf8');
const [, head = '', base = '', rest = ''] = /^(.*?\n>>>\n)(.*?\n)<<<\n(.*)$/s.exec(whole) ?? [];

/** No such file is there: nothing is known of who may read it. */
const NAME = 'no-such-file.yaml';

/** A heading, or a mistake with the text that is replaced, its replacement and the answer. */
interface Block {
  readonly title: string;
  readonly edit: readonly string[];
  readonly answer: readonly string[];
}

const blocks: Block[] = rest
  .split('\n\n')
  .map((text) => text.split('\n').filter((line) => line !== ''))
  .filter(([title]) => title !== undefined)
  .map(([title = '', ...lines]) => ({
    title,
    edit: lines.filter((line) => /^[-+]/.test(line)),
    answer: lines.filter((line) => line.startsWith('=')),
  }));
const mistakes = blocks.filter(({ title }) => !title.startsWith('=='));

function side(edit: readonly string[], sign: '-' | '+'): string {
  const lines = edit.filter((line) => line.startsWith(sign)).map((line) => line.slice(2));
  return lines.join('\n').replaceAll('\\t', '\t').replaceAll('\\u00a0', '\u00a0');
}

function load(text: string): string[] {
  const { faults, warnings } = loadConfigText(text, NAME, kinds, {
    profileDirs: [path.join(root, 'hardware-profiles/devices')],
    env: {},
  });
  const words = [...faults.map(formatFault), ...warnings.map((warning) => `${formatFault(warning)} (warning)`)];
  return words.map((line) => `= ${line.replace(`${NAME}:`, '')}`);
}

test('the configuration in which the mistakes are made has none', () => assert.deepEqual(load(base), []));

test('there are sixty mistakes and more, each once', () => {
  assert.ok(mistakes.length >= 60, String(mistakes.length));
  assert.equal(new Set(mistakes.map(({ title }) => title)).size, mistakes.length);
});

const answers = new Map<string, readonly string[]>();
for (const { title, edit, answer } of mistakes) {
  test(`mistake: ${title}`, () => {
    const before = side(edit, '-');
    assert.equal(base.split(before).length, 2, `the configuration has this text once: ${before}`);
    const now = load(base.replace(before, () => side(edit, '+')));
    answers.set(title, now);
    if (process.env.SLUICE_GOLDEN !== 'write') assert.deepEqual(now, answer);
    assert.ok(now.length >= 1 && now.length <= 3, `one mistake has ${now.length} answers`);
    assert.doesNotMatch(now.join('\n'), /invalid input|expected|received|undefined|\[object|zod|hunter2|secret-word/i);
  });
}

process.on('exit', () => {
  if (process.env.SLUICE_GOLDEN !== 'write') return;
  const text = blocks
    .map(({ title, edit, answer }) => [title, ...edit, ...(answers.get(title) ?? answer)].join('\n'))
    .join('\n\n');
  writeFileSync(file, `${head}${base}<<<\n\n${text}\n`);
});
