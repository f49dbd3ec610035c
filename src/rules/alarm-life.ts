/**
 * The life of one alarm: where it stands in the table of states, how often it began, what people owe it, and until when it is shelved.
 * Conditions and delays are not its business: it learns that the condition holds or is over (alarm-condition.ts), and what operators do.
 */

import type { AlarmState } from '../core/alarm.ts';
import type { Sentence } from '../core/sentence.ts';
import { type AlarmEvent, nextState } from './alarm-states.ts';
import { withRemark } from './remarks.ts';
import type { RuleState } from './rule-state.ts';

/** Longest time that an alarm may be shelved, and that it may be out of service with an end, ms. */
export const LONGEST_SHELVING = 7 * 86_400_000;
export const LONGEST_OUT_OF_SERVICE = 90 * 86_400_000;
/** Letters of a message with the remarks on it. */
const LONGEST_MESSAGE = 1500;

/** What the rule says of its alarm. */
export interface AlarmTerms {
  readonly mustAcknowledge: boolean;
  readonly latch: boolean;
  /** A rule that suppresses this one is active now. */
  readonly suppressed: boolean;
}

/** States in which the condition holds, and in which it does not; in the others it may. */
const HOLDING: readonly AlarmState[] = ['active-unacknowledged', 'active-acknowledged', 'suppressed'];
const OVER: readonly AlarmState[] = ['normal', 'returned-unacknowledged', 'latched'];

export class AlarmLife {
  /** The condition holds, its delays included. */
  holds = false;
  /** Activations so far. */
  occurrence = 0;
  /** Monotonic time at which the condition last began to hold, or the alarm was shelved or taken out of service. */
  since = 0;
  /** Monotonic time at which the shelving, or the time out of service, ends. Infinity: it has no end, or the alarm is not away. */
  shelvedUntil = Number.POSITIVE_INFINITY;
  /** This occurrence was the first of its group. */
  firstOut = false;
  /** `shelvedUntil` is what an earlier run left, so it counts the time that the gateway was off. */
  #endOfBefore = false;
  #state: AlarmState = 'normal';
  /** Nobody has acknowledged, or reset, the alarm since it was shown. */
  #unseen = false;
  #tripped = false;
  /** The words with which the alarm began, and those of what keeps it from people. */
  #message: Sentence = '';
  #away: Sentence = '';

