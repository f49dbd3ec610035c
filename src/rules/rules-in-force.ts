/**
 * The rules in force: taken up at the start, and exchanged by a reload, for good or on trial. Invariants:
 *
 * - Rules are matched by name. An unchanged one keeps its state and its timers, whatever happens to the others.
 * - A changed rule starts anew and counts on its occurrences; a removed one is forgotten. Either ends its alarm with a `normal`
 *   transition, at the start as well.
 * - A trial forgets nothing: the states of changed and removed rules are parked until it is over (parked-states.ts).
 * - An exchange that cannot be prepared has changed nothing.
 */
import type { ResolvedRule } from '../config/kinds.ts';
import type { AlarmTransition } from '../core/alarm.ts';
import { SluiceError } from '../core/errors.ts';
import type { Language } from '../core/languages.ts';
import { type Sentence, wordsIn } from '../core/sentence.ts';
import { ParkedStates } from './parked-states.ts';
import type { RuleKind } from './rule-kind.ts';
import { RuleMachine } from './rule-machine.ts';
import { fingerprint, type Moment, type RuleState } from './rule-state.ts';
import type { UnsavedRules } from './unsaved-rules.ts';
import type { WallClock } from './wall-clock.ts';
import { changedMessage, pointOf, removedMessage } from './words.ts';

/** States by the names of rules. Each is made when it is asked for. */
export interface SavedRules {
  readonly names: () => Iterable<string>;
  readonly get: (rule: string) => RuleState | undefined;
}

/** The parts of the engine that the rules need. */
export interface RuleSurroundings {
  readonly kinds: readonly RuleKind[];
  readonly clock: WallClock;
  readonly unsaved: UnsavedRules;
  /** Another rule says that something is wrong with the point of this one. */
  readonly suspects: (rule: ResolvedRule) => boolean;
  readonly emit: (transition: AlarmTransition) => void;
}

/** A set of rules that can take the place of the one in force. */
export interface PreparedRules {
  readonly machines: ReadonlyMap<string, RuleMachine>;
  /** Unchanged rules, and how they are written now. */
  readonly renamed: readonly (readonly [machine: RuleMachine, rule: ResolvedRule])[];
  /** Rules that go on as before a trial. */
  readonly back: ReadonlySet<RuleMachine>;
  readonly trial: boolean;
}

