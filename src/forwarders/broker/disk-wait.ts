/**
 * Waits for the disk with a bound. A disk that takes nothing, or is late, holds up no message: what has to be on it is acknowledged
 * later (withheld.ts). While the disk is late nobody begins to wait for it.
 */
import type { BrokerStore } from '../../core/broker-store.ts';
import type { Clock } from '../../core/clock.ts';
import { LATE_AFTER } from './limits.ts';

interface Waiting {
  readonly since: number;
  readonly resolve: (safe: boolean) => void;
}

export class DiskWait {
  readonly #store: Pick<BrokerStore, 'settled'>;
  readonly #clock: Clock;
  readonly #within: number;
  /** Oldest first. */
  readonly #waiting = new Set<Waiting>();
  #late = false;
  #cancel: (() => void) | undefined;

  /** @param within milliseconds: what waits for longer makes the disk late */
  constructor(store: Pick<BrokerStore, 'settled'>, clock: Clock, within = LATE_AFTER) {
    this.#store = store;
    this.#clock = clock;
    this.#within = within;
  }

  /** Resolves with whether everything of now is on the disk, `within` at the latest. In the order of the calls. */
  tried(): Promise<boolean> {
    if (this.#late) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const one = { since: this.#clock.monotonic(), resolve };
    this.#waiting.add(one);
    this.#arm();
    void this.#store.settled().then((safe) => {
      this.#late = false;
      this.#waiting.delete(one);
      if (this.#waiting.size === 0) this.#disarm();
      resolve(safe);
    });
    return promise;
  }

  #arm(): void {
    const [oldest] = this.#waiting;
    if (oldest === undefined || this.#cancel !== undefined) return;
    this.#cancel = this.#clock.after(oldest.since + this.#within - this.#clock.monotonic(), () => {
      this.#cancel = undefined;
      const [first] = this.#waiting;
      if (first === undefined) return;
      if (first.since + this.#within > this.#clock.monotonic()) this.#arm();
      else this.#isLate();
    });
  }

  #isLate(): void {
    this.#late = true;
    for (const { resolve } of this.#waiting) resolve(false);
    this.#waiting.clear();
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
