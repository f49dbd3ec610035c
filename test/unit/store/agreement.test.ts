/** The messages of keeper and writer about a block, in every order of their steps. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { keyOf } from '../../../src/store/files/layout.ts';
import { Agreement } from '../../../src/store/hot/agreement.ts';

const key = (seq: number, log = 1) => keyOf(log, seq);
/** Both sides of the same memory, as the two threads have them. */
function sides(): { keeper: Agreement; writer: Agreement } {
  const keeper = new Agreement();
  return { keeper, writer: new Agreement(keeper.buffer) };
}

test('a block that nobody reserved is lost when it is dropped', () => {
  const { keeper, writer } = sides();
  assert.equal(writer.drop(key(1), key(9)), 'lost');
  keeper.begin(key(20), key(40));
  assert.equal(writer.drop(key(10), key(19)), 'lost');
  assert.equal(writer.drop(key(41), key(49)), 'lost');
  assert.equal(writer.drop(key(25, 2), key(30, 2)), 'lost');
  assert.ok(keeper.commit(), 'its own blocks are all there');
});

test('a reserved block that is dropped takes the unit with it', () => {
  const { keeper, writer } = sides();
  keeper.begin(key(1), key(40));
  assert.equal(writer.drop(key(1), key(9)), 'lost');
  assert.equal(writer.drop(key(10), key(19)), 'lost');
  assert.equal(keeper.commit(), false);
  keeper.begin(key(20), key(40));
  assert.ok(keeper.commit());
});

test('while the unit is being committed its blocks stay, and afterwards they go without a word', () => {
  const { keeper, writer } = sides();
  keeper.begin(key(1), key(40));
  assert.ok(keeper.commit());
  assert.equal(writer.drop(key(1), key(9)), 'stays');
  keeper.end(true);
  assert.equal(writer.drop(key(1), key(9)), 'in-hour');
  assert.equal(writer.drop(key(31), key(40)), 'in-hour');
  assert.equal(writer.drop(key(41), key(50)), 'lost');
  assert.equal(writer.drop(key(1, 2), key(9, 2)), 'lost', 'of another log');
});

test('a unit that could not be committed leaves its blocks as they were', () => {
  const { keeper, writer } = sides();
  keeper.begin(key(1), key(40));
  assert.ok(keeper.commit());
  keeper.end(false);
  assert.equal(writer.drop(key(1), key(9)), 'lost');
});

test('blocks of units of a file that is gone are not in a unit', () => {
  const { keeper, writer } = sides();
  keeper.begin(key(1), key(40));
  assert.ok(keeper.commit());
  keeper.end(true);
  keeper.forget();
  assert.equal(writer.drop(key(1), key(9)), 'lost');
});

test('blocks that were reserved and left out of the unit are not in it', () => {
  const { keeper, writer } = sides();
  keeper.begin(key(1), key(40));
  keeper.shorten(key(20));
  assert.equal(writer.drop(key(21), key(30)), 'lost');
  assert.ok(keeper.commit(), 'its own blocks are all there');
  keeper.end(true);
  assert.equal(writer.drop(key(11), key(20)), 'in-hour');
  assert.equal(writer.drop(key(31), key(40)), 'lost');
});

test('what the keeper read is on the disk once every commit is that began before', () => {
  const { keeper, writer } = sides();
  assert.ok(keeper.onDisk());
  writer.commitBegins();
  assert.equal(keeper.onDisk(), false);
  // The disk did not take it; with the next one it has both.
  writer.commitBegins();
  assert.equal(keeper.onDisk(), false);
  writer.commitsOnDisk();
  assert.ok(keeper.onDisk());
  writer.commitBegins();
  writer.commitRolledBack();
  assert.ok(keeper.onDisk(), 'nobody sees what was rolled back');
});
