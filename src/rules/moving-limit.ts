/** A comparison with setpoints that move: at each moment it is the comparison with the numbers that they are then. */

import type { Value } from '../core/point.ts';
import { different, phrase, type Sentence } from '../core/sentence.ts';
import type { ConditionMemory, MemoryCondition, MemoryStart, MemoryVerdict, ValueCondition } from './rule-kind.ts';
import { isFixed, MovingSetpoint, type Setpoint } from './setpoint.ts';

export interface Bound {
  readonly setpoint: Setpoint;
  /** Which value of a schedule alarms first. */
  readonly strict: 'lowest' | 'highest';
}

/** @param make the comparison with numbers, in the order of the bounds */
export function movingCondition(
  bounds: readonly Bound[],
  make: (numbers: readonly (number | bigint)[]) => ValueCondition,
): MemoryCondition {
  return { type: 'memory', keeps: false, start: (from) => new MovingMemory(bounds, make, from) };
}

class MovingMemory implements ConditionMemory {
  readonly #make: (numbers: readonly (number | bigint)[]) => ValueCondition;
  readonly #bounds: readonly (number | MovingSetpoint)[];
  /** The setpoints that are points, in the order of the inputs. */
  readonly #points: readonly MovingSetpoint[];
  readonly #moving: readonly MovingSetpoint[];
  #value: Value | undefined;
  #condition: ValueCondition | undefined;
  #numbers: readonly (number | bigint)[] = [];

  constructor(
    bounds: readonly Bound[],
    make: (numbers: readonly (number | bigint)[]) => ValueCondition,
    { at, clock }: MemoryStart,
  ) {
    this.#make = make;
    this.#bounds = bounds.map(({ setpoint, strict }) =>
      isFixed(setpoint) ? setpoint : new MovingSetpoint(setpoint, strict, clock, at),
    );
    this.#moving = this.#bounds.filter((bound) => typeof bound !== 'number');
    this.#points = this.#moving.filter(({ byPoint }) => byPoint);
    this.#compare();
  }

  get due(): number {
    return Math.min(...this.#moving.map(({ due }) => due));
  }

  value(at: number, value: Value, input: number): void {
    if (input === 0) this.#value = value;
    else this.#points[input - 1]?.take(value);
    this.#look(at);
  }

  bad(at: number, input: number): void {
    if (input === 0) this.#value = undefined;
    else this.#points[input - 1]?.take(undefined);
    this.#look(at);
  }

  advance(at: number): void {
    this.#look(at);
  }

  clockChanged(at: number): void {
    for (const setpoint of this.#moving) setpoint.look(at);
    this.#compare();
  }

  save(): undefined {}

  get verdict(): MemoryVerdict {
    if (this.#value === undefined || this.#condition === undefined) return 'unknown';
    return this.#condition.judge(this.#value, []);
  }

  /** `above 26 (vent.setpoint + 1)` */
  get words(): Sentence {
    const from = different(this.#moving.map(({ words }) => words)).reduce((a, b) => phrase('comma', { a, b }));
    const { words } = this.#condition ?? {};
    return words === undefined ? phrase('setpoint-unknown', { from }) : phrase('brackets', { a: words, b: from });
  }

  #look(at: number): void {
    for (const setpoint of this.#moving) if (setpoint.due <= at) setpoint.look(at);
    this.#compare();
  }

  #compare(): void {
    const numbers: (number | bigint)[] = [];
    for (const bound of this.#bounds) {
      const number = typeof bound === 'number' ? bound : bound.bound;
      if (number === undefined) {
        this.#condition = undefined;
        this.#numbers = [];
        return;
      }
      numbers.push(number);
    }
    if (this.#condition !== undefined && numbers.every((number, i) => number === this.#numbers[i])) return;
    this.#numbers = numbers;
    this.#condition = this.#make(numbers);
  }
}
