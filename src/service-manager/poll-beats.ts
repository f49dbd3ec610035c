/**
 * When each bus last did something: it made a sample, or a request left or ended. Every poll that is due makes a sample, also that of a
 * silent device (drivers/modbus/queue.ts), but with a long time-out and its repeats that takes minutes.
 */
import type { Clock } from '../core/clock.ts';
import type { Bus } from '../core/ports.ts';
import type { PolledBus } from './liveness.ts';

export class PollBeats {
  readonly #clock: Clock;
  /** One entry for each bus of the configuration, and of those that a reload took away since the last look. */
  readonly #last = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A bus is made, or made a sample. */
  beat(bus: string): void {
    this.#last.set(bus, this.#clock.monotonic());
  }

  /** The buses that are polled. */
  polled(buses: readonly Bus[]): PolledBus[] {
    const names = new Set(buses.map(({ name }) => name));
    for (const name of this.#last.keys()) if (!names.has(name)) this.#last.delete(name);
    return buses.flatMap((bus) => {
      const due = bus.nextPoll?.();
      if (due === undefined) return [];
      // A look may come between the making of a bus and its start.
      if (!this.#last.has(bus.name)) this.beat(bus.name);
      const last = Math.max(this.#last.get(bus.name) ?? 0, bus.lastTurn?.() ?? 0);
      return [{ name: bus.name, due, last, by: bus.turnBy?.() ?? Number.NEGATIVE_INFINITY }];
    });
  }
}
