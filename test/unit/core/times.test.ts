import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Calendar } from '../../../src/core/calendar.ts';
import { isLocal, parseTime } from '../../../src/core/times.ts';

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
  assert.equal(parseTime('2026-11-25 8:05+06:00', NOW), Date.UTC(2026, 10, 25, 2, 5));
});

test('a date and a time without an offset are local times of the zone, others are not', () => {
  for (const [text, zone, utc] of [
    ['2026-11-25', 'Asia/Dhaka', '2026-11-24T18:00Z'],
    ['2026-11-25T00:00', 'Asia/Dhaka', '2026-11-24T18:00Z'],
    ['2026-11-25 8:05', 'Asia/Dhaka', '2026-11-25T02:05Z'],
    ['2026-11-25 8:05:06.5', 'Asia/Kathmandu', '2026-11-25T02:20:06.500Z'],
    ['2026-11-25', 'UTC', '2026-11-25T00:00Z'],
    ['2026-11-25T10:00Z', 'Asia/Dhaka', '2026-11-25T10:00Z'],
    ['2026-11-25T10:00-05:00', 'Asia/Dhaka', '2026-11-25T15:00Z'],
    // Days on which clocks change: the days have 23 and 25 hours, and begin at their own offset.
    ['2026-03-29', 'Europe/Berlin', '2026-03-28T23:00Z'],
    ['2026-03-30', 'Europe/Berlin', '2026-03-29T22:00Z'],
    ['2026-10-25', 'Europe/Berlin', '2026-10-24T22:00Z'],
    ['2026-10-26', 'Europe/Berlin', '2026-10-25T23:00Z'],
    // Shown twice: the first of both, east and west of Greenwich. Skipped: an hour later.
    ['2026-10-25T02:30', 'Europe/Berlin', '2026-10-25T00:30Z'],
    ['2026-11-01T01:30', 'America/New_York', '2026-11-01T05:30Z'],
    ['2026-03-29T02:30', 'Europe/Berlin', '2026-03-29T01:30Z'],
    ['2026-03-08T02:30', 'America/New_York', '2026-03-08T07:30Z'],
    // Clocks that change at midnight: the day begins at 1:00.
    ['2026-03-29', 'Asia/Beirut', '2026-03-28T22:00Z'],
  ] as const) {
    assert.equal(new Date(parseTime(text, NOW, zone) ?? 0).toISOString(), new Date(utc).toISOString(), `${text} in ${zone}`);
    assert.equal(isLocal(text), !/Z$|[+-]\d\d:\d\d$/.test(text), text);
  }
  for (const text of ['24h', '1795000000000', 'yesterday', '']) assert.equal(isLocal(text), false, text);
});

test('a zone reads local times as the system does whose zone it is', (t) => {
  const before = process.env.TZ;
  t.after(() => {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });
  for (const zone of ['Europe/Berlin', 'America/New_York', 'Asia/Dhaka']) {
    process.env.TZ = zone;
    assert.equal(new Intl.DateTimeFormat().resolvedOptions().timeZone, zone);
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1990), max: Date.UTC(2040) }), (at) => {
        const text = new Date(at).toISOString().slice(0, 19);
        assert.equal(parseTime(text, NOW, zone), parseTime(text, NOW));
        assert.equal(parseTime(text.slice(0, 10), NOW, zone), parseTime(text.slice(0, 10), NOW));
      }),
    );
  }
});

test('what a clock on the wall shows leads back to the moment, or to the first of two', () => {
  for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Dhaka', 'America/Havana']) {
    const calendar = new Calendar(zone);
    const face = (utc: number) => {
      const { weekday, minute } = calendar.local(utc);
      return `${weekday} ${minute}`;
    };
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2000) / 60_000, max: Date.UTC(2035) / 60_000 }), (minutes) => {
        const shown = calendar.moment(minutes * 60_000);
        const wanted = new Date(minutes * 60_000);
        const written = `${(wanted.getUTCDay() + 6) % 7} ${wanted.getUTCHours() * 60 + wanted.getUTCMinutes()}`;
        // A time that was skipped is shown as a later one; no earlier moment shows the same.
        if (face(shown) === written) for (const hours of [0.5, 1]) assert.notEqual(face(shown - hours * 3_600_000), written);
        else assert.equal(Math.abs(shown - minutes * 60_000) < 86_400_000, true);
      }),
    );
  }
});

test('years that no zone is defined for are read, too', () => {
  for (const text of ['0001-01-01', '-000001-01-01', '+010000-01-01', '+275760-09-12', '9999-12-31T23:59'])
    assert.ok(Number.isFinite(parseTime(text, NOW, 'Asia/Dhaka')), text);
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
