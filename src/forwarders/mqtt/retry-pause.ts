/** The pause between two connections. It is over early when the network is another one, or the clock became known. */
import type { Clock } from '../../core/clock.ts';
import { networkMark } from './network-watch.ts';

/** While it waits, the network is looked at so often, ms. */
const LOOK_EVERY = 1000;
/** A network that changes all the time leads to a try so often at most, ms. */
const LOOK_PAUSE = 2000;

export interface PauseSide {
  readonly clock: Clock;
  readonly clockKnown: () => boolean;
  /** What of the network decides about a connection, as a text. */
  readonly network?: (() => string) | undefined;
}

export class RetryPause {
  readonly #side: PauseSide;
  /** What the network was, and whether the clock was known, when the last try began; and when that was. */
  #seen = { network: '', clockKnown: false, at: Number.NEGATIVE_INFINITY };
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(side: PauseSide) {
    this.#side = side;
  }

  /** A try begins. */
  look(): void {
    const { clock, clockKnown, network = networkMark } = this.#side;
    this.#seen = { network: network(), clockKnown: clockKnown(), at: clock.monotonic() };
  }

  /** Monotonic: when the last try began. */
  get lookedAt(): number {
    return this.#seen.at;
  }

  /** For good: nothing waits any more. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** `changed`: another try is worth it. */
  async wait(ms: number): Promise<'over' | 'changed'> {
    const { clock } = this.#side;
    const until = clock.monotonic() + ms;
    for (let left = ms; left > 0 && !this.#ended; left = until - clock.monotonic()) {
      await this.sleep(Math.min(left, LOOK_EVERY));
      if (clock.monotonic() - this.#seen.at >= LOOK_PAUSE && this.#changed()) return 'changed';
    }
    return 'over';
  }

  sleep(ms: number): Promise<void> {
    if (this.#ended || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#side.clock.after(ms, wake);
      this.#wake = wake;
    });
  }

  #changed(): boolean {
    const { clockKnown, network = networkMark } = this.#side;
    return network() !== this.#seen.network || (clockKnown() && !this.#seen.clockKnown);
  }
}
