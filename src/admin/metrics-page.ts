/**
 * The page of metrics, made at most once in METRICS_AGE: a page of 1,200 points takes 5 ms to make and leaves garbage that takes 9 ms to
 * collect. Programs that ask more often get the same bytes again, so that a storm of them leaves polls and alarms their time.
 */
import type { Clock } from '../core/clock.ts';
import { METRICS_AGE } from './limits.ts';
import type { StatusReport } from './metric.ts';
import { metricsText } from './metrics.ts';

export class MetricsPage {
  readonly #clock: Clock;
  readonly #report: () => StatusReport;
  #made: { readonly at: number; readonly bytes: Buffer } | undefined;

  constructor(clock: Clock, report: () => StatusReport) {
    this.#clock = clock;
    this.#report = report;
  }

  /** @returns the page, at most METRICS_AGE old @throws what the report throws */
  get bytes(): Buffer {
    const now = this.#clock.monotonic();
    if (this.#made === undefined || now - this.#made.at >= METRICS_AGE)
      this.#made = { at: now, bytes: Buffer.from(metricsText(this.#report())) };
    return this.#made.bytes;
  }
}
