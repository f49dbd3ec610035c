/**
 * One typing error at a random place of a sample configuration: never an exception, and never more answers than a person reads. SLUICE_FUZZ_SEED
 * and SLUICE_FUZZ_CASES choose another run; a failure prints the edit.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { formatFault } from '../../../src/config/fault.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { kinds } from '../../../src/gateway/registry.ts';

const root = path.join(import.meta.dirname, '../../..');
const SEED = Number(process.env.SLUICE_FUZZ_SEED ?? 8);
const CASES = Number(process.env.SLUICE_FUZZ_CASES ?? 600);
const MOST = 5;

const random = seeded(SEED);
const pick = (n: number) => Math.floor(random() * n);
const SIGNS = `:,{}[]"'#- \t&*!|>%@x0`;

/** Each takes the lines and the number of the one that is hit. */
const EDITS: Readonly<Record<string, (lines: readonly string[], at: number, line: string) => string[]>> = {
  'a line is lost': (lines, at) => lines.toSpliced(at, 1),
  'a line comes twice': (lines, at, line) => lines.toSpliced(at, 0, line),
  'two lines change places': (lines, at, line) => lines.toSpliced(at, 2, ...lines.slice(at + 1, at + 2), line),
  'a line is indented': (lines, at, line) => lines.with(at, `${' '.repeat(1 + pick(3))}${line}`),
  'a line is indented less': (lines, at, line) => lines.with(at, line.replace(/^ {1,2}/, '')),
  'a letter is lost': (lines, at, line) => {
    const i = pick(line.length);
    return lines.with(at, line.slice(0, i) + line.slice(i + 1));
  },
  'a sign too many': (lines, at, line) => {
    const i = pick(line.length + 1);
    return lines.with(at, line.slice(0, i) + SIGNS[pick(SIGNS.length)] + line.slice(i));
  },
};

for (const name of ['air-quality', 'demo', 'fridge-clinic', 'water-point']) {
  test(`one typing error in ${name} makes a handful of faults at most`, () => {
    const lines = readFileSync(path.join(root, 'examples', name, 'gateway.yaml'), 'utf8').split('\n');
    for (let i = 0; i < CASES / 4; i++) {
      const [what, edit] = Object.entries(EDITS)[i % Object.keys(EDITS).length] ?? assert.fail();
      const at = pick(lines.length);
      const text = edit(lines, at, lines[at] ?? '').join('\n');
      const { faults, warnings } = loadConfigText(text, 'no-such-file.yaml', kinds, {
        profileDirs: [path.join(root, 'hardware-profiles/devices')],
        env: {},
      });
      const words = [...faults, ...warnings].map(formatFault);
      const where = `${what}, line ${at + 1}: ${lines[at]}\n${words.join('\n')}`;
      assert.ok(words.length <= MOST, where);
      assert.doesNotMatch(words.join('\n'), /Invalid|undefined|\[object|zod| {4}at /, where);
    }
  });
}
