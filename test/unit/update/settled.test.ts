/** What is written down of an update when a card takes nothing, or a cut of the power comes in between. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { openSource } from '../../../src/update/source.ts';
import { Board, BY_HAND, updateOf } from '../../harness/update-board.ts';

test('a release that is not well gives way also when the card takes no word about it', async (t) => {
  const board = new Board(t);
  await board.updater().apply(openSource(await updateOf(t, 2)), BY_HAND);
  board.restart('b', 2);
  // A folder in the place of the file that is written, which stops root as well.
  mkdirSync(path.join(board.folder, 'state/update/attempt.json.new'));
  const decided = await board.updater().decide(async () => ({ well: false, why: 'the log cannot be written' }));
  assert.deepEqual(decided, { restart: true, words: 'the gateway is not well in slot b: the log cannot be written' });
  assert.equal(board.updater().attempt()?.why, undefined);
});

test('a cut of the power behind the commit leaves no release that waits for a restart', async (t) => {
  const board = new Board(t);
  await board.updater().apply(openSource(await updateOf(t, 2)), BY_HAND);
  board.restart('b', 2);
  assert.equal(board.updater().attempt()?.state, 'offered');
  board.slots().commit();
  const { words } = await board.updater().decide(async () => assert.fail('it ran well before'));
  assert.equal(words, 'slot b ran well before');
  assert.equal(board.state().attempt()?.state, 'well');
});
