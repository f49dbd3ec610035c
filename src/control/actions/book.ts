/**
 * What one rule has done and still has to do. Pure; its owner keeps the times and the log. Invariants:
 * - a change is saved before the transition that made it is reported, in the same commit: after a restart nothing that was done is done
 *   again, and nothing that was not done is forgotten;
 * - an action that ran when the gateway ended is done once more (at least once); a flow that was triggered is not;
 * - at most MOST_JOBS actions wait for a rule.
 */
import type { ResolvedAction } from '../../config/actions.ts';
import type { ResolvedRule } from '../../config/kinds.ts';
import type { AlarmTransition } from '../../core/alarm.ts';
import type { Moment } from '../../rules/rule-state.ts';
import { Escalation } from './escalation.ts';
import { dueOf, isOf, type Job, jobOf, MOST_JOBS, type SavedBook, saveJob } from './job.ts';
import type { AlarmFacts } from './texts.ts';
import { isActive, type Seen, stepOf, UNSEEN, waitsForPerson } from './triggers.ts';

/** The state of the alarm as the rules have it. */
export interface AlarmNow {
  readonly state: Seen['state'];
  readonly occurrence: number;
}

/** What a rule still had to do when another one took its place. */
export interface Left {
  readonly jobs: readonly Job[];
  /** The wait for a person as it was. */
  readonly escalation: Escalation | undefined;
}

export interface Planned {
  readonly jobs: readonly Job[];
  /** Jobs that made room. */
  readonly dropped: readonly Job[];
}

export class Book {
  #rule: ResolvedRule;
  #seen: Seen;
  #jobs: Job[] = [];
  #escalation: Escalation | undefined;
  /** Facts of the newest transition, for an escalation. */
  #facts: AlarmFacts | undefined;

  /** @param saved of an earlier run; without it what has happened so far counts as acted on */
  constructor(rule: ResolvedRule, now: AlarmNow, start: Moment, saved?: SavedBook) {
    this.#rule = rule;
    const open = now.state !== 'normal';
    this.#seen = { ...UNSEEN, state: now.state, acted: now.occurrence, open, holding: isActive(now.state) };
    if (saved !== undefined) {
      const { state, acted, holding } = saved;
      // A damaged log does not make the next activations ones that were acted on.
      this.#seen = { state, acted: Math.min(acted, now.occurrence), open: saved.open, holding };
      this.#jobs = saved.jobs.flatMap((job) => jobOf(job, rule, start) ?? []);
      if (rule.escalation !== undefined && saved.escalation !== undefined && waitsForPerson(now.state))
        this.#escalation = new Escalation(rule.escalation, start, saved.escalation);
    }
    this.#awaitPerson(now.state, start);
  }

