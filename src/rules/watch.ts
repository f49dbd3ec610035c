/**
 * What stands between the readings of a rule and its alarm: it feeds the condition and hands its verdicts on. undefined: nothing
 * happened, so whatever runs goes on.
 */

import type { Value } from '../core/point.ts';
import type { Sentence } from '../core/sentence.ts';
import { MEMORY_RESAVE, MOST_MEMORY } from './delay.ts';
import type {
  Condition,
  ConditionMemory,
  Measured,
  MemoryCondition,
  MemoryStart,
  MemoryVerdict,
  ValueCondition,
  Verdict,
} from './rule-kind.ts';

/** The part for a rule that only advises. */
export interface Advice {
  /** Another rule says that something is wrong with the point. */
  readonly suspect: () => boolean;
  /** The memory that this rule had with other settings. */
  readonly learned: unknown;
}

export interface Watch {
  /** @param input 0: the point of the rule, from 1 on: a further input @param more others follow, so nothing is judged yet */
  value(at: number, value: Value, input: number, more?: boolean): MemoryVerdict | undefined;
  bad(at: number, input: number): MemoryVerdict | undefined;
  /** When `advance` does something; Infinity: never. */
  readonly due: number;
  advance(at: number): MemoryVerdict | undefined;
  readonly words: Sentence;
  readonly measured: Measured | undefined;
  explain?(unit: string | undefined): Sentence | undefined;
  readonly ended?: Sentence | undefined;
  readonly sentence: Sentence | undefined;
  know(input: number, unit: string | undefined): void;
  /** The memory changed since it was saved. */
  readonly changed: boolean;
  /** How often it is saved when it only grows, ms. */
  readonly resave: number;
  acknowledged(at: number): MemoryVerdict | undefined;
  save(at: number): unknown;
  saved(): void;
  clockChanged(at: number, off: number | undefined): MemoryVerdict | undefined;
}

/** The last values decide. */
export class ValueWatch implements Watch {
  readonly due = Number.POSITIVE_INFINITY;
  readonly changed = false;
  readonly resave = Number.POSITIVE_INFINITY;
  readonly measured = undefined;
  readonly sentence = undefined;
  readonly #condition: ValueCondition;
  #value: Value | undefined;
  /** Last values of the further inputs; undefined: none yet in this run, or the last one is bad. */
  readonly #others: (Value | undefined)[];

  constructor(condition: ValueCondition, inputs: number) {
    this.#condition = condition;
    this.#others = new Array<undefined>(inputs).fill(undefined);
  }

  get words(): Sentence {
    return this.#condition.words;
  }

  value(_at: number, value: Value, input: number): Verdict | undefined {
    if (input > 0) this.#others[input - 1] = value;
    else this.#value = value;
    // A condition of several inputs says nothing before each has given a value, nor while one is bad.
    if (this.#value === undefined || this.#others.includes(undefined)) return undefined;
    return this.#condition.judge(this.#value, this.#others as readonly Value[]);
  }

  bad(_at: number, input: number): undefined {
    if (input > 0) this.#others[input - 1] = undefined;
    else this.#value = undefined;
  }

  know(): void {}
  advance(): undefined {}
  acknowledged(): undefined {}
  save(): undefined {}
  saved(): void {}
  clockChanged(): undefined {}
}

/** A memory decides. It sees times that never go back, each input's readings in their order. */
export class MemoryWatch implements Watch {
  readonly resave: number;
  readonly #memory: ConditionMemory;
  readonly #keeps: boolean;
  #changed = false;
  /** The time of the last call, and of the newest reading of each input. */
  #now: number;
  readonly #newest: number[];

  constructor(condition: MemoryCondition, inputs: number, from: MemoryStart) {
    // What the log kept may be damaged, and a size is the first thing to know about it.
    const fits = from.saved !== undefined && JSON.stringify(from.saved).length <= MOST_MEMORY;
    this.#keeps = condition.keeps !== false;
    this.#memory = condition.start(fits ? from : { ...from, saved: undefined });
    this.resave = Math.max(MEMORY_RESAVE, this.#memory.resave ?? 0);
    this.#now = from.at;
    this.#newest = new Array<number>(inputs + 1).fill(Number.NEGATIVE_INFINITY);
  }

  get changed(): boolean {
    return this.#changed && this.#keeps;
  }
  get words(): Sentence {
    return this.#memory.words;
  }
  get sentence(): Sentence | undefined {
    return this.#memory.sentence;
  }
  get measured(): Measured | undefined {
    return this.#memory.measured;
  }
  get ended(): Sentence | undefined {
    return this.#memory.ended;
  }
  explain(unit: string | undefined): Sentence | undefined {
    return this.#memory.explain?.(unit);
  }
  get due(): number {
    const { due } = this.#memory;
    return due > this.#now ? due : Number.POSITIVE_INFINITY;
  }

  value(at: number, value: Value, input: number, more = false): MemoryVerdict | undefined {
    if (!this.#takes(at, input)) return undefined;
    this.#memory.value(this.#now, value, input);
    return more ? undefined : this.#memory.verdict;
  }

  bad(at: number, input: number): MemoryVerdict | undefined {
    if (!this.#takes(at, input)) return undefined;
    this.#memory.bad(this.#now, input);
    return this.#memory.verdict;
  }

  know(input: number, unit: string | undefined): void {
    this.#memory.know?.(input, unit);
  }

  advance(at: number): MemoryVerdict | undefined {
    this.#now = Math.max(this.#now, at);
    this.#memory.advance(this.#now);
    this.#changed = true;
    return this.#memory.verdict;
  }

  acknowledged(at: number): MemoryVerdict | undefined {
    if (this.#memory.acknowledged === undefined) return undefined;
    this.#now = Math.max(this.#now, at);
    this.#memory.acknowledged(this.#now);
    this.#changed = true;
    return this.#memory.verdict;
  }

  save(at: number): unknown {
    const memory = this.#memory.save(Math.max(at, this.#now));
    return memory === undefined || JSON.stringify(memory).length > MOST_MEMORY ? undefined : memory;
  }

  saved(): void {
    this.#changed = false;
  }

  clockChanged(at: number, off: number | undefined): MemoryVerdict | undefined {
    this.#now = Math.max(this.#now, at);
    this.#memory.clockChanged?.(this.#now, off);
    this.#changed = true;
    return this.#memory.verdict;
  }

  /** @returns false: a newer reading of the input came before this one */
  #takes(at: number, input: number): boolean {
    if (at < (this.#newest[input] as number)) return false;
    this.#newest[input] = at;
    if (at > this.#now) this.#now = at;
    this.#changed = true;
    return true;
  }
}

/** @returns undefined where silence is all that counts */
export function watchOf(condition: Condition, inputs: number, from: MemoryStart): Watch | undefined {
  if (condition.type === 'silence') return undefined;
  return condition.type === 'value' ? new ValueWatch(condition, inputs) : new MemoryWatch(condition, inputs, from);
}
