/**
 * A number that follows from the readings of a window: average, minimum, maximum, percentile, rate. It is computed and compared with
 * each reading, never by time alone: a silent device proves nothing (`stale` reports it).
 *
 * The window must be watched before it says something: its readings must reach back over half of it. `sure` says which
 * verdict needs no more readings: one value above the limit makes the maximum of every window that holds it too great.
 *
 * A restart: the window goes on, less what is too old by then. While nobody knows how long the gateway was off, it begins anew and the
 * earlier part comes back as soon as the clock is known.
 */

import type { Value } from '../core/point.ts';
import type { Sentence } from '../core/sentence.ts';
import { resave } from './delay.ts';
import { judgeOf, type Limits, limitWords } from './limit.ts';
import {
  type ConditionMemory,
  isNumeric,
  isOffLost,
  type Measured,
  type MemoryCondition,
  type MemoryStart,
  type MemoryVerdict,
} from './rule-kind.ts';
import { type Part, Slots } from './slots.ts';

export interface Statistic {
  /** Milliseconds. */
  readonly over: number;
  /** Most parts of the window, and numbers of a part. */
  readonly parts: number;
  readonly fields: number;
  /** Takes a reading into its part. @param data all zero, and `fresh`, for the first one @param age ms since the part began */
  add(data: number[], value: number, fresh: boolean, age: number): void;
  /** undefined: too few readings. */
  of(parts: readonly Part[]): number | undefined;
  /** Verdicts that hold whatever came before the first reading. Absent: none. */
  readonly sure?: 'above' | 'below' | undefined;
  /** `the average of 15m` */
  readonly words: Sentence;
}

/** Twelve digits: the noise of sums is gone, so that the average of readings of 8.1 is not above 8.1. */
export function rounded(value: number): number {
  return Number(value.toPrecision(12));
}

export function statistic(of: Statistic, limits: Limits, deadband: number): MemoryCondition {
  return { type: 'memory', start: (from) => new StatisticMemory(of, limits, deadband, from) };
}

class StatisticMemory implements ConditionMemory {
  readonly due = Number.POSITIVE_INFINITY;
  readonly words: Sentence;
  /** A part of the window is lost at most, once the window is long. */
  readonly resave: number;
  verdict: MemoryVerdict = 'unknown';
  measured: Measured | undefined;
  readonly #of: Statistic;
  readonly #limits: Limits;
  readonly #judge: (value: number) => MemoryVerdict;
  readonly #slots: Slots;

  constructor(of: Statistic, limits: Limits, deadband: number, from: MemoryStart) {
    this.#of = of;
    this.#limits = limits;
    this.#judge = judgeOf(limits, deadband);
    this.#slots = new Slots(of);
    this.words = limitWords(limits);
    this.resave = resave(of.over);
    if (!isOffLost(from)) this.#slots.restore(from.saved, from.at, from.off);
  }

  value(at: number, value: Value): void {
    if (!isNumeric(value)) return;
    const slots = this.#slots;
    let data = slots.part(at);
    const fresh = data === undefined;
    if (data === undefined) {
      data = new Array<number>(this.#of.fields).fill(0);
      slots.add(at, data);
    }
    this.#of.add(data, Number(value), fresh, at - (slots.border(at) - slots.width));
    this.#compare(at);
  }

  bad(): void {}
  advance(): void {}

  save(at: number): unknown {
    return this.#slots.save(at);
  }

  clockChanged(at: number, off: number | undefined): void {
    this.#slots.offKnown(off, at);
  }

  #compare(at: number): void {
    const value = this.#of.of([...this.#slots.parts()]);
    this.measured = value === undefined ? undefined : { words: this.#of.words, value };
    if (value === undefined || !Number.isFinite(value)) this.verdict = 'unknown';
    else if (this.#slots.reach(at) * 2 >= this.#of.over || this.#isSure(value)) this.verdict = this.#judge(value);
    else this.verdict = 'unknown';
  }

  #isSure(value: number): boolean {
    const { above, below } = this.#limits;
    if (this.#of.sure === 'above') return above !== undefined && value > above;
    return this.#of.sure === 'below' && below !== undefined && value < below;
  }
}
