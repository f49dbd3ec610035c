import type { ResolvedRule } from '../config/kinds.ts';
import type { AlarmCause, AlarmTransition } from '../core/alarm.ts';
import type { PointInfo, Value } from '../core/point.ts';
import { type Sentence, wordsIn } from '../core/sentence.ts';
import { AlarmLife, type AlarmTerms } from './alarm-life.ts';
import { type AlarmView, viewOf } from './alarm-view.ts';
import type { Delay } from './delay.ts';
import { LastReadings } from './last-readings.ts';
import { type Observation, ObservedTally } from './observed-tally.ts';
import { PastRun } from './past-run.ts';
import type { Condition, MemoryVerdict } from './rule-kind.ts';
import type { Moment, RuleState } from './rule-state.ts';
import { fingerprint, restoreValue, saveValue } from './rule-state.ts';
import { SavedMark } from './saved-mark.ts';
import { Silence } from './silence.ts';
import { WallClock } from './wall-clock.ts';
import { type Advice, type Watch, watchOf } from './watch.ts';
import {
  activeMessage,
  afterRestart,
  inServiceMessage,
  normalMessage,
  pointOf,
  type Said,
  type Seen,
  suppressedMessage,
  unshelvedMessage,
  unsuppressedMessage,
} from './words.ts';

/** One rule with its timers. The invariants stand in engine.ts. */
export class RuleMachine {
  readonly fingerprint: string;
  readonly condition: Condition;
  readonly advisory: boolean;
  /** Monotonic time at which `advance` will do something; Infinity when never. */
  wake = Number.POSITIVE_INFINITY;
  readonly life = new AlarmLife();
  /** Rules that suppress this one, rules of its group with itself, and its place in the order of one moment (relations.ts). */
  suppressors: readonly RuleMachine[] = [];
  peers: readonly RuleMachine[] = [];
  rank = 0;
  /** What it suppresses may change. */
  onTurn: ((at: number) => void) | undefined;
  #rule: ResolvedRule;
  #delay: Delay | undefined;
  readonly #last: LastReadings;
  /** Judges readings; absent where silence is all that counts. */
  readonly #watch: Watch | undefined;
  /** Since the point gave its last value. */
  readonly #silence: Silence;
  #past: PastRun;
  /** Nothing is ever dated before this: the start of the rule, then its latest transition. */
  #floor: number;
  readonly #mark: SavedMark;
  /** Figures of a rule that is only observed. */
  readonly tally: ObservedTally | undefined;
  readonly #emit: (transition: AlarmTransition) => void;

