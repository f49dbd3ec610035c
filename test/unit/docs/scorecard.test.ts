/** Each row of the security scorecard names tests that exist, a document, or a gap with its reason. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';

const FOLDER = path.join(import.meta.dirname, '..', '..', '..', 'docs', 'security');
const PAGE = readFileSync(path.join(FOLDER, 'README.md'), 'utf8');
const LISTS = { 'ETSI EN 303 645': 30, 'Cyber Resilience Act, Annex I': 15, 'IEC 62443-4-2, SL1': 30 } as const;
const LINK = /\[`?([^\]`]+)`?\]\(([^)]+)\)/g;

const rowsOf = (list: string): string[][] =>
  (PAGE.split(`\n## ${list}\n`)[1]?.split('\n## ')[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => line.split('|').map((cell) => cell.trim()));

/** @returns what is wrong with the cell that shows a row */
function faultOf(cell: string): string | undefined {
  if (/^(?:Gap|Not applicable|Script): \S.{20,}\.$/.test(cell)) return undefined;
  const links = [...cell.matchAll(LINK)];
  if (links.length === 0) return 'neither a test, a document nor a gap';
  for (const [, words = '', target = ''] of links) {
    if (!target.endsWith('.test.ts')) {
      if (!cell.startsWith('Document: ')) return `${target} is no test`;
      continue;
    }
    let text: string;
    try {
      text = readFileSync(path.join(FOLDER, target), 'utf8');
    } catch {
      return `${target} is not there`;
    }
    if (words.length < 20 || !text.includes(words)) return `${target} has no test "${words}"`;
  }
  return undefined;
}

for (const [list, least] of Object.entries(LISTS))
  test(`${list}: tests that exist show each row, or it is a gap`, () => {
    const rows = rowsOf(list);
    assert.ok(rows.length >= least, `${rows.length} rows`);
    assert.deepEqual(
      rows.flatMap(([, number, , cell = '']) => (faultOf(cell) === undefined ? [] : [`${number}: ${faultOf(cell)}`])),
      [],
    );
  });

test('a row without a test, with a missing file or with another name is found', () => {
  const real = '../../test/unit/docs/scorecard.test.ts';
  assert.equal(faultOf(`[a row without a test, with a missing file](${real})`), undefined);
  for (const wrong of [
    'it works',
    `[no such name is in that file](${real}x)`,
    '[one](../../SECURITY.md)',
    `[short](${real})`,
    'Gap: yes',
  ])
    assert.notEqual(faultOf(wrong), undefined, wrong);
});
