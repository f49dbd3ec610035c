/** What an observe-only rule would have done: how often its alarm would have begun, and how long it would have stood. */
import type { AlarmView } from './alarm-view.ts';
import type { Moment, RuleState } from './rule-state.ts';

type Saved = NonNullable<RuleState['observed']>;

/** The figures of an observe-only rule since its observation began. */
export interface ObservedFigures {
  /** UTC milliseconds at which the observation began. */
  readonly observedSince: number;
  /** Alarms that would have begun. */
  readonly count: number;
  /** Milliseconds of the longest one, also of one that would still stand. */
  readonly longest: number;
}

/** `state` and `since` are those that the alarm would have. */
export type Observation = AlarmView & ObservedFigures;

/** Bounded: three numbers. */
export class ObservedTally {
  /** Monotonic. */
  #since: number;
  #count: number;
  #longest: number;

  /** @param start monotonic time at which the rule starts, less the time that the gateway was off */
  constructor(start: number, saved: Saved | undefined) {
    this.#since = start - (saved?.for ?? 0);
    this.#count = saved?.count ?? 0;
    this.#longest = saved?.longest ?? 0;
  }

  began(): void {
    this.#count++;
  }

  /** @param length milliseconds that the alarm would have stood */
  ended(length: number): void {
    this.#longest = Math.max(this.#longest, length);
  }

  /** The time before this run was longer than thought. */
  shift(by: number): void {
    this.#since -= by;
  }

  /** @param active monotonic time since when the alarm would stand */
  save(at: number, active: number | undefined): Saved {
    return { for: Math.max(0, at - this.#since), count: this.#count, longest: this.#longestAt(at, active) };
  }

  view({ at, wall }: Moment, active: number | undefined): ObservedFigures {
    return { observedSince: Math.round(wall - (at - this.#since)), count: this.#count, longest: this.#longestAt(at, active) };
  }

  #longestAt(at: number, active: number | undefined): number {
    return active === undefined ? this.#longest : Math.max(this.#longest, at - active);
  }
}
