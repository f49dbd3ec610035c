/** Clients that were disconnected for the disk: each would publish the same again, and connects without end where nothing stops it. */
import type { Clock } from '../../core/clock.ts';
import { COME_BACK_AFTER, COME_BACK_CLIENTS, COME_BACK_FORGOTTEN, COME_BACK_MOST } from './limits.ts';

interface Ended {
  readonly wait: number;
  /** Monotonic ms. */
  readonly until: number;
}

export class ComeBack {
  readonly #clock: Clock;
  /** By client ids; who was ended last is the last. */
  readonly #ended = new Map<string, Ended>();
  readonly #connections = new WeakSet<object>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns false: this connection was ended before */
  ended(id: string, connection: object): boolean {
    if (this.#connections.has(connection)) return false;
    this.#connections.add(connection);
    const now = this.#clock.monotonic();
    const before = this.#ended.get(id);
    const isAgain = before !== undefined && now - before.until < COME_BACK_FORGOTTEN;
    const wait = isAgain ? Math.min(2 * before.wait, COME_BACK_MOST) : COME_BACK_AFTER;
    this.#ended.delete(id);
    this.#ended.set(id, { wait, until: now + wait });
    const [oldest] = this.#ended.keys();
    if (oldest !== undefined && this.#ended.size > COME_BACK_CLIENTS) this.#ended.delete(oldest);
    return true;
  }

  isEarly(id: string): boolean {
    return this.#clock.monotonic() < (this.#ended.get(id)?.until ?? 0);
  }
}
