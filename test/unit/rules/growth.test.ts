/** What a counter with `maxPerSecond` grew behind starts without a clock: glitches, other meters, times that nobody will ever know. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { wordsIn } from '../../../src/core/sentence.ts';
import { FIRST_BUILT } from '../../../src/core/version.ts';
import { MOST_MEMORY } from '../../../src/rules/delay.ts';
import { RULE_KINDS } from '../../../src/rules/kinds.ts';
import type { ConditionMemory } from '../../../src/rules/rule-kind.ts';
import { WallClock } from '../../../src/rules/wall-clock.ts';
import { hostileJson } from '../../harness/hostile-json.ts';
import { random } from '../../oracles/store-samples.ts';

const SECOND = 1000;
const HOUR = 3_600_000;
/** UTC ms at true time 0. */
const WALL = Date.UTC(2026, 10, 12, 6);
/** More than a counter grows in the time since the first release, at one a second. */
const GLITCH = 1e9;
assert.ok(GLITCH > (WALL + 24 * HOUR - FIRST_BUILT) / SECOND);

interface Found {
  /** What the rule compares. */
  readonly value: number | undefined;
  /** The part of a total that nobody knows the time of. */
  readonly untimed: number;
}

/** A gateway that starts again and again. Times are true ones, in seconds. */
class Board {
  #t = 0;
  #start = 0;
  #offset = 0;
  #memory: ConditionMemory | undefined;
  #saved: unknown;
  #off: number | undefined;
  #clock = new WallClock({ at: 0, wall: 0, wallKnown: false });
  readonly #kind: string;
  readonly #setting: unknown;

  constructor(kind: string, setting: unknown, saved?: unknown) {
    this.#kind = kind;
    this.#setting = setting;
    this.#saved = saved;
  }

