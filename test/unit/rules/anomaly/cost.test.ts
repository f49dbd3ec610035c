/**
 * Time of a reading is bounded, whatever came before it. Work is counted and no clock is read: V8 counts how often each block of the
 * rules runs, and the methods of arrays and maps count the elements that they visit.
 */
import assert from 'node:assert/strict';
import { type Profiler, Session } from 'node:inspector';
import test from 'node:test';
import type { ResolvedRule } from '../../../../src/config/kinds.ts';
import type { Shape } from '../../../../src/core/point.ts';
import { RuleEngine } from '../../../../src/rules/engine.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STEP = HOUR / 12;
const shape: Shape = { device: 'd', points: [{ name: 'p', type: 'float64', storage: 'number', unit: 'Cel' }] };
const START = { at: 0, wall: 1_795_000_000_000, wallKnown: true };
const rule: ResolvedRule = {
  ...({ name: 'odd', device: 'd', point: 'p', deadband: 0, onDelay: 0, offDelay: 0, severity: 'warning' } as const),
  ...{ kind: 'anomaly', setting: { season: 'day', sensitivity: 'normal' } },
};

/** Blocks and elements that one reading may cost: measured 736 where an hour begins, and 100 on the mean. A day has 288 readings. */
const MOST = 1500;
const MOST_MEAN = 200;
/** The reading that ends the first 32 sorts them twice: measured 1,056. */
const MOST_FIRST = 2000;

type Method = (this: unknown, ...given: unknown[]) => unknown;
const VISITORS = [
  [Array.prototype, 'length'],
  [Map.prototype, 'size'],
  [Set.prototype, 'size'],
] as const;
/** They visit one element each. */
const SINGLE = ['at', 'push', 'pop', 'get', 'has', 'set', 'add', 'delete', 'constructor', 'toString', 'toLocaleString'];

/** Counts the elements that methods visit while it runs. @returns the count so far, and the way back */
function countElements(): { taken(): number; stop(): void } {
  let elements = 0;
  const undo: (() => void)[] = [];
  for (const [prototype, size] of VISITORS) {
    for (const key of Reflect.ownKeys(prototype)) {
      const kept = Object.getOwnPropertyDescriptor(prototype, key);
      if (typeof kept?.value !== 'function' || SINGLE.includes(String(key))) continue;
      const method = kept.value as Method;
      const counting: Method = function counting(...given) {
        elements += Number((this as Record<string, unknown>)[size]);
        return method.apply(this, given);
      };
      Object.defineProperty(prototype, key, { ...kept, value: counting });
      undo.push(() => Object.defineProperty(prototype, key, kept));
    }
  }
  return {
    taken: () => {
      const taken = elements;
      elements = 0;
      return taken;
    },
    stop: () => {
      for (const back of undo) back();
    },
  };
}

/** Work of everything in src/rules. */
class WorkCounter {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Blocks that ran and elements that were visited. */
  of(run: () => void): number {
    this.#blocks();
    const elements = countElements();
    try {
      run();
    } finally {
      elements.stop();
    }
    return elements.taken() + this.#blocks();
  }

  close(): void {
    this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }

  /** Since the last call. */
  #blocks(): number {
    let blocks = 0;
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }: Profiler.TakePreciseCoverageReturnType) => {
      assert.equal(error, null);
      for (const { url, functions } of result)
        if (url.includes('/src/rules/')) for (const { ranges } of functions) for (const { count } of ranges) blocks += count;
    });
    return blocks;
  }
}

/** A day with noise that repeats nowhere, and a spike each week. */
const reading = (at: number) =>
  4 + Math.sin((2 * Math.PI * at) / DAY) + Math.sin(at / 7e6) / 50 + (at % (7 * DAY) === 0 && at > 0 ? 9 : 0);

test('a reading costs the same work after four days and after seventy-four', (t) => {
  const work = new WorkCounter();
  t.after(() => work.close());
  const engine = new RuleEngine({ rules: [rule], start: START, shapes: [shape] });
  let at = 0;
  let transitions = 0;
  const next = () => {
    transitions += engine.sample({ shape, at, values: [reading(at)], reasons: null }).length;
    at += STEP;
  };
  const upTo = (day: number) => {
    while (at < day * DAY) next();
  };
  let first = 0;
  for (let k = 0; k < 40; k++) first = Math.max(first, work.of(next));
  assert.ok(first > 0 && first < MOST_FIRST, `${first} while the first range is made`);

  /** The mean of a day, which has 288 readings, and the most of one reading in an hour of it. */
  const dayFrom = (day: number) => {
    upTo(day);
    let most = 0;
    for (let k = 0; k < 12; k++) most = Math.max(most, work.of(next));
    const rest = work.of(() => upTo(day + 1));
    return { most, mean: rest / (288 - 12) };
  };
  const days = [4, 29, 30, 31, 59, 60, 61, 74].map((day) => ({ day, ...dayFrom(day) }));
  for (const { day, most, mean } of days) {
    assert.ok(most < MOST, `${most} for a reading of day ${day}`);
    assert.ok(mean > 10 && mean < MOST_MEAN, `${mean} a reading on day ${day}`);
  }
  const [early, late] = [days[0], days.at(-1)] as [(typeof days)[0], (typeof days)[0]];
  assert.ok(late.mean < 1.1 * early.mean, `${late.mean} a reading on day ${late.day}, ${early.mean} on day ${early.day}`);
  assert.ok(late.most < 1.1 * early.most, `${late.most} for a reading of day ${late.day}, ${early.most} of day ${early.day}`);
  assert.ok(transitions > 0);
});
