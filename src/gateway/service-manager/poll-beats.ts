/** When each bus last made a sample. Every poll that is due makes one, also that of a silent device (drivers/modbus/queue.ts). */
import type { Clock } from '../../core/clock.ts';
import type { Bus } from '../../core/ports.ts';
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
      return due === undefined ? [] : [{ name: bus.name, due, last: this.#last.get(bus.name) ?? this.#clock.monotonic() }];
    });
  }
}
