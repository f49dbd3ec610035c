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
 */

import type { ResolvedAction } from '../../config/actions.ts';
import type { ResolvedRule } from '../../config/kinds.ts';
import type { AlarmTransition, Severity } from '../../core/alarm.ts';
import type { Logger } from '../../core/logger.ts';
import { plainValue, type Value } from '../../core/point.ts';
import type { GatewayEvent } from '../../core/ports.ts';
import { phrase, type Sentence } from '../../core/sentence.ts';
import type { Moment } from '../../rules/rule-state.ts';
import { ActionLanes, type LanesSide } from './action-lanes.ts';
import { Book, type Planned } from './book.ts';
import { rulePrincipal } from './interlocks.ts';
import { actionAt, type Job, nameOf, parseBook } from './job.ts';
import type { Outcome } from './lane.ts';
import { isOutputState, Outputs } from './outputs.ts';
import { type ActionCounts, type ActionFigures, ActionTally } from './tally.ts';
import type { AlarmFacts } from './texts.ts';

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

export interface ActionsSide extends LanesSide {
  readonly logger: Logger;
  /** As configured now. */
  readonly rules: () => ReadonlyMap<string, ResolvedRule>;
  readonly moment: () => Moment;
  readonly look: (rule: string) => AlarmLook | undefined;
  readonly save: (key: string, state: unknown) => void;
  /** Adds words to the alarm, for everybody who sees it. */
  readonly remark: (rule: string, occurrence: number, words: Sentence) => void;
  /** Events of actions; the caller bounds how many there are. */
  readonly tell: (event: GatewayEvent) => void;
  /** An event as everybody may see it, in the log of the process too. Absent: as it was made. */
  readonly disclose?: ((event: GatewayEvent) => GatewayEvent) | undefined;
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
  /** Those that a time will change. */
  readonly #timed = new Set<string>();
  readonly #lanes: ActionLanes;
  readonly #outputs: Outputs;
  readonly tally: ActionTally;
  #fresh: Job[] = [];
  #rules: ReadonlyMap<string, ResolvedRule> = new Map();
  #cancel: (() => void) | undefined;
  #begun = false;
  #stopped = false;

  constructor(side: ActionsSide) {
    this.#s = side;
    const { clock } = side;
    this.tally = new ActionTally(() => clock.monotonic());
    this.#lanes = new ActionLanes(side, {
      settled: (job, outcome) => this.#settled(job, outcome),
      begun: (job) => this.tally.started(job),
      failing: (job, error) => this.#remark(job, 'action-failing', error),
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
      const book = t.observed ? undefined : this.#books.get(t.rule);
      if (book === undefined) continue;
      this.#plan(t.rule, book.take(t, this.#factsOf(t, moment), moment), moment);
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

  /** The configuration was exchanged. Call it before the transitions of the exchange are planned. */
  reload(): void {
    const moment = this.#s.moment();
    this.#rules = this.#s.rules();
    const gone: Job[] = [];
    for (const [name, book] of this.#books) {
      const rule = this.#rules.get(name);
      if (rule !== undefined && acts(rule)) continue;
      gone.push(...book.jobs);
      this.#books.delete(name);
      this.#timed.delete(name);
      this.#s.save(KEY + name, null);
    }
    for (const [name, book] of this.#books) {
      const rule = this.#rules.get(name);
      if (rule === undefined) continue;
      gone.push(...book.change(rule, moment));
      this.#save(name, book, moment);
    }
    for (const job of gone) this.tally.ended(job, 'superseded');
    this.#forget(gone);
    this.tally.keep((figures) => this.#exists(figures));
    this.#rewrite(moment);
    this.#schedule();
  }

  clockKnown(moment: Moment): void {
    for (const [name, book] of this.#books) {
      book.clockKnown(moment);
      this.#save(name, book, moment);
    }
    this.#schedule();
  }

  /** What waits stays in the log for the next start. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#lanes.stop();
    this.#outputs.stop();
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
      this.#overflow(job);
    }
    this.#forget(dropped);
    // After `stop` the log keeps them.
    if (!this.#stopped) this.#fresh.push(...jobs);
    const book = this.#books.get(rule);
    if (book !== undefined) this.#save(rule, book, moment);
  }

  #save(rule: string, book: Book, moment: Moment): void {
    this.#s.save(KEY + rule, book.save(moment));
    if (book.due === Number.POSITIVE_INFINITY) this.#timed.delete(rule);
    else this.#timed.add(rule);
  }

  #enqueue(job: Job): void {
    // A reload, or newer jobs of its rule, took it away before it was begun.
    if (this.#isWanted(job)) this.#lanes.add(job);
  }

  #isWanted(job: Job): boolean {
    return this.#books.get(job.facts.rule)?.jobs.includes(job) === true;
  }

  #settled(job: Job, outcome: Outcome): void {
    // The next start does it.
    if (this.#stopped) return;
    const { action, facts } = job;
    // One that a reload or newer jobs took away while it ran was counted then.
    if (this.#isWanted(job)) this.tally.ended(job, outcome.result, outcome.result === 'failed' ? outcome.error : undefined);
    this.#finish(job, outcome.result === 'failed' || outcome.result === 'dropped');
    if (outcome.result === 'dropped') this.#overflow(job);
    else if (outcome.result === 'failed') {
      const next = action.orElse === undefined ? '' : ` Its fallback is next: ${nameOf(action.orElse)}.`;
      this.#tell(
        job,
        'critical',
        'failed',
        `The action "${nameOf(action)}" of the rule ${facts.rule} failed: ${outcome.error.message}.${next}`,
      );
      this.#remark(job, 'action-failed', outcome.error);
    } else if (outcome.result === 'done' && action.kind !== 'write')
      this.#tell(job, 'info', 'done', `The rule ${facts.rule} did the action "${nameOf(action)}".`);
    this.begin();
  }

  /** The job is over: its rule does not do it again. */
  #finish(job: Job, failed: boolean): void {
    const book = this.#books.get(job.facts.rule);
    const moment = this.#s.moment();
    if (book !== undefined) this.#plan(job.facts.rule, book.finished(job, failed, moment.at), moment);
  }

  #overflow(job: Job): void {
    this.#tell(
      job,
      'critical',
      'dropped',
      `Too many actions wait, so the action "${nameOf(job.action)}" of the rule ${job.facts.rule} was left out.`,
    );
  }

  #remark({ facts, action }: Job, say: 'action-failed' | 'action-failing', { message: why }: Error): void {
    this.#s.remark(facts.rule, facts.occurrence, phrase(say, { action: nameOf(action), why }));
  }

  #tell({ action, facts, at }: Job, severity: Severity, result: string, message: string): void {
    const { rule, occurrence } = facts;
    const data = {
      rule,
      occurrence,
      action: action.kind,
      of: nameOf(action),
      at,
      result,
      via: 'rule',
      who: rulePrincipal(rule).who,
    };
    const made = { event: 'action', severity, message, data };
    const event = this.#s.disclose?.(made) ?? made;
    this.#s.logger[severity === 'info' ? 'info' : 'warn'](event.data ?? {}, event.message);
    this.#s.tell(event);
  }

  #factsOf(t: AlarmTransition, moment: Moment): AlarmFacts {
    return {
      ...{ rule: t.rule, point: t.point, occurrence: t.occurrence, state: t.state, severity: t.severity, message: t.message },
      value: t.value === undefined ? '' : String(plainValue(t.value, t.type)),
      time: Math.round(t.at + moment.wall - moment.at),
    };
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
