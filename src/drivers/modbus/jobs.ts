/** What is polled, and what comes next. A job is one request, again and again. */
import type { Shape } from '../../core/point.ts';
import type { Device } from './device.ts';
import type { SearchStep } from './model-search.ts';
import type { Movable } from './placed.ts';
import type { Ask } from './port.ts';
import { requestLabel } from './words.ts';

export interface Job extends Movable {
  readonly device: Device;
  readonly shape: Shape;
  readonly interval: number;
  /** Later than the others of its interval, so that not all are due at once; ms. */
  readonly offset: number;
  /** Due at grid + k × interval. */
  grid: number;
  due: number;
  /** What it goes by among those that are due: `due`, or later where it had a part of its turn. */
  rank: number;
  /** Number of the turn in which it was last served. */
  served: number;
  /** No other one asks this device with its function: whatever reply comes, however late, is to this one. */
  readonly alone: boolean;
  /** One of its points is in alarm. */
  urgent: boolean;
}

export type NewJob = Omit<Job, 'grid' | 'due' | 'rank' | 'served' | 'urgent' | 'label' | 'alone'>;

export class Jobs {
  readonly all: readonly Job[];
  #turns = 0;
  #urgentLast = false;

  constructor(jobs: readonly NewJob[]) {
    this.all = jobs.map((job) => ({
      ...job,
      ...{ label: requestLabel(job.request), grid: 0, due: 0, rank: 0, served: 0, urgent: false },
      alone: !jobs.some((j) => j !== job && j.device === job.device && j.request.table === job.request.table),
    }));
  }

  /** Those of a device, each where its model lies now. */
  of(device: Device): Job[] {
    const own = this.all.filter((job) => job.device === device);
    for (const job of own) device.models?.settle(job);
    return own;
  }

  /** Everything is due at once, in the order written; afterwards each at its own place in the interval. */
  start(now: number): void {
    for (const job of this.all) {
      job.grid = now + job.offset;
      job.due = now;
      job.rank = now;
    }
  }

  /**
   * What is due goes by its due time; among equals the one that was served longest ago. Points in alarm go first, but
   * never twice in a row while others wait.
   * @param heldUntil monotonic ms from which on a job may be sent
   * @returns the job, or when to look again
   */
  next(now: number, heldUntil: (job: Job) => number): Job | number {
    let wake = Number.POSITIVE_INFINITY;
    let best: Job | undefined;
    let urgent: Job | undefined;
    for (const job of this.all) {
      const ready = Math.max(job.due, heldUntil(job));
      if (ready > now) wake = Math.min(wake, ready);
      else if (job.urgent) urgent = earlier(job, urgent);
      else best = earlier(job, best);
    }
    return (this.#urgentLast ? (best ?? urgent) : (urgent ?? best)) ?? wake;
  }

  /** When the next one of other devices is due; those of `but` do not count. */
  nextDue(but: (job: Job) => boolean): number {
    let due = Number.POSITIVE_INFINITY;
    for (const job of this.all) if (!but(job)) due = Math.min(due, job.due);
    return due;
  }

  sent(job: Job): void {
    job.served = ++this.#turns;
    this.#urgentLast = job.urgent;
  }

  /** It was asked something, and has more to ask before its sample is given: whoever is due now goes first. */
  further(job: Job, now: number): void {
    job.rank = now;
  }

  /** Its sample was given: when it is due again. @returns polls left out, because they passed while this one waited */
  done(job: Job, now: number): number {
    const next = job.grid + (Math.floor((now - job.grid) / job.interval) + 1) * job.interval;
    const missed = Math.max(0, Math.round((next - job.due) / job.interval) - 1);
    job.due = next;
    job.rank = next;
    return missed;
  }
}

/** What has to be known before the job can be asked: a step of the search for its model. */
export function stepOf(job: Job, now: number): SearchStep | undefined {
  return job.device.models?.step(job, now);
}

export function askOf(job: Job, now: number): Ask {
  return { unit: job.device.unit, pdu: stepOf(job, now)?.pdu ?? job.pdu };
}

function earlier(job: Job, than: Job | undefined): Job {
  if (than === undefined || job.rank < than.rank || (job.rank === than.rank && job.served < than.served)) return job;
  return than;
}