  get state(): AlarmState {
    return this.#state;
  }
  /** Something that an operator should see. */
  get standing(): boolean {
    return this.#state !== 'normal';
  }
  /** It suppresses others. An alarm out of service says nothing, so it suppresses nothing. */
  get suppresses(): boolean {
    return this.holds && this.#state !== 'out-of-service';
  }
  /** For its group it came before all that come now. */
  get tripped(): boolean {
    if (this.#state === 'suppressed' || this.#state === 'out-of-service') return false;
    return this.holds || this.#state === 'returned-unacknowledged' || this.#state === 'latched';
  }
  /** It was shown as active since its last reset. A rule that latches waits for the next one, whatever the state says. */
  get sinceReset(): boolean {
    return this.#tripped;
  }
  /** A person set the end in this run. */
  get hasOwnEnd(): boolean {
    return this.shelvedUntil !== Number.POSITIVE_INFINITY && !this.#endOfBefore;
  }
  get message(): Sentence {
    const away = this.#state === 'shelved' || this.#state === 'suppressed' || this.#state === 'out-of-service';
    return away ? this.#away : this.#message;
  }
  /** The words with which the alarm began, whatever keeps it from people now. */
  get began(): Sentence {
    return this.#message;
  }

  /** The condition holds from `at` on. @param first no other alarm of its group came before @returns whether the state is another one now */
  activate(at: number, message: Sentence, terms: AlarmTerms, first = false): boolean {
    this.holds = true;
    this.occurrence++;
    this.since = at;
    this.#message = message;
    this.firstOut = first && !terms.suppressed && this.#state !== 'out-of-service';
    // What happens while the alarm is shelved is still a trip that a person resets; suppressed by design it is none.
    if (!terms.suppressed && this.#state !== 'out-of-service') this.#tripped = true;
    return this.#go('activate', terms);
  }

  /** The condition is over. @returns whether the state is another one now */
  return(terms: AlarmTerms): boolean {
    this.holds = false;
    return this.#go('return', terms);
  }

  /** Adds words to those with which the alarm began. They replace what was said of the same action. */
  remark(remark: Sentence): void {
    this.#message = withRemark(this.#message, remark, LONGEST_MESSAGE);
  }

  /** @returns whether the state is another one now */
  acknowledge(terms: AlarmTerms): boolean {
    this.#unseen = false;
    return this.#go('acknowledge', terms);
  }

  /** @returns whether the state is another one now */
  reset(terms: AlarmTerms): boolean {
    return this.#go('reset', terms);
  }

  /** Shelves the alarm, or gives its shelving another end. */
  shelve(at: number, until: number, words: Sentence, terms: AlarmTerms): void {
    if (!this.standing) this.since = at;
    this.shelvedUntil = until;
    this.#endOfBefore = false;
    this.#away = words;
    this.#unseen = false;
    this.#go('shelve', terms);
  }

  /** @returns whether the state is another one now */
  unshelve(how: 'unshelve' | 'expire', terms: AlarmTerms): boolean {
    return this.#go(how, terms);
  }

  /** Takes it out of service, or gives that another end. @param until Infinity: until a person puts it in service */
  remove(at: number, until: number, words: Sentence, terms: AlarmTerms): void {
    if (!this.standing) this.since = at;
    this.shelvedUntil = until;
    this.#endOfBefore = false;
    this.#away = words;
    this.#unseen = false;
    this.#go('remove', terms);
  }

  /** @returns whether the state is another one now */
  restore(terms: AlarmTerms): boolean {
    return this.#go('restore', terms);
  }

  /** A suppressing rule became active. @returns whether the state is another one now */
  suppress(words: Sentence, terms: AlarmTerms): boolean {
    const changed = this.#go('suppress', terms);
    if (changed) this.#away = words;
    return changed;
  }

  /** @returns whether the state is another one now */
  unsuppress(terms: AlarmTerms): boolean {
    return this.#go('unsuppress', terms);
  }

  /** The words of an activation that is suppressed. */
  describe(words: Sentence): void {
    this.#away = words;
  }

  /** Takes up what an earlier run saved. @param off ms that the gateway was off, as far as that is known */
  takeUp(saved: RuleState, start: number, off: number): void {
    this.#state = saved.state;
    this.occurrence = saved.occurrence;
    // The state is believed before `holds`: a damaged state may contradict itself, and an alarm that holds without standing would be lost.
    this.holds = HOLDING.includes(saved.state) || (!OVER.includes(saved.state) && (saved.holds ?? true));
    this.since = start - (saved.activeFor ?? 0) - off;
    this.#message = saved.message ?? '';
    this.firstOut = saved.firstOut ?? false;
    this.#unseen = saved.unseen ?? (saved.state === 'active-unacknowledged' || saved.state === 'returned-unacknowledged');
    this.#tripped = saved.tripped ?? saved.state.startsWith('active');
    this.#away = saved.away ?? saved.shelved?.message ?? '';
    this.#takeEnd(saved, start, off);
  }

  /** A changed rule takes over how often it began, and that a person took it out of service. @param off as in `takeUp` */
  inherit(before: RuleState, start: number, off: number): void {
    this.occurrence = before.occurrence;
    if (before.state !== 'out-of-service') return;
    this.#state = 'out-of-service';
    this.since = start - (before.activeFor ?? 0) - off;
    this.#away = before.away ?? '';
    this.#takeEnd(before, start, off);
  }

  /** The time before `start` was longer than thought. */
  shift(start: number, off: number): void {
    if (this.standing && this.since <= start) this.since -= off;
    if (this.#endOfBefore) this.shelvedUntil = Math.max(this.shelvedUntil - off, start);
  }

  save(at: number): Partial<RuleState> & Pick<RuleState, 'state' | 'occurrence'> {
    const { occurrence, holds } = this;
    const state = this.#state;
    if (!this.standing) return { state: 'normal', occurrence };
    return {
      state,
      occurrence,
      activeFor: Math.max(0, at - this.since),
      message: this.#message,
      ...(holds !== true && { holds }),
      ...(this.#unseen && { unseen: true }),
      ...(this.#tripped && { tripped: true }),
      ...(this.firstOut && { firstOut: true }),
      ...((state === 'shelved' || this.shelvedUntil !== Number.POSITIVE_INFINITY) && {
        shelved: { left: Math.max(0, this.shelvedUntil - at), message: this.#away },
      }),
      ...((state === 'suppressed' || state === 'out-of-service') && { away: this.#away }),
    };
  }

  /** What of it is saved again when it changes, as words. */
  get key(): string {
    return `${this.#state} ${this.holds} ${this.occurrence} ${this.shelvedUntil}`;
  }

  #takeEnd({ state, shelved }: RuleState, start: number, off: number): void {
    if (state === 'out-of-service' && shelved === undefined) return;
    if (state !== 'shelved' && state !== 'out-of-service') return;
    const longest = state === 'shelved' ? LONGEST_SHELVING : LONGEST_OUT_OF_SERVICE;
    this.shelvedUntil = start + Math.max(0, Math.min(shelved?.left ?? 0, longest) - off);
    this.#endOfBefore = true;
  }

  #go(event: AlarmEvent, terms: AlarmTerms): boolean {
    const before = this.#state;
    this.#state = nextState(before, event, {
      holds: this.holds,
      owesAcknowledgement: terms.mustAcknowledge && this.#unseen,
      owesReset: terms.latch && this.#tripped,
      suppressed: terms.suppressed,
    });
    if (this.#state === before) return false;
    if (this.#state === 'active-unacknowledged') {
      this.#unseen = true;
      this.#tripped = true;
    } else if (this.#state === 'normal') {
      this.#unseen = false;
      this.#tripped = false;
      this.firstOut = false;
    }
    if (this.#state !== 'shelved' && this.#state !== 'out-of-service') this.shelvedUntil = Number.POSITIVE_INFINITY;
    return true;
  }
}
