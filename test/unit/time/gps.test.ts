import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { GpsClock } from '../../../src/time/gps.ts';

const BUILT = Date.UTC(2026, 10, 1);
const BOUNDS = { from: BUILT, to: Date.UTC(2045, 10, 1) };
const NOON = Date.UTC(2027, 2, 1, 12);
const DAY = 86_400_000;

test('three sentences that agree are believed, the quickest of them most', () => {
  const gps = new GpsClock(BOUNDS);
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
  const gps = new GpsClock(BOUNDS);
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
  const gps = new GpsClock(BOUNDS);
  for (let i = 0; i < 3; i++) gps.take(NOON + i * 1000, i * 1000);
  assert.equal(gps.offset(30_000), NOON);
  assert.equal(gps.offset(30_001), undefined, 'only two are not older than half a minute');
});

test('within half a second, whatever the line delays', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 50, max: 500 }), { minLength: 3, maxLength: 200 }), (delays) => {
      const gps = new GpsClock(BOUNDS);
      delays.forEach((delay, i) => {
        gps.take(NOON + i * 1000, i * 1000 + delay);
      });
      const wrong = (gps.offset(delays.length * 1000) ?? Number.NaN) - NOON;
      assert.ok(wrong <= -50 && wrong >= -500, `${wrong}`);
    }),
  );
});

test('a time before the build is reported and not believed; a week rollover is named', () => {
  const weeks = 1024 * 7 * DAY;
  for (const [utc, fault] of [
    [BUILT - 1, /^its time cannot be right: it says 2026-10-31, before this software was made/],
    [Date.UTC(2026, 0, 1), /before this software was made/],
    [Date.UTC(2023, 0, 1), /before this software was made/],
    [
      NOON - weeks,
      /^its time cannot be right: it says 2007-07-16, which shows that the week counter of the receiver has rolled over/,
    ],
    [BUILT - weeks + 14 * 365 * DAY, /rolled over/],
    [NOON - 2 * weeks, /^its time cannot be right: it says 1987-11-30, .*rolled over/],
    [0, /^its time cannot be right: it says 1970-01-01, before this software was made/],
  ] as const) {
    const gps = new GpsClock(BOUNDS);
    for (let i = 0; i < 3; i++) gps.take(utc, 0);
    assert.match(gps.fault ?? '', fault);
    assert.equal(gps.offset(0), undefined);
  }
  const gps = new GpsClock(BOUNDS);
  for (let i = 0; i < 3; i++) gps.take(NOON + i * 1000, i * 1000);
  gps.take(NOON - weeks, 3000);
  assert.equal(gps.offset(3000), undefined, 'what it said before counts no more');
  for (let i = 4; i < 7; i++) gps.take(NOON + i * 1000, i * 1000);
  assert.equal(gps.fault, undefined);
  assert.equal(gps.offset(7000), NOON);
});

test('a time after the life of the software is reported and not believed', () => {
  for (const utc of [BOUNDS.to + 1, Date.UTC(2079, 11, 31), Date.UTC(9999, 0, 1)]) {
    const gps = new GpsClock(BOUNDS);
    for (let i = 0; i < 5; i++) gps.take(utc + i * 1000, i * 1000);
    assert.match(gps.fault ?? '', /^its time cannot be right: it says (?:2045|2079|9999)-\d\d-\d\d, more than 19 years after/);
    assert.equal(gps.offset(4000), undefined);
  }
  const gps = new GpsClock(BOUNDS);
  for (let i = 0; i < 3; i++) gps.take(BOUNDS.to - 5000 + i * 1000, i * 1000);
  assert.deepEqual([gps.fault, gps.offset(2000)], [undefined, BOUNDS.to - 5000]);
});

test('a time before the last trusted one is reported and not believed', () => {
  const gps = new GpsClock(BOUNDS);
  gps.trusted = NOON;
  // A monotonic clock, and a receiver that counts leap seconds late, may be off by some seconds.
  for (let i = 0; i < 3; i++) gps.take(NOON - 30_000 + i * 1000, i * 1000);
  assert.deepEqual([gps.fault, gps.offset(2000)], [undefined, NOON - 30_000]);
  for (let i = 3; i < 6; i++) gps.take(NOON - DAY + i * 1000, i * 1000);
  assert.match(
    gps.fault ?? '',
    /^its time cannot be right: it says 2027-02-28, before 2027-03-01T12:00Z, the last time that was known/,
  );
  assert.equal(gps.offset(5000), undefined);
});

test('what another source knows must agree', () => {
  const gps = new GpsClock(BOUNDS);
  const service = { name: 'chrony', offset: NOON };
  for (let i = 0; i < 3; i++) gps.take(NOON + i * 1000 - 9000, i * 1000, service);
  assert.deepEqual([gps.fault, gps.offset(2000)], [undefined, NOON - 9000]);
  for (let i = 3; i < 6; i++) gps.take(NOON + DAY + i * 1000, i * 1000, service);
  assert.match(gps.fault ?? '', /^its time cannot be right: it says 2027-03-02T12:00:05Z, and chrony says 2027-03-01T12:00:05Z/);
  assert.equal(gps.offset(5000), undefined);
});
