/** Days, months and windows of a budget: the zone of the gateway, steps of the clock, a clock that nobody knows. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Account } from '../../../src/forwarders/mqtt/budget/account.ts';
import { Days } from '../../../src/forwarders/mqtt/budget/calendar.ts';
import { Ledger } from '../../../src/forwarders/mqtt/budget/ledger.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Where the test stands. */
const days = new Days();

function bench(saved?: unknown, place = days) {
  const time = { wall: Date.UTC(2026, 10, 26, 12), mono: 0, known: true };
  const make = (state: unknown) =>
    new Ledger(state, { utc: () => time.wall, known: () => time.known, monotonic: () => time.mono, days: place });
  return {
    time,
    ledger: make(saved),
    make,
    pass: (ms: number) => {
      time.wall += ms;
      time.mono += ms;
    },
  };
}

const bytes = (n: number) => ({ sent: n, received: 0, headers: 0 });

test('a day and a month begin at midnight of the zone of the gateway', () => {
  const { time, ledger } = bench(undefined, new Days(() => 'Asia/Dhaka'));
  time.wall = Date.UTC(2026, 10, 30, 17, 59);
  ledger.add(bytes(100));
  assert.deepEqual([ledger.state.day, ledger.state.month, ledger.state.spent], ['2026-11-30', '2026-11', 100]);
  time.wall += 60_000;
  assert.deepEqual([ledger.state.day, ledger.state.month, ledger.state.spent], ['2026-12-01', '2026-12', 0]);
  assert.deepEqual(ledger.state.wire, bytes(0));
});

test('an account goes by gateway.timezone, whatever the zone of the system', async () => {
  for (const timezone of ['Asia/Dhaka', 'Pacific/Apia', 'America/St_Johns']) {
    const clock = new ManualClock(Date.parse('2026-11-30T00:00Z'));
    const account = new Account({
      ...{ clock, clockKnown: () => true, offset: () => undefined, timezone: () => timezone },
      memory: { load: () => undefined, save: () => {} },
    });
    const months = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, year: 'numeric', month: '2-digit' });
    for (let hour = 0; hour < 48; hour++) {
      assert.equal(account.use().month, months.format(clock.wall()));
      await clock.advance(HOUR);
    }
  }
});

test('a reload makes the new account first, and it goes on where the old one ended', async () => {
  const clock = new ManualClock();
  let kept: unknown;
  const memory = {
    load: () => kept,
    save: (state: unknown) => {
      kept = state;
    },
  };
  const make = () => new Account({ clock, clockKnown: () => true, offset: () => undefined, memory });
  const before = make();
  before.alarmLeft();
  const after = make();
  before.alarmLeft();
  before.close();
  assert.equal(after.alarms, 2);
  after.alarmLeft();
  after.close();
  assert.equal(make().alarms, 3);
});

test('what was spent is there after a restart, and a damaged state begins anew', () => {
  const { ledger, make, time } = bench();
  ledger.add(bytes(500));
  ledger.alarm();
  assert.equal(ledger.overrun(), true);
  const again = make(JSON.parse(JSON.stringify(ledger.state)));
  assert.deepEqual(again.state, ledger.state);
  assert.equal(again.overrun(), false);
  for (const bad of [null, 7, {}, { ...ledger.state, spent: -1 }, { ...ledger.state, wire: { sent: Number.NaN } }])
    assert.equal(make(bad).state.spent, 0);
  time.wall += DAY;
  assert.equal(make(ledger.state).state.spent, 0);
});

test('a clock that goes back or is not known gives no second budget', () => {
  const { ledger, time, pass } = bench();
  ledger.add(bytes(500));
  time.wall -= 3 * DAY;
  assert.equal(ledger.state.spent, 500);
  time.known = false;
  time.wall += 30 * DAY;
  assert.equal(ledger.state.spent, 500);
  pass(25 * HOUR);
  assert.equal(ledger.state.spent, 500);
  // Without any clock a day begins after 26 hours all the same.
  pass(HOUR);
  assert.equal(ledger.state.spent, 0);
});

test('what was spent before the first known clock belongs to its day', () => {
  const { ledger, time } = bench();
  time.known = false;
  ledger.add(bytes(500));
  ledger.alarm();
  assert.equal(ledger.overrun(), true);
  time.known = true;
  const { day, spent, alarms, overrun, month, wire } = ledger.state;
  assert.deepEqual([day, spent, alarms, overrun, month, wire], ['2026-11-26', 500, 1, true, '2026-11', bytes(500)]);
});

/** A board that runs for 14 hours and is off for ten, days in a row. @returns what was spent at the end of each run */
function shortRuns(before: unknown, clock: (time: { wall: number; known: boolean }) => void, runs: number): number[] {
  let saved = before;
  return Array.from({ length: runs }, (_, run) => {
    const { time, ledger, pass } = bench(JSON.parse(JSON.stringify(saved)));
    time.wall += run * DAY;
    clock(time);
    ledger.add(bytes(100));
    pass(14 * HOUR);
    saved = ledger.state;
    return ledger.state.spent;
  });
}

