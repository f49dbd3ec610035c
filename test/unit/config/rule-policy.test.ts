import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyFaults, policyOf } from '../../../src/config/rule-policy.ts';
import { Calendar, isTimezone } from '../../../src/core/calendar.ts';
import { textIn } from '../../../src/core/languages.ts';

test('a message leaves in the language of the gateway, or in the one that it has', () => {
  const both = { en: 'Close the door', bn: 'দরজা বন্ধ করুন' };
  assert.equal(policyOf({ message: both }, 'en').message, both.en);
  assert.equal(policyOf({ message: both }, 'bn').message, both.bn);
  assert.equal(policyOf({ message: { bn: both.bn } }, 'en').message, both.bn);
  assert.deepEqual(policyOf({ message: both }, 'en').texts, both);
  assert.equal(policyOf({ message: 'Door' }, 'bn').message, 'Door');
  assert.equal(textIn({}, 'en'), '');
});

test('what is not written is not there, so the state of older rules goes on', () => {
  assert.deepEqual(policyOf({ hold: 0, quality: { bad: 'ignore', uncertain: 'use' } }, 'en'), { message: undefined });
});

test('a message without a text, and a policy without a meaning, are faults', () => {
  assert.equal(policyFaults({ message: {} }, 'above').length, 1);
  assert.equal(policyFaults({ quality: { bad: 'alarm', uncertain: 'use' } }, 'stale').length, 1);
  assert.equal(policyFaults({ quality: { bad: 'ignore', uncertain: 'ignore' } }, 'stale').length, 0);
});

test('periods begin and end by the calendar of the zone', () => {
  const dhaka = new Calendar('Asia/Dhaka');
  const noon = Date.UTC(2026, 10, 18, 12);
  assert.equal(dhaka.start(noon, 'day'), Date.UTC(2026, 10, 17, 18));
  assert.equal(dhaka.end(noon, 'day'), Date.UTC(2026, 10, 18, 18));
  // 18 November 2026 is a Wednesday.
  assert.deepEqual(dhaka.local(noon), { weekday: 2, minute: 18 * 60 });
  assert.equal(dhaka.start(noon, 'week'), Date.UTC(2026, 10, 15, 18));
  assert.equal(dhaka.end(noon, 'month'), Date.UTC(2026, 10, 30, 18));
  assert.equal(new Calendar('Asia/Kathmandu').start(noon, 'hour'), Date.UTC(2026, 10, 18, 11, 15));
});

test('a day on which the clock is changed has 23 or 25 hours', () => {
  const berlin = new Calendar('Europe/Berlin');
  const hours = (day: number) => (berlin.end(day, 'day') - berlin.start(day, 'day')) / 3_600_000;
  assert.equal(hours(Date.UTC(2026, 2, 29, 12)), 23);
  assert.equal(hours(Date.UTC(2026, 9, 25, 12)), 25);
  assert.equal(hours(Date.UTC(2026, 9, 26, 12)), 24);
  // Where midnight itself is skipped, the day begins with the first moment that there is.
  const beirut = new Calendar('Asia/Beirut');
  const day = Date.UTC(2026, 2, 29, 12);
  assert.equal(beirut.start(day, 'day'), Date.UTC(2026, 2, 28, 22));
});

test('the end of a period is always later, and the next period begins there', () => {
  for (const zone of ['UTC', 'Asia/Dhaka', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Beirut']) {
    const calendar = new Calendar(zone);
    for (const period of ['hour', 'day', 'week', 'month'] as const)
      for (let t = Date.UTC(2026, 0, 1), n = 0; t < Date.UTC(2027, 0, 1) && n < 400; n++) {
        const end = calendar.end(t, period);
        assert.ok(end > t, `${zone} ${period} ${new Date(t).toISOString()}`);
        assert.ok(calendar.start(t, period) <= t);
        t = end;
      }
  }
});

test('a zone that is none is known as none', () => {
  assert.equal(isTimezone('Asia/Dhaka'), true);
  assert.equal(isTimezone('Dhaka'), false);
});
