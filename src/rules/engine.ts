/**
 * The rule engine: readings and times go through it to the rules in force (rules-in-force.ts), and people act on their alarms through it.
 * Invariants:
 *
 * - Pure: it reads no clock and keeps no timer. Times come in with samples, ticks and moments, all monotonic milliseconds.
 * - The outcome depends on the readings only, not on when `tick` is called: a late tick reports what it finds at the time
 *   when it came due, and a sample first does what had come due before it (a delay that ends at the very moment of a
 *   reading has run out).
 * - A bad reading neither begins nor ends an alarm. An on-delay runs on through it, since the last known value was in alarm
 *   (a failing sensor must not put off an alarm); an off-delay does not run out before a value proves that all is well.
 * - The value inside the deadband stops either delay: a delay means that its condition held all the time.
 * - A restart neither repeats nor loses an activation: the state as last taken with `takeDirty` goes on under the same
 *   occurrence, and a running delay counts the time in between when the wall clock was known on both sides.
 * - A record of a shape without rules costs one look-up, however many rules there are; what is to be saved after it too.
 * - A rule that is only observed lives like any other, but each of its transitions says so (`observed`), and `alarms` has none.
 * - Bounded: one state a rule, nothing kept per reading; transitions are handed over by the call that made them.
 */

import type { ResolvedRule } from '../config/kinds.ts';
import type { AlarmTransition } from '../core/alarm.ts';
import type { Calendar } from '../core/calendar.ts';
import { SluiceError } from '../core/errors.ts';
import type { Sample, Shape } from '../core/point.ts';
import { hasValue, reasonAt } from '../core/point.ts';
import { ABSENT, GOOD } from '../core/reasons.ts';
import type { Sentence } from '../core/sentence.ts';
import { AlarmFigures, type AlarmFiguresView } from './alarm-figures.ts';
import type { AlarmSight, AlarmView } from './alarm-view.ts';
import { RULE_KINDS } from './kinds.ts';
import type { Observation } from './observed-tally.ts';
import { type Act, acknowledge, putInService, reset, shelve, takeOutOfService } from './operator-acts.ts';
import { Relations } from './relations.ts';
import type { RuleKind } from './rule-kind.ts';
import type { RuleMachine } from './rule-machine.ts';
import type { Moment, RuleState } from './rule-state.ts';
import { RulesInForce, type SavedRules } from './rules-in-force.ts';
import { CLEAN, type DirtyRules, UnsavedRules } from './unsaved-rules.ts';
import { WallClock } from './wall-clock.ts';
import { moreOf, type Watched, WatchedPoints } from './watched-points.ts';

export interface RuleEngineOptions {
  readonly rules: Iterable<ResolvedRule>;
  /** The moment from which silence is counted and at which `saved` is taken up. */
  readonly start: Moment;
  /** The states that `takeDirty` or `state` of an earlier run gave. */
  readonly saved?: Iterable<RuleState> | SavedRules | undefined;
  /** The figures that `takeDirty` gave last. */
  readonly figures?: unknown;
  /** Shapes known already; others are taken in when their first sample comes. They give the units for messages. */
  readonly shapes?: Iterable<Shape> | undefined;
  /** Default RULE_KINDS. */
  readonly kinds?: readonly RuleKind[] | undefined;
  /** For conditions that go by the calendar. Default UTC. */
  readonly calendar?: (() => Calendar) | undefined;
}

/** The action of an operator on an alarm. */
export interface AlarmChange {
  readonly transitions: readonly AlarmTransition[];
  /** As it is now. */
  readonly alarm: AlarmView;
}

const NOTHING: readonly AlarmTransition[] = Object.freeze([]);
export class RuleEngine {
  readonly #clock: WallClock;
  readonly #inForce: RulesInForce;
  #relations = new Relations(new Map(), () => {});
  #points = new WatchedPoints([], []);
  readonly #unsaved = new UnsavedRules();
  #out: AlarmTransition[] = [];
  /** Not later than the earliest `wake` of all machines. */
  #wake = Number.POSITIVE_INFINITY;
  readonly #figures: AlarmFigures;

