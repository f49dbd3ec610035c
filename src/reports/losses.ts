/** Reports what was lost as events: at most one a minute, with the sums since the last one, by point. */
import type { Clock } from '../core/clock.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { Quota } from '../core/quota.ts';
import { largest, sum } from './largest.ts';

const PERIOD = 60_000;

type Counts = readonly (readonly [point: string, readings: number])[];

export class LossReport {
  readonly #event: (event: GatewayEvent) => void;
  #points = new Map<string, number>();
  /** Those of them that went for their age. */
  #old = 0;
  #overflow = 0;
  #notices = 0;
  #noticesNotKept = 0;
  readonly #quota: Quota;
  /** Since the start. */
  readonly totals = { dropped: 0, overflow: 0 };

  readonly #withheld: (point: string) => boolean;

  /** @param withheld points that no event names, `device.point`; they count among the others */
  constructor(clock: Clock, tell: (event: GatewayEvent) => void, withheld: (point: string) => boolean = () => false) {
    this.#event = tell;
    this.#withheld = withheld;
    this.#quota = new Quota({ clock, period: PERIOD, rest: () => this.#report() });
  }

  /** Readings that had to go before they were delivered. @param removed what went for its age and for space, delivered or not */
  dropped(lost: Counts, notices: number, removed: { readonly aged?: Counts; readonly dropped?: Counts } = {}): void {
    if (lost.length === 0 && notices === 0) return;
    this.#notices += notices;
    for (const [point, n] of lost) {
      this.#points.set(point, (this.#points.get(point) ?? 0) + n);
      this.totals.dropped += n;
    }
    // Where a point lost readings for both, as many as can be are reported for want of space: that is what an operator can change.
    const space = new Map(removed.dropped);
    const aged = new Map(removed.aged);
    for (const [point, n] of lost) this.#old += Math.min(aged.get(point) ?? 0, Math.max(0, n - (space.get(point) ?? 0)));
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
    const dropped = sum(this.#points);
    const { named, others } = largest(this.#points, this.#withheld);
    const full = dropped - this.#old;
    const parts = [
      ...(full > 0 ? [`The log is full: the ${full} oldest readings were dropped before they were delivered.`] : []),
      ...(this.#old > 0 ? [`${this.#old} readings were too old to be kept and were dropped before they were delivered.`] : []),
      ...(this.#overflow > 0 ? [`The disk could not store ${this.#overflow} readings; they are not in the log.`] : []),
      ...(this.#noticesNotKept > 0
        ? [`The disk could not store ${this.#noticesNotKept} alarms and events; they are not in the log.`]
        : []),
      ...(this.#notices > 0 ? [`${this.#notices} alarms and events were dropped before they were delivered.`] : []),
    ];
    const data: Record<string, number> = { dropped, notKept: this.#overflow, notices: this.#notices };
    if (this.#noticesNotKept > 0) data.noticesNotKept = this.#noticesNotKept;
    for (const [point, n] of named) data[point] = n;
    if (others > 0) data.others = others;
    this.#points = new Map();
    this.#old = 0;
    this.#overflow = 0;
    this.#notices = 0;
    this.#noticesNotKept = 0;
    this.#event({ event: 'loss', severity: 'critical', message: parts.join(' '), data });
  }
}
