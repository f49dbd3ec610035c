import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { GpsClock } from '../../../src/time/gps.ts';

const BUILT = Date.UTC(2026, 10, 1);
const NOON = Date.UTC(2027, 2, 1, 12);
const DAY = 86_400_000;

test('three sentences that agree are believed, the quickest of them most', () => {
  const gps = new GpsClock(BUILT);
  gps.take(NOON, 1400);
  assert.equal(gps.offset(1400), undefined);
  gps.take(NOON + 1000, 2100);
  assert.equal(gps.offset(2100), undefined);
  gps.take(NOON + 2000, 3300);
  // The second arrived 100 ms after its moment, the others later.
  assert.equal(gps.offset(3300), NOON + 1000 - 2100);
  assert.equal(gps.fault, undefined);
});

test('what does not go on from the others has to be said three times', () => {
  const gps = new GpsClock(BUILT);
  for (let i = 0; i < 10; i++) gps.take(NOON + i * 1000, 100 + i * 1000);
  assert.equal(gps.offset(9100), NOON - 100);
  gps.take(NOON + DAY, 10_100);
  assert.equal(gps.offset(10_100), undefined);
  gps.take(NOON + 11_000, 11_100);
  gps.take(NOON + DAY + 2000, 12_100);
  assert.equal(gps.offset(12_100), undefined, 'a receiver that says now this, now that');
  for (let i = 3; i < 5; i++) gps.take(NOON + DAY + i * 1000, 10_100 + i * 1000);
  assert.equal(gps.offset(14_100), NOON + DAY - 10_100);
});

test('sentences grow old', () => {
  const gps = new GpsClock(BUILT);
  for (let i = 0; i < 3; i++) gps.take(NOON + i * 1000, i * 1000);
  assert.equal(gps.offset(30_000), NOON);
  assert.equal(gps.offset(30_001), undefined, 'only two are not older than half a minute');
});

test('within half a second, whatever the line delays', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 50, max: 500 }), { minLength: 3, maxLength: 200 }), (delays) => {
      const gps = new GpsClock(BUILT);
      delays.forEach((delay, i) => {
        gps.take(NOON + i * 1000, i * 1000 + delay);
      });
      const wrong = (gps.offset(delays.length * 1000) ?? Number.NaN) - NOON;
      assert.ok(wrong <= -50 && wrong >= -500, `${wrong}`);
    }),
  );
});

test('a time before the software was made is told and not believed; a rolled-over week counter is told apart', () => {
  const weeks = 1024 * 7 * DAY;
  for (const [utc, fault] of [
    [BUILT - 1, /^it says 2026-10-31, before this software was made/],
    [Date.UTC(2026, 0, 1), /before this software was made/],
    [Date.UTC(2023, 0, 1), /before this software was made/],
    [NOON - weeks, /^it says 2007-07-16, as a receiver does whose week counter has rolled over/],
    [BUILT - weeks + 14 * 365 * DAY, /rolled over/],
    [NOON - 2 * weeks, /^it says 1987-11-30, .*rolled over/],
    [0, /^it says 1970-01-01, before this software was made/],
  ] as const) {
    const gps = new GpsClock(BUILT);
    for (let i = 0; i < 3; i++) gps.take(utc, 0);
    assert.match(gps.fault ?? '', fault);
    assert.equal(gps.offset(0), undefined);
  }
  const gps = new GpsClock(BUILT);
  for (let i = 0; i < 3; i++) gps.take(NOON + i * 1000, i * 1000);
  gps.take(NOON - weeks, 3000);
  assert.equal(gps.offset(3000), undefined, 'what it said before counts no more');
  for (let i = 4; i < 7; i++) gps.take(NOON + i * 1000, i * 1000);
  assert.equal(gps.fault, undefined);
  assert.equal(gps.offset(7000), NOON);
});
