/**
 * The engine against a model that keeps no state but whether the alarm is active: it walks through every second of the whole
 * history and looks back over all of it to decide. Random readings, bad readings, ticks (or none), kills, clocks.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import type { Shape } from '../../../src/core/point.ts';
import { badSample } from '../../../src/core/point.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import type { Moment, RuleState } from '../../../src/rules/rule-state.ts';
import { parseRuleState } from '../../../src/rules/rule-state.ts';

const GRACE = 60;
const WALL = 1_795_000_000;
const shape: Shape = { device: 'd', points: [{ name: 'p', type: 'float64', storage: 'number' }] };

// ---- the model; all times in whole seconds of true time ----

type Event =
  | { readonly t: number; readonly what: 'value'; readonly v: number }
  | { readonly t: number; readonly what: 'bad' | 'clock' }
  | { readonly t: number; readonly what: 'restart'; readonly to: number; readonly known: boolean };
interface Line {
  at: number;
  state: string;
  occurrence: number;
}

function inAlarm(rule: ResolvedRule, v: number): boolean {
  const s = rule.setting as never;
  if (rule.kind === 'above') return v > s;
  if (rule.kind === 'below') return v < s;
  if (rule.kind === 'equals') return v === s;
  if (rule.kind === 'outside') return v < (s as { min: number }).min || v > (s as { max: number }).max;
  return false;
}

function isWell(rule: ResolvedRule, v: number): boolean {
  const s = rule.setting as never;
  if (rule.kind === 'above') return v <= s - rule.deadband;
  if (rule.kind === 'below') return v >= s + rule.deadband;
  if (rule.kind === 'equals') return v !== s;
  if (rule.kind === 'outside')
    return v >= (s as { min: number }).min + rule.deadband && v <= (s as { max: number }).max - rule.deadband;
  return true;
}

/** Run numbers: 0 from the beginning, one more with each restart. */
const runOf = (history: readonly Event[], index: number) => history.slice(0, index).filter((e) => e.what === 'restart').length;

/** Was the wall clock of a run known, as far as the history goes? */
function known(history: readonly Event[], run: number): boolean {
  const restarts = history.filter((e) => e.what === 'restart');
  if (run === 0 || restarts[run - 1]?.known) return true;
  return history.some((e, i) => e.what === 'clock' && runOf(history, i) === run);
}

/** Seconds from event `index` to `now`; a time off counts when clocks were known at some time on both sides of it. */
function elapsed(history: readonly Event[], index: number, now: number): number {
  const runs = Array.from({ length: runOf(history, history.length) + 1 }, (_, run) => known(history, run));
  const first = runOf(history, index);
  let sum = now - (history[index] as Event).t;
  for (const [i, event] of history.entries()) {
    if (i <= index || event.what !== 'restart') continue;
    const before = runOf(history, i);
    if (!(runs.slice(first, before + 1).includes(true) && runs.slice(before + 1).includes(true))) sum -= event.to - event.t;
  }
  return sum;
}

/** The first of the unbroken row of values at the end of the history, not before `mark`, of which all satisfy `holds`. */
function rowStart(history: readonly Event[], mark: number, holds: (v: number) => boolean): number | undefined {
  let start: number | undefined;
  for (let i = history.length - 1; i >= mark; i--) {
    const event = history[i] as Event;
    if (event.what !== 'value') continue;
    if (!holds(event.v)) break;
    start = i;
  }
  return start;
}

