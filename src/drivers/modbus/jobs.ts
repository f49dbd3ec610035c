/**
 * The jobs of a bus, and which one is next. A job is one request, again and again.
 *
 * The schedule: a job that is due waits in one queue, in the order in which it became due or, where that was before the end of its last
 * turn, in the order in which these turns ended. So on a bus that carries less than it is asked for, everybody has one turn
 * after the other, whatever the intervals and the times of the replies are. A turn may begin late by one interval, and the
 * next one then follows at once; what a job is late beyond that is left out and counted, and its later turns move back by just
 * that much. Nothing is rounded to a raster, so no job loses more than its peers because of its place in the interval. Jobs
 * with points in alarm form a queue of their own that goes first, but never twice in a row while others wait. A job that must
 * not be sent yet holds up nobody.
 *
 * Bounds: one entry a job; at most one turn of it waits.
 */
import type { Shape } from '../../core/point.ts';
import type { Device } from './device.ts';
import type { SearchStep } from './model-search.ts';
import type { Movable } from './placed.ts';
import type { Ask } from './port.ts';
import { requestLabel } from './words.ts';

/**
 * Milliseconds: a turn that is due so soon begins now. Timers count whole milliseconds and may come one too early; the process
 * would wake a second time for the rest of it.
 */
const EARLY = 1;

/** Without anything left out, ms and longest intervals: what was late now and then by chance is not a bus that carries too little. */
const CALM = { least: 60_000, intervals: 20 };

/** The values that decide the order; times in monotonic ms. */
export interface Queued {
  /** From here on its next turn may begin. */
  due: number;
  /** When it joined the queue for that turn, or joins it. */
  rank: number;
  /** One of its points is in alarm. */
  urgent: boolean;
}

export interface Job extends Movable, Queued {
  readonly device: Device;
  readonly shape: Shape;
  readonly interval: number;
  /** Later than the others of its interval, so that not all are due at once; ms. */
  readonly offset: number;
  /** Its turn has begun: when the next one is due. */
  next: number | undefined;
  /** A turn of it has begun, since the start or under another plan. */
  begun: boolean;
  /** Left out and not counted yet, ms; less than one interval. */
  leftOut: number;
  /** No other one asks this device with its function: whatever reply comes, however late, is to this one. */
  readonly alone: boolean;
}

export type NewJob = Omit<Job, keyof Queued | 'next' | 'begun' | 'leftOut' | 'label' | 'alone'>;

/**
 * The job whose turn it is.
 * @param urgentLast the turn before was one of a job in alarm
 * @param heldUntil monotonic ms from which on a job may be sent
 * @returns the job, or when to look again
 */
export function chooseNext<T extends Queued>(
  jobs: readonly T[],
  now: number,
  urgentLast: boolean,
  heldUntil: (job: T) => number,
): T | number {
  let wake = Number.POSITIVE_INFINITY;
  let best: T | undefined;
  let urgent: T | undefined;
  for (const job of jobs) {
    const held = heldUntil(job);
    if (Math.max(job.due - EARLY, held) > now) wake = Math.min(wake, Math.max(job.due, held));
    else if (job.urgent) urgent = earlier(job, urgent);
    else best = earlier(job, best);
  }
  return (urgentLast ? (best ?? urgent) : (urgent ?? best)) ?? wake;
}

/** @returns what a turn that begins now leaves out, ms, and when the one after it is due */
export function beginTurn(due: number, interval: number, now: number): { leftOut: number; next: number } {
  const leftOut = Math.max(0, now - due - interval);
  return { leftOut, next: due + leftOut + interval };
}

/**
 * Everything is asked at once at the start, while the process is at its slowest. A first turn that is late for that leaves the job in
 * its place: moved places would stay for ever, and each would wake the process by itself.
 * @param place of the first interval
 */
export function firstTurn(place: number, interval: number, now: number): { leftOut: number; next: number } {
  if (now < place) return { leftOut: 0, next: place };
  const leftOut = interval * Math.floor((now - place) / interval);
  return { leftOut, next: place + leftOut + interval };
}

export class Jobs {
  all: readonly Job[];
  #urgent: ReadonlySet<string> = new Set();
  #urgentLast = false;
  /** When something was left out last. */
  #stalledAt = Number.NEGATIVE_INFINITY;

  constructor(jobs: readonly NewJob[]) {
    this.all = made(jobs);
  }

