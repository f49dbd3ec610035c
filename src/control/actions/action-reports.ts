/** What people hear of actions: events for the audit, and words beside the alarm. */
import type { Severity } from '../../core/alarm.ts';
import type { Logger } from '../../core/logger.ts';
import type { GatewayEvent } from '../../core/ports.ts';
import { phrase, type Sentence } from '../../core/sentence.ts';
import { rulePrincipal } from './interlocks.ts';
import { type Job, nameOf } from './job.ts';

export interface ReportsSide {
  readonly logger: Logger;
  /** Adds words to the alarm, for everybody who sees it. */
  readonly remark: (rule: string, occurrence: number, words: Sentence) => void;
  /** Events of actions; the caller bounds how many there are. */
  readonly tell: (event: GatewayEvent) => void;
  /** An event as everybody may see it, in the log of the process too. Absent: as it was made. */
  readonly disclose?: ((event: GatewayEvent) => GatewayEvent) | undefined;
}

export class ActionReports {
  readonly #s: ReportsSide;

  constructor(side: ReportsSide) {
    this.#s = side;
  }

  /** The command port audits writes. */
  done(job: Job): void {
    const { action, facts } = job;
    if (action.kind !== 'write') this.#tell(job, 'info', 'done', `The rule ${facts.rule} did the action "${nameOf(action)}".`);
  }

  failed(job: Job, error: Error): void {
    const { action, facts } = job;
    const next = action.orElse === undefined ? '' : ` Its fallback is next: ${nameOf(action.orElse)}.`;
    const words = `The action "${nameOf(action)}" of the rule ${facts.rule} failed: ${error.message}.${next}`;
    this.#tell(job, 'critical', 'failed', words);
    this.remark(job, 'action-failed', error);
  }

  dropped(job: Job): void {
    this.#tell(
      job,
      'critical',
      'dropped',
      `Too many actions wait, so the action "${nameOf(job.action)}" of the rule ${job.facts.rule} was left out.`,
    );
  }

  remark({ facts, action }: Job, say: 'action-failed' | 'action-failing', { message: why }: Error): void {
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
}
