import type { ResolvedRule } from '../config/kinds.ts';
import type { AlarmCause, AlarmTransition } from '../core/alarm.ts';
import type { Value } from '../core/point.ts';
import { type Sentence, wordsIn } from '../core/sentence.ts';
import { AlarmCondition, type ConditionChange } from './alarm-condition.ts';
import { AlarmLife, type AlarmTerms } from './alarm-life.ts';
import { type AlarmView, viewOf } from './alarm-view.ts';
import type { LastReadings } from './last-readings.ts';
import { type Observation, ObservedTally } from './observed-tally.ts';
import type { Condition } from './rule-kind.ts';
import { fingerprint, type Moment, type RuleState } from './rule-state.ts';
import { SavedMark } from './saved-mark.ts';
import { WallClock } from './wall-clock.ts';
import type { Advice } from './watch.ts';
import {
  activeMessage,
  afterRestart,
  inServiceMessage,
  normalMessage,
  pointOf,
  suppressedMessage,
  unshelvedMessage,
  unsuppressedMessage,
} from './words.ts';

/**
 * One rule: its condition (alarm-condition.ts) and the life of its alarm (alarm-life.ts) together. It acts when either has something due,
 * reports each transition in words, and knows what of it is unsaved. The invariants stand in engine.ts.
 */
export class RuleMachine {
  readonly fingerprint: string;
  readonly advisory: boolean;
  /** Monotonic time at which `advance` will do something; Infinity when never. */
  wake = Number.POSITIVE_INFINITY;
  readonly condition: AlarmCondition;
  readonly life = new AlarmLife();
  /** Rules that suppress this one, rules of its group with itself, and its place in the order of one moment (relations.ts). */
  suppressors: readonly RuleMachine[] = [];
  peers: readonly RuleMachine[] = [];
  rank = 0;
  /** What it suppresses may change. */
  onTurn: ((at: number) => void) | undefined;
  #rule: ResolvedRule;
  readonly #last: LastReadings;
  /** Monotonic time of the start. */
  readonly #start: number;
  /** Nothing is ever dated before this: the start of the rule, then its latest transition. */
  #floor: number;
  readonly #mark: SavedMark;
  /** Figures of a rule that is only observed. */
  readonly tally: ObservedTally | undefined;
  readonly #emit: (transition: AlarmTransition) => void;

  constructor(
    rule: ResolvedRule,
    kind: Condition,
    start: Moment,
    emit: (transition: AlarmTransition) => void,
    saved?: RuleState | undefined,
    clock: WallClock = new WallClock(start),
    advice?: Advice,
  ) {
    this.advisory = advice !== undefined;
    this.fingerprint = fingerprint(rule);
    this.#rule = rule;
    this.#emit = emit;
    this.#start = start.at;
    this.#floor = start.at;
    this.condition = new AlarmCondition(rule, kind, this.life, { start, saved, clock, advice });
    this.#last = this.condition.last;
    const { off } = this.condition;
    if (rule.observe) this.tally = new ObservedTally(start.at - off, saved?.observed);
    if (saved !== undefined) {
      this.life.takeUp(saved, start.at, off);
      this.condition.takeUp(saved, start.at);
    }
    this.#mark = new SavedMark(this.#key(), start.at, saved?.silentFor ?? 0);
    // Times saved under an unknown clock must be saved again under a known one, or the next time off would not count.
    if (saved?.wallKnown === false && start.wallKnown && (this.condition.delay !== undefined || this.standing)) this.touch();
    this.#schedule();
  }

  get rule(): ResolvedRule {
    return this.#rule;
  }
  get name(): string {
    return this.#rule.name;
  }
  get point(): string {
    return pointOf(this.#rule);
  }
  /** Further inputs of the condition, as `device.point`. */
  get inputs(): readonly string[] {
    return this.#rule.inputs ?? [];
  }
  /** The alarm is not normal. */
  get standing(): boolean {
    return this.life.standing;
  }
  /** It latches and was not reset since it began, also where it is shelved or waits for its acknowledgement. */
  get owesReset(): boolean {
    return this.terms.latch && (this.life.sinceReset || this.life.state === 'latched');
  }

  /** The rule was another one before. A rule that is only observed has nothing that a person took out of service. */
  inherit(before: RuleState, start: Moment): void {
    if (this.tally !== undefined) this.life.occurrence = before.occurrence;
    else {
      // The end of the time out of service counts the time that the gateway was off, as soon as that is known.
      if (before.state === 'out-of-service') this.condition.inheritTimes(before, start);
      this.life.inherit(before, start.at, this.condition.off);
    }
    this.#schedule();
  }

  /** The condition holds, its delays not counted. */
  get suspects(): boolean {
    return this.life.holds || this.condition.delay === 'on';
  }

  /** The monotonic time since when the observed alarm stands. */
  get #observing(): number | undefined {
    return this.standing ? this.life.since : undefined;
  }

