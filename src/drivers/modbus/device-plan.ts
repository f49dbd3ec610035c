/**
 * The plan by which a device is read, and whether another one would be cheaper now that its answering time is known.
 *
 * - A plan is exchanged only where that saves CLEARLY of the wire time of the device, both priced by what was measured: what is
 *   measured a little differently each time moves nothing.
 * - Where the configuration says `responseTime`, that holds; what is measured is shown beside it.
 * - Bound: after each exchange the next one has to wait twice as long, from FIRST_PAUSE up to LONGEST_PAUSE. So a device has
 *   some ten plans on its first day, and the log some ten shapes more for each of its requests.
 */
import type { Logger } from '../../core/logger.ts';
import type { AnswerStatus } from '../../core/ports.ts';
import { formatDuration, percent } from '../../core/units.ts';
import { type AnswerTime, isOtherTime } from './answer-time.ts';
import type { Device } from './device.ts';
import type { NewJob } from './jobs.ts';
import type { PlannedRead } from './plan.ts';
import { wireShare } from './reads.ts';
import type { ReadCost } from './wire-cost.ts';

const CLEARLY = 0.01;
/** Milliseconds. */
const FIRST_PAUSE = 60_000;
const LONGEST_PAUSE = 3_600_000;

export interface DevicePlanOptions {
  readonly answer: AnswerTime;
  readonly readsFor: (answer: AnswerTime) => PlannedRead[];
  readonly costFor: (answer: AnswerTime) => ReadCost;
  readonly jobOf: (read: PlannedRead) => NewJob;
  /** Keeps what was measured, ms. */
  readonly remember?: ((ms: number) => void) | undefined;
  readonly logger: Logger;
}

/** Another plan, and what it is for. */
export interface NextPlan {
  readonly answer: AnswerTime;
  readonly reads: readonly PlannedRead[];
  /** The share of the device's wire time that it saves: 0 to 1. */
  readonly saved: number;
}

export class DevicePlan {
  readonly device: Device;
  answer: AnswerTime;
  reads: readonly PlannedRead[];
  readonly #options: DevicePlanOptions;
  /** For what it was last looked at whether another plan is cheaper; ms. */
  #looked: number | undefined;
  #remembered: number | undefined;
  #notBefore = Number.NEGATIVE_INFINITY;
  #pause = FIRST_PAUSE;

  constructor(device: Device, options: DevicePlanOptions) {
    this.device = device;
    this.answer = options.answer;
    this.reads = options.readsFor(options.answer);
    this.#options = options;
    if (options.answer.from === 'measured') this.#remembered = options.answer.ms;
  }

  jobs(): NewJob[] {
    return this.reads.map((read) => this.#options.jobOf(read));
  }

  /** Enough is known of the device, or nothing is to be had. */
  get settled(): boolean {
    return this.answer.from === 'configured' || this.device.state !== 'answering' || this.device.latency.typical !== undefined;
  }

  /** A plan that is clearly cheaper by what is measured now; undefined where there is none, or it is too early for one. */
  look(now: number): NextPlan | undefined {
    const ms = this.device.state === 'answering' ? this.device.latency.typical : undefined;
    if (ms === undefined) return undefined;
    if (isOtherTime(this.#remembered, ms)) {
      this.#remembered = ms;
      this.#options.remember?.(ms);
    }
    if (this.answer.from === 'configured' || now < this.#notBefore || !isOtherTime(this.#looked, ms)) return undefined;
    this.#looked = ms;
    const answer: AnswerTime = { ms, from: 'measured' };
    const cost = this.#options.costFor(answer);
    const reads = this.#options.readsFor(answer);
    const [present, then] = [wireShare(this.reads, cost), wireShare(reads, cost)];
    if (then <= present * (1 - CLEARLY)) return { answer, reads, saved: 1 - then / present };
    // The plan in force is right for what was measured.
    this.answer = answer;
    return undefined;
  }

  /** Puts it in force. @returns its jobs */
  take({ answer, reads, saved }: NextPlan, now: number): NewJob[] {
    const { name } = this.device;
    const count = reads.length === 1 ? '1 request' : `${reads.length} requests`;
    this.#options.logger.info(
      { device: name, requests: reads.length, before: this.reads.length, answer: answer.ms, planned: this.answer.ms },
      `${name}: read by ${count} from now on, before by ${this.reads.length}: it answers after ${msWords(answer.ms)}, and ${msWords(this.answer.ms)} were ${this.answer.from}. This saves ${percent(saved)} of its time on the bus.`,
    );
    this.answer = answer;
    this.reads = reads;
    this.#notBefore = now + this.#pause;
    this.#pause = Math.min(LONGEST_PAUSE, 2 * this.#pause);
    return this.jobs();
  }

  status(): AnswerStatus {
    const measured = this.device.latency.typical ?? this.#remembered;
    return { planned: this.answer.ms, from: this.answer.from, ...(measured === undefined ? {} : { measured }) };
  }
}

function msWords(ms: number): string {
  return formatDuration(Math.round(ms * 10) / 10);
}