  constructor(
    rule: ResolvedRule,
    condition: Condition,
    start: Moment,
    emit: (transition: AlarmTransition) => void,
    saved?: RuleState | undefined,
    clock: WallClock = new WallClock(start),
    advice?: Advice,
  ) {
    this.advisory = advice !== undefined;
    this.fingerprint = fingerprint(rule);
    this.condition = condition;
    this.#rule = rule;
    this.#emit = emit;
    this.#past = new PastRun(saved, start);
    this.#floor = start.at;
    this.#last = new LastReadings(rule);
    this.#silence = new Silence(start.at, saved?.silentFor ?? 0);
    const memory = {
      at: start.at,
      saved: saved?.memory ?? advice?.learned,
      off: this.#past.off,
      clock,
      suspect: advice?.suspect ?? (() => false),
    };
    this.#watch = watchOf(condition, rule.inputs?.length ?? 0, memory);
    const off = this.#past.off ?? 0;
    if (rule.observe) this.tally = new ObservedTally(start.at - off, saved?.observed);
    if (saved !== undefined) {
      this.life.takeUp(saved, start.at, off);
      this.#last.value = restoreValue(saved.value);
      if (saved.pending?.kind === (this.life.holds ? 'off' : 'on')) {
        const { kind, elapsed } = saved.pending;
        const since = start.at - elapsed - off;
        this.#delay = { kind, since, due: this.#delayEnd(kind, since), confirmed: false };
      }
    }
    this.#past.restored(this.#delay);
    this.#mark = new SavedMark(this.#key(), start.at, saved?.silentFor ?? 0);
    // Times saved under an unknown clock must be saved again under a known one, or the next time off would not count.
    if (saved?.wallKnown === false && start.wallKnown && (this.#delay !== undefined || this.standing)) this.touch();
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
  /** The alarm is not normal. */
  get standing(): boolean {
    return this.life.standing;
  }

  /** The rule was another one before. A rule that is only observed has nothing that a person took out of service. */
  inherit(before: RuleState, start: Moment): void {
    if (this.tally !== undefined) this.life.occurrence = before.occurrence;
    else {
      // The end of the time out of service counts the time that the gateway was off, as soon as that is known.
      if (before.state === 'out-of-service') this.#past = new PastRun(before, start);
      this.life.inherit(before, start.at, this.#past.off ?? 0);
    }
    this.#schedule();
  }

  /** The condition holds, its delays not counted. */
  get suspects(): boolean {
    return this.life.holds || this.#delay?.kind === 'on';
  }

  /** The monotonic time since when the observed alarm stands. */
  get #observing(): number | undefined {
    return this.standing ? this.life.since : undefined;
  }

  /** What was observed up to now; undefined for a rule that raises alarms. */
  observation(moment: Moment): Observation | undefined {
    return this.tally === undefined ? undefined : { ...this.tally.view(moment, this.#observing), ...this.view(moment) };
  }

  /** Further inputs of the condition, as `device.point`. */
  get inputs(): readonly string[] {
    return this.#rule.inputs ?? [];
  }

  /** A reading with a value. @param input 0: of the point itself @param more of the record's inputs follow: it is judged behind them */
  value(time: number, value: Value, input = 0, more = false): void {
    const at = Math.max(time, this.#floor);
    if (this.wake <= at) this.advance(at);
    if (!this.#last.isNew(time, input)) return;
    this.#last.take(value, input);
    if (this.#watch !== undefined) {
      const verdict = this.#watch.value(time, value, input, more);
      if (!more) this.#judged(at, verdict);
    } else {
      this.#silence.heard(at);
      if (this.life.holds) this.#hold('off', at);
      this.#schedule();
    }
  }

  /**
   * A bad reading: it says nothing about the point unless `quality` gives it a meaning, but an alarm does not end without proof.
   * @param unused an uncertain value, which says nothing whatever a bad one means
   */
  bad(time: number, input = 0, more = false, unused = false): void {
    const at = Math.max(time, this.#floor);
    if (this.wake <= at) this.advance(at);
    if (!this.#last.isNew(time, input)) return;
    const verdict = this.#watch?.bad(time, input);
    this.#doubt();
    this.#last.doubt(input, unused);
    if (more) return;
    // What several inputs say together may be certain without this one.
    if (verdict === 'alarm' || this.inputs.length > 0 || this.#last.meaning.decide) this.#judged(at, verdict ?? 'unknown');
    else if (this.#watch?.changed === true) this.#schedule();
  }

  /** Does what has come due up to and including `now`, each thing at its own time. */
  advance(now: number): void {
    while (this.wake <= now) {
      const at = Math.max(this.wake, this.#floor);
      if (this.life.shelvedUntil <= this.wake) {
        this.unshelve(at, 'expire');
        continue;
      }
      // Silence at the very end of an off-delay wins: the alarm goes on, it does not end and begin at once.
      if (this.condition.type === 'silence' && this.#silence.due(this.#length('on')) <= this.wake) {
        if (!this.life.holds) this.#activate(at, 'silence');
        else this.#drop();
      } else if (this.#delay !== undefined && this.#past.due(this.#delay) <= this.wake) {
        if (this.#delay.kind === 'on') this.#activate(at, 'delay');
        else this.#return(at, 'delay');
      } else if (this.#watch !== undefined) this.#judged(at, this.#watch.advance(this.wake), 'delay');
    }
  }

  /** Does what has come due before somebody acts. */
  advanceTo(at: number): void {
    if (this.wake <= at) this.advance(at);
  }

  /** An operator does something. @param act does it at this time, and gives the words for it */
  operate(at: number, act: (now: number) => Sentence, cause: AlarmCause = 'operator'): void {
    this.advanceTo(at);
    const now = Math.max(at, this.#floor);
    const message = act(now);
    this.touch();
    this.#report(now, message, this.#last.value, cause);
    this.#schedule();
    this.onTurn?.(now);
  }

  /** A person acknowledged the alarm: a time that adds up begins anew, which may end the alarm. */
  acknowledged(at: number): void {
    this.#judged(Math.max(at, this.#floor), this.#watch?.acknowledged(at), 'operator');
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
    return this.life.holds ? this.life.began : normalMessage(this.#rule, this.#seen, this.#watch?.ended);
  }

  /** The wall clock became known or stepped: the time that the gateway was off can be counted now. */
  clockKnown(moment: Moment): void {
    if (this.#delay !== undefined || this.standing || this.condition.type === 'memory') this.touch();
    const off = this.#past.counted(moment, this.#delay);
    if (off !== undefined) {
      this.life.shift(this.#past.start, off);
      this.tally?.shift(off);
    }
    this.#judged(moment.at, this.#watch?.clockChanged(moment.at, off), 'delay');
    this.#schedule();
  }

  /** The same rule with other words or another severity. */
  rename(rule: ResolvedRule): void {
    this.#rule = rule;
  }

  know(info: PointInfo, input: number): void {
    this.#watch?.know(input, info.unit);
    if (input === 0) this.#last.know(info);
  }

  /** The state must be saved even if it looks as it was saved last. */
  touch(): void {
    this.#mark.touch();
  }

  /** Something would be lost by a restart now. @param last there is no later time to ask */
  unsaved(at: number, last = false): boolean {
    const grew = this.#watch?.changed === true ? this.#watch.resave : undefined;
    const left = this.life.shelvedUntil - at;
    if (last && (grew !== undefined || left !== Number.POSITIVE_INFINITY)) return true;
    const delay = this.#delay && Math.max(this.#length(this.#delay.kind), this.#rule.hold ?? 0);
    const listens = this.condition.type === 'silence' && !this.life.holds;
    return this.#mark.outdated(
      at,
      () => this.#key(),
      delay,
      left,
      listens ? { silent: this.#silent(at), due: this.#length('on') } : undefined,
      grew,
    );
  }

  save(moment: Moment): RuleState {
    const { at } = moment;
    const silentFor = this.#silent(at);
    const memory = this.#watch?.save(at);
    return {
      rule: this.name,
      fingerprint: this.fingerprint,
      point: this.point,
      severity: this.#rule.severity,
      ...this.life.save(at),
      ...this.#past.clock(moment, this.#delay, this.standing ? this.life.since : undefined, this.life.hasOwnEnd),
      ...(this.#delay && { pending: { kind: this.#delay.kind, elapsed: Math.max(0, at - this.#delay.since) } }),
      ...(silentFor > 0 && { silentFor }),
      ...(this.#last.value !== undefined && { value: saveValue(this.#last.value) }),
      ...(this.tally !== undefined && { observed: this.tally.save(at, this.#observing) }),
      ...(memory !== undefined && { memory }),
    };
  }

  /** The state that `save` gave at `at` is on its way to the log. */
  saved(at: number): void {
    this.#mark.saved(at, this.#key(), this.#silent(at));
    this.#watch?.saved();
  }

  view(moment: Moment): AlarmView {
    return viewOf(this.#rule, this.life, moment, this.#last.value, this.#last.type);
  }

  /** @param said by the condition; undefined: nothing happened */
  #judged(at: number, said: MemoryVerdict | undefined, cause: AlarmCause = 'reading'): void {
    const verdict = this.#last.meaning.verdict(said);
    if (verdict === 'unknown') this.#doubt();
    else if (verdict !== undefined) {
      if (!this.life.holds) {
        if (verdict === 'alarm') this.#hold('on', at, cause);
        else if (this.#delay !== undefined) this.#drop();
      } else if (verdict === 'normal') this.#hold('off', at, cause);
      else if (this.#delay !== undefined) this.#drop();
    }
    if (this.condition.type === 'memory') this.#schedule();
  }

  /** Nothing says any more that all is well, so an off-delay waits for proof. */
  #doubt(): void {
    if (this.#delay?.kind !== 'off' || !this.#delay.confirmed) return;
    this.#delay.confirmed = false;
    this.#schedule();
  }

  /** The condition for ending (or beginning) the alarm holds: starts the delay, or goes on with it. */
  #hold(kind: 'on' | 'off', at: number, cause: AlarmCause = 'reading'): void {
    const delay = this.#delay;
    if (delay === undefined) {
      const due = kind === 'on' ? at + this.#rule.onDelay : this.#delayEnd(kind, at);
      if (due > at) {
        this.#delay = { kind, since: at, due, confirmed: true };
        this.#mark.changed();
        this.#schedule();
      } else if (kind === 'on') this.#activate(at, cause);
      else this.#return(at, cause);
    } else if (!delay.confirmed) {
      delay.confirmed = true;
      delay.due = Math.max(delay.due, at);
      this.#schedule();
      this.advance(at);
    }
  }

  #drop(): void {
    this.#delay = undefined;
    this.#mark.changed();
    this.#schedule();
  }

  #activate(at: number, cause: AlarmCause): void {
    const began = this.#afterRestart(activeMessage(this.#rule, this.#said(), this.#seen));
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
      normalMessage(this.#rule, this.#last.meaning.decide ? 'bad' : this.#seen, this.#watch?.ended),
    );
    const changed = this.life.return(this.terms);
    this.#turned(at, changed, ended.message, this.#last.value, ended.cause ?? cause);
  }

  /** A delay that ran out while the gateway was off is judged by what was known, and the message says so. */
  #afterRestart(message: Sentence): { readonly message: Sentence; readonly cause?: AlarmCause } {
    if (!this.#past.ranOut(this.#delay)) return { message };
    return { message: afterRestart(message, this.#last.fresh), cause: 'restart' };
  }

  /** The condition began or ended: whatever delay led to that is over. A shelved alarm does not report it. */
  #turned(at: number, changed: boolean, message: Sentence, value: Value | undefined, cause: AlarmCause): void {
    this.#drop();
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

  #said(): Said {
    if (this.#last.meaning.decide) return 'bad';
    const { condition } = this;
    return condition.type === 'silence' ? condition : (this.#watch as Watch);
  }

  get #seen(): Seen {
    return this.#last.seen(this.#watch);
  }

  #length(kind: 'on' | 'off'): number {
    if (kind === 'off') return this.#rule.offDelay;
    return this.#rule.onDelay + (this.condition.type === 'silence' ? this.condition.after : 0);
  }

  /** When a delay that began at `since` ends. An alarm that is held does not end before. */
  #delayEnd(kind: 'on' | 'off', since: number): number {
    const end = since + this.#length(kind);
    return kind === 'off' && this.#rule.hold !== undefined ? Math.max(end, this.life.since + this.#rule.hold) : end;
  }

  /** As it is saved; 0 for a condition that does not listen. */
  #silent(at: number): number {
    return this.condition.type === 'silence' ? this.#silence.savedAt(at, this.#length('on')) : 0;
  }

  #schedule(): void {
    const delay = this.#delay;
    let wake = Math.min(this.#past.due(this.#delay), this.#watch?.due ?? Number.POSITIVE_INFINITY);
    // While a silent alarm is active, more silence matters only to an off-delay.
    if (this.condition.type === 'silence' && (!this.life.holds || delay !== undefined))
      wake = Math.min(wake, this.#silence.due(this.#length('on')));
    this.wake = Math.min(wake, this.life.shelvedUntil);
  }

  #key(): string {
    return `${this.life.key} ${this.#delay?.kind} ${this.#delay?.since}`;
  }
}