  /** What was observed up to now; undefined for a rule that raises alarms. */
  observation(moment: Moment): Observation | undefined {
    return this.tally === undefined ? undefined : { ...this.tally.view(moment, this.#observing), ...this.view(moment) };
  }

  /** A reading with a value. @param input 0: of the point itself @param more of the record's inputs follow: it is judged behind them */
  value(time: number, value: Value, input = 0, more = false): void {
    const at = Math.max(time, this.#floor);
    if (this.wake <= at) this.advance(at);
    this.#changed(at, this.condition.value(at, time, value, input, more));
  }

  /**
   * A bad reading: it says nothing about the point unless `quality` gives it a meaning, but an alarm does not end without proof.
   * @param unused an uncertain value, which says nothing whatever a bad one means
   */
  bad(time: number, input = 0, more = false, unused = false): void {
    const at = Math.max(time, this.#floor);
    if (this.wake <= at) this.advance(at);
    this.#changed(at, this.condition.bad(at, time, input, more, unused));
  }

  /** Does what has come due up to and including `now`, each thing at its own time. */
  advance(now: number): void {
    while (this.wake <= now) {
      const at = Math.max(this.wake, this.#floor);
      if (this.life.shelvedUntil <= this.wake) {
        this.unshelve(at, 'expire');
        continue;
      }
      this.#changed(at, this.condition.advance(at, this.wake), 'delay');
    }
  }

  /** An operator does something. @param act does it at this time, and gives the words for it */
  operate(at: number, act: (now: number) => Sentence, cause: AlarmCause = 'operator'): void {
    this.advance(at);
    const now = Math.max(at, this.#floor);
    const message = act(now);
    this.touch();
    this.#report(now, message, this.#last.value, cause);
    this.#schedule();
    this.onTurn?.(now);
  }

  /** A person acknowledged the alarm: a time that adds up begins anew, which may end the alarm. */
  acknowledged(at: number): void {
    const now = Math.max(at, this.#floor);
    this.#changed(now, this.condition.acknowledged(now, at), 'operator');
  }

  unshelve(at: number, how: 'unshelve' | 'expire', by?: string): void {
    const words = this.life.state === 'out-of-service' ? inServiceMessage : unshelvedMessage;
    this.life.unshelve(how, this.terms);
    this.touch();
    const now = Math.max(at, this.#floor);
    this.#report(now, words(this.#rule, by, this.present()), this.#last.value, how === 'expire' ? 'expiry' : 'operator');
    this.#schedule();
    this.onTurn?.(now);
  }

  /** A rule that suppresses this one began. @returns whether the state is another one now */
  suppress(time: number, by: string): boolean {
    const words = suppressedMessage(this.#rule, by, this.life.began);
    if (!this.life.suppress(words, this.terms)) return false;
    this.touch();
    this.#report(Math.max(time, this.#floor), words, this.#last.value, 'suppression');
    return true;
  }

  /** A rule that suppressed this one ended. @returns whether the state is another one now */
  unsuppress(time: number): boolean {
    const { terms } = this;
    if (terms.suppressed || !this.life.unsuppress(terms)) return false;
    this.touch();
    this.#report(Math.max(time, this.#floor), unsuppressedMessage(this.#rule, this.life.began), this.#last.value, 'suppression');
    return true;
  }

  get terms(): AlarmTerms {
    // An observation waits for nobody.
    const waits = this.tally === undefined;
    const mustAcknowledge = waits && this.#rule.mustAcknowledge === true;
    const latch = waits && this.#rule.latch === true;
    const suppressed = this.suppressors.length > 0 && this.suppressors.some(({ life }) => life.suppresses);
    return { mustAcknowledge, latch, suppressed };
  }

  /** What holds now, in words. */
  present(): Sentence {
    return this.life.holds ? this.life.began : normalMessage(this.#rule, this.condition.seen, this.condition.ended);
  }

  /** The wall clock became known or stepped: the time that the gateway was off can be counted now. */
  clockKnown(moment: Moment): void {
    const { condition } = this;
    if (condition.delay !== undefined || this.standing || condition.type === 'memory') this.touch();
    const off = condition.countOff(moment);
    if (off !== undefined) {
      this.life.shift(this.#start, off);
      this.tally?.shift(off);
    }
    this.#changed(moment.at, condition.clockChanged(moment), 'delay');
    this.#schedule();
  }

  /** The same rule with other words or another severity. */
  rename(rule: ResolvedRule): void {
    this.#rule = rule;
  }

  /** The state must be saved even if it looks as it was saved last. */
  touch(): void {
    this.#mark.touch();
  }

  /** Something would be lost by a restart now. @param last there is no later time to ask */
  unsaved(at: number, last = false): boolean {
    const { grown, delayLength } = this.condition;
    const left = this.life.shelvedUntil - at;
    if (last && (grown !== undefined || left !== Number.POSITIVE_INFINITY)) return true;
    return this.#mark.outdated(at, () => this.#key(), delayLength, left, this.condition.listens(at), grown);
  }

  save(moment: Moment): RuleState {
    const { at } = moment;
    return {
      rule: this.name,
      fingerprint: this.fingerprint,
      point: this.point,
      severity: this.#rule.severity,
      ...this.life.save(at),
      ...this.condition.save(moment),
      ...(this.tally !== undefined && { observed: this.tally.save(at, this.#observing) }),
    };
  }

  /** The state that `save` gave at `at` is on its way to the log. */
  saved(at: number): void {
    this.#mark.saved(at, this.#key(), this.condition.silentFor(at));
    this.condition.saved();
  }

  view(moment: Moment): AlarmView {
    return viewOf(this.#rule, this.life, moment, this.#last.value, this.#last.type);
  }

  /** @param change of the condition; undefined: nothing happened */
  #changed(at: number, change: ConditionChange | undefined, cause: AlarmCause = 'reading'): void {
    if (change === undefined) return;
    if (change === 'begins') this.#activate(at, cause);
    else if (change === 'silent') this.#activate(at, 'silence');
    else if (change === 'ends') this.#return(at, cause);
    else {
      if (change === 'delay') this.#mark.changed();
      this.#schedule();
      if (change === 'proof') this.advance(at);
    }
  }

  #activate(at: number, cause: AlarmCause): void {
    const began = this.#afterRestart(activeMessage(this.#rule, this.condition.said, this.condition.seen));
    const first = this.peers.length > 0 && !this.peers.some((other) => other !== this && other.life.tripped);
    const changed = this.life.activate(at, began.message, this.terms, first);
    const { state } = this.life;
    if (state === 'suppressed') {
      const by = this.suppressors.find(({ life }) => life.suppresses)?.name ?? '';
      this.life.describe(suppressedMessage(this.#rule, by, began.message));
    }
    if (changed) this.tally?.began();
    const message = state === 'suppressed' ? this.life.message : began.message;
    this.#turned(at, changed, message, this.condition.type === 'silence' ? undefined : this.#last.value, began.cause ?? cause);
  }

  #return(at: number, cause: AlarmCause): void {
    const ended = this.#afterRestart(
      normalMessage(this.#rule, this.#last.meaning.decide ? 'bad' : this.condition.seen, this.condition.ended),
    );
    const changed = this.life.return(this.terms);
    this.#turned(at, changed, ended.message, this.#last.value, ended.cause ?? cause);
  }

  /** A delay that ran out while the gateway was off is judged by what was known, and the message says so. */
  #afterRestart(message: Sentence): { readonly message: Sentence; readonly cause?: AlarmCause } {
    if (!this.condition.ranOutBefore) return { message };
    return { message: afterRestart(message, this.#last.fresh), cause: 'restart' };
  }

  /** The condition began or ended: whatever delay led to that is over. A shelved alarm does not report it. */
  #turned(at: number, changed: boolean, message: Sentence, value: Value | undefined, cause: AlarmCause): void {
    this.#changed(at, this.condition.drop());
    this.#floor = at;
    if (changed) this.#report(at, message, value, cause);
    this.onTurn?.(at);
  }

  #report(at: number, said: Sentence, value: Value | undefined, cause: AlarmCause): void {
    this.#floor = at;
    const { name: rule, severity, language = 'en' } = this.#rule;
    const message = wordsIn(said, language);
    const { state, occurrence, since, firstOut } = this.life;
    if (state === 'normal') this.tally?.ended(at - since);
    this.#emit({
      ...{ rule, occurrence, state, severity, point: this.point, value, type: this.#last.type, at, message, said, cause },
      ...(firstOut && { firstOut: true }),
      ...(this.tally !== undefined && { observed: true }),
    });
  }

  #schedule(): void {
    this.wake = Math.min(this.condition.due, this.life.shelvedUntil);
  }

  #key(): string {
    return `${this.life.key} ${this.condition.key}`;
  }
}