function model(rule: ResolvedRule, all: readonly Event[], until: number): Line[] {
  const length = (rule.kind === 'stale' ? (rule.setting as number) : 0) / 1000 + rule.onDelay / 1000;
  const lines: Line[] = [];
  let active = false;
  let mark = 0;
  const seen: Event[] = [];
  const turn = (at: number) => {
    active = !active;
    mark = seen.length;
    lines.push({ at, state: active ? 'active-unacknowledged' : 'normal', occurrence: Math.ceil((lines.length + 1) / 2) });
  };
  const check = (now: number, silenceToo: boolean) => {
    const lastRestart = seen.findLastIndex((e) => e.what === 'restart');
    const restart = seen[lastRestart];
    const runStart = restart?.what === 'restart' ? restart.to : 0;
    if (rule.kind === 'stale' && silenceToo) {
      let silent = 0;
      let from = 0;
      let carried = false;
      for (const e of seen) {
        if (e.what === 'value') [silent, from, carried] = [0, e.t, false];
        if (e.what !== 'restart') continue;
        silent += e.t - from;
        if (silent < Math.max(10, length / 20)) silent = 0;
        [from, carried] = [e.to, silent > 0];
      }
      const grown = silent + now - from >= length && (!carried || now >= runStart + Math.min(length, GRACE));
      if (grown && !active) turn(now);
      else if (grown) mark = seen.length;
    }
    if (!active) {
      const start = rowStart(seen, mark, (v) => inAlarm(rule, v));
      if (start === undefined || elapsed(seen, start, now) < rule.onDelay / 1000) return;
      const proven = seen.findLastIndex((e) => e.what === 'value') > lastRestart;
      if (proven || now >= runStart + GRACE) turn(now);
    } else {
      const start = rowStart(seen, mark, (v) => isWell(rule, v));
      if (start === undefined || elapsed(seen, start, now) < rule.offDelay / 1000) return;
      const last = seen.findLastIndex((e) => e.what !== 'clock');
      if (seen[last]?.what === 'value') turn(now);
    }
  };
  let next = 0;
  for (let now = 0; now <= until; now++) {
    const restart = seen.at(-1);
    if (restart?.what === 'restart' && now < restart.to) continue;
    check(now, true);
    for (let event = all[next]; event?.t === now; event = all[next]) {
      seen.push(event);
      next++;
      if (event.what === 'restart') break;
      check(now, false);
    }
  }
  return lines;
}

// ---- the engine under the same history ----

class Subject {
  readonly lines: Line[] = [];
  readonly #rule: ResolvedRule;
  readonly #store = new Map<string, string>();
  #engine: RuleEngine;
  #boot = 0;
  #known = true;
  #promised = 0;

  constructor(rule: ResolvedRule) {
    this.#rule = rule;
    this.#engine = new RuleEngine({ rules: [rule], start: this.#moment(0) });
    this.#promise();
  }

