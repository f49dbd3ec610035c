/** When a forwarder with a budget connects, and what may leave: by counts, with a clock of the test. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Days } from '../../../src/forwarders/mqtt/budget/calendar.ts';
import { KeptAlarms, MOST, MOST_ON_VISIT } from '../../../src/forwarders/mqtt/budget/kept-alarms.ts';
import { Ledger } from '../../../src/forwarders/mqtt/budget/ledger.ts';
import type { Budget } from '../../../src/forwarders/mqtt/budget/purse.ts';
import { ALARMS_A_DAY, Visits } from '../../../src/forwarders/mqtt/budget/visits.ts';
import { NO_BYTES } from '../../../src/forwarders/mqtt/wire/wire-meter.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;

function bench(
  budget: Budget,
  { random = () => 0, known = true, tls = false }: { random?: () => number; known?: boolean; tls?: boolean } = {},
) {
  const begin = new Date(2026, 10, 26).getTime();
  const clock = new ManualClock(begin);
  const state = { messages: [] as number[], alarms: false, readings: true, known, counted: 0, wire: NO_BYTES };
  const next = { bytes: undefined as number | undefined, asked: 0 };
  const days = new Days();
  const ledger = new Ledger(undefined, {
    days,
    utc: () => clock.wall(),
    known: () => state.known,
    monotonic: () => clock.monotonic(),
  });
  const overruns: [number, number][] = [];
  const tooLarge: [number, number][] = [];
  const account = {
    days,
    get utc() {
      return clock.wall();
    },
    get spent() {
      return ledger.state.spent;
    },
    get alarms() {
      return ledger.state.alarms;
    },
    get wire() {
      return state.wire;
    },
    get counted() {
      return state.counted;
    },
    alarmLeft: () => ledger.alarm(),
    overrun: () => ledger.overrun(),
    save: () => {},
  };
  const visits = new Visits({
    ...{ budget, clock, random, tls },
    account: account as unknown as ConstructorParameters<typeof Visits>[0]['account'],
    alarms: async (passes) => state.alarms && !passes('hot'),
    readings: () => state.readings,
    messages: () => state.messages,
    smallest: async () => {
      next.asked++;
      return next.bytes;
    },
    overrun: (spent, alarms) => overruns.push([spent, alarms]),
    tooLarge: (bytes, most) => tooLarge.push([bytes, most]),
  });
  const spend = (bytes: number): void => {
    state.counted += bytes;
    ledger.add({ ...NO_BYTES, sent: bytes });
  };
  return { clock, state, next, ledger, visits, overruns, tooLarge, spend };
}

test('no bulk visit spends more than the budget, and an alarm always leaves', async () => {
  const hours = fc.array(
    fc.record({
      pass: fc.integer({ min: 1, max: 180 }),
      alarm: fc.boolean(),
      batches: fc.array(fc.integer({ min: 1, max: 9000 }), { maxLength: 6 }),
      connect: fc.integer({ min: 300, max: 1700 }),
    }),
    { minLength: 1, maxLength: 60 },
  );
  await fc.assert(
    fc.asyncProperty(hours, fc.integer({ min: 4096, max: 40_000 }), fc.boolean(), async (steps, perDay, windowed) => {
      const s = bench(windowed ? { perDay, between: { from: 60, to: 300 } } : { perDay });
      for (const { pass, alarm, batches, connect } of steps) {
        await s.clock.advance(pass * MINUTE);
        s.state.alarms = alarm;
        if (!(await s.visits.due())) {
          assert.equal(alarm, false, 'an alarm is always worth a visit');
          continue;
        }
        const { day } = s.ledger.state;
        s.visits.begins();
        s.spend(connect);
        s.visits.greeted();
        if (alarm) {
          s.spend(500);
          s.visits.alarmLeft();
        }
        const before = s.ledger.state.spent;
        let admitted = 0;
        if (s.visits.bulk)
          for (const bytes of batches)
            if (s.visits.admit(bytes, 100) === true) {
              // What a real exchange takes: the payload, its topic, and headers both ways.
              const segments = Math.ceil((bytes + 60) / 1448);
              const cost = bytes + 60 + 52 * (segments + Math.ceil(segments / 2) + 2);
              s.spend(cost);
              s.visits.settled(bytes);
              admitted++;
            }
        s.spend(400);
        s.visits.done();
        const { spent } = s.ledger.state;
        if (admitted > 0 && s.ledger.state.day === day) assert.ok(spent <= perDay, `${spent} of ${perDay} after ${before}`);
      }
    }),
    { numRuns: 200 },
  );
});

test('what is under way counts, and a batch that is too large gets a smaller one', () => {
  const s = bench({ perDay: 10_000, between: { from: 0, to: 0 } });
  s.visits.begins();
  assert.equal(s.visits.admit(2100, 100), true);
  const rest = s.visits.admit(4000, 100);
  assert.ok(typeof rest === 'number' && rest > 5 && rest < 90, String(rest));
  assert.equal(s.visits.admit((rest / 100) * 4000, rest), true);
  assert.equal(s.visits.admit(1000, 50), 0);
});

test('each window has one bulk visit, and one that failed is tried again', async () => {
  const s = bench({ between: { from: 60, to: 300 } });
  const due: number[] = [];
  for (let minute = 0; minute < 3 * 1440; minute += 5) {
    if ((await s.visits.due()) && s.visits.bulk) {
      due.push(minute);
      s.visits.begins();
      if (due.length === 1) assert.ok(s.visits.failed() >= 500);
      else s.visits.done();
    }
    await s.clock.advance(5 * MINUTE);
  }
  assert.deepEqual(due, [60, 65, 1440 + 60, 2 * 1440 + 60]);
});

test('a visit that lasts past its window ends there, and the next window has its own', async () => {
  const s = bench({ between: { from: 60, to: 120 } });
  await s.clock.advance(119 * MINUTE);
  assert.ok((await s.visits.due()) && s.visits.bulk);
  s.visits.begins();
  assert.equal(s.visits.admit(1000, 10), true);
  await s.clock.advance(2 * MINUTE);
  assert.equal(s.visits.admit(1000, 10), 0);
  s.visits.done();
  await s.clock.advance(23 * HOUR);
  assert.ok((await s.visits.due()) && s.visits.bulk, 'the window of the next day is not served');
});

test('a window is not served by a visit at which the log could not give what it has', async () => {
  const s = bench({ between: { from: 60, to: 120 } });
  const due: number[] = [];
  for (let minute = 0; minute < 1440; minute++) {
    if (await s.visits.due()) {
      due.push(minute);
      s.visits.begins();
      if (due.length < 3) s.visits.unfinished();
      s.visits.done();
    }
    await s.clock.advance(MINUTE);
  }
  assert.ok(due.length === 3 && (due[2] ?? 0) < 66, String(due));
});

test('a reading larger than the room waits until a visit has room for it', async () => {
  const s = bench({ perDay: 15_360 });
  const due: number[] = [];
  let left = 0;
  for (let minute = 0; minute < 1440 && left === 0; minute++) {
    if (await s.visits.due()) {
      due.push(minute);
      s.visits.begins();
      s.spend(1200);
      s.visits.greeted();
      if (s.visits.admit(5000, 1) === true) left = minute;
      else s.visits.stuck(5000);
      s.visits.done();
    }
    await s.clock.advance(MINUTE);
  }
  assert.ok(left > 0 && due.length === 2, `${due}, left at ${left}`);
  assert.deepEqual(s.tooLarge, []);
});

test('a reading larger than a day allows is reported once, and is worth no more visits', async () => {
  const s = bench({ perDay: 15_360 });
  let visits = 0;
  for (let minute = 0; minute < 3 * 1440; minute += 10) {
    if (await s.visits.due()) {
      visits++;
      s.visits.begins();
      s.spend(1200);
      s.visits.greeted();
      assert.notEqual(s.visits.admit(20_000, 1), true);
      s.visits.stuck(20_000);
      s.visits.done();
    }
    await s.clock.advance(10 * MINUTE);
  }
  assert.equal(visits, 1);
  assert.equal(s.tooLarge.length, 1);
  assert.match(s.visits.fault ?? '', /raise perDay/);
});

test('without a window visits are an hour apart at least and carry four times what they cost', async () => {
  const s = bench({ perDay: 15_360 });
  const due: number[] = [];
  for (let minute = 0; minute < 1440; minute++) {
    if (await s.visits.due()) {
      due.push(minute);
      s.visits.begins();
      s.spend(1200);
      s.visits.greeted();
      for (
        let rest = s.visits.admit(50_000, 1000);
        rest !== 0;
        rest = s.visits.admit(typeof rest === 'number' ? rest * 50 : 0, 10)
      ) {
        if (rest === true) break;
        s.spend(rest * 50);
      }
      s.visits.done();
    }
    await s.clock.advance(MINUTE);
  }
  assert.ok(due.length >= 1 && due.length <= 3, String(due));
  for (const [i, at] of due.entries()) if (i > 0) assert.ok(at - (due[i - 1] as number) >= 60);
});

test('the alarm after fifty, or beyond the bytes, is an overrun, reported once a day', async () => {
  const s = bench({ perDay: 1_000_000 });
  for (let i = 0; i < ALARMS_A_DAY + 5; i++) s.visits.alarmLeft();
  assert.deepEqual(s.overruns, [[0, ALARMS_A_DAY + 1]]);
  await s.clock.advance(24 * HOUR);
  s.visits.alarmLeft();
  assert.equal(s.overruns.length, 1);
  s.spend(1_000_001);
  s.visits.alarmLeft();
  assert.deepEqual(s.overruns[1], [1_000_001, 2]);
});

test('visits that fail come ever later, once an hour when the budget is spent', () => {
  const s = bench({ perDay: 5000 }, { random: () => 1 });
  const waits = Array.from({ length: 20 }, () => s.visits.failed());
  assert.ok(waits[0] === 1000 && Math.max(...waits) === 900_000, String(waits));
  s.spend(5000);
  assert.equal(s.visits.failed(), HOUR);
  s.visits.done();
});

test('a broker may send little more than it gets, and nothing past the budget', async () => {
  const s = bench({ perDay: 20_000, between: { from: 0, to: 60 } });
  assert.ok(await s.visits.due());
  s.visits.begins();
  s.state.wire = { sent: 1000, received: 5000, headers: 9000 };
  assert.equal(s.visits.excess(), undefined);
  s.state.wire = { sent: 1000, received: 5097, headers: 0 };
  assert.match(s.visits.excess() ?? '', /more than a visit under a budget may bring: 5096 bytes/);
  s.spend(20_001);
  s.state.wire = { sent: 1000, received: 1001, headers: 0 };
  assert.match(s.visits.excess() ?? '', /more than the budget of the day has left/);
  s.state.wire = { sent: 1001, received: 1001, headers: 0 };
  assert.equal(s.visits.excess(), undefined, 'answers to what left');
  // The next visit counts from its own beginning; an alarm leaves whatever was spent.
  s.state.alarms = true;
  assert.ok(await s.visits.due());
  assert.equal(s.visits.bulk, false);
  s.visits.begins();
  s.state.wire = { sent: 1001, received: 5000, headers: 0 };
  assert.equal(s.visits.excess(), undefined);
});

test('a message of a rule is worth a visit while the budget and a last alarm fit', async () => {
  const s = bench({ perDay: 20_000, between: { from: 60, to: 120 } });
  s.state.readings = false;
  assert.equal(await s.visits.due(), false);
  s.state.messages = [300];
  assert.equal(await s.visits.due(), true);
  assert.equal(s.visits.bulk, false);
  s.visits.begins();
  assert.equal(s.visits.admitMessage(300), true);
  s.visits.settled(300);
  assert.equal(s.visits.admitMessage(20_000), false, 'one that is larger than the day does not leave');
  let left = 0;
  while (s.visits.admitMessage(1000)) left++;
  assert.ok(left > 5 && left < 18, `${left} under way count`);
  for (let i = 0; i < left; i++) s.visits.settled(1000);
  s.spend(17_500);
  assert.equal(await s.visits.due(), false, 'the rest of the day is for alarms');
  s.state.alarms = true;
  assert.equal(await s.visits.due(), true);
});

/** Over TLS a connection takes 2,300 bytes until it is greeted, one that begins a bulk visit 300 more, and an alarm leaves for 500. */
async function tlsDays(days: number, alarmsAt: readonly number[]) {
  const s = bench({ perDay: 15_360 }, { tls: true });
  const bulk: { day: number; minute: number; carried: number }[] = [];
  let most = 0;
  for (let minute = 0; minute < days * 1440; minute++) {
    s.state.alarms ||= alarmsAt.includes(minute % 1440);
    if (await s.visits.due()) {
      s.visits.begins();
      s.spend(s.visits.bulk ? 2600 : 2300);
      s.visits.greeted();
      if (s.state.alarms) s.spend(500);
      s.state.alarms = false;
      if (s.visits.bulk) {
        let carried = 0;
        for (let bytes = 6000; bytes >= 100; bytes -= 100)
          if (s.visits.admit(bytes, 100) === true) {
            s.spend(bytes + 200);
            s.visits.settled(bytes);
            carried += bytes;
          }
        bulk.push({ day: Math.floor(minute / 1440), minute: minute % 1440, carried });
      }
      s.spend(300);
      s.visits.done();
    }
    most = Math.max(most, s.ledger.state.spent);
    await s.clock.advance(MINUTE);
  }
  return { bulk, most };
}