export class RulesInForce {
  readonly #kinds: ReadonlyMap<string, RuleKind>;
  readonly #around: RuleSurroundings;
  #machines: ReadonlyMap<string, RuleMachine> = new Map();
  readonly #parked = new ParkedStates();
  /** The language of the sentences about rules that are gone. */
  #language: Language = 'en';
  readonly #emit = (transition: AlarmTransition): void => {
    const before = this.#parked.said(transition.rule);
    if (before !== undefined) this.#end(before.state, transition.at, before.end);
    this.#around.emit(transition);
  };

  constructor(around: RuleSurroundings) {
    this.#kinds = new Map(around.kinds.map((kind) => [kind.key, kind]));
    this.#around = around;
  }

  /** By name, in the order of the configuration. */
  get machines(): ReadonlyMap<string, RuleMachine> {
    return this.#machines;
  }
  /** There is such a rule, or its state is kept during a trial. */
  has(rule: string): boolean {
    return this.#machines.has(rule) || this.#parked.has(rule);
  }
  /** States of rules that were changed or removed are kept. */
  get onTrial(): boolean {
    return this.#parked.any;
  }
  /** The stored state of the rule is that of before a trial, and stays. */
  keepsStored(rule: string): boolean {
    return this.#parked.holds(rule);
  }

  /**
   * The first set of rules, with what an earlier run saved.
   * @throws SluiceError internal: a rule of an unknown kind
   */
  start(rules: Iterable<ResolvedRule>, states: Iterable<RuleState> | SavedRules, moment: Moment): void {
    const saved = savedRules(states);
    const machines = new Map<string, RuleMachine>();
    this.#machines = machines;
    const left = new Set(saved.names());
    for (const rule of rules) {
      this.#language = rule.language ?? 'en';
      const before = saved.get(rule.name);
      left.delete(rule.name);
      const same = before?.fingerprint === fingerprint(rule);
      const machine = this.#make(rule, moment, same ? before : undefined, before);
      machines.set(rule.name, machine);
      if (before === undefined || same) continue;
      machine.inherit(before, moment);
      machine.touch();
      if (before.state !== 'normal' && !machine.standing) this.#end(before, moment.at, changedMessage(rule.name, before.point));
    }
    for (const name of left) {
      this.#around.unsaved.remove(name);
      const gone = saved.get(name);
      if (gone !== undefined && gone.state !== 'normal') this.#end(gone, moment.at, removedMessage(gone.rule, gone.point));
    }
  }

  /**
   * Makes another set of rules. Nothing has changed before `replace`.
   * @param trial as in `reload` of the engine
   * @throws SluiceError internal: a rule of an unknown kind
   */
  prepare(rules: Iterable<ResolvedRule>, moment: Moment, trial: boolean): PreparedRules {
    const machines = new Map<string, RuleMachine>();
    const renamed: [RuleMachine, ResolvedRule][] = [];
    const back = new Set<RuleMachine>();
    for (const rule of rules) {
      const old = this.#machines.get(rule.name);
      const kept = trial || old?.fingerprint === fingerprint(rule) ? undefined : this.#parked.back(rule.name, fingerprint(rule));
      if (kept !== undefined) {
        const machine = this.#make(rule, moment, kept, kept);
        machine.touch();
        back.add(machine);
        machines.set(rule.name, machine);
      } else if (old?.fingerprint !== fingerprint(rule))
        machines.set(rule.name, this.#make(rule, moment, undefined, old?.save(moment)));
      else {
        machines.set(rule.name, old);
        renamed.push([old, rule]);
      }
    }
    return { machines, renamed, back, trial };
  }

  /** Puts a prepared set in force. What came due before must have been done. */
  replace({ machines: next, renamed, back, trial }: PreparedRules, moment: Moment): void {
    const { unsaved } = this.#around;
    for (const { rule } of next.values()) this.#language = rule.language ?? 'en';
    for (const [machine, rule] of renamed) machine.rename(rule);
    if (!trial) this.#endTrial(moment, next, back);
    for (const old of this.#machines.values()) {
      const machine = next.get(old.name);
      if (machine === old) continue;
      const words = machine === undefined ? removedMessage : changedMessage;
      const before = old.save(moment);
      const isBack = machine !== undefined && back.has(machine);
      if (isBack) machine.life.occurrence = Math.max(machine.life.occurrence, before.occurrence);
      else machine?.inherit(before, moment);
      machine?.touch();
      const end = old.standing && machine?.standing !== true ? words(old.name, old.point) : undefined;
      if (trial) {
        this.#parked.put(before, end);
        unsaved.keep(before);
        continue;
      }
      if (end !== undefined) this.#end(before, moment.at, end);
      if (machine === undefined) unsaved.remove(old.name);
    }
    for (const machine of next.values()) unsaved.comesBack(machine);
    this.#machines = next;
  }

  /** The rules of the trial are kept: those that they replaced are forgotten. */
  confirm(moment: Moment): void {
    this.#endTrial(moment, this.#machines, new Set());
  }

  /** @param back rules that go on as before the trial */
  #endTrial({ at }: Moment, next: ReadonlyMap<string, RuleMachine>, back: ReadonlySet<RuleMachine>): void {
    for (const [name, { state, end }] of this.#parked.take()) {
      const machine = next.get(name);
      if (machine !== undefined && back.has(machine)) continue;
      if (end !== undefined) this.#end(state, at, end);
      if (machine === undefined) this.#around.unsaved.remove(name);
    }
  }

  /** @param before the state of a rule of this name, which may have been another one */
  #make(rule: ResolvedRule, start: Moment, saved?: RuleState, before?: RuleState): RuleMachine {
    const { suspects, clock } = this.#around;
    const kind = this.#kinds.get(rule.kind);
    if (kind === undefined) throw new SluiceError('internal', `the rule ${rule.name} is of the unknown kind ${rule.kind}`);
    // Another sensitivity must not cost a month of learning. The kind takes up no memory but its own.
    const learned = before?.point === pointOf(rule) ? before.memory : undefined;
    const advice = kind.advisory === true ? { suspect: () => suspects(rule), learned } : undefined;
    return new RuleMachine(rule, kind.create(rule.setting, rule.deadband), start, this.#emit, saved, clock, advice);
  }

  #end(state: RuleState, at: number, said: Sentence): void {
    const { rule, occurrence, severity, point, observed } = state;
    const message = wordsIn(said, this.#language);
    const only = observed === undefined ? {} : { observed: true as const };
    this.#emit({ rule, occurrence, state: 'normal', severity, point, at, message, said, cause: 'reload', ...only });
  }
}

function savedRules(saved: Iterable<RuleState> | SavedRules): SavedRules {
  if (!(Symbol.iterator in saved)) return saved;
  const states = new Map([...saved].map((state) => [state.rule, state]));
  return { names: () => states.keys(), get: (rule) => states.get(rule) };
}
