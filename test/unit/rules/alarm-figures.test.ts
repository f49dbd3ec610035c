/** The performance figures of alarms: each limit from both sides, restarts, and damage. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { AlarmFigures, CHATTER, FLOOD } from '../../../src/rules/alarm-figures.ts';
import type { Moment } from '../../../src/rules/rule-state.ts';

const WALL = 1_795_000_000_000;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const at = (ms: number): Moment => ({ at: ms, wall: WALL + ms, wallKnown: true });
const annunciate = (figures: AlarmFigures, rule: string, ms: number) =>
  figures.take({ rule, state: 'active-unacknowledged', at: ms });

test('only what is shown to people counts', () => {
  const figures = new AlarmFigures(at(0));
  for (const state of ['normal', 'active-acknowledged', 'latched', 'shelved', 'suppressed', 'out-of-service'] as const)
    figures.take({ rule: 'a', state, at: 1 });
  figures.take({ rule: 'a', state: 'active-unacknowledged', at: 2, observed: true });
  assert.equal(figures.view(at(10), []).annunciated, 0);
  annunciate(figures, 'a', 3);
  assert.equal(figures.view(at(10), []).annunciated, 1);
});

test('a flood begins with the 11th alarm in ten minutes and ends below five', () => {
  const figures = new AlarmFigures(at(0));
  for (let i = 0; i < 10; i++) annunciate(figures, `r${i}`, i * MINUTE);
  assert.equal(figures.view(at(9 * MINUTE), []).flood.active, false);
  annunciate(figures, 'last', 10 * MINUTE);
  // The first is exactly ten minutes old: it is outside.
  assert.equal(figures.view(at(10 * MINUTE), []).flood.active, false);
  annunciate(figures, 'more', 10 * MINUTE + 1);
  annunciate(figures, 'again', 10 * MINUTE + 2);
  const flood = figures.view(at(10 * MINUTE + 2), []).flood;
  assert.deepEqual([flood.active, flood.alarms, flood.floods], [true, 12, 1]);
  // The newest five are of 8, 9, 10, 10 and 10 minutes: at 18 minutes the fifth is out.
  assert.equal(figures.view(at(18 * MINUTE - 1), []).flood.active, true);
  const over = figures.view(at(DAY), []).flood;
  assert.deepEqual([over.active, over.alarms, over.floods, over.time], [false, 12, 1, 8 * MINUTE - 1]);
});

test('an alarm chatters with the third time in a minute, once for each episode', () => {
  const figures = new AlarmFigures(at(0));
  annunciate(figures, 'a', 0);
  annunciate(figures, 'a', 30_000);
  annunciate(figures, 'a', 60_000);
  assert.deepEqual(figures.view(at(60_000), []).chattering, { now: 0, rules: [], episodes: 0 });
  annunciate(figures, 'a', 61_000);
  annunciate(figures, 'a', 62_000);
  assert.deepEqual(figures.view(at(62_000), []).chattering, { now: 1, rules: ['a'], episodes: 1 });
  assert.deepEqual(figures.view(at(130_000), []).chattering, { now: 0, rules: [], episodes: 1 });
});

test('standing alarms, the most frequent ones and the averages', () => {
  const figures = new AlarmFigures(at(0));
  for (let rule = 0; rule < 12; rule++)
    for (let i = 0; i <= rule; i++) annunciate(figures, `r${String(rule).padStart(2, '0')}`, i * 20 * MINUTE);
  const view = figures.view(at(2 * DAY), [
    { rule: 'old', since: DAY - 1 },
    { rule: 'older', since: 0 },
    { rule: 'young', since: DAY },
  ]);
  assert.deepEqual(view.standing, { now: 2, rules: ['older', 'old'] });
  assert.deepEqual(
    view.worst.map(({ rule, count }) => [rule, count]),
    Array.from({ length: 10 }, (_, i) => [`r${String(11 - i).padStart(2, '0')}`, 12 - i]),
  );
  assert.equal(view.worst[0]?.share, 12 / 78);
  assert.equal(view.perDay, 39);
  assert.equal(view.perHour, 0);
  assert.equal(figures.view(at(40 * DAY), []).worst.length, 0);
  figures.keep(new Set(['r00']));
  assert.equal(figures.view(at(2 * DAY), []).annunciated, 78);
});

test('a restart changes nothing but the time that passed, whatever the clock', () => {
  const run = (known: boolean, late: boolean) => {
    let figures = new AlarmFigures(at(0));
    for (let i = 0; i < 12; i++) annunciate(figures, `r${i % 5}`, i * 1000);
    const saved = JSON.parse(JSON.stringify(figures.takeDirty(at(12_000)))) as unknown;
    assert.equal(figures.takeDirty(at(13_000)), undefined);
    // Off for six minutes; this run counts from zero again.
    const start = (ms: number): Moment => ({ at: ms, wall: known ? WALL + 12_000 + 6 * MINUTE + ms : ms, wallKnown: known });
    figures = new AlarmFigures(start(0), saved);
    if (late) figures.clockKnown({ at: 1000, wall: WALL + 12_000 + 6 * MINUTE + 1000, wallKnown: true });
    const { flood, annunciated, worst } = figures.view(start(5 * MINUTE), []);
    return { active: flood.active, floods: flood.floods, annunciated, worst: worst.map(({ count }) => count) };
  };
  const expected = { floods: 1, annunciated: 12, worst: [3, 3, 2, 2, 2] };
  assert.deepEqual(run(true, false), { active: false, ...expected });
  assert.deepEqual(run(false, true), { active: false, ...expected });
  // Nobody knows how long the gateway was off: the time off does not count.
  assert.deepEqual(run(false, false), { active: true, ...expected });
});

test('saved figures that are damaged are dropped or bounded, and never throw', () => {
  const whole = () => {
    const figures = new AlarmFigures(at(0));
    for (let i = 0; i < 140; i++) annunciate(figures, `r${i}`, i * 250);
    return JSON.parse(JSON.stringify(figures.save(at(40_000)))) as Record<string, unknown>;
  };
  assert.ok((whole().rules as unknown[]).length === 128);
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(whole())), fc.jsonValue(), (key, value) => {
      const figures = new AlarmFigures(at(50_000), { ...whole(), [key]: value });
      annunciate(figures, 'after', 50_001);
      const view = figures.view(at(50_002), []);
      assert.ok(view.annunciated >= 1);
      assert.ok(Number.isFinite(view.perHour) && Number.isFinite(view.perDay) && Number.isFinite(view.flood.time));
    }),
    { numRuns: 500 },
  );
});

test('the figures equal a model that keeps every alarm', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 3 * MINUTE })), { maxLength: 120 }),
      fc.integer({ min: 0, max: 20 * MINUTE }),
      (steps, rest) => {
        const figures = new AlarmFigures(at(0));
        const all: { rule: string; time: number }[] = [];
        let now = 0;
        let floods = 0;
        let flood = false;
        const within = (end: number, window: number, rule?: string) =>
          all.filter(({ time, rule: of }) => time > end - window && time <= end && (rule === undefined || of === rule)).length;
        const pass = (to: number) => {
          // The count falls at the moments at which an alarm becomes too old.
          if (flood)
            flood = !all.some(({ time }) => time + FLOOD.window <= to && within(time + FLOOD.window, FLOOD.window) < FLOOD.ends);
          now = to;
        };
        for (const [rule, wait] of steps) {
          pass(now + wait);
          all.push({ rule, time: now });
          annunciate(figures, rule, now);
          if (!flood && within(now, FLOOD.window) >= FLOOD.begins) {
            flood = true;
            floods++;
          }
        }
        pass(now + rest);
        const view = figures.view(at(now), []);
        assert.equal(view.annunciated, all.length);
        assert.deepEqual([view.flood.active, view.flood.floods], [flood, floods]);
        const chatter = ['a', 'b', 'c'].filter((rule) => within(now, CHATTER.window, rule) >= CHATTER.times);
        assert.deepEqual([...view.chattering.rules].sort(), chatter);
        assert.deepEqual(
          view.worst.map(({ count }) => count),
          ['a', 'b', 'c']
            .map((rule) => within(now, DAY, rule))
            .filter((n) => n > 0)
            .sort((x, y) => y - x),
        );
      },
    ),
    { numRuns: 300 },
  );
});
