/** The mark by which the LED of the board learns of an update. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { ledStateOf } from '../../../src/boards/led.ts';
import { isAtWork, markAtWork } from '../../../src/update/at-work.ts';
import { scratch } from '../../harness/scratch.ts';

test('an update has its mark while it works, which a gateway of another user can see', (t) => {
  const root = scratch(t, 'mark');
  const mark = path.join(root, 'run', 'sluice-update');
  const state = () => ledStateOf({ updating: isAtWork(root), faulty: true, claimed: true, delivering: true });
  assert.equal(state(), 'fault');
  const end = markAtWork(root);
  assert.equal(state(), 'update');
  assert.equal(statSync(mark).mode & 0o777, 0o644);
  end();
  assert.equal(state(), 'fault');
  assert.equal(existsSync(mark), false);
  end();
});

test('the mark of a command that was killed, or of another time, is over by itself', (t) => {
  const root = scratch(t, 'mark');
  t.after(markAtWork(root));
  const now = statSync(path.join(root, 'run', 'sluice-update')).mtimeMs;
  assert.deepEqual(
    [isAtWork(root, now + 59_000), isAtWork(root, now + 61_000), isAtWork(root, now - 61_000)],
    [true, false, false],
  );
  utimesSync(path.join(root, 'run', 'sluice-update'), 0, 0);
  assert.equal(isAtWork(root), false);
});

test('a place where no mark can be made keeps no update from its work', (t) => {
  const root = scratch(t, 'mark');
  writeFileSync(path.join(root, 'run'), 'a file');
  chmodSync(path.join(root, 'run'), 0o400);
  markAtWork(root)();
  assert.equal(isAtWork(root), false);
});
