/**
 * How the 5 s that a stop may take are shared out, milliseconds: the buses that a reload exchanges just now, safe values, the
 * buses, forwarders until acknowledged, the log. Node-RED ends meanwhile. Each may take MOST, and leaves at least REST for the later ones.
 */
import type { Clock } from '../core/clock.ts';

const ALL = 4800;
const MOST = { exchange: 1300, safe: 2000, buses: 1500, forwarders: 1700, log: 1000, flows: ALL };
const REST = { exchange: 3500, safe: 2000, buses: 1600, forwarders: 800, log: 0, flows: 0 };

/** The time in which Node-RED may close its nodes before it is killed; a stop of Node-RED alone may take longer. */
export const FLOWS_CLOSE = 3500;

/** The time in which the far side of a forwarder may acknowledge, also when a reload ends it. */
export const LAST_WORDS = MOST.forwarders;

export class StopBudget {
  readonly #clock: Clock;
  readonly #end: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#end = clock.monotonic() + ALL;
  }

  /** Milliseconds that this part may take from now on. */
  for(part: keyof typeof REST): number {
    return Math.max(0, Math.min(MOST[part], this.#end - this.#clock.monotonic() - REST[part]));
  }

  /** Waits for all of it, `ms` at most. */
  async within(ms: number, ...work: (Promise<unknown> | undefined)[]): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(ms, resolve);
    await Promise.race([Promise.allSettled(work), late]);
    cancel();
  }
}
