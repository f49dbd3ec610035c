/**
 * States of rules that a configuration on trial lacks or changes. Each configuration is on trial until its buses are exchanged. Invariants:
 * - A state is kept until the configuration proves itself, or another one takes its place. One that has the rule as it was gets it back.
 * - The end of an alarm that stands is said when the configuration proves itself. The rule on trial of the same name may say something
 *   before: the end comes first then.
 * - What is stored is the state of before, so that a power cut during the trial loses nothing, until the rule on trial says something.
 * - Bounded: one state for each rule of the configuration before.
 */
import type { Sentence } from '../core/sentence.ts';
import type { RuleState } from './rule-state.ts';

export interface Parked {
  readonly state: RuleState;
  /** What is said when the alarm ends; undefined: it does not stand, or that was said. */
  end: Sentence | undefined;
  /** The rule on trial of this name said something. */
  moved: boolean;
}

export class ParkedStates {
  #states = new Map<string, Parked>();

  get any(): boolean {
    return this.#states.size > 0;
  }
  has(rule: string): boolean {
    return this.#states.has(rule);
  }

  /** The first one counts: the state of before the trial. */
  put(state: RuleState, end: Sentence | undefined): void {
    if (!this.#states.has(state.rule)) this.#states.set(state.rule, { state, end, moved: false });
  }

  /** The state in which the rule goes on; undefined: it was another rule. */
  back(rule: string, fingerprint: string): RuleState | undefined {
    const state = this.#states.get(rule)?.state;
    return state?.fingerprint === fingerprint ? state : undefined;
  }

  /** The stored state of the rule is that of before. */
  holds(rule: string): boolean {
    return this.#states.get(rule)?.moved === false;
  }

  /** The rule says something. @returns the end that comes before */
  said(rule: string): { readonly state: RuleState; readonly end: Sentence } | undefined {
    const parked = this.#states.get(rule);
    if (parked === undefined || parked.moved) return undefined;
    const { state, end } = parked;
    parked.moved = true;
    parked.end = undefined;
    return end === undefined ? undefined : { state, end };
  }

  /** None is kept any more. */
  take(): Map<string, Parked> {
    const states = this.#states;
    if (states.size > 0) this.#states = new Map();
    return states;
  }
}
