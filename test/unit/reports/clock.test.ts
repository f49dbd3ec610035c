import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { ClockReport } from '../../../src/reports/clock.ts';
import { type BootMoved, ClockBook, type ClockMove } from '../../../src/store/time/clock-book.ts';
import type { ClockChange } from '../../../src/time/watch.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const HOUR = 3_600_000;

function bench() {
  const clock = new ManualClock();
  const events: GatewayEvent[] = [];
  const logs = ['old', 'new'];
  const report = new ClockReport({
    clock,
    tell: (event) => events.push(event),
    logName: (ordinal) => logs[ordinal] ?? '',
    ...{ boot: 7, log: 1 },
  });
  return { clock, events, report };
}
const change = (step: number, known = true, wasKnown = true): ClockChange => ({
  ...{ offset: 0, known, step, wasKnown, source: 'chrony' },
});
const moved = (boot: number, last: number, offset: number, estimated = false, handed = true): BootMoved => ({
  ...{ boot, log: boot < 5 ? 0 : 1, last, handed, offset, estimated },
});
const move = (fromSeq: number, ...boots: BootMoved[]): ClockMove => ({ fromSeq, moved: boots, tight: false, coarse: false });

test('the first change is told at once: log, boot, last number, offset, and the boots before it', () => {
  const { events, report } = bench();
  report.took(change(50, true, false), move(42, moved(3, 10, 900, true), moved(6, 20, 800), moved(7, 41, 50)));
  assert.deepEqual(events, [
    {
      event: 'clock',
      severity: 'info',
      message: 'The time is known now: chrony.',
      data: {
        ...{ log: 'new', boot: 'b7', last: 41, offset: 50, known: true, source: 'chrony', steps: 1, boots: 2 },
        ...{ 'b3.log': 'old', 'b3.last': 10, 'b3.offset': 900, 'b3.estimated': true },
        ...{ 'b6.log': 'new', 'b6.last': 20, 'b6.offset': 800, 'b6.estimated': false },
      },
    },
  ]);
});

test('what follows within a minute is told as one, with the newest numbers', async () => {
  const { clock, events, report } = bench();
  report.took(change(HOUR), move(10, moved(7, 9, HOUR)));
  for (let i = 1; i <= 5; i++) report.took(change(i), move(10 + i, moved(7, 9 + i, i), moved(4, 3, -i)));
  assert.equal(events.length, 1);
  await clock.advance(60_000);
  assert.equal(events.length, 2);
  assert.equal(events[1]?.message, 'The clock stepped 5 times.');
  const { last, offset, steps, boots } = events[1]?.data ?? {};
  assert.deepEqual({ last, offset, steps, boots }, { last: 14, offset: 5, steps: 5, boots: 1 });
  assert.equal(events[1]?.data?.['b4.offset'], -5);
  await clock.advance(HOUR);
  assert.equal(events.length, 2, 'nothing new, nothing told');
  report.took(change(1), move(20, moved(7, 19, 1)));
  assert.equal(events.length, 3, 'after a quiet minute at once again');
});

test('each step between hand-overs is reported: those records keep the times of their step', async () => {
  const { clock, events, report } = bench();
  report.took(change(1), move(10, moved(7, 9, 1)));
  report.took(change(100), move(15, moved(7, 14, 100)));
  // No record left in between: one step for a forwarder that has numbers up to 20.
  report.took(change(30), move(21, moved(7, 20, 30)));
  report.took(change(4), move(21, moved(7, 20, 34)));
  report.took(change(5), move(26, moved(7, 25, 5)));
  await clock.advance(60_000);
  assert.deepEqual(events[1]?.data, {
    ...{ log: 'new', boot: 'b7', last: 25, offset: 5, known: true, source: 'chrony', steps: 4, boots: 0 },
    ...{ 'step1.last': 14, 'step1.offset': 100, 'step2.last': 20, 'step2.offset': 34 },
  });
});