for (const alarms of [[], [500], [500, 700]])
  test(`over TLS each day has a bulk visit with ${alarms.length} alarms, within the budget`, async () => {
    const { bulk, most } = await tlsDays(4, alarms);
    assert.deepEqual(
      bulk.map(({ day }) => day),
      [0, 1, 2, 3],
      JSON.stringify(bulk),
    );
    for (const { minute, carried } of bulk) assert.ok(minute < 1430 && carried > 1500, `${carried} B at ${minute}`);
    assert.ok(most <= 15_360, `${most} B`);
  });

test('six alarms over TLS leave no room for a bulk visit', async () => {
  assert.deepEqual((await tlsDays(2, [100, 300, 500, 700, 900, 1100])).bulk, []);
});

test('readings behind one that was too large leave when the log has let go of that one', async () => {
  const s = bench({ perDay: 15_360 });
  let bytes = 20_000;
  let left = 0;
  const day = async (): Promise<void> => {
    for (let minute = 0; minute < 1440; minute++) {
      s.next.bytes = bytes;
      if (await s.visits.due()) {
        s.visits.begins();
        s.spend(1200);
        s.visits.greeted();
        if (s.visits.admit(bytes, 1) === true) left++;
        else s.visits.stuck(bytes);
        s.visits.done();
      }
      await s.clock.advance(MINUTE);
    }
  };
  await day();
  assert.equal(left, 0);
  assert.match(s.visits.fault ?? '', /raise perDay/);
  assert.ok(s.next.asked > 0 && s.next.asked <= 144, `asked ${s.next.asked} times`);
  bytes = 300;
  await day();
  assert.ok(left > 0);
  assert.equal(s.visits.fault, undefined);
});

