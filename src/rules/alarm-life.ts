/**
 * The life of one alarm: where it stands in the table of states, how often it began, and until when it is shelved. Conditions and
 * delays are not its business: it learns that the condition holds or is over (rule-machine.ts), and what operators do.
 */
import type { AlarmState } from '../core/alarm.ts';
import { type AlarmEvent, nextState } from './alarm-states.ts';
import type { RuleState } from './rule-state.ts';

/** Longest time that an alarm may be shelved, ms. */
export const LONGEST_SHELVING = 7 * 86_400_000;

export class AlarmLife {
  /** The condition holds, its delays included. */
  holds = false;
  /** Activations so far. */
  occurrence = 0;
  /** Monotonic time at which the condition last began to hold, or the alarm was shelved. */
  since = 0;
  /** Monotonic time at which the shelving ends; Infinity while the alarm is not shelved. */
  shelvedUntil = Number.POSITIVE_INFINITY;
  #state: AlarmState = 'normal';
  /** The words with which the alarm began, and those of its shelving. */
  #message = '';
  #shelving = '';

  get state(): AlarmState {
    return this.#state;
  }
  /** Something that an operator should see. */
  get standing(): boolean {
    return this.#state !== 'normal';
  }
  get message(): string {
    return this.#state === 'shelved' ? this.#shelving : this.#message;
  }

  /** The condition holds from `at` on. @returns whether the state is another one now */
  activate(at: number, message: string): boolean {
    this.holds = true;
    this.occurrence++;
    this.since = at;
    this.#message = message;
    return this.#go('activate', false);
  }

  /** The condition is over. @returns whether the state is another one now */
  return(mustAcknowledge: boolean): boolean {
    this.holds = false;
    return this.#go('return', mustAcknowledge);
  }

  /** @returns whether the state is another one now */
  acknowledge(): boolean {
    return this.#go('acknowledge', false);
  }

  /** Shelves the alarm, or gives its shelving another end. */
  shelve(at: number, until: number, words: string): void {
    if (!this.standing) this.since = at;
    this.shelvedUntil = until;
    this.#shelving = words;
    this.#go('shelve', false);
  }

  /** @returns whether the state is another one now */
  unshelve(how: 'unshelve' | 'expire'): boolean {
    this.shelvedUntil = Number.POSITIVE_INFINITY;
    this.#shelving = '';
    return this.#go(how, false);
  }

  /** Takes up what an earlier run saved. @param off ms that the gateway was off, as far as that is known */
  restore(saved: RuleState, start: number, off: number): void {
    this.#state = saved.state;
    this.occurrence = saved.occurrence;
    // Versions before the shelving had no such word: then an alarm that stands is one that holds.
    this.holds = saved.holds ?? saved.state !== 'normal';
    this.since = start - (saved.activeFor ?? 0) - off;
    this.#message = saved.message ?? '';
    if (saved.state !== 'shelved') return;
    const left = Math.min(saved.shelved?.left ?? 0, LONGEST_SHELVING);
    this.shelvedUntil = start + Math.max(0, left - off);
    this.#shelving = saved.shelved?.message ?? '';
  }

  /** The time before `start` was longer than thought. */
  shift(start: number, off: number): void {
    if (this.standing && this.since <= start) this.since -= off;
    if (this.#state === 'shelved') this.shelvedUntil = Math.max(this.shelvedUntil - off, start);
  }

  save(at: number): Pick<RuleState, 'state' | 'holds' | 'occurrence' | 'activeFor' | 'message' | 'shelved'> {
    const { occurrence, holds } = this;
    if (!this.standing) return { state: 'normal', occurrence };
    return {
      state: this.#state,
      occurrence,
      activeFor: Math.max(0, at - this.since),
      message: this.#message,
      ...(holds !== true && { holds }),
      ...(this.#state === 'shelved' && { shelved: { left: Math.max(0, this.shelvedUntil - at), message: this.#shelving } }),
    };
  }

  #go(event: AlarmEvent, mustAcknowledge: boolean): boolean {
    const before = this.#state;
    this.#state = nextState(before, event, { holds: this.holds, mustAcknowledge });
    return this.#state !== before;
  }
}
