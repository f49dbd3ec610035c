import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parseTime } from '../../../src/core/times.ts';

const NOW = Date.UTC(2026, 10, 27, 12);

test('what a moment writes in ISO 8601 or in milliseconds, it reads', () => {
  fc.assert(
    fc.property(fc.date({ noInvalidDate: true }), (at) => {
      assert.equal(parseTime(at.toISOString(), NOW), at.getTime());
      assert.equal(parseTime(at.toISOString().replace('T', ' ').replace('Z', '+0000'), NOW), at.getTime());
      if (at.getTime() > 1e8) assert.equal(parseTime(String(at.getTime()), NOW), at.getTime());
    }),
  );
  for (const end of [-8.64e15, 8.64e15])
    assert.equal(parseTime(new Date(end).toISOString(), NOW), end, 'the first and the last time');
  assert.equal(parseTime('24h', NOW), NOW - 86_400_000);
  assert.equal(parseTime('0', NOW), 0);
  assert.equal(parseTime('2026-11-25', NOW), Date.UTC(2026, 10, 25));
  assert.equal(parseTime('2026-11-25 8:05+06:00', NOW), Date.UTC(2026, 10, 25, 2, 5));
});

test('what only a guess would make a time of is none', () => {
  for (const text of [
    '11/12/2026',
    '11-12-2026',
    'Nov 25',
    '2026',
    '20261125',
    '2026-02-30',
    '2026-11-31T10:00Z',
    '10:00',
    '',
    '5 pm',
  ])
    assert.equal(parseTime(text, NOW), undefined, text);
});