test('what was handed over between any steps is set right by the events alone', async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seeded(seed);
    const { clock, events, report } = bench();
    let handed = 0;
    const machine = { id: 'm', origin: 0 };
    const none = { boot: 7, version: 0, segments: [] };
    const book = new ClockBook(
      [{ ...{ boot: 7, log: 1, first: 1, last: Number.MAX_SAFE_INTEGER, machine, atLast: 0, proven: true }, clock: none }],
      { handed: () => (handed === 0 ? [] : [{ from: 1, to: handed }]), done: () => 0, next: 1e6 },
    );
    let offset = 0;
    book.set(offset, false);
    book.committed(book.pending);
    const given: number[] = [];
    const steps = 1 + Math.floor(random() * 12);
    for (let i = 0; i < steps; i++) {
      for (let k = Math.floor(random() * 3); k > 0; k--) given[++handed] = book.of(handed)?.offset ?? Number.NaN;
      const next = Math.floor(random() * 1e6);
      const done = book.set(next, false);
      book.committed(book.pending);
      report.took({ ...change(next - offset), offset: next }, done);
      offset = next;
      await clock.advance(random() * 40_000);
    }
    report.stop();
    // The newest that was told of each number that was the last one.
    const told = new Map<number, number>();
    for (const { data = {} } of events) {
      for (let i = 1; data[`step${i}.last`] !== undefined; i++)
        told.set(Number(data[`step${i}.last`]), Number(data[`step${i}.offset`]));
      told.set(Number(data.last), Number(data.offset));
    }
    for (let seq = 1; seq <= handed; seq++) {
      const later = [...told].filter(([last]) => last >= seq).reduce((sum, [, by]) => sum + by, 0);
      assert.equal((given[seq] as number) + later, offset, `seed ${seed}, number ${seq}`);
    }
  }
});

test('steps before anything was handed over are one: its offset is their sum', async () => {
  const { clock, events, report } = bench();
  const own = (offset: number) => moved(7, 0, offset, false, false);
  report.took(change(1), move(1, own(1)));
  report.took(change(100), move(1, own(100), moved(4, 0, 7, true, false)));
  report.took(change(-30), move(1, own(-30), moved(4, 0, 2, true, false)));
  await clock.advance(60_000);
  const { offset, last, steps } = events[1]?.data ?? {};
  assert.deepEqual([offset, last, steps, events[1]?.data?.['b4.offset']], [70, 0, 2, 9]);
  assert.equal(events[1]?.data?.['step1.last'], undefined);
});

test('lost, and found again', async () => {
  const { clock, events, report } = bench();
  report.took(change(0, false, true), move(10));
  assert.deepEqual(
    [events[0]?.severity, events[0]?.message, events[0]?.data?.known, events[0]?.data?.last, events[0]?.data?.offset],
    ['warning', 'The time is not known any more: chrony.', false, 9, 0],
  );
  report.took(change(5, true, false), move(10, moved(7, 9, 5)));
  await clock.advance(60_000);
  assert.deepEqual([events[1]?.severity, events[1]?.message], ['info', 'The time is known now: chrony.']);
});

test('what could not be kept apart or placed is said in words, once', async () => {
  const { clock, events, report } = bench();
  report.took(change(5), { ...move(10, moved(7, 9, 5)), tight: true });
  assert.equal(events[0]?.severity, 'warning');
  assert.match(events[0]?.message ?? '', /Their times overlap older readings/);
  report.took(change(5), { ...move(10, moved(7, 9, 5)), coarse: true });
  await clock.advance(60_000);
  assert.match(events[1]?.message ?? '', /marked as estimated and not corrected/);
  assert.doesNotMatch(events[1]?.message ?? '', /overlap/);
  report.took(change(5), move(10, moved(7, 9, 5)));
  await clock.advance(60_000);
  assert.equal(events[2]?.severity, 'info');
});

test('of many boots the newest twenty are named, all are counted', () => {
  const { events, report } = bench();
  report.took(change(5, true, false), move(1, ...Array.from({ length: 30 }, (_, i) => moved(100 + i, i, i))));
  const data = events[0]?.data ?? {};
  assert.equal(data.boots, 30);
  assert.equal(Object.keys(data).filter((key) => key.endsWith('.last')).length, 20);
  assert.equal(data['b129.last'], 29);
  assert.equal(data['b109.last'], undefined);
});

test('at a start: told when earlier boots got their times, and only then', () => {
  const { events, report } = bench();
  const watch = { known: true, offset: 5, status: () => ({ source: 'chrony' }) };
  report.began(watch, move(1, moved(7, 0, 5)));
  assert.equal(events.length, 0);
  report.began(watch, move(1, moved(6, 30, 5, true), moved(7, 0, 5)));
  assert.deepEqual([events.length, events[0]?.message, events[0]?.data?.boots], [1, 'The time is known now: chrony.', 1]);
});

test('a source that cannot be used says whether another one can', () => {
  const { events, report } = bench();
  report.fault('GPS nav: it says 1999', true);
  assert.deepEqual(events, [{ event: 'clock', severity: 'warning', message: 'GPS nav: it says 1999', data: { known: true } }]);
});

test('a stop tells what was not told yet', () => {
  const { events, report } = bench();
  report.took(change(1), move(10, moved(7, 9, 1)));
  report.took(change(2), move(20, moved(7, 19, 2)));
  report.stop();
  assert.equal(events.length, 2);
  assert.equal(events[1]?.data?.last, 19);
  report.stop();
  assert.equal(events.length, 2);
});
