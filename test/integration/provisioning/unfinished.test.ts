/** A reset that no start can finish: the technician reads on the card why no gateway runs, and what to do. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { factoryReset, resetPlan } from '../../../src/care/factory-reset.ts';
import { FakeBoard } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';
import { sluice } from '../../harness/start-gateway.ts';

test('a reset that cannot be finished stands on the card, until it is finished', async (t) => {
  const board = new FakeBoard(scratch(t, 'cards'));
  board.write('name: Ghat 1\n');
  const provision = (...more: string[]) =>
    sluice(
      t,
      ...['provision', '--boot', board.boot, '-c', board.config, '--state', board.stateDir, '--root', board.root, ...more],
    );
  assert.equal((await provision()).code, 0);
  assert.match(board.status, /^Result: {6}sluice\.yaml was put in force\./m);
  assert.throws(
    () =>
      factoryReset(board.stateDir, resetPlan(board.config, board.stateDir, undefined), () => {
        throw new Error('cut');
      }),
    /cut/,
  );
  const foreign = ['notes.txt', 'photo.jpg', 'letter.doc'].map((name) => path.join(board.stateDir, name));
  for (const file of foreign) writeFileSync(file, 'of somebody else');
  const kept = readFileSync(board.config, 'utf8');
  const stuck = await provision();
  assert.equal(stuck.code, 78);
  assert.match(stuck.stderr, /holds "letter\.doc"/);
  assert.match(board.status, /^Result: {6}A factory reset of .* was interrupted.*holds "letter\.doc"/m);
  assert.match(board.status, /^Result: .*sudo sluice factory-reset --yes/m);
  await provision('--report');
  assert.match(board.status, /^Result: {6}A factory reset was interrupted.*sudo sluice factory-reset --yes/m);
  assert.equal(readFileSync(board.config, 'utf8'), kept);
  for (const file of foreign) rmSync(file);
  assert.equal((await provision()).code, 0);
  assert.match(board.status, /^Result: {6}sluice\.yaml was put in force\./m);
});