  /** After this time without a missed poll the bus counts as carrying everything. */
  get #calm(): number {
    return Math.max(CALM.least, CALM.intervals * Math.max(...this.all.map(({ interval }) => interval)));
  }

  /** Those of a device, each where its model lies now. */
  of(device: Device): Job[] {
    const own = this.all.filter((job) => job.device === device);
    for (const job of own) device.models?.settle(job);
    return own;
  }

  /** Everything is asked at once, in the order written; afterwards each at its own place in the interval. */
  start(now: number): void {
    for (const job of this.all) {
      job.due = job.offset > 0 ? now + job.offset - job.interval : now;
      job.rank = now;
    }
  }

  /**
   * The device is read by these from now on, in place of those before. Each is due when the first of its points was: no point waits
   * longer for its next reading than it would have. @returns the shapes of both
   */
  exchange(device: Device, jobs: readonly NewJob[]): { before: Shape[]; after: Shape[] } {
    const old = this.all.filter((job) => job.device === device);
    const place = this.all.findIndex((job) => job.device === device);
    const fresh = made(jobs);
    for (const job of fresh) {
      job.begun = true;
      const names = new Set(job.shape.points.map((p) => p.name));
      const sources = old.filter(({ shape }) => shape.points.some((p) => names.has(p.name)));
      job.due = Math.min(...sources.map(({ due }) => due));
      job.rank = Math.min(...sources.map(({ rank }) => rank));
      job.urgent = isUrgent(job, this.#urgent);
    }
    const others = this.all.filter((job) => job.device !== device);
    this.all = [...others.slice(0, place), ...fresh, ...others.slice(place)];
    return { before: old.map(({ shape }) => shape), after: fresh.map(({ shape }) => shape) };
  }

  /** The job whose turn it is, or when to look again. */
  next(now: number, heldUntil: (job: Job) => number): Job | number {
    return chooseNext(this.all, now, this.#urgentLast, heldUntil);
  }

  /** @param points `device.point`, in alarm */
  setUrgent(points: ReadonlySet<string>): void {
    this.#urgent = points;
    for (const job of this.all) job.urgent = isUrgent(job, points);
  }

  /** When the next one of other devices is due; those of `but` do not count. */
  nextDue(but: (job: Job) => boolean): number {
    let due = Number.POSITIVE_INFINITY;
    for (const job of this.all) if (!but(job)) due = Math.min(due, job.due);
    return due;
  }

  sent(job: Job, now: number): void {
    this.#urgentLast = job.urgent;
    this.#begin(job, now);
  }

  /** It was asked something, and has more to ask before its sample is given: a job that is due now goes first. */
  further(job: Job, now: number): void {
    job.rank = now;
  }

  /** Its sample was given; it joins the queue again. @returns polls left out */
  done(job: Job, now: number): number {
    const next = this.#begin(job, now);
    job.next = undefined;
    job.due = next;
    job.rank = Math.max(next, now);
    const missed = Math.floor(job.leftOut / job.interval);
    job.leftOut -= missed * job.interval;
    return missed;
  }

  /** Begins a turn, unless the job has one already. */
  #begin(job: Job, now: number): number {
    if (job.next !== undefined) return job.next;
    const { due, interval, offset } = job;
    const turn = job.begun ? beginTurn(due, interval, now) : firstTurn(offset > 0 ? due + interval : due, interval, now);
    job.begun = true;
    job.leftOut += turn.leftOut;
    job.next = turn.next;
    if (turn.leftOut > 0) this.#stalledAt = now;
    // The stall that moved it is long over: it goes back to its place, where it wakes the process together with the others.
    else if (job.leftOut > 0 && now - due <= EARLY && now - this.#stalledAt > this.#calm && job.next - job.leftOut > now) {
      job.next -= job.leftOut;
      job.leftOut = 0;
    }
    return job.next;
  }
}

function made(jobs: readonly NewJob[]): Job[] {
  return jobs.map((job) => ({
    ...job,
    ...{ label: requestLabel(job.request), due: 0, rank: 0, urgent: false, next: undefined, begun: false, leftOut: 0 },
    alone: !jobs.some((j) => j !== job && j.device === job.device && j.request.table === job.request.table),
  }));
}

function isUrgent({ shape }: Job, points: ReadonlySet<string>): boolean {
  return shape.points.some((p) => points.has(`${shape.device}.${p.name}`));
}

/** A step of the search for its model, which comes before the job itself. */
export function stepOf(job: Job, now: number): SearchStep | undefined {
  return job.device.models?.step(job, now);
}

export function askOf(job: Job, now: number): Ask {
  return { unitId: job.device.unitId, pdu: stepOf(job, now)?.pdu ?? job.pdu };
}

/** The first of those that joined together. */
function earlier<T extends Queued>(job: T, than: T | undefined): T {
  return than === undefined || job.rank < than.rank ? job : than;
}
