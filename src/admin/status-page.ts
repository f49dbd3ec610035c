/**
 * The answer of `/api/v1/status` for HTTP, made at most once in STATUS_AGE and compressed at most once: who asks sooner gets the same
 * bytes. A storm of requests leaves polls and alarms their time. Invariants:
 * - a caller sees what it did: each call that may change something makes the next answer new;
 * - the Unix socket gets the state of the moment. Its callers are root, the own user and members of the group.
 */
import type { Clock } from '../core/clock.ts';
import { STATUS_AGE } from './limits.ts';
import type { StatusReport } from './metric.ts';
import { jsonText } from './respond.ts';
import { SharedText } from './shared-text.ts';

export class StatusPage {
  readonly #clock: Clock;
  readonly #report: () => StatusReport;
  #made: { readonly at: number; readonly text: SharedText } | undefined;

  constructor(clock: Clock, report: () => StatusReport) {
    this.#clock = clock;
    this.#report = report;
  }

  /** @returns the state, at most STATUS_AGE old @throws what the report throws */
  get recent(): SharedText {
    const now = this.#clock.monotonic();
    if (this.#made === undefined || now - this.#made.at >= STATUS_AGE) this.#made = { at: now, text: this.now };
    return this.#made.text;
  }

  /** @returns the state of this moment @throws what the report throws */
  get now(): SharedText {
    return new SharedText(`${jsonText(this.#report())}\n`);
  }

  /** Something may have changed on request of a caller. */
  changed(): void {
    this.#made = undefined;
  }
}