  /** Jobs of the run before. */
  get jobs(): readonly Job[] {
    return this.#jobs;
  }
  /** Monotonic. */
  get due(): number {
    return Math.min(this.#escalation?.due ?? Number.POSITIVE_INFINITY, this.#escalation?.saveDue ?? Number.POSITIVE_INFINITY);
  }
  get facts(): AlarmFacts | undefined {
    return this.#facts;
  }
  get escalation(): Escalation | undefined {
    return this.#escalation;
  }

  /** The rule has other actions now. Those that wait go on where they are the same. @returns those that are not done any more */
  change(rule: ResolvedRule, moment: Moment): Job[] {
    const kept = this.#jobs.filter((job) => job.facts.rule === rule.name && isOf(job, rule));
    const gone = this.#jobs.filter((job) => !kept.includes(job));
    this.#jobs = kept;
    const before = this.#rule.escalation;
    this.#rule = rule;
    if (rule.escalation === undefined) this.#escalation = undefined;
    else if (this.#escalation !== undefined && before !== undefined)
      this.#escalation = new Escalation(rule.escalation, moment, this.#escalation.save(moment));
    this.#awaitPerson(this.#seen.state, moment);
    return gone;
  }

  /**
   * The rule is as before a trial: it goes on with what it had to do. An alarm that stands again is the one that was acted on before.
   * A write belongs to an alarm that stands, or to one that does not: it is left out where that has changed meanwhile.
   * @returns the jobs that are done from now on
   */
  resume({ jobs, escalation }: Left, now: AlarmNow, moment: Moment): Planned {
    if (!this.#seen.open && now.state !== 'normal')
      this.#seen = { ...this.#seen, state: now.state, open: true, holding: isActive(now.state) };
    const { escalation: setting } = this.#rule;
    // A wait that went on during the trial, a fraction of a millisecond apart, knows what it has done.
    const isOlder = escalation !== undefined && escalation.since < (this.#escalation?.since ?? Number.POSITIVE_INFINITY) - 1;
    if (isOlder && setting !== undefined && waitsForPerson(now.state))
      this.#escalation = new Escalation(setting, moment, escalation.save(moment));
    return this.#bounded(
      jobs.filter(
        (job) => isOf(job, this.#rule) && (job.action.kind !== 'write' || isActive(job.facts.state) === isActive(now.state)),
      ),
      this.#jobs,
    );
  }

  /** A transition of the alarm. */
  take(t: AlarmTransition, facts: AlarmFacts, moment: Moment): Planned {
    const { seen, triggers } = stepOf(this.#seen, t);
    const began = triggers.includes('active');
    this.#seen = seen;
    this.#facts = facts;
    if (!waitsForPerson(t.state)) this.#escalation = undefined;
    else if (
      this.#escalation === undefined &&
      this.#rule.escalation !== undefined &&
      (began || t.state === 'active-unacknowledged')
    )
      this.#escalation = new Escalation(this.#rule.escalation, moment);
    const actions = (this.#rule.actions ?? []).flatMap((action, i) =>
      action.kind !== 'output' && action.on.some((on) => triggers.includes(on)) ? [{ at: `do.${i}`, action, facts }] : [],
    );
    return this.#add(actions, moment.at);
  }

  /** Looks at the escalation. @param facts as the alarm is now */
  tick(now: number, facts: () => AlarmFacts | undefined): Planned {
    const known = facts();
    if (this.#escalation?.take(now) !== true || known === undefined) return { jobs: [], dropped: [] };
    return this.#escalated(known, now);
  }

  clockKnown(moment: Moment): void {
    this.#escalation?.clockKnown(moment);
  }

  /** @param now monotonic @returns the fallback, where there is one. A job that the rule does not do any more has none */
  finished(job: Job, failed: boolean, now: number): Planned {
    if (!this.#jobs.includes(job)) return { jobs: [], dropped: [] };
    this.#jobs = this.#jobs.filter((one) => one !== job);
    const next = failed ? job.action.orElse : undefined;
    if (next === undefined) return { jobs: [], dropped: [] };
    return this.#add([{ at: `${job.at}.else`, action: next, facts: job.facts }], now);
  }

  save(moment: Moment): SavedBook {
    return {
      ...this.#seen,
      jobs: this.#jobs.map((job) => saveJob(job, moment)),
      ...(this.#escalation !== undefined && { escalation: this.#escalation.save(moment) }),
    };
  }

  /** An alarm that stands already waits from now on, when nobody has counted its wait so far. */
  #awaitPerson(state: Seen['state'], moment: Moment): void {
    if (this.#escalation === undefined && this.#rule.escalation !== undefined && waitsForPerson(state))
      this.#escalation = new Escalation(this.#rule.escalation, moment);
  }

  #escalated(facts: AlarmFacts, now: number): Planned {
    const list = [
      ...(this.#rule.escalation?.actions ?? []).map((action, i) => ({ at: `escalate.${i}`, action, facts })),
      ...(this.#rule.actions ?? []).flatMap((action: ResolvedAction, i) =>
        action.on.includes('escalated') ? [{ at: `do.${i}`, action, facts }] : [],
      ),
    ];
    return this.#add(list, now);
  }

  #add(planned: readonly Omit<Job, 'due'>[], now: number): Planned {
    const jobs = planned.map((job) => ({ ...job, ...dueOf(job.action, now) }));
    const { dropped } = this.#bounded(this.#jobs, jobs);
    return { jobs: jobs.filter((job) => !dropped.includes(job)), dropped };
  }

  /** Both wait from now on. @returns the older ones that fit, and those that do not */
  #bounded(older: readonly Job[], newer: readonly Job[]): Planned {
    const all = [...older, ...newer];
    const dropped = all.slice(0, Math.max(0, all.length - MOST_JOBS));
    this.#jobs = all.slice(-MOST_JOBS);
    return { jobs: older.filter((job) => !dropped.includes(job)), dropped };
  }
}
