/** Reports what was thinned and dropped for space as one event an hour, by point. What is older than maxAge is not reported. */
import type { Clock } from '../core/clock.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { Quota } from '../core/quota.ts';
import { largest, sum } from './largest.ts';

const PERIOD = 3_600_000;

type Counts = readonly (readonly [point: string, readings: number])[];

export class RemovalReport {
  readonly #event: (event: GatewayEvent) => void;
  #thinned = new Map<string, number>();
  #dropped = new Map<string, number>();
  readonly #quota: Quota;
  /** Readings, since the start. */
  readonly totals = { thinned: 0, dropped: 0, aged: 0 };

  readonly #withheld: (point: string) => boolean;

  /** @param withheld points that no event names, `device.point`; they count among the others */
  constructor(clock: Clock, tell: (event: GatewayEvent) => void, withheld: (point: string) => boolean = () => false) {
    this.#event = tell;
    this.#withheld = withheld;
    this.#quota = new Quota({ clock, period: PERIOD, rest: () => this.#report() });
  }

  taken({ thinned, dropped, aged }: { thinned: Counts; dropped: Counts; aged: Counts }): void {
    this.totals.thinned += add(this.#thinned, thinned);
    this.totals.dropped += add(this.#dropped, dropped);
    this.totals.aged += add(new Map(), aged);
    if (thinned.length + dropped.length > 0 && this.#quota.take()) this.#report();
  }
  /** Reports what was not reported yet. */
  stop(): void {
    this.#quota.flush();
  }

  #report(): void {
    const thinned = sum(this.#thinned);
    const dropped = sum(this.#dropped);
    const parts = [
      ...(thinned > 0 ? [`${thinned} old readings were thinned out; every eighth record is kept.`] : []),
      ...(dropped > 0 ? [`The ${dropped} oldest readings were dropped.`] : []),
    ];
    const data: Record<string, number> = { thinned, dropped };
    this.#nameLargest(data, this.#thinned, 'thinned');
    this.#nameLargest(data, this.#dropped, 'dropped');
    this.#thinned = new Map();
    this.#dropped = new Map();
    this.#event({
      event: 'thinning',
      severity: 'info',
      message: `The log is full: ${parts.join(' ')} Minima, maxima and means of past hours stay longer.`,
      data,
    });
  }

  /** `device.point thinned: 12`, the largest first; what is not named stands under `others`. */
  #nameLargest(data: Record<string, number>, counts: ReadonlyMap<string, number>, word: string): void {
    const { named, others } = largest(counts, this.#withheld);
    for (const [point, n] of named) data[`${point} ${word}`] = n;
    if (others > 0) data[`others ${word}`] = others;
  }
}

function add(to: Map<string, number>, counts: Counts): number {
  let total = 0;
  for (const [point, n] of counts) {
    to.set(point, (to.get(point) ?? 0) + n);
    total += n;
  }
  return total;
}
