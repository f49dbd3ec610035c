/** Tells what was lost as events: at most one a minute, with the sums since the last one, by point. */
import type { Clock } from '../core/clock.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { Quota } from '../core/quota.ts';

const PERIOD = 60_000;
/** Points named in one event; the others are summed up. */
const NAMED = 50;

export class LossReport {
  readonly #event: (event: GatewayEvent) => void;
  #points = new Map<string, number>();
  #overflow = 0;
  #notices = 0;
  #noticesNotKept = 0;
  readonly #quota: Quota;
  /** Since the start. */
  readonly totals = { dropped: 0, overflow: 0 };

  constructor(clock: Clock, tell: (event: GatewayEvent) => void) {
    this.#event = tell;
    this.#quota = new Quota({ clock, period: PERIOD, rest: () => this.#report() });
  }

  /** Oldest readings that had to go before they were delivered. */
  dropped(lost: readonly (readonly [point: string, readings: number])[], notices: number): void {
    if (lost.length === 0 && notices === 0) return;
    this.#notices += notices;
    for (const [point, n] of lost) {
      this.#points.set(point, (this.#points.get(point) ?? 0) + n);
      this.totals.dropped += n;
    }
    this.#changed();
  }
  /** Readings, and alarms and events, that the disk did not take in time. */
  overflow(readings: number, notices: number): void {
    this.#overflow += readings;
    this.#noticesNotKept += notices;
    this.totals.overflow += readings;
    this.#changed();
  }
  /** Reports what was not reported yet. */
  stop(): void {
    this.#quota.flush();
  }

  #changed(): void {
    if (this.#quota.take()) this.#report();
  }

  #report(): void {
    const sum = [...this.#points.values()].reduce((a, b) => a + b, 0);
    const named = [...this.#points].sort((a, b) => b[1] - a[1]).slice(0, NAMED);
    const rest = sum - named.reduce((a, [, n]) => a + n, 0);
    const parts = [
      ...(sum > 0 ? [`The log is full: the ${sum} oldest readings were dropped before they were delivered.`] : []),
      ...(this.#overflow > 0 ? [`The disk could not store ${this.#overflow} readings; they are not in the log.`] : []),
      ...(this.#noticesNotKept > 0
        ? [`The disk could not store ${this.#noticesNotKept} alarms and events; they are not in the log.`]
        : []),
      ...(this.#notices > 0 ? [`${this.#notices} alarms and events were dropped before they were delivered.`] : []),
    ];
    const data: Record<string, number> = { dropped: sum, notKept: this.#overflow, notices: this.#notices };
    if (this.#noticesNotKept > 0) data.noticesNotKept = this.#noticesNotKept;
    for (const [point, n] of named) data[point] = n;
    if (rest > 0) data.others = rest;
    this.#points = new Map();
    this.#overflow = 0;
    this.#notices = 0;
    this.#noticesNotKept = 0;
    this.#event({ event: 'loss', severity: 'critical', message: parts.join(' '), data });
  }
}
