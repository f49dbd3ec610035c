/** The page about reason codes says what the table does. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { MOST_UNCLEAR } from '../../../src/forwarders/mqtt/patience.ts';
import { REASONS, verdictOf } from '../../../src/forwarders/mqtt/reason-codes.ts';

const page = readFileSync(path.join(import.meta.dirname, '../../../docs/reference/reason-codes.md'), 'utf8');

test('the page lists every reason code with what follows from it', () => {
  const rows = [...page.matchAll(/^\| (\d+) \| (.+?) \| (\w+) \|$/gm)].map(
    ([, code, name, verdict]) => `${code} ${name}: ${verdict}`,
  );
  assert.deepEqual(
    rows,
    Object.entries(REASONS).map(([code, { name }]) => `${code} ${name}: ${verdictOf(Number(code))}`),
  );
  assert.ok(page.includes(`refused ${MOST_UNCLEAR} times`));
});
