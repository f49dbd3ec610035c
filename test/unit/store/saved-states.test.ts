/** States for the next start: as they were saved, the smallest first, and never more than a start can hold. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import { TABLES } from '../../../src/store/files/layout.ts';
import { MOST_OF_ALL, MOST_OF_ONE, savedState, statesOf } from '../../../src/store/hot/saved-states.ts';
import { SavedStateTable } from '../../../src/store/hot/tables/saved-state-table.ts';
import { scratch } from '../../harness/scratch.ts';

test('what was saved comes back by its key, and what is no JSON is nothing', (t) => {
  const db = new Database(path.join(scratch(t), 'log.db'));
  t.after(() => db.close());
  db.exec(TABLES);
  const table = new SavedStateTable(db);
  table.save('dry', { state: 'normal' });
  table.save('plant.count', 7);
  table.save('gone', 1);
  table.save('gone', null);
  table.put('broken', '{"a":');
  const { states, left } = table.all();
  assert.equal(left, 0);
  assert.deepEqual(savedState(states, 'dry'), { state: 'normal' });
  assert.deepEqual([savedState(states, 'gone'), savedState(states, 'broken')], [undefined, undefined]);
  assert.deepEqual([...statesOf(states, (key) => key.includes('.'))], [['plant.count', 7]]);
});

test('large states do not crowd out small ones, and all of them have a bound', (t) => {
  const db = new Database(path.join(scratch(t), 'log.db'));
  t.after(() => db.close());
  db.exec(TABLES);
  const table = new SavedStateTable(db);
  const large = 'x'.repeat(200_000);
  for (let i = 0; i < 60; i++) table.save(`a${i}`, large);
  table.save('huge', 'y'.repeat(MOST_OF_ONE));
  for (let i = 0; i < 100; i++) table.save(`z${i}`, { state: 'active-unacknowledged' });
  const { states, left } = table.all();
  const keys = new Set(states.map(([key]) => key));
  assert.ok(Array.from({ length: 100 }, (_, i) => keys.has(`z${i}`)).every(Boolean));
  assert.equal(keys.has('huge'), false);
  assert.equal(states.length + left, 161);
  assert.ok(states.reduce((sum, [, json]) => sum + json.length, 0) <= MOST_OF_ALL);
  assert.equal(left, 60 - Math.floor((MOST_OF_ALL - 3500) / 200_002) + 1);
});
