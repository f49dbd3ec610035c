/**
 * The latest values that a forwarder was not given, or was given coarser. When a new configuration lets it have more, these values stay
 * what they were to it, and the next reading of each point leaves as the new configuration says.
 */
import type { LatestValue } from '../core/ports.ts';
import { leaves, type Outward, withoutWindows } from '../core/privacy.ts';

interface Held {
  /** The sample that brought the value. */
  readonly number: number;
  /** The step of the number; undefined: it does not leave. */
  readonly step: number | undefined;
}

export class HeldValues {
  /** By `device.point`; as many as there are points. */
  #held = new Map<string, Held>();
  /** Values of samples up to this one were taken under earlier configurations. */
  #since = 0;

  /**
   * A configuration ends.
   * @param outward what it let the forwarder have; undefined: everything
   * @param latest the values that are there
   * @param newest number of the last one that cannot have been taken under the next configuration
   */
  ended(outward: Outward | undefined, latest: Iterable<LatestValue>, newest: number): void {
    const single = withoutWindows(outward);
    const held = new Map<string, Held>();
    for (const value of latest) {
      const { device, point, type, privacy, number } = value;
      if (number === undefined) continue;
      const isFree = single === undefined || number <= this.#since;
      const step = coarser(isFree ? 0 : leaves(single, device, { name: point, type, privacy }), this.stepOf(value));
      if (step !== 0) held.set(`${device}.${point}`, { number, step });
    }
    this.#held = held;
    this.#since = newest;
  }

  /** @returns as `leaves`; 0 for each value that came since */
  stepOf({ device, point, number }: LatestValue): number | undefined {
    const held = this.#held.get(`${device}.${point}`);
    return held === undefined || held.number !== number ? 0 : held.step;
  }
}

/** The coarser one of two steps, as `leaves` says them. */
export function coarser(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : Math.max(one, other);
}
