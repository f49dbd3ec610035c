/**
 * How many readings a device takes. What is too much waits, the newest of each point, so that the last value is never lost; what a
 * newer one replaces is left out. Bound: one waiting reading a point.
 */
import type { Clock } from '../../core/clock.ts';
import { Allowance } from '../mqtt/intake.ts';
import { LOOK_EVERY } from './limits.ts';

export interface IntakeOptions {
  readonly clock: Clock;
  /** What all devices together may take. */
  readonly all: Allowance;
  readonly perSecond: { readonly point: number; readonly device: number };
}

export class ReadingIntake<R> {
  readonly #o: IntakeOptions;
  readonly #device: Allowance;
  readonly #points = new Map<string, Allowance>();
  readonly #waiting = new Map<string, { readonly reading: R; readonly give: (reading: R) => void }>();
  #cancel: (() => void) | undefined;

  constructor(options: IntakeOptions) {
    this.#o = options;
    const { clock, perSecond } = options;
    this.#device = new Allowance(clock, 2 * perSecond.device, perSecond.device);
  }

  /** @param point one that the device has @returns whether an older reading was left out for it */
  take(point: string, reading: R, give: (reading: R) => void): boolean {
    if (!this.#waiting.has(point) && this.#may(point)) {
      give(reading);
      return false;
    }
    const replaces = this.#waiting.delete(point);
    this.#waiting.set(point, { reading, give });
    this.#cancel ??= this.#o.clock.after(LOOK_EVERY, () => this.#next());
    return replaces;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waiting.clear();
  }

  #may(point: string): boolean {
    const { all, clock, perSecond } = this.#o;
    let own = this.#points.get(point);
    if (own === undefined) {
      own = new Allowance(clock, 2 * perSecond.point, perSecond.point);
      this.#points.set(point, own);
    }
    if (!own.has || !this.#device.has || !all.has) return false;
    own.take();
    this.#device.take();
    all.take();
    return true;
  }

  #next(): void {
    this.#cancel = undefined;
    for (const [point, { reading, give }] of this.#waiting) {
      if (!this.#may(point)) continue;
      this.#waiting.delete(point);
      give(reading);
    }
    if (this.#waiting.size > 0) this.#cancel = this.#o.clock.after(LOOK_EVERY, () => this.#next());
  }
}