test('without a known clock a day begins after 26 hours over several short runs', () => {
  const unknown = (time: { known: boolean }): void => {
    time.known = false;
  };
  assert.deepEqual(shortRuns(bench().ledger.state, unknown, 4), [100, 0, 100, 0]);
});

test('a wrong clock in the future: its day and month are over after 26 hours of short runs', () => {
  const { time, ledger } = bench();
  time.wall = Date.UTC(2036, 4, 1);
  ledger.add(bytes(700));
  const { ran: _ran, monthRan: _monthRan, ...earlier } = ledger.state;
  // The file of an earlier version has no such counts.
  for (const saved of [ledger.state, earlier]) {
    assert.deepEqual(
      shortRuns(saved, () => {}, 3),
      [800, 0, 0],
    );
    let last: unknown = saved;
    for (let run = 0; run < 2; run++) {
      const s = bench(last);
      s.pass(14 * HOUR);
      last = s.ledger.state;
    }
    assert.equal(bench(last).ledger.state.month, '2026-11');
  }
});

test('a damaged count of running begins anew, a whole one gives no second budget', () => {
  const { ledger, make } = bench();
  ledger.add(bytes(500));
  assert.equal(make({ ...ledger.state, ran: 25 * HOUR }).state.spent, 500);
  for (const bad of [-1, Number.NaN, '1']) assert.equal(make({ ...ledger.state, ran: bad }).state.spent, 0);
});

test('steps of the clock begin at most one day for each later date', () => {
  const step = fc.record({ ms: fc.integer({ min: -3 * DAY, max: 3 * DAY }), known: fc.boolean(), add: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { ledger, time } = bench();
      ledger.add(bytes(1));
      let spent = 1;
      let { day } = ledger.state;
      for (const { ms, known, add } of steps) {
        time.wall += ms;
        time.known = known;
        ledger.add(bytes(add));
        const later = known && days.dayOf(time.wall) > day;
        spent = later ? add : spent + add;
        if (later) day = days.dayOf(time.wall);
        assert.deepEqual([ledger.state.day, ledger.state.spent], [day, spent]);
      }
    }),
  );
});

test('a window over midnight, and one in the hours that a change of the clocks takes or gives', () => {
  const berlin = new Days(() => 'Europe/Berlin');
  const at = (text: string) => Date.parse(text);
  const window = (from: number, to: number, now: string) => {
    const found = berlin.windowAt({ from: from * 60, to: to * 60 }, at(now));
    return [new Date(found.from).toISOString().slice(5, 16), new Date(found.to).toISOString().slice(5, 16)];
  };
  // Over midnight, asked before, in its first part, in its second part, after it.
  assert.deepEqual(window(22, 4, '2026-11-26T20:00Z'), ['11-26T21:00', '11-27T03:00']);
  assert.deepEqual(window(22, 4, '2026-11-26T22:30Z'), ['11-26T21:00', '11-27T03:00']);
  assert.deepEqual(window(22, 4, '2026-11-27T02:59Z'), ['11-26T21:00', '11-27T03:00']);
  assert.deepEqual(window(22, 4, '2026-11-27T03:00Z'), ['11-27T21:00', '11-28T03:00']);
  // 29 March: 02:00 to 03:00 does not exist. 25 October: it comes twice.
  assert.deepEqual(window(1, 5, '2026-03-29T00:30Z'), ['03-29T00:00', '03-29T03:00']);
  assert.deepEqual(window(2, 3, '2026-03-29T00:30Z'), ['03-29T01:00', '03-29T02:00']);
  assert.deepEqual(window(1, 5, '2026-10-25T00:30Z'), ['10-24T23:00', '10-25T04:00']);
  assert.deepEqual(window(6, 6, '2026-11-26T04:00Z'), ['11-25T05:00', '11-26T05:00']);
  assert.equal(berlin.passedOfDay(at('2026-03-28T23:00Z')), 0);
  assert.equal(berlin.passedOfDay(at('2026-10-25T10:30Z')), 12.5 / 25);
});

test('a window always lasts now or comes within two days, in any zone', () => {
  for (const name of ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Dhaka']) {
    const there = new Days(() => name);
    fc.assert(
      fc.property(fc.nat(1439), fc.nat(1439), fc.nat(365 * 1440), (from, to, minutes) => {
        const now = Date.UTC(2026, 0, 1) + minutes * 60_000;
        const found = there.windowAt({ from, to }, now);
        assert.ok(found.to > now && found.to > found.from && found.from - now < 2 * DAY, JSON.stringify(found));
        const length = found.to - found.from;
        const nominal = ((to - from + 1440) % 1440 || 1440) * 60_000;
        assert.ok(Math.abs(length - nominal) <= HOUR, `${length} for ${nominal}`);
      }),
      { numRuns: 300 },
    );
  }
});
