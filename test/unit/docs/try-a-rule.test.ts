/** docs/how-to/try-a-rule.md shows what its commands print. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

const root = path.join(import.meta.dirname, '../../..');
const example = path.join(root, 'examples/try-a-rule');
const page = readFileSync(path.join(root, 'docs/how-to/try-a-rule.md'), 'utf8');

test('the page about trying a rule shows what its commands print', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-try-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const file of ['gateway.yaml', 'fridge.csv']) copyFileSync(path.join(example, file), path.join(folder, file));
  const run = (...words: string[]): string =>
    execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', path.join(root, 'src/cli/main.ts'), ...words], {
      ...{ cwd: folder, encoding: 'utf8', env: { ...process.env, TZ: 'Asia/Dhaka', NO_COLOR: '1' } },
    });
  const commands = [...page.matchAll(/^\$ sluice (.*fridge\..*)$/gm)].map(([, words = '']) => words);
  assert.deepEqual(commands, [
    'rules test fridge.csv',
    'rules test fridge.csv --svg fridge.svg',
    'rules test fridge.csv --save fridge.yaml',
    'rules test fridge.csv --expect fridge.yaml',
  ]);
  const printed = commands.map((words) => run(...words.split(' ')));
  assert.equal(printed[0], /^```text\n(.*?)^```$/ms.exec(page)?.[1]);
  assert.ok(page.includes(`--expect fridge.yaml\n${printed[3]}`));
  assert.equal(
    readFileSync(path.join(folder, 'fridge.svg'), 'utf8'),
    readFileSync(path.join(root, 'docs/pictures/try-a-rule.svg'), 'utf8'),
    'sluice rules test fridge.csv --svg ../../docs/pictures/try-a-rule.svg, with TZ=Asia/Dhaka, draws it again',
  );
  assert.equal(readFileSync(path.join(folder, 'fridge.yaml'), 'utf8'), readFileSync(path.join(example, 'fridge.yaml'), 'utf8'));
});
