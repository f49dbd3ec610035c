/**
 * How long the gateway works for one client of the socket for flows: for lines that come from it, and for lines that go to it.
 * Invariants:
 * - a client has IN_SECOND ms in a second, and all clients together ALL_IN_SECOND: each has an equal part of that;
 * - a turn of one client takes TURN ms, and the turns of all clients together no more, so polls and alarms go on between them.
 */
import type { Clock } from '../../core/clock.ts';
import * as limits from './limits.ts';

export class WorkShare {
  readonly #clock: Clock;
  readonly #clients: () => number;
  readonly #again: () => void;
  /** Milliseconds of this second. */
  #used = 0;
  #held = false;
  #cancel: (() => void) | undefined;

  /** @param clients that there are now @param again a new second began, and work waits for it */
  constructor(clock: Clock, clients: () => number, again: () => void) {
    this.#clock = clock;
    this.#clients = clients;
    this.#again = again;
  }

  /** @returns ms that a turn may take now; 0: the share of this second is used up, and `again` follows */
  turn(): number {
    const clients = Math.max(1, this.#clients());
    const left = Math.min(limits.IN_SECOND, limits.ALL_IN_SECOND / clients) - this.#used;
    this.#held ||= left <= 0;
    return Math.max(0, Math.min(limits.TURN / clients, left));
  }

  spent(ms: number): void {
    this.#used += ms;
    this.#cancel ??= this.#clock.after(1000, () => {
      this.#cancel = undefined;
      this.#used = 0;
      const held = this.#held;
      this.#held = false;
      if (held) this.#again();
    });
  }

  end(): void {
    this.#cancel?.();
  }
}