  /**
   * Transitions that the start itself makes (a saved alarm whose rule is gone or was changed) come with the first call
   * of `tick` or `sample`; `nextDue` is then the start.
   * @throws SluiceError internal: a rule of an unknown kind
   */
  constructor(options: RuleEngineOptions) {
    const { start } = options;
    this.#figures = new AlarmFigures(start, options.figures);
    this.#clock = new WallClock(start, options.calendar);
    this.#inForce = new RulesInForce({
      kinds: options.kinds ?? RULE_KINDS,
      clock: this.#clock,
      unsaved: this.#unsaved,
      suspects: (rule) => this.#points.suspects(rule),
      emit: (transition) => this.#emit(transition),
    });
    this.#inForce.start(options.rules, options.saved ?? [], start);
    this.#index(options.shapes ?? [], start.at);
  }

  /** Evaluates one record. Call it with every sample, also those that `report:` keeps out of the log. */
  sample(sample: Sample): readonly AlarmTransition[] {
    const watched = this.#points.of(sample.shape);
    if (watched.length === 0) return NOTHING;
    if (this.#wake <= sample.at && this.#relations.any) this.#relations.advance(sample.at);
    for (let i = 0; i < watched.length; i++) {
      const { index, machine, input, follows } = watched[i] as Watched;
      const reason = reasonAt(sample, index);
      if (reason === ABSENT) continue;
      const value = sample.values[index];
      const more = follows > 0 && moreOf(sample, watched, i, follows);
      if (value === undefined || !hasValue(reason) || (typeof value === 'number' && !Number.isFinite(value)))
        machine.bad(sample.at, input, more);
      else if (reason !== GOOD && machine.rule.quality?.uncertain === 'ignore') machine.bad(sample.at, input, more, true);
      else machine.value(sample.at, value, input, more);
      this.#unsaved.touch(machine);
      if (machine.wake < this.#wake) this.#wake = machine.wake;
    }
    this.#relations.settle();
    return this.#out.length === 0 ? NOTHING : this.#take();
  }

  /** Does what has come due up to and including `now`; transitions in the order of their times. */
  tick(now: number): readonly AlarmTransition[] {
    if (now < this.#wake) return NOTHING;
    this.#advance(now);
    const out = this.#out.length === 0 ? NOTHING : this.#take().sort((a, b) => a.at - b.at);
    this.#findWake();
    return out;
  }

  /**
   * The monotonic time at which to call `tick`; undefined when no time will change anything. It may be early (a reading
   * has meanwhile put off what was due), never late. Ask after every call of `sample`, `tick`, `reload`, `clockKnown`.
   */
  nextDue(): number | undefined {
    return this.#wake === Number.POSITIVE_INFINITY ? undefined : this.#wake;
  }

  /**
   * The wall clock has become known in this run (not needed when it was at the start), or it stepped: delays of an earlier run
   * count the time that the gateway was off, and conditions that go by the calendar look at it again. Call `tick` afterwards.
   */
  clockKnown(moment: Moment): void {
    // What came due before is done first: a due time of the past says nothing to what counts from now on.
    this.#advance(moment.at);
    this.#clock.take(moment);
    this.#figures.clockKnown(moment);
    for (const machine of this.#machines.values()) machine.clockKnown(moment);
    this.#relations.settle();
    this.#unsaved.askAll();
    this.#findWake();
  }

  /**
   * Takes over a new set of rules, matched by name. An unchanged rule keeps its state and timers (message and severity do
   * not count as a change, they hold from the next transition on). A changed rule starts anew, counting on its
   * occurrences; a removed one is forgotten. Either ends its alarm with a `normal` transition.
   * @param trial until `confirm` the states of changed and removed rules are kept; a call without `trial` gives them back, as after a
   *   restart. Two at a time are not possible: what is kept is the state of before the first.
   * @throws SluiceError internal: a rule of an unknown kind; nothing has changed then.
   */
  reload(rules: Iterable<ResolvedRule>, moment: Moment, shapes: Iterable<Shape> = [], trial = false): readonly AlarmTransition[] {
    const next = this.#inForce.prepare(rules, moment, trial);
    this.#advance(moment.at);
    this.#inForce.replace(next, moment);
    this.#figures.keep(this.#inForce);
    this.#unsaved.askAll();
    this.#index(shapes, moment.at);
    // Lists that left the alarm out during the trial have it again.
    for (const machine of next.back) if (machine.standing) machine.operate(moment.at, () => machine.life.message, 'reload');
    if (next.back.size > 0) this.#findWake();
    return this.#out.length === 0 ? NOTHING : this.#take();
  }

  /** States of rules that were changed or removed are kept. */
  get onTrial(): boolean {
    return this.#inForce.onTrial;
  }

  /** The rules of the trial are kept: those that they replaced are forgotten. */
  confirm(moment: Moment): readonly AlarmTransition[] {
    this.#inForce.confirm(moment);
    this.#figures.keep(this.#inForce);
    this.#unsaved.askAll();
    this.#findWake();
    return this.#out.length === 0 ? NOTHING : this.#take();
  }

  /** The state of every rule, whole. */
  state(moment: Moment): RuleState[] {
    return [...this.#machines.values()].map((machine) => machine.save(moment));
  }

  /**
   * The states that differ from what was last taken. Ask with every commit: a running delay is taken when it starts and
   * ends, and again each twentieth of its length (10 s at least), so that a restart without a known clock loses no more.
   * What is left of a shelving, or of a time out of service, is taken each twentieth of it, each hour at least. A memory
   * that grew is taken every MEMORY_RESAVE.
   * @param last the run ends: memories, and what is left of a shelving, are taken as they are
   */
  takeDirty(moment: Moment, last = false): DirtyRules {
    if (this.#unsaved.quiet(moment.at, last)) return CLEAN;
    const dirty = this.#unsaved.take(this.#machines.values(), moment, last, (rule) => this.#inForce.keepsStored(rule));
    const figures = this.#figures.takeDirty(moment, last);
    return figures === undefined ? dirty : { ...dirty, figures };
  }

  /** How the alarms do, by the standards. */
  alarmFigures(moment: Moment): AlarmFiguresView {
    const active = [...this.#machines.values()].filter(
      ({ life, tally }) => tally === undefined && life.state.startsWith('active'),
    );
    return this.#figures.view(
      moment,
      active.map(({ name, life }) => ({ rule: name, since: life.since })),
    );
  }

  /** The alarms that are not normal, in the order of the rules. */
  alarms(moment: Moment): AlarmView[] {
    return [...this.#machines.values()]
      .filter(({ standing, tally }) => standing && tally === undefined)
      .map((machine) => machine.view(moment));
  }

  /** The alarm of a rule, whatever its state; undefined where there is none: no such rule, or one that is only observed. */
  look(rule: string, moment: Moment): AlarmSight | undefined {
    const machine = this.#machines.get(rule);
    if (machine === undefined || machine.tally !== undefined) return undefined;
    return { ...machine.view(moment), holds: machine.life.holds, owesReset: machine.owesReset };
  }

  /** Something is to be said about an alarm that stands: it stays as it is, and its message has these words as well. Nothing where it is over. */
  remark(rule: string, occurrence: number, words: Sentence, moment: Moment): readonly AlarmTransition[] {
    const machine = this.#machines.get(rule);
    if (machine === undefined || !machine.standing || machine.life.occurrence !== occurrence) return NOTHING;
    const said = (): Sentence => {
      machine.life.remark(words);
      return machine.life.message;
    };
    return this.#act(rule, '', moment, ({ at }) => machine.operate(at, said, 'action')).transitions;
  }

  /** What the rules that are only observed would have done, in the order of the rules. */
  observations(moment: Moment): Observation[] {
    return [...this.#machines.values()].flatMap((machine) => machine.observation(moment) ?? []);
  }

  /**
   * An operator has seen the alarm. To do so again changes nothing.
   * @param by for the message
   * @param occurrence only this activation; absent: the newest
   * @returns transitions; take them over, then call `tick`
   * @throws SluiceError not-found: no such rule, another occurrence, or nothing to acknowledge
   */
  acknowledge(rule: string, by: string, moment: Moment, occurrence?: number): AlarmChange {
    return this.#act(rule, by, moment, (act) => acknowledge(act, occurrence));
  }

  /** A latched alarm is normal again. @throws SluiceError not-found: no such rule, another occurrence, or nothing to reset */
  reset(rule: string, by: string, moment: Moment, occurrence?: number): AlarmChange {
    return this.#act(rule, by, moment, (act) => reset(act, occurrence));
  }

  /**
   * Shelves an alarm: until then nothing of it is reported, whatever its condition does. `null` ends the shelving.
   * @param length milliseconds, 1 s to LONGEST_SHELVING
   * @throws SluiceError not-found: no such rule, or nothing to end; usage: the length
   */
  shelve(rule: string, length: number | null, by: string, moment: Moment, reason?: string): AlarmChange {
    return this.#act(rule, by, moment, (act) => shelve(act, length, reason));
  }

  /** Nothing of the alarm is reported until it is in service again. @throws SluiceError not-found: no such rule; usage: no reason */
  outOfService(rule: string, reason: string, by: string, moment: Moment, length?: number): AlarmChange {
    return this.#act(rule, by, moment, (act) => takeOutOfService(act, reason, length));
  }

  /** @throws SluiceError not-found: no such rule, or it is in service */
  inService(rule: string, by: string, moment: Moment): AlarmChange {
    return this.#act(rule, by, moment, putInService);
  }

  #act(rule: string, by: string, moment: Moment, act: (act: Act) => void): AlarmChange {
    const machine = this.#machine(rule);
    this.#advance(moment.at);
    act({ machine, at: moment.at, by, moved: () => this.#out.length > 0 });
    this.#relations.settle();
    this.#unsaved.touch(machine);
    if (machine.wake < this.#wake) this.#wake = machine.wake;
    const transitions = this.#out.length === 0 ? NOTHING : this.#take();
    return { transitions, alarm: machine.view(moment) };
  }

  /** Does for each rule what has come due. */
  #advance(now: number): void {
    if (this.#relations.any) this.#relations.advance(now);
    for (const machine of this.#machines.values()) {
      if (machine.wake > now) continue;
      machine.advance(now);
      this.#unsaved.touch(machine);
    }
  }

  #machine(rule: string): RuleMachine {
    const machine = this.#machines.get(rule);
    if (machine === undefined) {
      const some = [...this.#machines.keys()].slice(0, 20).join(', ');
      throw new SluiceError('not-found', `there is no rule ${rule.slice(0, 64)}${some === '' ? '' : `; the rules are: ${some}`}`);
    }
    if (machine.tally !== undefined)
      throw new SluiceError('not-found', `the rule ${rule} is only observed (observe: true): it has no alarm`);
    return machine;
  }

  #index(shapes: Iterable<Shape>, at: number): void {
    this.#relations = new Relations(this.#machines, (machine) => this.#unsaved.touch(machine));
    this.#relations.check(at);
    this.#points = new WatchedPoints(this.#machines.values(), shapes);
    this.#findWake();
  }

  get #machines(): ReadonlyMap<string, RuleMachine> {
    return this.#inForce.machines;
  }

  #emit(transition: AlarmTransition): void {
    this.#out.push(transition);
    // What is said again after a trial was annunciated before.
    if (transition.cause !== 'reload') this.#figures.take(transition);
  }

  #take(): AlarmTransition[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #findWake(): void {
    let wake = this.#out[0]?.at ?? Number.POSITIVE_INFINITY;
    for (const machine of this.#machines.values()) if (machine.wake < wake) wake = machine.wake;
    this.#wake = wake;
  }
}