  /** @param off since the save @param isTold whether the rule learns how long that was, as soon as the clock is known */
  start(off: number, clock: 'known' | 'unknown', isTold = true): this {
    const condition = RULE_KINDS.find(({ key }) => key === this.#kind)?.create(this.#setting, 0);
    assert.ok(condition?.type === 'memory');
    this.#t += off * SECOND;
    // While no clock is known, both times off count from the save of the last run that knew it.
    this.#offset += off * SECOND;
    this.#start = this.#t - 5 * SECOND;
    const at = 5 * SECOND;
    const wallKnown = clock === 'known';
    this.#clock = new WallClock({ at, wall: wallKnown ? WALL + this.#t : 0, wallKnown });
    this.#off = isTold ? this.#offset : undefined;
    const known = wallKnown ? this.#off : undefined;
    this.#memory = condition.start({ at, saved: this.#saved, off: known, clock: this.#clock, suspect: () => false });
    if (wallKnown) this.#offset = 0;
    return this;
  }
  /** Readings, so many seconds apart. */
  read(after: number, ...values: number[]): this {
    for (const value of values) {
      this.#t += after * SECOND;
      this.#memory?.value(this.#t - this.#start, value, 0);
    }
    return this;
  }
  learn(): this {
    this.#offset = 0;
    this.#clock.take({ at: this.#t - this.#start, wall: WALL + this.#t, wallKnown: true });
    this.#memory?.clockChanged?.(this.#t - this.#start, this.#off);
    return this;
  }
  stop(): this {
    this.#saved = JSON.parse(JSON.stringify(this.#memory?.save(this.#t - this.#start)));
    return this;
  }
  get saved(): unknown {
    return this.#saved;
  }
  get found(): Found {
    const { words, value } = this.#memory?.measured ?? {};
    const part = /\((\d+) of it of an unknown time\)/.exec(words === undefined ? '' : wordsIn(words, 'en'))?.[1];
    return { value, untimed: Number(part ?? 0) };
  }
}

const total = (saved?: unknown): Board => new Board('total', { above: 1e12, per: 'month', maxPerSecond: 1 }, saved);
/** It has read 100, 5 s before its stop. */
const stopped = (): Board => total().start(0, 'known').read(1, 100).read(5, 100).stop();

test('a first reading that is impossible takes nothing from what waits for the clock', () => {
  const board = stopped().start(60, 'unknown').read(10, 120, 130, 140).stop();
  board.start(60, 'unknown').read(10, GLITCH, 150, 160, 170, 180).learn();
  assert.deepEqual(board.found, { value: 80, untimed: 0 });
});

test('a glitch before the clock is known leaves its step to the next reading', () => {
  for (const after of [
    // The clock is known behind the glitch, or behind one more reading.
    (board: Board) => board.learn().read(10, 150),
    (board: Board) => board.read(10, 150).learn().read(10, 150),
    // The run ends behind the glitch, twice.
    (board: Board) =>
      board
        .stop()
        .start(20, 'unknown')
        .read(10, 2 * GLITCH)
        .stop()
        .start(20, 'unknown')
        .read(10, 150, 150, 150)
        .learn(),
    (board: Board) => board.stop().start(20, 'known').read(10, 150),
  ]) {
    const board = stopped().start(60, 'unknown').read(10, GLITCH);
    assert.deepEqual(after(board).found, { value: 50, untimed: 0 }, String(after));
  }
});

test('another meter behind a start without a clock counts nothing, and goes on from there', () => {
  // 5000 within 85 s is more than one a second; the time of both starts is not.
  const other = () => stopped().start(60, 'unknown').read(10, 5000, 5000, 5000).read(10, 5004);
  assert.deepEqual(other().learn().found, { value: 4, untimed: 0 });
  assert.deepEqual(other().stop().start(60, 'unknown').read(10, 5006).learn().found, { value: 6, untimed: 0 });
  assert.deepEqual(other().stop().start(6000, 'unknown').read(10, 5006).learn().found, { value: 4906, untimed: 0 });
});

test('growth of a time that nobody will ever know is judged by the time since the first release', () => {
  const before = () => total().start(0, 'unknown').read(10, 100, 110).stop();
  // A glitch, another meter, and a start that knows the clock only later.
  assert.deepEqual(before().start(60, 'known', false).read(10, GLITCH, 130).found, { value: 30, untimed: 30 });
  assert.deepEqual(
    before()
      .start(60, 'known', false)
      .read(10, GLITCH, GLITCH, GLITCH, GLITCH + 7).found,
    { value: 17, untimed: 10 },
  );
  const later = before().start(60, 'unknown', false).read(10, GLITCH, 130, 130, 135);
  // Readings that end the gap are a part of it.
  assert.deepEqual(later.learn().found, { value: 35, untimed: 35 });
  // It may have been that long: it counts, and the message says so.
  assert.deepEqual(before().start(60, 'known', false).read(10, 50_000).found, { value: 49_900, untimed: 49_900 });
});

test('a time off that nobody will ever know stays unknown when no reading comes before the save', () => {
  const lost = () => stopped().start(60, 'known', false).stop();
  const want = { value: 900, untimed: 900 };
  assert.deepEqual(lost().start(20, 'known').read(10, 1000).found, want);
  assert.deepEqual(lost().start(20, 'unknown').read(10, 1000, 1000, 1000).learn().found, want);
  assert.deepEqual(lost().start(20, 'known').stop().start(20, 'known').read(10, 1000).found, want, 'over two starts');
  const unread = lost().start(20, 'unknown').read(10, 1000, 1000, 1000).stop();
  assert.deepEqual(unread.start(20, 'known').read(10, 1001).found, { value: 901, untimed: 900 });
  // The next step has its time again.
  assert.deepEqual(lost().start(20, 'known').read(10, 1000, 1005).found, { value: 905, untimed: 900 });
});

test('delta leaves a step that is impossible to the next reading', () => {
  const board = () => new Board('delta', { above: 1e12, over: HOUR, maxPerSecond: 1 });
  const run = () =>
    board().start(0, 'known').read(1, 100).read(5, 100).stop().start(60, 'unknown').read(10, GLITCH, 150, 150, 150);
  assert.equal(run().learn().read(10, 151).found.value, 51);
  assert.equal(run().stop().start(60, 'unknown').read(10, 160, 160, 160).learn().read(10, 161).found.value, 61);
  const untold = board().start(0, 'unknown').read(1, 100).stop().start(60, 'unknown', false).read(10, 150, 150, 150);
  assert.equal(untold.learn().read(10, 152).found.value, 2);
});

test('a total with glitches loses nothing, whatever is known of the clock', () => {
  const run = fc.record({
    readings: fc.array(
      fc.tuple(fc.integer({ min: 12, max: 600 }), fc.integer({ min: 0, max: 12 }), fc.constantFrom(false, false, true)),
      {
        maxLength: 6,
      },
    ),
    off: fc.integer({ min: 0, max: 4 * 3600 }),
    knows: fc.constantFrom<('start' | 'end' | 'never')[]>('start', 'end', 'never'),
  });
  fc.assert(
    fc.property(fc.array(run, { minLength: 1, maxLength: 6 }), (runs) => {
      const board = total().start(0, 'known').read(1, 100).read(1, 100).stop();
      let count = 100;
      let glitch = GLITCH;
      for (const { readings, off, knows } of runs) {
        board.start(off, knows === 'start' ? 'known' : 'unknown');
        let wasGlitch = false;
        for (const [after, grows, isGlitch] of readings) {
          count += grows;
          // Two of them in a row never agree.
          glitch -= 1;
          board.read(after, isGlitch && !wasGlitch ? glitch : count);
          wasGlitch = isGlitch && !wasGlitch;
        }
        if (knows === 'end') board.learn();
        board.stop();
      }
      const { found } = board.start(60, 'known').read(30, count, count);
      assert.deepEqual(found, { value: count - 100, untimed: 0 });
    }),
    { numRuns: 300 },
  );
});

test('a state of the version before is taken up as that version did', () => {
  const month = Date.UTC(2026, 10, 1);
  const growth = { value: 140, total: 140, age: 5 * SECOND, still: 15 * SECOND };
  const waiting = { from: 100 * SECOND, to: 5 * SECOND, amount: 40 };
  const old = (amount: number) => ({ period: month, total: 7, growth, waiting: { ...waiting, amount } });
  assert.deepEqual(total(old(40)).start(60, 'known').read(10, 150).found, { value: 57, untimed: 0 });
  assert.deepEqual(total(old(40)).start(60, 'known', false).read(10, 150).found, { value: 57, untimed: 50 });
  assert.deepEqual(total(old(40)).start(60, 'unknown').read(10, 150, 150, 150).learn().found, { value: 57, untimed: 0 });
  // Steps of old that are too fast together were never judged.
  assert.deepEqual(total(old(5000)).start(60, 'known').read(10, 150).found, { value: 17, untimed: 0 });
});

test('a damaged state of gaps throws nothing, and what comes of it is a number', () => {
  const board = stopped();
  for (let i = 1; i <= 6; i++)
    board
      .start(60, 'unknown', i < 3)
      .read(10, GLITCH, 100 + 30 * i, 110 + 30 * i, 120 + 30 * i)
      .stop();
  const state = board.start(60, 'unknown').read(10, GLITCH).stop().saved as { growth: { gaps: unknown[]; allowed: unknown } };
  assert.equal(state.growth.gaps.length, 4);
  assert.notEqual(state.growth.allowed, undefined);
  assert.ok(JSON.stringify(state).length < MOST_MEMORY / 8, 'a rule of several conditions has room for it');
  for (let seed = 1; seed <= 300; seed++) {
    const next = random(seed * 7919);
    const broken = total(hostileJson(state, next, seed % 3 === 0 ? 0.6 : 0.1));
    const { value } = broken
      .start(60, seed % 2 === 0 ? 'known' : 'unknown', seed % 5 > 0)
      .read(10, 300, 301, 302, 303)
      .learn().found;
    assert.ok(Number.isFinite(value), `seed ${seed}: ${value}`);
    assert.ok(JSON.stringify(broken.stop().saved).length < MOST_MEMORY, `seed ${seed}`);
  }
});
