/**
 * What rules still had to do under the configuration that one on trial has replaced. Each configuration is on trial until its buses are
 * exchanged. Invariants:
 * - Nothing of it is begun during the trial. What ran already and is done meanwhile is not done again.
 * - When the configuration before comes back, its rules go on with it; when the trial is over otherwise, nobody does it.
 * - The log has it as long as it is kept, so that a power cut during the trial loses nothing.
 * - The state of before the trial counts, also when several exchanges fail one after the other.
 * - Bounded: one entry for each rule of the configuration before, MOST_JOBS jobs each.
 */
import type { Moment } from '../../rules/rule-state.ts';
import type { Book, Left } from './book.ts';
import { type Job, MOST_JOBS, type SavedBook, saveJob } from './job.ts';

export interface Parked extends Left {
  /** The alarm of the rule goes on during the trial: only what the rule does is another one. */
  readonly goesOn: boolean;
  /** Present: the rule does nothing on trial, so this is all that the log has of it. */
  readonly book?: Book | undefined;
}

export class ParkedActions {
  #rules = new Map<string, Parked>();

  get any(): boolean {
    return this.#rules.size > 0;
  }

  /** @returns false: nothing is left to do, or an earlier state is kept already */
  put(rule: string, parked: Parked): boolean {
    const isNothing = parked.jobs.length === 0 && parked.escalation === undefined;
    if (isNothing || this.#rules.has(rule)) return false;
    this.#rules.set(rule, parked);
    return true;
  }

  has(job: Job): boolean {
    return this.#rules.get(job.facts.rule)?.jobs.includes(job) === true;
  }

  /** It ran already, and is done. */
  done(job: Job, now: number): void {
    const parked = this.#rules.get(job.facts.rule);
    if (parked === undefined) return;
    parked.book?.finished(job, false, now);
    this.#rules.set(job.facts.rule, { ...parked, jobs: parked.jobs.filter((one) => one !== job) });
  }

  /** A person has answered, or the alarm is over: the wait of before is over as well where it is the same alarm. */
  answered(rule: string): void {
    const parked = this.#rules.get(rule);
    if (parked?.goesOn === true) this.#rules.set(rule, { ...parked, escalation: undefined });
  }

  clockKnown(moment: Moment): void {
    for (const { escalation } of this.#rules.values()) escalation?.clockKnown(moment);
  }

  /** None is kept any more. */
  take(): ReadonlyMap<string, Parked> {
    const all = this.#rules;
    this.#rules = new Map();
    return all;
  }

  /** @param own what the rule on trial has to do @returns what the log keeps of both; undefined: nothing */
  saved(rule: string, own: SavedBook | undefined, moment: Moment): SavedBook | undefined {
    const parked = this.#rules.get(rule);
    if (parked === undefined) return own;
    if (own === undefined) return parked.book?.save(moment);
    const escalation = own.escalation ?? parked.escalation?.save(moment);
    const jobs = [...parked.jobs.map((job) => saveJob(job, moment)), ...own.jobs].slice(-MOST_JOBS);
    return { ...own, jobs, ...(escalation !== undefined && { escalation }) };
  }
}
