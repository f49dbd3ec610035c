/**
 * What rules do when something happens to their alarms. Invariants:
 * - `planned` keeps what is to be done before the transition is reported, and `begin` starts it in the same turn: a write is on its way
 *   before the next poll. Nothing here waits, and nothing holds up polls, alarms or the event loop.
 * - Each kind has its queue with its bound (action-lanes.ts). What does not fit is counted, and an event says so.
 * - Who acts is the rule (`door: 'rule'`): writes go through the command port with its bounds, interlocks and audit. The other actions
 *   are audited here as the event `action`, at most so many a minute.
 * - Writes, outputs, hooks and messages are done at least once: one that a restart interrupts is done again. A flow is triggered at
 *   most once. What is done is never repeated (book.ts).
 * - A rule that is only observed does nothing.
 * - A configuration on trial takes nothing away for good: what the one before still had to do is parked (parked-actions.ts).
 */

import type { ResolvedAction } from '../../config/actions.ts';
import type { ResolvedRule } from '../../config/kinds.ts';
import type { AlarmTransition } from '../../core/alarm.ts';
import { plainValue, type Value } from '../../core/point.ts';
import { fingerprint, type Moment } from '../../rules/rule-state.ts';
import { ActionLanes, type LanesSide } from './action-lanes.ts';
import { ActionReports, type ReportsSide } from './action-reports.ts';
import { Book, type Planned } from './book.ts';
import { rulePrincipal } from './interlocks.ts';
import { actionAt, type Job, nameOf, parseBook } from './job.ts';
import type { Outcome } from './lane.ts';
import { isOutputState, Outputs } from './outputs.ts';
import { type Parked, ParkedActions } from './parked-actions.ts';
import { type ActionCounts, type ActionFigures, ActionTally } from './tally.ts';
import { type AlarmFacts, factsOf } from './texts.ts';
import { waitsForPerson } from './triggers.ts';

const KEY = '@action.';
/** Whether a saved state is that of an action or an output. */
export const isActionState = (key: string): boolean => key.startsWith(KEY) || isOutputState(key);

/** An alarm as the rules have it now. */
export interface AlarmLook {
  readonly state: AlarmTransition['state'];
  readonly occurrence: number;
  /** The condition holds, whatever the state says. */
  readonly holds: boolean;
  readonly message: string;
  readonly value?: Value | undefined;
}

export interface ActionsSide extends LanesSide, ReportsSide {
  /** As configured now. */
  readonly rules: () => ReadonlyMap<string, ResolvedRule>;
  readonly moment: () => Moment;
  readonly look: (rule: string) => AlarmLook | undefined;
  readonly save: (key: string, state: unknown) => void;
}

export interface ActionsStatus {
  readonly kinds: readonly (ActionCounts & { readonly kind: ResolvedAction['kind']; readonly waiting: number })[];
  /** Those that began or ended since the start. What failed last comes first. */
  readonly actions: readonly ActionFigures[];
  /** Some rule acts. */
  readonly acting: boolean;
}

export class Actions {
  readonly #s: ActionsSide;
  readonly #books = new Map<string, Book>();
  readonly #parked = new ParkedActions();
  /** Those that a time will change. */
  readonly #timed = new Set<string>();
  readonly #lanes: ActionLanes;
  readonly #outputs: Outputs;
  readonly #reports: ActionReports;
  readonly tally: ActionTally;
  #fresh: Job[] = [];
  #rules: ReadonlyMap<string, ResolvedRule> = new Map();
  #cancel: (() => void) | undefined;
  #begun = false;
  #stopped = false;
  #ended = false;