  value(t: number, v: number): void {
    this.#take(this.#engine.sample({ shape, at: this.#mono(t), values: [v], reasons: null }));
    this.#save(t);
  }
  bad(t: number): void {
    this.#take(this.#engine.sample(badSample(shape, this.#mono(t), 'timeout')));
    this.#save(t);
  }
  tick(t: number): void {
    const transitions = this.#engine.tick(this.#mono(t));
    for (const { at } of transitions) assert.ok(at >= this.#promised, `due at ${at}, but nextDue had said ${this.#promised}`);
    this.#take(transitions);
    assert.ok((this.#engine.nextDue() ?? Number.POSITIVE_INFINITY) > this.#mono(t), 'a tick leaves nothing that is due');
    this.#save(t);
  }
  clock(t: number): void {
    this.#known = true;
    this.#engine.clockKnown(this.#moment(t));
    this.#promise();
    this.tick(t);
  }
  /** A kill: only what was taken with `takeDirty` is left, or (whole) what `state` gives. */
  restart(t: number, to: number, clockKnown: boolean, whole: boolean): void {
    this.tick(t);
    if (whole) for (const state of this.#engine.state(this.#moment(t))) this.#store.set(state.rule, JSON.stringify(state));
    this.#boot = to - 3;
    this.#known = clockKnown;
    const saved = [...this.#store.values()].map((json) => parseRuleState(json) as RuleState);
    this.#engine = new RuleEngine({ rules: [this.#rule], start: this.#moment(to), saved });
    this.#promise();
    this.#save(to);
  }
  get known(): boolean {
    return this.#known;
  }

  #take(transitions: readonly AlarmTransition[]): void {
    for (const { at, state, occurrence } of transitions) this.lines.push({ at: at / 1000 + this.#boot, state, occurrence });
    this.#promise();
  }
  #promise(): void {
    this.#promised = this.#engine.nextDue() ?? Number.POSITIVE_INFINITY;
  }
  #save(t: number): void {
    for (const state of this.#engine.takeDirty(this.#moment(t)).changed) this.#store.set(state.rule, JSON.stringify(state));
  }
  #mono(t: number): number {
    return (t - this.#boot) * 1000;
  }
  #moment(t: number): Moment {
    return { at: this.#mono(t), wall: (this.#known ? WALL + t : t - this.#boot) * 1000, wallKnown: this.#known };
  }
}

// ---- random rules and histories ----

const delay = fc.constantFrom(0, 0, 4000, 25_000, 90_000);
const kind = fc.oneof(
  fc.record({ kind: fc.constant('above'), setting: fc.constant(8), deadband: fc.constantFrom(0, 2) }),
  fc.record({ kind: fc.constant('below'), setting: fc.constant(4), deadband: fc.constantFrom(0, 2) }),
  fc.record({ kind: fc.constant('outside'), setting: fc.constant({ min: 3, max: 8 }), deadband: fc.constantFrom(0, 1) }),
  fc.record({ kind: fc.constant('equals'), setting: fc.constant(6), deadband: fc.constant(0) }),
  fc.record({ kind: fc.constant('stale'), setting: fc.constantFrom(7000, 30_000, 80_000), deadband: fc.constant(0) }),
);
const ruleOf = fc
  .record({ common: kind, onDelay: delay, offDelay: delay })
  .map(
    ({ common, ...delays }): ResolvedRule => ({ name: 'r', device: 'd', point: 'p', severity: 'warning', ...common, ...delays }),
  );
const step = fc.record({
  wait: fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 12 }) },
    { weight: 1, arbitrary: fc.integer({ min: 13, max: 100 }) },
  ),
  op: fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: 0, max: 11 }) },
    { weight: 6, arbitrary: fc.constant('again' as const) },
    { weight: 3, arbitrary: fc.constantFrom('bad' as const, 'tick' as const) },
    { weight: 1, arbitrary: fc.constant('clock' as const) },
    { weight: 2, arbitrary: fc.record({ off: fc.integer({ min: 1, max: 80 }), known: fc.boolean(), whole: fc.boolean() }) },
  ),
});

test('the engine agrees with a model that looks back over the whole history', () => {
  let transitions = 0;
  fc.assert(
    fc.property(ruleOf, fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), (rule, steps) => {
      const subject = new Subject(rule);
      const history: Event[] = [];
      let now = 0;
      let last = 6;
      for (const { wait, op } of steps) {
        now += wait;
        if (typeof op === 'object') {
          const to = now + op.off;
          // A state that is saved only when it changes is exact while clocks are known; otherwise up to a twentieth may be lost.
          subject.restart(now, to, op.known, op.whole || rule.kind === 'stale' || !op.known || !subject.known);
          history.push({ t: now, what: 'restart', to, known: op.known });
          now = to;
        } else if (op === 'tick') subject.tick(now);
        else if (op === 'clock') {
          subject.tick(now);
          history.push({ t: now, what: 'clock' });
          subject.clock(now);
        } else if (op === 'bad') {
          history.push({ t: now, what: 'bad' });
          subject.bad(now);
        } else {
          last = op === 'again' ? last : op;
          history.push({ t: now, what: 'value', v: last });
          subject.value(now, last);
        }
        const expected = model(rule, history, now);
        // Without a tick the engine may not have told all yet, but what it told is right.
        assert.deepEqual(subject.lines, op === 'tick' ? expected : expected.slice(0, subject.lines.length));
      }
      subject.tick(now);
      assert.deepEqual(subject.lines, model(rule, history, now));
      transitions += subject.lines.length;
    }),
    { numRuns: 1500 },
  );
  assert.ok(transitions > 1000, `only ${transitions} transitions: the histories are too tame`);
});
