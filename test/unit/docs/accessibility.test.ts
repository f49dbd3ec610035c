/** docs/explanation/accessibility.md has the numbers of what the tests look at. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { SHEETS } from '../../../src/node-red/palette/sheets/all.ts';
import { STATES } from '../../harness/page-states.ts';

const page = readFileSync(path.join(import.meta.dirname, '../../../docs/explanation/accessibility.md'), 'utf8').replaceAll(
  '\n',
  ' ',
);

test('the page on accessibility has the number of views that are looked at', () => {
  assert.equal(new Set(STATES.map(({ name }) => name)).size, STATES.length, 'each name once');
  assert.deepEqual(/opens (\d+) views/.exec(page)?.[1], String(STATES.length));
});

test('the page on accessibility has the number of dialogs of the palette', () => {
  assert.deepEqual(/the (\d+) dialogs/.exec(page)?.[1], String(SHEETS.filter(({ config }) => config !== true).length));
});
