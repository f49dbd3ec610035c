/** The records of one derived device: what is computed is gathered, and reported as often as `every` lets it. */
import type { PointInfo, Report, Sample, Shape, Value } from '../../core/point.ts';
import { ABSENT, GOOD, qualityOf } from '../../core/reasons.ts';
import type { Result } from './formula.ts';

export interface RecorderSettings {
  readonly name: string;
  readonly infos: readonly PointInfo[];
  readonly reports: readonly (Report | undefined)[];
  /** Milliseconds; undefined: each cause is reported. */
  readonly every: number | undefined;
}

export class Recorder {
  readonly name: string;
  readonly shape: Shape;
  readonly #every: number;
  /** Values that were not reported yet; ABSENT where there is none. */
  readonly #values: Value[];
  readonly #reasons: Uint8Array;
  /** Whether each point was bad when it was reported last. */
  readonly #bad: Uint8Array;
  #waits = 0;
  #turned = false;
  #reported = Number.NEGATIVE_INFINITY;
  records = 0;
  /** Causes whose values waited, or were replaced by newer ones. */
  held = 0;

  constructor({ name, infos, reports, every }: RecorderSettings) {
    this.name = name;
    this.shape = { device: name, points: infos, ...(reports.some((report) => report !== undefined) ? { report: reports } : {}) };
    this.#every = every ?? 0;
    this.#values = new Array<Value>(infos.length).fill(0);
    this.#reasons = new Uint8Array(infos.length).fill(ABSENT);
    this.#bad = new Uint8Array(infos.length).fill(2);
  }

  /** When values that wait are to be reported. */
  get dueAt(): number {
    return this.#waits > 0 ? this.#reported + this.#every : Number.POSITIVE_INFINITY;
  }

  put(index: number, { value, reason }: Result): void {
    if (this.#reasons[index] === ABSENT) this.#waits++;
    this.#values[index] = value;
    this.#reasons[index] = reason;
    if ((qualityOf(reason) === 'bad' ? 1 : 0) !== this.#bad[index]) this.#turned = true;
  }

  /** @returns what is to be reported now */
  take(at: number, unasked: true | undefined): Sample | undefined {
    if (this.#waits === 0) return undefined;
    if (!this.#turned && at - this.#reported < this.#every) {
      this.held++;
      return undefined;
    }
    return this.#record(at, unasked);
  }

  /** @returns what waited, at the time at which it was due */
  flush(now: number): Sample | undefined {
    return this.dueAt <= now ? this.#record(this.dueAt, undefined) : undefined;
  }

  /** At the end: what waits. */
  rest(at: number): Sample | undefined {
    return this.#waits > 0 ? this.#record(at, undefined) : undefined;
  }

  /**
   * What waited still holds, or an input that got too old would have ended the wait. The time of its cause may be long over: the log
   * believes that its records are nearly in the order of their times.
   */
  #record(reported: number, unasked: true | undefined): Sample {
    const values = [...this.#values];
    const isGood = this.#reasons.every((reason) => reason === GOOD);
    const reasons = isGood ? null : this.#reasons.slice();
    this.#reasons.forEach((reason, i) => {
      if (reason !== ABSENT) this.#bad[i] = qualityOf(reason) === 'bad' ? 1 : 0;
    });
    this.#reasons.fill(ABSENT);
    this.#values.fill(0);
    this.#waits = 0;
    this.#turned = false;
    this.#reported = reported;
    this.records++;
    return { shape: this.shape, at: reported, values, reasons, ...(unasked ? { unasked } : {}) };
  }
}
