/** Sessions of people: their ends and their bounds. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { inspect } from 'node:util';
import { ABSOLUTE, IDLE, MOST, MOST_OF_USER, Sessions } from '../../../src/access/sessions.ts';

test('a session ends when it is idle, and after a day in any case', () => {
  const sessions = new Sessions(randomBytes);
  const idle = sessions.begin('anna', 0);
  const busy = sessions.begin('anna', 0);
  for (let now = 0; now < ABSOLUTE; now += IDLE - 1) assert.equal(sessions.use(busy, now), 'anna');
  assert.equal(sessions.use(idle, IDLE), undefined);
  assert.equal(sessions.use(busy, ABSOLUTE), undefined);
  assert.equal(sessions.count(ABSOLUTE), 0);
});

test('one more session ends the idlest one of the same person', () => {
  const sessions = new Sessions(randomBytes);
  const ben = sessions.begin('ben', 0);
  const ids = Array.from({ length: MOST_OF_USER }, (_, i) => sessions.begin('anna', i));
  sessions.use(ids[0] as string, 50);
  const next = sessions.begin('anna', 60);
  assert.deepEqual(
    [ben, ids[0], ids[1], ids[2], next].map((id) => sessions.use(id as string, 61)),
    ['ben', 'anna', undefined, 'anna', 'anna'],
  );
  assert.equal(sessions.count(61, 'anna'), MOST_OF_USER);
});

test('sessions are bounded in total, ids are random and kept as hashes', () => {
  const sessions = new Sessions(randomBytes);
  const ids = Array.from({ length: MOST + 20 }, (_, i) => sessions.begin(`user${i >> 2}`, i));
  assert.equal(sessions.count(MOST + 20), MOST);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[0-9a-z]{26}$/);
  assert.ok(!inspect(sessions, { depth: 9, showHidden: true }).includes(ids.at(-1) as string));
  for (const id of ['', 'x', 'x'.repeat(100_000)]) assert.equal(sessions.use(id, MOST), undefined);
});

test('log-out ends one session, a removal all of a person', () => {
  const sessions = new Sessions(randomBytes);
  const [a, b, c] = [sessions.begin('anna', 0), sessions.begin('anna', 0), sessions.begin('ben', 0)];
  sessions.end(a);
  assert.deepEqual([sessions.use(a, 1), sessions.use(b, 1)], [undefined, 'anna']);
  sessions.endAllOf('anna');
  assert.deepEqual([sessions.use(b, 1), sessions.use(c, 1)], [undefined, 'ben']);
});