  constructor(side: ActionsSide) {
    this.#s = side;
    const { clock } = side;
    this.tally = new ActionTally(() => clock.monotonic());
    this.#reports = new ActionReports(side);
    this.#lanes = new ActionLanes(side, {
      settled: (job, outcome) => this.#settled(job, outcome),
      begun: (job) => this.tally.started(job),
      failing: (job, error) => this.#reports.remark(job, 'action-failing', error),
    });
    this.#outputs = new Outputs({
      ...{ clock, tell: side.tell, save: side.save, tally: this.tally },
      write: (output, value, rule) => side.commands.run({ do: 'write', point: output, value }, rulePrincipal(rule)),
      isOn: (rule, how) => {
        const state = side.look(rule)?.state;
        if (how === 'unacknowledged') return state === 'active-unacknowledged';
        return state === 'active-unacknowledged' || state === 'active-acknowledged' || state === 'latched';
      },
    });
  }

  /** Takes up what the run before left. Nothing is done before `start`. */
  restore(saved: Iterable<readonly [key: string, state: unknown]>): void {
    this.#rules = this.#s.rules();
    const moment = this.#s.moment();
    for (const [key, state] of saved) {
      if (!key.startsWith(KEY)) continue;
      const rule = this.#rules.get(key.slice(KEY.length));
      const book = parseBook(state);
      if (rule === undefined || !acts(rule)) this.#s.save(key, null);
      else if (book !== undefined) this.#books.set(rule.name, new Book(rule, this.#now(rule.name), moment, book));
    }
    this.#rewrite(moment);
    this.#outputs.restore(saved);
    for (const [name, book] of this.#books) {
      this.#fresh.push(...book.jobs);
      if (book.due < Number.POSITIVE_INFINITY) this.#timed.add(name);
    }
  }

  /** Transitions that are about to be published: the actions that they ask for are kept. After `stop` it is kept for the next start. */
  planned(transitions: readonly AlarmTransition[]): void {
    const moment = this.#s.moment();
    for (const t of transitions) {
      if (!waitsForPerson(t.state)) this.#parked.answered(t.rule);
      const book = t.observed ? undefined : this.#books.get(t.rule);
      if (book === undefined) continue;
      this.#plan(t.rule, book.take(t, factsOf(t, moment), moment), moment);
      this.#outputs.changed(t.rule);
    }
  }

  /** The buses run: what waits is begun from now on. */
  start(): void {
    this.#begun = true;
    this.begin();
  }

  /** Starts what was planned. Before `start` it waits. */
  begin(): void {
    if (this.#stopped || !this.#begun) return;
    // What does not fit may have a fallback, which has none in the end.
    while (this.#fresh.length > 0) {
      const fresh = this.#fresh;
      this.#fresh = [];
      for (const job of fresh) this.#enqueue(job);
    }
    this.#outputs.begin();
    this.#schedule();
  }

  /**
   * The configuration was exchanged. Call it before the transitions of the exchange are planned, and `begin` behind them.
   * @param trial what rules that it lacks or changes still had to do is kept until `confirm`; a call without `trial` gives it back
   */
  reload(trial = false): void {
    const moment = this.#s.moment();
    const before = this.#rules;
    this.#rules = this.#s.rules();
    const goesOn = (name: string): boolean => {
      const [old, next] = [before.get(name), this.#rules.get(name)];
      return old !== undefined && next !== undefined && fingerprint(old) === fingerprint(next);
    };
    const back = trial ? undefined : this.#parked.take();
    const gone: Job[] = [];
    const paused: Job[] = [];
    for (const [name, book] of this.#books) {
      const rule = this.#rules.get(name);
      const { jobs, escalation } = book;
      if (rule !== undefined && acts(rule)) {
        const left = book.change(rule, moment);
        (trial && this.#parked.put(name, { jobs: left, escalation, goesOn: goesOn(name) }) ? paused : gone).push(...left);
        this.#save(name, book, moment);
        continue;
      }
      (trial && this.#parked.put(name, { jobs, escalation, book, goesOn: goesOn(name) }) ? paused : gone).push(...jobs);
      this.#books.delete(name);
      this.#timed.delete(name);
      this.#store(name, moment);
    }
    this.#forget([...paused, ...gone]);
    this.#rewrite(moment);
    for (const [name, parked] of back ?? []) gone.push(...this.#resume(name, parked, moment));
    this.#superseded(gone);
    this.#schedule();
  }

  /** What rules of before a trial still had to do is kept. Its rules may be the same, and only do something else. */
  get onTrial(): boolean {
    return this.#parked.any;
  }

  /** The rules of the trial are kept: what those before them still had to do is not done. */
  confirm(): void {
    const moment = this.#s.moment();
    const parked = this.#parked.take();
    for (const name of parked.keys()) this.#store(name, moment);
    this.#superseded([...parked.values()].flatMap(({ jobs }) => jobs));
  }

  /** @returns jobs that no rule wants any more */
  #resume(name: string, parked: Parked, moment: Moment): readonly Job[] {
    const book = this.#books.get(name);
    if (book === undefined) {
      this.#store(name, moment);
      return parked.jobs;
    }
    const { jobs, dropped } = book.resume(parked, this.#now(name), moment);
    const running = this.#lanes.want(new Set(jobs));
    this.#fresh.push(...jobs.filter((job) => !running.has(job) && !this.#fresh.includes(job)));
    this.#plan(name, { jobs: [], dropped }, moment);
    return parked.jobs.filter((job) => !jobs.includes(job) && !dropped.includes(job));
  }

  #superseded(jobs: readonly Job[]): void {
    for (const job of jobs) this.tally.ended(job, 'superseded');
    this.tally.keep((figures) => this.#exists(figures));
  }

  clockKnown(moment: Moment): void {
    for (const [name, book] of this.#books) {
      book.clockKnown(moment);
      this.#save(name, book, moment);
    }
    this.#parked.clockKnown(moment);
    this.#schedule();
  }

  /** What waits stays in the log for the next start. What runs may still be done until `end`. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#lanes.stop();
    this.#outputs.stop();
  }

  /** The log closes: how the others end is not kept, and the next start does them again. */
  end(): void {
    this.#ended = true;
  }

  /** No rule wants these any more. Of those that were not begun, `#enqueue` leaves them out. */
  #forget(jobs: readonly Job[]): void {
    if (jobs.length === 0) return;
    this.#lanes.drop(new Set(jobs));
  }

  status(): ActionsStatus {
    const waiting = { ...this.#lanes.waiting, output: this.#outputs.waiting };
    return {
      kinds: this.tally.kinds().map((counts) => ({ ...counts, waiting: waiting[counts.kind] })),
      actions: this.tally.actions(),
      acting: this.#books.size > 0,
    };
  }

  /** A book for each rule that acts; outputs as they are configured. */
  #rewrite(moment: Moment): void {
    const acting = [...this.#rules.values()].filter(acts);
    for (const rule of acting)
      if (!this.#books.has(rule.name)) {
        const book = new Book(rule, this.#now(rule.name), moment);
        this.#books.set(rule.name, book);
        // Its alarm stands already and waits for a person: the log has that from now on.
        if (book.due < Number.POSITIVE_INFINITY) this.#save(rule.name, book, moment);
      }
    this.#outputs.configure(acting);
  }

  /** A figure is of an action that a rule has now. */
  #exists({ rule, place, action }: ActionFigures): boolean {
    const of = this.#rules.get(rule);
    if (of === undefined) return false;
    const now = place === undefined ? of.actions?.find((one) => nameOf(one) === action) : actionAt(of, place);
    return now !== undefined && nameOf(now) === action;
  }

  #now(rule: string): { readonly state: AlarmTransition['state']; readonly occurrence: number } {
    const { state = 'normal' as const, occurrence = 0 } = this.#s.look(rule) ?? {};
    return { state, occurrence };
  }

  #plan(rule: string, { jobs, dropped }: Planned, moment: Moment): void {
    for (const job of dropped) {
      this.tally.ended(job, 'dropped');
      this.#reports.dropped(job);
    }
    this.#forget(dropped);
    // After `stop` the log keeps them.
    if (!this.#stopped) this.#fresh.push(...jobs);
    const book = this.#books.get(rule);
    if (book !== undefined) this.#save(rule, book, moment);
  }

  #save(rule: string, book: Book, moment: Moment): void {
    this.#store(rule, moment);
    if (book.due === Number.POSITIVE_INFINITY) this.#timed.delete(rule);
    else this.#timed.add(rule);
  }

  #store(rule: string, moment: Moment): void {
    this.#s.save(KEY + rule, this.#parked.saved(rule, this.#books.get(rule)?.save(moment), moment) ?? null);
  }

  #enqueue(job: Job): void {
    // A reload, or newer jobs of its rule, took it away before it was begun.
    if (this.#isWanted(job)) this.#lanes.add(job);
  }

  #isWanted(job: Job): boolean {
    return this.#books.get(job.facts.rule)?.jobs.includes(job) === true;
  }

  #settled(job: Job, outcome: Outcome): void {
    // The next start does the others.
    if (this.#ended || (this.#stopped && outcome.result !== 'done')) return;
    if (this.#parked.has(job)) {
      // It waits for the configuration before.
      if (outcome.result !== 'done') return;
      const moment = this.#s.moment();
      this.#parked.done(job, moment.at);
      this.#store(job.facts.rule, moment);
      this.tally.ended(job, 'done');
    }
    // One that a reload or newer jobs took away while it ran was counted then.
    if (this.#isWanted(job)) this.tally.ended(job, outcome.result, outcome.result === 'failed' ? outcome.error : undefined);
    this.#finish(job, outcome.result === 'failed' || outcome.result === 'dropped');
    if (outcome.result === 'dropped') this.#reports.dropped(job);
    else if (outcome.result === 'failed') this.#reports.failed(job, outcome.error);
    else if (outcome.result === 'done') this.#reports.done(job);
    this.begin();
  }

  /** The job is over: its rule does not do it again. */
  #finish(job: Job, failed: boolean): void {
    const book = this.#books.get(job.facts.rule);
    const moment = this.#s.moment();
    if (book !== undefined) this.#plan(job.facts.rule, book.finished(job, failed, moment.at), moment);
  }

  /** The alarm as it is now, for an escalation. */
  #factsNow(name: string, moment: Moment): AlarmFacts | undefined {
    const now = this.#s.look(name);
    const rule = this.#rules.get(name);
    if (now === undefined || rule === undefined) return undefined;
    return {
      ...{ rule: name, point: `${rule.device}.${rule.point}`, severity: rule.severity, time: Math.round(moment.wall) },
      ...{ occurrence: now.occurrence, state: now.state, message: now.message },
      value: now.value === undefined ? '' : String(plainValue(now.value, undefined)),
    };
  }

  #tick(): void {
    const moment = this.#s.moment();
    for (const [name, book] of this.#books)
      if (book.due <= moment.at)
        this.#plan(
          name,
          book.tick(moment.at, () => this.#factsNow(name, moment)),
          moment,
        );
    this.begin();
  }

  #schedule(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#stopped || !this.#begun) return;
    let due = Number.POSITIVE_INFINITY;
    for (const name of this.#timed) due = Math.min(due, this.#books.get(name)?.due ?? due);
    if (due === Number.POSITIVE_INFINITY) return;
    this.#cancel = this.#s.clock.after(Math.max(0, due - this.#s.clock.monotonic()), () => this.#tick());
  }
}

function acts({ actions, escalation, observe }: ResolvedRule): boolean {
  return observe !== true && ((actions?.length ?? 0) > 0 || escalation !== undefined);
}
