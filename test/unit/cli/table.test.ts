/** Tables of the command line. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { table } from '../../../src/cli/table.ts';

test('a name that turns the writing direction or clears the screen turns nothing in a table', () => {
  assert.equal(
    table([
      ['name', 'state'],
      ['a\u202eb', '\u001b[2J'],
    ]),
    'name  state\na\ufffdb   \ufffd[2J\n',
  );
});
