/**
 * What the clients of the broker may take of one turn of the event loop, all together. Polls and alarms run in the same loop and
 * come first, so the rest waits for the next turns, one client after the other. Packets cost very different times, and so do
 * those who hear them: while somebody waits, each turn is measured, and fewer go through in the next one when it took longer than
 * TURN_TIME.
 */
import type { Clock } from '../../core/clock.ts';
import { FIRST_PER_TURN, MOST_PER_TURN, TURN_TIME } from './limits.ts';

export class Turnstile {
  readonly #clock: Clock;
  /** Of one turn. */
  #most = FIRST_PER_TURN;
  #left = FIRST_PER_TURN;
  #armed = false;
  /** When the last turn began; undefined when nobody waited at its end. */
  #since: number | undefined;
  /** Bounded by the connections: their bytes, their replays, and one for the values of points. */
  readonly #waiting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns false when it has to wait */
  enter(): boolean {
    this.#arm();
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }

  /** @param again called in a later turn in which `enter` is true once at least; it has to enter, or nobody would count it */
  wait(again: () => void): void {
    this.#waiting.push(again);
    this.#arm();
  }

  /** @param run called in a later turn, having entered */
  later(run: () => void): void {
    this.wait(() => {
      this.enter();
      run();
    });
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(() => {
      this.#armed = false;
      this.#begin();
    });
  }

  #begin(): void {
    const now = this.#clock.monotonic();
    if (this.#since !== undefined) this.#learn(now - this.#since);
    this.#left = this.#most;
    while (this.#left > 0 && this.#waiting.length > 0) this.#waiting.shift()?.();
    this.#since = this.#waiting.length > 0 ? now : undefined;
    if (this.#since !== undefined) this.#arm();
  }

  /** @param took the turn before, ms */
  #learn(took: number): void {
    const fewer = Math.max(1, Math.floor((this.#most * TURN_TIME) / took));
    this.#most = took > TURN_TIME ? fewer : Math.min(MOST_PER_TURN, this.#most + 1);
  }
}