test('a kept alarm is worth a visit again where the visit went on to another broker', async () => {
  const s = bench({ perDay: 15_000 });
  s.state.readings = false;
  s.state.alarms = true;
  await s.clock.advance(MINUTE);
  assert.equal(await s.visits.due(), true);
  s.visits.begins();
  s.visits.greeted();
  s.visits.alarmKept('hot', 'quota exceeded');
  // The broker cuts the connection: the link goes to the next one and says neither `done` nor `failed`.
  let waited = 0;
  for (; waited < 24 * 60 && !(await s.visits.due()); waited++) await s.clock.advance(MINUTE);
  assert.ok(waited < 60, `${waited} minutes`);
});

test('a visit keeps a bounded number of channels, and the next ones offer the others', () => {
  const kept = new KeptAlarms();
  const names = Array.from({ length: 3 * MOST_ON_VISIT + 100 }, (_, i) => `c${i}`);
  const tried: string[][] = [];
  for (let visit = 0; visit < 5; visit++) {
    const on: string[] = [];
    for (const name of names) {
      if (kept.holds(name, 0)) continue;
      on.push(name);
      kept.keep(name, 'quota exceeded');
      assert.ok(kept.holds(name, 0), 'it is not offered again on this visit');
    }
    kept.visited(0, () => MINUTE);
    tried.push(on);
  }
  assert.deepEqual(
    tried.map((on) => on.length),
    [MOST_ON_VISIT, MOST_ON_VISIT, MOST_ON_VISIT, 100, 0],
  );
  assert.deepEqual(tried.flat(), names);
  assert.ok(names.every((name) => kept.waits(name, MINUTE - 1) && !kept.waits(name, MINUTE)));
  // One that is taken on its visit leaves its place to another one.
  for (const name of names.slice(0, MOST_ON_VISIT)) kept.keep(name, 'quota exceeded');
  assert.ok(kept.holds('d', 2 * MINUTE));
  kept.forget('c0');
  assert.ok(!kept.holds('d', 2 * MINUTE));
});

test('the channels that are remembered over visits are bounded', () => {
  const kept = new KeptAlarms();
  for (let visit = 0; visit < 9; visit++) {
    for (let i = 0; i < MOST_ON_VISIT; i++) kept.keep(`${visit}-${i}`, 'quota exceeded');
    kept.visited(0, () => MINUTE);
  }
  const waits = (visit: number) => Array.from({ length: MOST_ON_VISIT }, (_, i) => kept.waits(`${visit}-${i}`, 0));
  assert.equal([0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap(waits).filter(Boolean).length, MOST);
  assert.ok(waits(8).every(Boolean) && !waits(0).some(Boolean));
});
